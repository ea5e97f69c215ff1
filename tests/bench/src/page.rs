//! The page's table under the whole venue: 20,000 markets, live ticks, questions at a steady rate.
//!
//! Knows: how long an answer takes, what the dashboard costs meanwhile. Never: an assertion on time.

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
const PATHS: [&str; 5] = [
    "/api/tokens?limit=50",
    "/api/tokens?sort=age&limit=50&offset=20000",
    "/api/tokens?sort=question&limit=50&offset=1000",
    "/api/tokens?q=market+77&limit=50",
    "/api/tokens?sort=ticks_per_s&state=live,quiet&limit=50",
];

/// Publishes the venue, starts a dashboard, asks; prints what it found.
pub(crate) async fn measure(stages: &Stages) -> anyhow::Result<()> {
    let bus = stages.bus();
    publish(bus, (0..MARKETS).map(market)).await?;
    publish(bus, (0..2 * MARKETS).map(|token| change(token, 0))).await?;
    let port = ports::free().map_err(|fault| anyhow::anyhow!("{fault:?}"))?;
    let mut dashboard = stages.dashboard(port)?.spawn()?;
    let address = ports::loopback(port);
    let began = Instant::now();
    loop {
        let answer = http::get(address, "/api/tokens?limit=1").await;
        if answer.is_some_and(|(_, body)| body.contains(&format!(r#""total":{}"#, 2 * MARKETS))) {
            break;
        }
        ensure!(
            began.elapsed() < READY_WITHIN && dashboard.ended().is_none(),
            "the dashboard did not get ready"
        );
        sleep(Duration::from_millis(100)).await;
    }
    let pid = dashboard.pid();
    let (cpu_before, asked_at) = (cpu_ticks(pid)?, Instant::now());
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
    let times = tokio::select! {
        times = ask(address) => times?,
        ended = live => return ended,
    };
    let took = asked_at.elapsed();
    let cpu = (cpu_ticks(pid)? - cpu_before) * 100 / u64::try_from(took.as_millis() / 10).unwrap_or(1).max(1);
    let at = |percent: usize| times[(times.len() * percent / 100).min(times.len() - 1)];
    eprintln!(
        "{} tokens, {TICKS_PER_S} ticks/s, {QUESTIONS_PER_S} questions/s, {} answers",
        2 * MARKETS,
        times.len()
    );
    eprintln!("  p50 {:?}, p90 {:?}, p99 {:?}, longest {:?}", at(50), at(90), at(99), at(100));
    eprintln!("  the dashboard: {cpu} % of a core, {}", memory(pid)?);
    dashboard.stop(Duration::from_secs(10)).await;
    Ok(())
}

/// The times of all answers, sorted; questions begin at their times, however long others take.
async fn ask(address: std::net::SocketAddr) -> anyhow::Result<Vec<Duration>> {
    let mut every = interval(Duration::from_millis(1_000 / QUESTIONS_PER_S));
    let mut asked = Vec::with_capacity(QUESTIONS);
    for number in 0..QUESTIONS {
        every.tick().await;
        asked.push(tokio::spawn(async move {
            let began = Instant::now();
            let answer = http::get(address, PATHS[number % PATHS.len()]).await;
            answer.filter(|(status, _)| *status == 200).map(|_| began.elapsed())
        }));
    }
    let mut times = Vec::with_capacity(QUESTIONS);
    for answer in asked {
        times.push(answer.await?.context("a question was not answered")?);
    }
    times.sort_unstable();
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
        condition_id: condition(number),
        slug: format!("will-market-{number}-be-decided-before-the-end-of-the-year"),
        question: format!("Will market {number} be decided before the end of the year?"),
        end_at: None,
        active: true,
        closed: false,
        neg_risk: false,
        tick_size: None,
        order_size_min: None,
        volume_24h: Some((number * 7_919 % 1_000_003).into()),
        tokens: vec![outcome(0, "Yes"), outcome(1, "No")],
        updated_at: now(),
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
