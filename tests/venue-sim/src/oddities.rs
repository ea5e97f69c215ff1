//! Frames that are odd as a whole: hashes that are none, unknown types in crowds, size, bytes that are no text.
//!
//! Knows: each form and what is true in it. Never: when it is sent.

use std::sync::atomic::Ordering;

use axum::extract::ws::Message;

use crate::frame::{self, Change};
use crate::hub::Reach;
use crate::ledger::{Kind, Occasion, Record, Special};
use crate::market::mirrored;
use crate::stream;
use crate::units::Side;
use crate::venue::{Order, Venue};
use crate::wire;

/// Forms of a hash that is none (protocol reference 7, finding 23): in a change and in a book.
const HASHES: usize = 3;

/// Sends a change (or, in each second round, the books) of a market, true but for its hashes.
pub(crate) fn send_odd_hash(
    venue: &mut Venue,
    market: usize,
    turn: usize,
    random: &mut fastrand::Rng,
    now_ms: u64,
) {
    let of = &venue.markets[market];
    let price = of.book().best_bid().moved(-3 * i32::from(of.tick));
    let order = Order { side: Side::Buy, price, size: stream::level_size(random) };
    venue.apply(market, &[order], of.next_stamp(now_ms));
    venue.markets[market].touched_at_ms = now_ms;
    let of = &venue.markets[market];
    let hashes: Vec<String> = of.tokens.iter().map(|token| token.book.hash.text()).collect();
    let spoiled = |text: String| {
        hashes.iter().fold(text, |text, hash| {
            let odd = match turn % HASHES {
                0 => format!("0x{hash}"),
                1 => format!("{hash}{}", &hash[..24]),
                _ => String::new(),
            };
            text.replace(&format!("\"hash\":\"{hash}\""), &format!("\"hash\":\"{odd}\""))
        })
    };
    if turn / HASHES % 2 == 1 {
        for token in 0..of.tokens.len() {
            let text = spoiled(frame::book(&venue.markets[market], token));
            let record = unhashed(venue.book_record(market, token, Occasion::Live, now_ms));
            venue.publish(market, Reach::Token, &Message::text(text), vec![(token, record)]);
        }
        return;
    }
    let change = |token| {
        let (side, price) = mirrored(token, order.side, order.price);
        Change { token, side, price, size: order.size }
    };
    let changes: Vec<Change> = (0..of.tokens.len()).map(change).collect();
    let text = spoiled(frame::price_change(of, &changes, of.book().changed_at_ms));
    let record = |change: &Change| {
        (change.token, unhashed(venue.change_record(market, *change, Occasion::Live, now_ms)))
    };
    let records = changes.iter().map(record).collect();
    venue.publish(market, Reach::Token, &Message::text(text), records);
}

fn unhashed(mut record: Record) -> Record {
    record.hash = None;
    record.special = Some(Box::new(Special { note: Some("odd-hash"), ..Special::default() }));
    record
}

/// Sends so many frames of a type that nobody knows.
pub(crate) fn send_unknown(venue: &mut Venue, market: usize, count: u32, now_ms: u64) {
    for sequence in 0..count {
        let text = frame::unknown_event(&venue.markets[market], 0, sequence, now_ms);
        send(venue, market, text, "unknown-event-type", now_ms);
    }
}

/// Sends one frame of so many elements that mean nothing.
pub(crate) fn send_huge(venue: &mut Venue, market: usize, elements: usize, now_ms: u64) {
    let mut text = String::with_capacity(2 * elements + 1);
    text.push('[');
    text.extend(std::iter::repeat_n("1,", elements));
    text.pop();
    text.push(']');
    send(venue, market, text, "huge-frame", now_ms);
}

/// Sends a text frame in which a byte is 0xFF.
pub(crate) fn send_not_utf8(venue: &mut Venue, market: usize, now_ms: u64) {
    venue.unclean.store(true, Ordering::Relaxed);
    let text = frame::unknown_event(&venue.markets[market], 0, 0, now_ms);
    let text = text.replacen("settlement_preview", wire::MARK, 1);
    send(venue, market, text, "not-utf-8", now_ms);
}

/// Sends a frame in which nothing is true.
fn send(venue: &mut Venue, market: usize, text: String, note: &'static str, now_ms: u64) {
    let mut record = venue.record(market, 0, Kind::Garbage, now_ms, now_ms);
    record.special = Some(Box::new(Special { note: Some(note), ..Special::default() }));
    venue.publish(market, Reach::Token, &Message::text(text), vec![(0, record)]);
}
