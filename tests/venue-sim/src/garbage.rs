//! Frames that a reader must survive.
//!
//! Knows: the forms of garbage, and what true things stand beside it in one frame. Never: when they are sent.

use axum::extract::ws::Message;

use crate::frame::{self, Change, Trade};
use crate::hub::Reach;
use crate::ledger::{Kind, Occasion, Record, Special};
use crate::units::Side;
use crate::venue::{Print, Venue};

/// The forms; they take turns. The ledger names them in an entry's note.
///
/// `numbers-for-text` and `timestamp-in-seconds` are trades that a tolerant reader may understand: both to
/// store them and to set them aside is right, so their entries carry the transaction hash to tell them by.
/// `unknown-members`, `mixed-array` and `bad-entry` hold true things, which must not be lost: those have
/// entries of their own kind.
pub(crate) const FORMS: [&str; 16] = [
    "truncated-json",
    "unknown-event-type",
    "mixed-array",
    "empty-object",
    "numbers-for-text",
    "bad-price-nan",
    "bad-price-above",
    "bad-price-below",
    "timestamp-in-seconds",
    "binary",
    "no-new-assets",
    "unknown-members",
    "bad-entry",
    "error-object",
    "bad-side",
    "not-json",
];

/// Sends the form of this turn. `print` is an ordinary trade that some forms spoil and some contain.
pub(crate) fn send(venue: &mut Venue, turn: usize, print: &Print, now_ms: u64) {
    let form = FORMS[turn % FORMS.len()];
    let of = &venue.markets[print.market];
    let token = print.token;
    let trade = Trade {
        token,
        price: &print.price.to_string(),
        size: print.size_text.as_deref(),
        side: Some(print.side.json()),
        timestamp_ms: print.timestamp_ms,
        transaction_hash: Some(&print.transaction_hash),
    };
    let plain = frame::last_trade_price(of, trade);
    let priced = |price| frame::last_trade_price(of, Trade { price, ..trade });
    let text = match form {
        "truncated-json" => plain[..plain.len() * 2 / 3].to_owned(),
        "unknown-event-type" => frame::unknown_event(of, token, 2, now_ms),
        "empty-object" => "{}".to_owned(),
        "numbers-for-text" => plain
            .replace(&format!("\"price\":\"{}\"", trade.price), &format!("\"price\":{}", trade.price))
            .replace(
                &format!("\"timestamp\":\"{}\"", trade.timestamp_ms),
                &format!("\"timestamp\":{}", trade.timestamp_ms),
            ),
        "bad-price-nan" => priced("NaN"),
        "bad-price-above" => priced("1.01"),
        "bad-price-below" => priced("-0.1"),
        "timestamp-in-seconds" => {
            frame::last_trade_price(of, Trade { timestamp_ms: trade.timestamp_ms / 1000, ..trade })
        }
        "no-new-assets" => "NO NEW ASSETS".to_owned(),
        "error-object" => "{\"error\":\"something went wrong\"}".to_owned(),
        "bad-side" => plain.replace(&format!("\"side\":\"{}\"", print.side.word()), "\"side\":\"HOLD\""),
        "not-json" => "hello, this is no JSON".to_owned(),
        "binary" => {
            return spoil(venue, print, form, &Message::binary(vec![0_u8, 159, 146, 150, 255]), now_ms);
        }
        "unknown-members" => {
            let more = format!(
                "{}, \"surprise\":{{\"list\":[1, null]}}, \"flag\":true}}",
                &plain[..plain.len() - 1]
            );
            return with_trade(venue, print, more, Vec::new(), now_ms);
        }
        "mixed-array" => return mixed_array(venue, print, &plain, now_ms),
        "bad-entry" => return bad_entry(venue, print, now_ms),
        _ => return,
    };
    spoil(venue, print, form, &Message::text(text), now_ms);
}

/// Sends a frame in which nothing is true.
fn spoil(venue: &mut Venue, print: &Print, form: &'static str, message: &Message, now_ms: u64) {
    let record = garbage_record(venue, print, form, now_ms);
    venue.publish(print.market, Reach::Token, message, vec![(print.token, record)]);
}

/// Sends a frame that holds the trade `print`, and garbage records besides.
fn with_trade(venue: &mut Venue, print: &Print, text: String, mut others: Vec<(usize, Record)>, now_ms: u64) {
    others.insert(0, (print.token, venue.trade_record(print, now_ms)));
    venue.settle(print);
    venue.publish(print.market, Reach::Token, &Message::text(text), others);
}

/// An array of best prices, something that cannot be read, and a trade: only the middle one is lost.
fn mixed_array(venue: &mut Venue, print: &Print, trade: &str, now_ms: u64) {
    let of = &venue.markets[print.market];
    let quote = frame::best_bid_ask(of, print.token, now_ms);
    let bad = trade.replace(&format!("\"price\":\"{}\"", print.price), "\"price\":\"NaN\"");
    let bad = bad.replace(&print.transaction_hash, "0x00");
    let book = &of.tokens[print.token].book;
    let mut quote_record = venue.record(print.market, print.token, Kind::Quote, now_ms, now_ms);
    quote_record.best = Some((book.best_bid(), book.best_ask()));
    let mut lost = garbage_record(venue, print, "mixed-array", now_ms);
    if let Some(special) = lost.special.as_mut() {
        special.transaction_hash = Some("0x00".to_owned());
    }
    let text = format!("[{quote},{bad},{trade}]");
    with_trade(venue, print, text, vec![(print.token, quote_record), (print.token, lost)], now_ms);
}

/// A price change of two entries, the second of which has no price. The first restates a level, so that
/// nothing is missed by a reader who keeps it and drops the other.
fn bad_entry(venue: &mut Venue, print: &Print, now_ms: u64) {
    let of = &venue.markets[print.market];
    let Some(best) = of.book().best(Side::Buy) else { return };
    let stamp_ms = of.next_stamp(now_ms);
    venue.apply(print.market, &[], stamp_ms);
    let of = &venue.markets[print.market];
    let good = Change { token: 0, side: Side::Buy, price: best.price, size: best.size };
    let bad = Change { token: 1, side: Side::Sell, price: best.price.complement(), size: best.size };
    let mut text = format!("{{\"market\":\"{}\", \"price_changes\":[", of.condition_id);
    frame::push_change(&mut text, of, good, None);
    text.push_str(", ");
    frame::push_change(&mut text, of, bad, Some("NaN"));
    text.push_str("], \"timestamp\":\"");
    text.push_str(&stamp_ms.to_string());
    text.push_str("\", \"event_type\":\"price_change\"}");
    let kept = venue.change_record(print.market, good, Occasion::Live, now_ms);
    let lost = garbage_record(venue, &Print { token: 1, ..print.clone() }, "bad-entry", now_ms);
    venue.publish(print.market, Reach::Token, &Message::text(text), vec![(0, kept), (1, lost)]);
}

fn garbage_record(venue: &Venue, print: &Print, form: &'static str, now_ms: u64) -> Record {
    let mut record = venue.record(print.market, print.token, Kind::Garbage, print.timestamp_ms, now_ms);
    let of_trade = ["numbers-for-text", "timestamp-in-seconds", "bad-side", "truncated-json"];
    let hashed = form.starts_with("bad-price") || of_trade.contains(&form);
    record.special = Some(Box::new(Special {
        transaction_hash: hashed.then(|| print.transaction_hash.clone()),
        note: Some(form),
        ..Special::default()
    }));
    record
}
