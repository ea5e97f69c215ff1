//! The page's questions under the whole venue: 20,000 markets, live ticks, questions at a steady rate.
//!
//! Knows: which routes there are, how long an answer takes, what the dashboard costs meanwhile. Never: an assertion on time.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bus::{Bus, Message};
use contract::codec::encode;
use contract::ids::{ConditionId, TickId, TokenId};
use contract::market::{Market, Outcome};
use contract::money::{Price, Size};
use contract::subject;
use contract::tick::{Kind, PriceChange, Side};
use contract::time::Timestamp;
use contract::verdict::Verdict;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use stack::{http, ports};
use tokio::time::{interval, sleep};

use crate::stages::Stages;

const MARKETS: usize = 20_000;
const TICKS_PER_S: usize = 2_000;
const QUESTIONS_PER_S: u64 = 100;
const QUESTIONS: usize = 3_000;
const WINDOW: usize = 1_024;
const READY_WITHIN: Duration = Duration::from_mins(2);
/// What a page asks while somebody scrolls, sorts and searches.
const TABLE: [&str; 5] = [
    "/api/tokens?limit=50",
    "/api/tokens?sort=age&limit=50&offset=20000",
    "/api/tokens?sort=question&limit=50&offset=1000",
    "/api/tokens?q=market+77&limit=50",
    "/api/tokens?sort=ticks_per_s&state=live,quiet&limit=50",
];
/// The routes that are no part of one market, as the page asks them; the last four read the database.
const OTHERS: [&str; 11] = [
    "/api/status",
    "/api/metrics",
    "/api/flow",
    "/api/series?minutes=5",
    "/api/latency?minutes=60",
    "/api/sockets",
    "/api/events?limit=100",
    "/api/gaps?limit=200",
    "/api/trades?limit=50",
    "/api/markets?limit=50",
    "/api/coverage?hours=24&limit=50",
];

/// Publishes the venue, stores it, starts a dashboard, asks; prints what it found.
pub(crate) async fn measure(stages: &Stages) -> anyhow::Result<()> {
    let bus = stages.bus();
    publish(bus, (0..MARKETS).map(market)).await?;
    publish(bus, (0..2 * MARKETS).map(|token| change(token, 0))).await?;
    let port = ports::free().map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    let mut dashboard = stages.dashboard(port)?.spawn()?;
    let mut writer = stages.one_writer()?.spawn()?;
    let address = ports::loopback(port);
    for (path, wanted) in [("/api/tokens?limit=1", 2 * MARKETS), ("/api/coverage?limit=1", MARKETS)] {
        let began = Instant::now();
        while !http::get(address, path)
            .await
            .is_some_and(|(_, body)| body.contains(&format!(r#""total":{wanted}"#)))
        {
            let is_alive = dashboard.ended().is_none() && writer.ended().is_none();
            ensure!(began.elapsed() < READY_WITHIN && is_alive, "the dashboard did not get ready");
            sleep(Duration::from_millis(100)).await;
        }
    }
    // What is measured are the answers; a writer at work beside them is the other bench.
    writer.stop(Duration::from_secs(10)).await;
    let live = async {
        let mut every = interval(Duration::from_millis(50));
        for round in 1_usize.. {
            every.tick().await;
            let count = TICKS_PER_S / 20;
            publish(bus, (0..count).map(|place| change((round * count + place) % (2 * MARKETS), round)))
                .await?;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        told = tell(address, dashboard.pid()) => told?,
        ended = live => return ended,
    }
    dashboard.stop(Duration::from_secs(10)).await;
    Ok(())
}

/// Asks for the table, then for everything, and prints the times.
async fn tell(address: SocketAddr, pid: u32) -> anyhow::Result<()> {
    eprintln!("{} tokens, {TICKS_PER_S} ticks/s, {QUESTIONS_PER_S} questions/s", 2 * MARKETS);
    for (name, paths) in [("the table", TABLE.to_vec()), ("every route", [&TABLE[..], &OTHERS[..]].concat())]
    {
        let (cpu_before, asked_at) = (cpu_ticks(pid)?, Instant::now());
        let times = ask(address, &paths).await?;
        let took = asked_at.elapsed();
        let cpu =
            (cpu_ticks(pid)? - cpu_before) * 100 / u64::try_from(took.as_millis() / 10).unwrap_or(1).max(1);
        let all: Vec<Duration> = times.iter().flatten().copied().collect();
        eprintln!("{name}, {} answers: {}", all.len(), spread(all));
        eprintln!("  the dashboard: {cpu} % of a core, {}", memory(pid)?);
        if paths.len() > TABLE.len() {
            for (path, own) in paths.iter().zip(times) {
                eprintln!("  {path}: {}", spread(own));
            }
        }
    }
    Ok(())
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1)));
    match (at(50), at(90), at(99), at(100)) {
        (Some(p50), Some(p90), Some(p99), Some(longest)) => {
            format!("p50 {p50:.1?}, p90 {p90:.1?}, p99 {p99:.1?}, longest {longest:.1?}")
        }
        _ => "none".to_owned(),
    }
}

/// The times of the answers, path by path; questions begin at their times, however long others take.
async fn ask(address: SocketAddr, paths: &[&'static str]) -> anyhow::Result<Vec<Vec<Duration>>> {
    let mut every = interval(Duration::from_millis(1_000 / QUESTIONS_PER_S));
    let mut asked = Vec::with_capacity(QUESTIONS);
    for number in 0..QUESTIONS {
        every.tick().await;
        let path = paths[number % paths.len()];
        asked.push(tokio::spawn(async move {
            let began = Instant::now();
            let answer = http::get(address, path).await;
            // Without a feed the status is one of 503, and an answer.
            answer.filter(|(status, _)| *status == 200 || path == "/api/status").map(|_| began.elapsed())
        }));
    }
    let mut times = vec![Vec::new(); paths.len()];
    for (number, answer) in asked.into_iter().enumerate() {
        let place = number % paths.len();
        let took = answer.await?.with_context(|| format!("{} was not answered with 200", paths[place]))?;
        times[place].push(took);
    }
    Ok(times)
}

async fn publish(bus: &Bus, messages: impl Iterator<Item = Message>) -> anyhow::Result<()> {
    let mut under_way = FuturesUnordered::new();
    for message in messages {
        if under_way.len() == WINDOW {
            under_way.next().await.context("the window is not empty")??;
        }
        under_way.push(bus.publish(&message).await?.acknowledged());
    }
    while let Some(stored) = under_way.next().await {
        stored?;
    }
    Ok(())
}

fn now() -> Timestamp {
    Timestamp::from_micros(0).plus(std::time::UNIX_EPOCH.elapsed().unwrap_or_default())
}

fn condition(number: usize) -> ConditionId {
    ConditionId::try_from(format!("0x{number:064x}").as_str()).expect("64 digits")
}

fn token(number: usize) -> TokenId {
    TokenId::try_from(format!("9{number:076}").as_str()).expect("77 digits")
}

fn market(number: usize) -> Message {
    let outcome =
        |place: usize, name: &str| Outcome { token_id: token(2 * number + place), outcome: name.to_owned() };
    let market = Market {
        slug: format!("will-market-{number}-be-decided-before-the-end-of-the-year"),
        question: format!("Will market {number} be decided before the end of the year?"),
        active: true,
        volume_24h: Some((number * 7_919 % 1_000_003).into()),
        tokens: vec![outcome(0, "Yes"), outcome(1, "No")],
        ..Market::unknown(condition(number), now())
    };
    Message::new(subject::market(&market.condition_id), format!("market-{number}"), encode(&market))
}

fn change(number: usize, round: usize) -> Message {
    let mut change = PriceChange {
        id: TickId::of_bytes([0; 16]),
        condition_id: condition(number / 2),
        token_id: token(number),
        side: Side::Buy,
        price: Price::of_text(&format!("0.{:03}", 1 + (number + round) % 998)).expect("below one"),
        size: Size::of_text("10.5").expect("a size"),
        best_bid: Price::of_text("0.5").ok(),
        best_ask: Price::of_text("0.51").ok(),
        hash: None,
        changed_at: now(),
        received_at: now(),
    };
    change.id = change.content_id();
    let subject = subject::judged(Verdict::Clean, Kind::Price, &change.condition_id);
    Message::new(subject, change.id.to_string(), encode(&change))
}

/// Processor time of a process, in hundredths of a second.
fn cpu_ticks(pid: u32) -> anyhow::Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let after = stat.rsplit_once(") ").context("an odd /proc")?.1;
    let times = after.split(' ').skip(11).take(2).map(str::parse::<u64>);
    Ok(times.collect::<Result<Vec<_>, _>>()?.iter().sum())
}

fn memory(pid: u32) -> anyhow::Result<String> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"));
    Ok(line.context("an odd /proc")?.split_whitespace().collect::<Vec<_>>().join(" "))
}
