//! A book that comes too late to be true.
//!
//! Knows: its text, its time and its place among the changes. Never: when it is due.

use axum::extract::ws::Message;

use crate::frame;
use crate::hub::Reach;
use crate::ledger::{Occasion, Special};
use crate::stream;
use crate::venue::Venue;

/// Changes that the book does not know of.
const CHANGES: u64 = 3;

/// Changes a market three times behind its best prices, then sends one token's book from before that.
pub(crate) fn send_stale(
    venue: &mut Venue,
    market: usize,
    token: usize,
    random: &mut fastrand::Rng,
    now_ms: u64,
) {
    venue.markets[market].furnish(now_ms);
    let text = frame::book(&venue.markets[market], token);
    let mut record = venue.book_record(market, token, Occasion::Live, now_ms);
    record.special = Some(Box::new(Special { note: Some("stale"), ..Special::default() }));
    for change in 1..=CHANGES {
        // Later than the book in any case, though the market may have changed in this very millisecond.
        let stamp_ms = now_ms.max(record.timestamp_ms + change);
        stream::change_deep(venue, market, 1, random, now_ms, stamp_ms);
    }
    venue.publish(market, Reach::Token, &Message::text(text), vec![(token, record)]);
}
