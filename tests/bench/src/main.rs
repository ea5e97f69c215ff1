//! How near each stage runs to the bare bus and the bare database, measured in one run.
//!
//! Knows: the limits beside ours, and medians. Never: an assertion on time; machines are noisy.

mod limits;
mod page;
mod stages;

use std::process::ExitCode;
use std::time::Duration;

use stack::launch::Group;
use stack::paths::Paths;
use stack::{nats, postgres, wheels};

const HELP: &str = "\
bench [--ticks N] [--rounds N]
bench page

Pushes N price ticks (default 60000) through each stage, N rounds (default 3), on servers of its own, and prints
the median of each stage beside the bare limit of the same run:

  bus        publish to JetStream, 1,024 under way      the limit of whatever publishes
  processor  two processors, from raw to clean          beside the bus
  database   one COPY of all rows into a bare table     the limit of whatever stores
  writer     one writer, from clean to api.prices       beside the database

`page` asks a dashboard of 40,000 tokens, 100 times a second beside 2,000 ticks a second, for its table and for all of
its routes, and prints how long the answers take and what the dashboard costs.
";

/// What is measured in one round, in ticks per second.
#[derive(Clone, Copy, Debug)]
struct Round {
    bus: u64,
    processor: u64,
    database: u64,
    writer: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let (mut ticks, mut rounds) = (60_000, 3);
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if_eq("page").is_some() {
        return ended(page().await);
    }
    while let Some(word) = words.next() {
        let number = match word.as_str() {
            "--ticks" | "--rounds" => {
                words.next().and_then(|text| text.parse::<usize>().ok()).filter(|n| *n > 0)
            }
            "-h" | "--help" => {
                eprint!("{HELP}");
                return ExitCode::SUCCESS;
            }
            _ => None,
        };
        match (word.as_str(), number) {
            ("--ticks", Some(number)) => ticks = number,
            ("--rounds", Some(number)) => rounds = number,
            _ => {
                eprintln!("bench: `{word}` is not understood\n\n{HELP}");
                return ExitCode::from(64);
            }
        }
    }
    ended(measure(ticks, rounds).await)
}

fn ended(outcome: anyhow::Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn measure(ticks: usize, rounds: usize) -> anyhow::Result<()> {
    let mut measured = Vec::new();
    for number in 1..=rounds {
        eprintln!("round {number} of {rounds} …");
        let round = tokio::time::timeout(Duration::from_mins(10), round(ticks)).await??;
        eprintln!("  {round:?}");
        measured.push(round);
    }
    let median = |figure: fn(&Round) -> u64| {
        let mut figures: Vec<u64> = measured.iter().map(figure).collect();
        figures.sort_unstable();
        figures[figures.len() / 2]
    };
    let (bus, database) = (median(|r| r.bus), median(|r| r.database));
    let (processor, writer) = (median(|r| r.processor), median(|r| r.writer));
    eprintln!("\n{ticks} price ticks, median of {rounds} rounds, ticks/s");
    eprintln!("  bus        {bus:>8}");
    eprintln!("  processor  {processor:>8}   {:>3} % of the bus", processor * 100 / bus.max(1));
    eprintln!("  database   {database:>8}");
    eprintln!("  writer     {writer:>8}   {:>3} % of the database", writer * 100 / database.max(1));
    Ok(())
}

/// Servers for one measurement; dropped, they end.
struct Servers {
    _nats: nats::Server,
    postgres: postgres::Server,
    stages: stages::Stages,
    _folder: tempfile::TempDir,
}

async fn servers() -> anyhow::Result<Servers> {
    let folder = tempfile::tempdir()?;
    let places = Paths::of_workspace()?;
    let say = |line: &str| eprintln!("{line}");
    let program = wheels::nats(&places, &say).await?;
    let settings = nats::Settings {
        port: 0,
        data: folder.path().join("nats"),
        log: folder.path().join("nats.log"),
        durability: nats::Durability::Standard,
        file_max_bytes: 8 << 30,
        group: Group::Shared,
        access: nats::Access::Open,
    };
    let nats = nats::Server::start(&program, settings).await?;
    let postgres = postgres::Server::disposable(&wheels::postgres(&places, &say).await?).await?;
    postgres.create_database("polyfeed").await?;
    let stages = stages::Stages::prepare(&nats.url(), &postgres, folder.path()).await?;
    Ok(Servers { _nats: nats, postgres, stages, _folder: folder })
}

async fn page() -> anyhow::Result<()> {
    let servers = servers().await?;
    tokio::time::timeout(Duration::from_mins(10), page::measure(&servers.stages)).await?
}

async fn round(ticks: usize) -> anyhow::Result<Round> {
    let servers = servers().await?;
    let (stages, url) = (&servers.stages, servers.postgres.admin_url("polyfeed"));
    let payloads = limits::ticks(ticks);
    let bus = limits::bus(stages.bus(), &payloads).await?;
    let processor = stages.processors(2, ticks).await?;
    let database = limits::database(&url, &payloads).await?;
    let writer = stages.writer(ticks).await?;
    Ok(Round { bus, processor, database, writer })
}
