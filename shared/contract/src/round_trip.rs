//! Every payload reads back from the bus as it was sent, and old readers read new senders.
//!
//! Knows: the payloads. Never: a server.

use crate::codec::{decode, decode_tick, encode, encode_tick};
use crate::gap::{Cause, Gap};
use crate::ids::{BookHash, ConditionId, TickId, TokenId, TransactionHash};
use crate::money::{Price, Size};
use crate::stats::{ProcessorReport, Report, Service, Stats};
use crate::tick::{Book, Level, Origin, Prevailing, PriceChange, Quote, Side, Tick, TickSizeChange, Trade};
use crate::time::Timestamp;
use crate::verdict::{JudgedTrade, Reason, SizeSource, Verdict};

fn market() -> ConditionId {
    ConditionId::try_from("0xab12").unwrap()
}

fn token() -> TokenId {
    TokenId::try_from("123456789").unwrap()
}

fn price(text: &str) -> Price {
    Price::of_text(text).unwrap()
}

fn size(text: &str) -> Size {
    Size::of_text(text).unwrap()
}

fn trade() -> Trade {
    let mut trade = Trade {
        id: TickId::of_bytes([0; 16]),
        condition_id: market(),
        token_id: token(),
        side: Some(Side::Buy),
        price: price("0.55"),
        size: Some(size("3.581817")),
        origin: Origin::Socket,
        executed_at: Timestamp::from_millis(1_781_034_208_488),
        received_at: Timestamp::from_millis(1_781_034_208_600),
        transaction_hash: Some(TransactionHash::try_from("0xfe").unwrap()),
        price_before: None,
        prevailing: Some(Prevailing { best_bid: Some(price("0.54")), best_ask: None, age_us: 12 }),
    };
    trade.id = trade.content_id();
    trade
}

fn ticks() -> Vec<Tick> {
    let id = TickId::of_content(&["x"]);
    let (changed_at, received_at) = (Timestamp::from_millis(1), Timestamp::from_millis(2));
    let (condition_id, token_id) = (market(), token());
    let hash = BookHash::try_from("caab9fea204d5ce8d2eca8410ae7d71f107bab10").ok();
    let book = Book {
        id,
        condition_id: condition_id.clone(),
        token_id: token_id.clone(),
        bids: vec![Level(price("0.5"), size("10"))],
        asks: vec![],
        hash: hash.clone(),
        hash_ok: Some(true),
        tick_size: Some("0.01".parse().unwrap()),
        last_trade_price: None,
        changed_at,
        received_at,
    };
    let change = PriceChange {
        id,
        condition_id: condition_id.clone(),
        token_id: token_id.clone(),
        side: Side::Sell,
        price: price("0.63"),
        size: Size::ZERO,
        best_bid: None,
        best_ask: Some(price("0.64")),
        hash,
        changed_at,
        received_at,
    };
    let quote = Quote {
        id,
        condition_id: condition_id.clone(),
        token_id: token_id.clone(),
        best_bid: None,
        best_ask: None,
        changed_at,
        received_at,
    };
    let grid = TickSizeChange {
        id,
        condition_id,
        token_id,
        old_tick_size: None,
        new_tick_size: "0.001".parse().unwrap(),
        changed_at,
        received_at,
    };
    vec![
        Tick::Book(book),
        Tick::Price(change),
        Tick::Trade(Box::new(trade())),
        Tick::Quote(quote),
        Tick::TickSize(grid),
    ]
}

#[test]
fn every_kind_of_tick_reads_back() {
    for mut tick in ticks() {
        tick.set_id(tick.id().nth(3));
        assert_eq!(decode_tick(tick.kind(), &encode_tick(&tick)).unwrap(), tick);
        assert_eq!((tick.condition_id(), tick.token_id()), (&market(), &token()));
        assert!(tick.received_at() > Timestamp::from_micros(0));
    }
}

#[test]
fn a_judged_trade_reads_back_and_is_flat() {
    let judged = JudgedTrade {
        trade: trade(),
        verdict: Verdict::Flagged,
        reasons: vec![Reason::G5, Reason::Skew],
        size_source: Some(SizeSource::Venue),
        deviation: Some("0.11".parse().unwrap()),
        confirmed: Some(true),
        judged_at: Timestamp::from_micros(3),
    };
    let bytes = encode(&judged);
    assert_eq!(decode::<JudgedTrade>(&bytes).unwrap(), judged);
    assert_eq!(decode::<Trade>(&bytes).unwrap(), judged.trade, "a reader of trades reads judged ones");
    let json = serde_json::to_value(&judged).unwrap();
    assert_eq!(json["price"], "0.55");
    assert_eq!(json["reasons"][1], "SKEW");
}

#[test]
fn a_payload_with_a_missing_member_is_refused_by_name() {
    let error = decode::<Trade>(&encode(&serde_json::json!({"id": "00"}))).unwrap_err().to_string();
    assert!(error.starts_with("not a Trade"), "{error}");
}

#[test]
fn content_tells_ticks_apart_and_copies_together() {
    let (one, mut other) = (trade(), trade());
    other.received_at = Timestamp::from_micros(9);
    other.prevailing = None;
    assert_eq!(one.content_id(), other.content_id(), "what we add is not in the id");
    other.size = None;
    assert_ne!(one.content_id(), other.content_id());
    let mut ids: Vec<TickId> = ticks()
        .iter()
        .map(|tick| match tick {
            Tick::Book(book) => book.content_id(),
            Tick::Price(change) => change.content_id(),
            Tick::Trade(trade) => trade.content_id(),
            Tick::Quote(quote) => quote.content_id(),
            Tick::TickSize(change) => change.content_id(),
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

#[test]
fn stats_and_gaps_read_back() {
    let at = Timestamp::from_micros(1);
    let stats = Stats {
        service: Service::Processor,
        instance: "processor-1".to_owned(),
        version: "0.1.0".to_owned(),
        started_at: at,
        at,
        problems: vec![],
        errors: vec![],
        errors_last_hour: 0,
        report: Report::Processor(ProcessorReport::default()),
    };
    assert_eq!(decode::<Stats>(&encode(&stats)).unwrap(), stats);
    let gap = Gap::opened(market(), "0/1", Cause::Silence, at, at);
    assert_eq!(decode::<Gap>(&encode(&gap)).unwrap(), gap);
    assert_eq!(gap.id, Gap::opened(market(), "0/1", Cause::SocketClosed, at, at).id);
}
