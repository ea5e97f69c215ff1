//! Facts about rows made from payloads.
//!
//! Knows: payloads written by hand. Never: a database.

use contract::gap::Cause;
use contract::money::{Price as Money, Size};
use contract::stats::Service;
use contract::tick::{Level, Origin, Prevailing, PriceChange, Side};
use contract::verdict::Verdict;

use super::*;

fn condition() -> ConditionId {
    ConditionId::try_from("0xab").unwrap()
}

fn token() -> TokenId {
    TokenId::try_from("17").unwrap()
}

fn judged() -> JudgedTrade {
    let trade = tick::Trade {
        id: TickId::of_content(&["a trade"]),
        condition_id: condition(),
        token_id: token(),
        side: Some(Side::Buy),
        price: Money::of_text("0.48").unwrap(),
        size: Some(Size::of_text("12.5").unwrap()),
        origin: Origin::Socket,
        executed_at: Timestamp::from_millis(1_789_156_413_830),
        received_at: Timestamp::from_millis(1_789_156_413_900),
        transaction_hash: None,
        price_before: Some(Money::of_text("0.47").unwrap()),
        prevailing: Some(Prevailing {
            best_bid: Some(Money::of_text("0.4").unwrap()),
            best_ask: None,
            age_us: 7,
        }),
    };
    JudgedTrade {
        trade,
        verdict: Verdict::Flagged,
        reasons: vec![Reason::G3, Reason::G5],
        size_source: Some(SizeSource::Rest),
        deviation: Some("0.11".parse().unwrap()),
        confirmed: Some(true),
        judged_at: Timestamp::from_millis(1_789_156_414_000),
    }
}

#[test]
fn a_trade_keeps_every_field_on_its_way_into_a_row() {
    let row = Trade::of(judged(), Some("c1".to_owned())).unwrap();
    assert_eq!(row.id.as_bytes(), &TickId::of_content(&["a trade"]).bytes());
    assert_eq!((row.side, row.origin, row.verdict), (Some("BUY"), "socket", "flagged"));
    assert_eq!((row.reasons.as_str(), row.size_source), ("G3,G5", Some("rest")));
    assert_eq!(row.price.to_string(), "0.48");
    assert_eq!(row.best_bid.unwrap().to_string(), "0.4");
    assert_eq!((row.best_ask, row.quote_age_us, row.confirmed), (None, Some(7), Some(true)));
    assert_eq!(row.executed_at.timestamp_micros(), 1_789_156_413_830_000);
    assert_eq!(row.correlation_id.as_deref(), Some("c1"));
}

#[test]
fn a_moment_beyond_the_year_9999_makes_no_row_and_names_the_field() {
    let mut trade = judged();
    trade.trade.executed_at = Timestamp::from_micros(253_402_300_799_999_999);
    assert!(Trade::of(trade.clone(), None).is_ok());
    trade.trade.executed_at = Timestamp::from_micros(253_402_300_800_000_000);
    let error = Trade::of(trade.clone(), None).unwrap_err();
    assert!(error.to_string().contains("executed_at"), "{error}");
    trade.trade.executed_at = Timestamp::from_micros(i64::MIN);
    assert!(Trade::of(trade, None).is_err());
}

#[test]
fn levels_are_json_with_exact_numbers_as_text_best_first() {
    let level = |price, size| Level(Money::of_text(price).unwrap(), Size::of_text(size).unwrap());
    assert_eq!(levels(&[]), "[]");
    let text = levels(&[level("0.48", "30"), level("0.470000000000000001", "999999999999.5")]);
    assert_eq!(text, r#"[["0.48","30"],["0.470000000000000001","999999999999.5"]]"#);
}

#[test]
fn a_price_change_and_a_book_become_rows() {
    let at = Timestamp::from_millis(1);
    let change = PriceChange {
        id: TickId::of_content(&["p"]),
        condition_id: condition(),
        token_id: token(),
        side: Side::Sell,
        price: Money::of_text("0.5").unwrap(),
        size: Size::ZERO,
        best_bid: None,
        best_ask: Some(Money::of_text("0.6").unwrap()),
        hash: None,
        changed_at: at,
        received_at: at,
    };
    let row = Price::try_from(change).unwrap();
    assert_eq!((row.side, row.size.is_zero(), row.best_bid), ("SELL", true, None));
    let book = tick::Book {
        id: TickId::of_content(&["b"]),
        condition_id: condition(),
        token_id: token(),
        bids: vec![],
        asks: vec![],
        hash: None,
        hash_ok: Some(false),
        tick_size: None,
        last_trade_price: None,
        changed_at: at,
        received_at: at,
    };
    assert_eq!(Book::try_from(book).unwrap().asks, "[]");
}

#[test]
fn a_market_keeps_its_outcomes_in_order() {
    let outcome = |name: &str| market::Outcome { token_id: token(), outcome: name.to_owned() };
    let market = market::Market {
        slug: "rain".to_owned(),
        question: "Rain?".to_owned(),
        active: true,
        tokens: vec![outcome("Yes"), outcome("No")],
        ..market::Market::unknown(condition(), Timestamp::from_millis(1))
    };
    let row = Market::try_from(market).unwrap();
    assert_eq!(
        row.tokens,
        json!([{"token_id": "17", "outcome": "Yes"}, {"token_id": "17", "outcome": "No"}])
    );
}

#[test]
fn merged_tellings_of_a_gap_are_the_same_in_any_order() {
    let opened = gap::Gap::opened(
        condition(),
        "0/1",
        Cause::Silence,
        Timestamp::from_millis(1),
        Timestamp::from_millis(2),
    );
    let healed =
        gap::Gap { healed_at: Some(Timestamp::from_millis(9)), trades_recovered: 3, ..opened.clone() };
    let (opened, healed) = (Gap::try_from(opened).unwrap(), Gap::try_from(healed).unwrap());
    let (mut forward, mut backward) = (opened.clone(), healed.clone());
    forward.merge(&healed);
    backward.merge(&opened);
    assert_eq!(forward, backward);
    assert_eq!((forward.healed_at, forward.trades_recovered), (healed.healed_at, 3));
}

#[test]
fn a_dead_letter_loses_the_nul_that_postgres_cannot_keep() {
    let at = Timestamp::from_millis(1);
    let mut letter = dead_letter::DeadLetter::new(Service::Feed, "socket 1", "1", "bad", &[0, 1], at);
    letter.error = "a\0b".to_owned();
    let row = DeadLetter::try_from(letter).unwrap();
    assert_eq!((row.error.as_str(), row.payload.as_slice()), ("a\u{fffd}b", [0, 1].as_slice()));
}
