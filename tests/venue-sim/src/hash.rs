//! The venue's hash of a whole book: protocol reference, section 1.6.
//!
//! Knows: the text that is hashed and SHA-1. Never: a frame, a socket, where a book came from.

use crate::book::{Book, Level};
use crate::digest::Hash;
use crate::units::{Price, Side, Size};

/// What of a book's surroundings goes into its hash.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings<'a> {
    pub(crate) condition_id: &'a str,
    pub(crate) token_id: &'a str,
    pub(crate) min_size: Size,
    pub(crate) tick_size: Price,
    pub(crate) neg_risk: bool,
    pub(crate) timestamp_ms: u64,
}

/// The hash of `book` in its surroundings. `scratch` is only there to be used again.
pub(crate) fn of_book(scratch: &mut String, around: Surroundings<'_>, book: &Book) -> Hash {
    scratch.clear();
    push_body(scratch, around, book, None);
    Hash::of(scratch)
}

/// Appends the ten members in the order that is hashed, which is also the order of REST `/book`.
/// With no hash given the member is empty, as the rule wants it.
pub(crate) fn push_body(out: &mut String, around: Surroundings<'_>, book: &Book, hash: Option<Hash>) {
    let timestamp = around.timestamp_ms.to_string();
    for part in ["{\"market\":\"", around.condition_id, "\",\"asset_id\":\"", around.token_id] {
        out.push_str(part);
    }
    out.push_str("\",\"timestamp\":\"");
    out.push_str(&timestamp);
    out.push_str("\",\"hash\":\"");
    if let Some(hash) = hash {
        hash.push(out);
    }
    out.push_str("\",\"bids\":");
    push_levels(out, book.levels(Side::Buy), ",");
    out.push_str(",\"asks\":");
    push_levels(out, book.levels(Side::Sell), ",");
    out.push_str(",\"min_order_size\":\"");
    around.min_size.push(out);
    out.push_str("\",\"tick_size\":\"");
    around.tick_size.push(out);
    out.push_str("\",\"neg_risk\":");
    out.push_str(if around.neg_risk { "true" } else { "false" });
    out.push_str(",\"last_trade_price\":\"");
    if let Some(price) = book.last_trade {
        out.push_str(&price.three_decimals());
    }
    out.push_str("\"}");
}

/// Appends `[{"price":"0.01","size":"5"},…]` with the given separator between members.
pub(crate) fn push_levels(out: &mut String, levels: &[Level], separator: &str) {
    out.push('[');
    for (at, level) in levels.iter().enumerate() {
        if at > 0 {
            out.push_str(separator);
        }
        out.push_str("{\"price\":\"");
        level.price.push(out);
        out.push('"');
        out.push_str(separator);
        out.push_str("\"size\":\"");
        level.size.push(out);
        out.push_str("\"}");
    }
    out.push(']');
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    fn around() -> Surroundings<'static> {
        Surroundings {
            condition_id: "0xc0",
            token_id: "123",
            min_size: Size::of_hundredths(500),
            tick_size: Price::of(10),
            neg_risk: false,
            timestamp_ms: 1_790_000_000_123,
        }
    }

    fn small_book() -> Book {
        let mut book = Book::empty();
        book.set(Side::Buy, Price::of(300), Size::of_hundredths(1_050));
        book.set(Side::Buy, Price::of(100), Size::of_hundredths(500));
        book.set(Side::Sell, Price::of(500), Size::of_hundredths(2_000));
        book.last_trade = Some(Price::of(3_010));
        book
    }

    #[test]
    fn the_hashed_text_has_the_members_of_the_rule_in_their_order() {
        let mut text = String::new();
        push_body(&mut text, around(), &small_book(), None);
        assert_eq!(
            text,
            "{\"market\":\"0xc0\",\"asset_id\":\"123\",\"timestamp\":\"1790000000123\",\"hash\":\"\",\
             \"bids\":[{\"price\":\"0.01\",\"size\":\"5\"},{\"price\":\"0.03\",\"size\":\"10.5\"}],\
             \"asks\":[{\"price\":\"0.05\",\"size\":\"20\"}],\"min_order_size\":\"5\",\
             \"tick_size\":\"0.001\",\"neg_risk\":false,\"last_trade_price\":\"0.301\"}"
        );
    }

    #[test]
    fn the_hash_is_the_sha_1_of_that_text() {
        let mut text = String::new();
        push_body(&mut text, around(), &small_book(), None);
        let expected = Hash::of(&text);
        assert_eq!(of_book(&mut String::new(), around(), &small_book()), expected);
        // Computed once with a tool outside this project from the text above.
        assert_eq!(expected.text(), SMALL_BOOK_SHA1);
    }

    const SMALL_BOOK_SHA1: &str = "e20be307c6d857daa62f8b72999f86cafd4ec91a";

    #[test]
    fn a_token_that_never_traded_hashes_an_empty_last_trade_price() {
        let mut text = String::new();
        push_body(&mut text, around(), &Book::empty(), None);
        assert!(text.ends_with("\"last_trade_price\":\"\"}"));
    }

    fn recorded_book(value: &Value) -> Option<Book> {
        let mut book = Book::empty();
        for (side, name) in [(Side::Buy, "bids"), (Side::Sell, "asks")] {
            for level in value[name].as_array()? {
                let price = Price::parse(level["price"].as_str()?)?;
                book.set(side, price, Size::parse(level["size"].as_str()?)?);
            }
        }
        let last = value["last_trade_price"].as_str()?;
        book.last_trade = if last.is_empty() { None } else { Some(Price::parse(last)?) };
        Some(book)
    }

    /// The recordings trimmed or edited by their authors cannot verify and are not named here.
    #[test]
    fn recorded_books_of_the_venue_verify() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures");
        let files = [
            "ws/polyarb_capture_2026-06-30.jsonl",
            "ws/polybot_frames_2025-12-23.jsonl",
            "ws/nautilus_crossing_burst_2026-09-29.jsonl",
        ];
        let mut verified = 0;
        for name in files {
            let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
                eprintln!("SKIPPED: no recordings of the venue beside this project; {name} was not verified");
                return;
            };
            for line in text.lines().filter(|line| !line.is_empty()) {
                let frame: Value = serde_json::from_str(line).unwrap();
                let one = [frame.clone()];
                for element in frame.as_array().map_or(&one[..], |all| all) {
                    let Some(book) = recorded_book(element) else { continue };
                    assert!(verifies(element, &book), "{name}: {}", element["hash"]);
                    verified += 1;
                }
            }
        }
        assert!(verified >= 5, "only {verified} books were there to verify");
    }

    /// `neg_risk` is not on the wire, nor was the tick size in 2025, so both are tried.
    fn verifies(element: &Value, book: &Book) -> bool {
        let text = |name: &str| element[name].as_str().unwrap_or_default().to_owned();
        [true, false].into_iter().any(|neg_risk| {
            [Price::of(100), Price::of(10)].into_iter().any(|tick| {
                let around = Surroundings {
                    condition_id: &text("market"),
                    token_id: &text("asset_id"),
                    min_size: Size::of_hundredths(500),
                    tick_size: element["tick_size"].as_str().and_then(Price::parse).unwrap_or(tick),
                    neg_risk,
                    timestamp_ms: text("timestamp").parse().unwrap(),
                };
                of_book(&mut String::new(), around, book).text() == text("hash")
            })
        })
    }
}
