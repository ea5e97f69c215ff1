//! The texts of the frames, held against the protocol reference.
//!
//! Knows: sections 1.3 and 1.4 as literal texts. Never: a recording's bytes.

use std::sync::Arc;

use super::*;
use crate::book::Book;
use crate::market::Token;

const AT_MS: u64 = 1_790_000_000_123;

fn market() -> Market {
    let token = |id: &str, outcome: &str| Token {
        id: Arc::from(id),
        outcome: outcome.to_owned(),
        book: Book::empty(),
    };
    let tokens = vec![token("11", "Yes"), token("22", "No")];
    let mut market = Market::recorded(0, Arc::from("0xc0"), tokens, AT_MS);
    market.tick = 100;
    market.apply(Side::Buy, Price::of(6_200), Size::of_hundredths(1_050));
    market.apply(Side::Buy, Price::of(6_300), Size::of_hundredths(500));
    market.apply(Side::Sell, Price::of(6_500), Size::of_hundredths(900));
    market.trade_at(Price::of(4_900));
    market.rehash(AT_MS, &mut String::new());
    market
}

fn hash(at: usize) -> String {
    market().tokens[at].book.hash.text()
}

#[test]
fn an_opening_book_has_no_spaces_and_ends_with_tick_size_type_and_last_trade_price() {
    let mut out = String::new();
    push_opening_book(&mut out, &market(), 0, None);
    assert_eq!(
        out,
        format!(
            "{{\"market\":\"0xc0\",\"asset_id\":\"11\",\"timestamp\":\"1790000000123\",\"hash\":\"{}\",\
             \"bids\":[{{\"price\":\"0.62\",\"size\":\"10.5\"}},{{\"price\":\"0.63\",\"size\":\"5\"}}],\
             \"asks\":[{{\"price\":\"0.65\",\"size\":\"9\"}}],\"tick_size\":\"0.01\",\"event_type\":\"book\",\
             \"last_trade_price\":\"0.490\"}}",
            hash(0)
        )
    );
}

#[test]
fn a_book_after_a_trade_has_spaces_and_neither_tick_size_nor_last_trade_price() {
    assert_eq!(
        book(&market(), 1),
        format!(
            "{{\"market\":\"0xc0\", \"asset_id\":\"22\", \"bids\":[{{\"price\":\"0.35\", \"size\":\"9\"}}], \
             \"asks\":[{{\"price\":\"0.38\", \"size\":\"10.5\"}}, {{\"price\":\"0.37\", \"size\":\"5\"}}], \
             \"hash\":\"{}\", \"timestamp\":\"1790000000123\", \"event_type\":\"book\"}}",
            hash(1)
        )
    );
}

#[test]
fn a_price_change_carries_hash_and_best_prices_in_each_entry() {
    let change = Change { token: 1, side: Side::Sell, price: Price::of(3_700), size: Size::ZERO };
    assert_eq!(
        price_change(&market(), &[change], AT_MS),
        format!(
            "{{\"market\":\"0xc0\", \"price_changes\":[{{\"asset_id\":\"22\", \"price\":\"0.37\", \"size\":\"0\", \
             \"side\":\"SELL\", \"hash\":\"{}\", \"best_bid\":\"0.35\", \"best_ask\":\"0.37\"}}], \
             \"timestamp\":\"1790000000123\", \"event_type\":\"price_change\"}}",
            hash(1)
        )
    );
}

#[test]
fn a_trade_has_its_members_in_the_order_of_the_wire() {
    let mut trade = Trade {
        token: 0,
        price: "0.55",
        size: Some("3.581817"),
        side: Some(Side::Buy.json()),
        timestamp_ms: AT_MS,
        transaction_hash: Some("0xabc"),
    };
    assert_eq!(
        last_trade_price(&market(), trade),
        "{\"market\":\"0xc0\", \"asset_id\":\"11\", \"price\":\"0.55\", \"size\":\"3.581817\", \
         \"fee_rate_bps\":\"0\", \"side\":\"BUY\", \"timestamp\":\"1790000000123\", \
         \"event_type\":\"last_trade_price\", \"transaction_hash\":\"0xabc\"}"
    );
    trade.size = None;
    trade.transaction_hash = None;
    trade.side = None;
    let bare = last_trade_price(&market(), trade);
    assert!(["size", "side", "transaction_hash"].iter().all(|member| !bare.contains(member)), "{bare}");
}

#[test]
fn best_prices_and_tick_changes_end_with_timestamp_and_type() {
    assert_eq!(
        best_bid_ask(&market(), 0, AT_MS),
        "{\"market\":\"0xc0\", \"asset_id\":\"11\", \"best_bid\":\"0.63\", \"best_ask\":\"0.65\", \
         \"spread\":\"0.02\", \"timestamp\":\"1790000000123\", \"event_type\":\"best_bid_ask\"}"
    );
    assert_eq!(
        tick_size_change(&market(), 0, 1000, AT_MS),
        "{\"market\":\"0xc0\", \"asset_id\":\"11\", \"old_tick_size\":\"0.1\", \"new_tick_size\":\"0.01\", \
         \"timestamp\":\"1790000000123\", \"event_type\":\"tick_size_change\"}"
    );
}

#[test]
fn announcements_are_json_with_real_arrays_and_booleans() {
    let new: serde_json::Value = serde_json::from_str(&new_market(&market(), AT_MS)).unwrap();
    assert_eq!(new["event_type"], "new_market");
    assert_eq!(new["clob_token_ids"], serde_json::json!(["11", "22"]));
    assert_eq!(new["active"], false);
    assert_eq!(new["timestamp"], "1790000000123");
    let won = |winner| -> serde_json::Value {
        let mut market = market();
        market.winner = winner;
        serde_json::from_str(&market_resolved(&market, AT_MS)).unwrap()
    };
    for (winner, token, outcome) in [(0, "11", "Yes"), (1, "22", "No")] {
        let resolved = won(winner);
        assert_eq!(
            (&resolved["winning_asset_id"], &resolved["winning_outcome"]),
            (&token.into(), &outcome.into())
        );
        assert_eq!(resolved["event_message"], serde_json::Value::Null);
    }
}
