//! The bare limits: what bus and database take when nobody thinks in between.
//!
//! Knows: ticks, a publish window, COPY. Never: a service of ours.

use std::time::{Duration, Instant};

use anyhow::Context;
use bus::{Bus, Message};
use chassis::trace::Traceparent;
use contract::codec::encode;
use contract::ids::{ConditionId, TickId, TokenId};
use contract::money::{Price, Size};
use contract::subject;
use contract::tick::{Kind, PriceChange, Side};
use contract::time::Timestamp;
use futures_util::{SinkExt, StreamExt};
use tokio_postgres::NoTls;

/// As many as the feed has under way.
const WINDOW: usize = 1_024;

/// Price ticks as the feed publishes them, spread over 100 markets.
pub(crate) fn ticks(count: usize) -> Vec<PriceChange> {
    let since_1970 = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let now = Timestamp::from_micros(0).plus(since_1970);
    (0..count).map(|number| tick(number, now)).collect()
}

fn tick(number: usize, now: Timestamp) -> PriceChange {
    let at = now.plus(Duration::from_micros(number as u64));
    let market = number % 100;
    let mut tick = PriceChange {
        id: TickId::of_bytes([0; 16]),
        condition_id: ConditionId::try_from(format!("0x{market:064x}").as_str()).expect("64 digits"),
        token_id: TokenId::try_from(format!("9{market:076}").as_str()).expect("77 digits"),
        side: if number.is_multiple_of(2) { Side::Buy } else { Side::Sell },
        price: Price::of_text(&format!("0.{:03}", 1 + number % 998)).expect("below one"),
        size: Size::of_text(&format!("{number}.5")).expect("a size"),
        best_bid: Price::of_text("0.5").ok(),
        best_ask: Price::of_text("0.51").ok(),
        hash: None,
        changed_at: at,
        received_at: at,
    };
    tick.id = tick.content_id();
    tick
}

/// Publishes all ticks; ticks per second.
pub(crate) async fn bus(bus: &Bus, ticks: &[PriceChange]) -> anyhow::Result<u64> {
    let messages: Vec<Message> = ticks
        .iter()
        .map(|tick| Message {
            correlation_id: Some("bench.0.0.1".to_owned()),
            traceparent: Some(Traceparent::unsampled(tick.id.bytes())),
            ..Message::new(subject::raw(Kind::Price, &tick.condition_id), tick.id.to_string(), encode(tick))
        })
        .collect();
    let began = Instant::now();
    let mut under_way = futures_util::stream::FuturesUnordered::new();
    for message in &messages {
        if under_way.len() == WINDOW {
            under_way.next().await.context("the window is not empty")??;
        }
        under_way.push(bus.publish(message).await?.acknowledged());
    }
    while let Some(stored) = under_way.next().await {
        stored?;
    }
    Ok(per_second(ticks.len(), began.elapsed()))
}

/// Copies all ticks into a bare table, in one go; ticks per second.
pub(crate) async fn database(url: &str, ticks: &[PriceChange]) -> anyhow::Result<u64> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let driving = tokio::spawn(connection);
    let table = "create table bare (at timestamptz not null, id bytea not null, condition_id text, token_id text, \
        side text, price numeric, size numeric, best_bid numeric, best_ask numeric, primary key (at, id))";
    client.batch_execute(table).await?;
    let mut text = String::new();
    for tick in ticks {
        let line = format!(
            "{}\t\\\\x{}\t{}\t{}\t{}\t{}\t{}\t0.5\t0.51\n",
            tick.changed_at,
            tick.id,
            tick.condition_id,
            tick.token_id,
            tick.side.word(),
            tick.price,
            tick.size
        );
        text.push_str(&line);
    }
    let began = Instant::now();
    let sink = client.copy_in::<_, bytes::Bytes>("copy bare from stdin").await?;
    let mut sink = std::pin::pin!(sink);
    sink.send(bytes::Bytes::from(text)).await?;
    sink.finish().await?;
    let took = began.elapsed();
    drop(client);
    driving.await??;
    Ok(per_second(ticks.len(), took))
}

/// A rate without floats.
pub(crate) fn per_second(count: usize, took: Duration) -> u64 {
    let micros = took.as_micros().max(1);
    u64::try_from(count as u128 * 1_000_000 / micros).unwrap_or(u64::MAX)
}
