//! Answer of `/api/sockets`: each connection to the venue, and the tokens that are silent for longest.
//!
//! Knows: members. Never: why a socket broke; the feed says it.

use contract::ids::{ConditionId, TokenId};
use contract::stats::{Service, SocketState};
use contract::time::Timestamp;
use serde::Serialize;

use super::Number;
use crate::state::Projection;
use crate::token_table::TablePage;

/// Silent tokens that are told.
const SILENT_MAX: usize = 20;

/// The sockets of all feeds that are known.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "members of the answer")]
pub(crate) struct Sockets {
    at: Timestamp,
    /// Since the oldest of the words that follow; null without any.
    age_s: Option<Number>,
    sockets: Vec<Socket>,
    silent: Vec<Silent>,
}

#[derive(Debug, Serialize)]
struct Socket {
    name: String,
    instance: String,
    number: u32,
    shard: String,
    /// Null where its feed was not heard of for 4 s.
    state: Option<SocketState>,
    problem: Option<String>,
    tokens: u64,
    tokens_with_book: u64,
    /// Null before the second word of its feed, and of a silent feed.
    messages_per_s: Option<Number>,
    connected_at: Option<Timestamp>,
    last_frame_at: Option<Timestamp>,
    last_pong_at: Option<Timestamp>,
    reconnects: u64,
    age_s: Number,
}

/// A token of which nothing came for long.
#[derive(Debug, Serialize)]
struct Silent {
    token_id: TokenId,
    condition_id: ConditionId,
    question: Option<String>,
    outcome: Option<String>,
    last_tick_at: Option<Timestamp>,
    age_s: Option<Number>,
    state: &'static str,
}

// === impl Sockets ===

impl Sockets {
    /// The sockets as they stand at `now`. `by_age`: the tokens, those silent for longest first.
    pub(crate) fn of(fold: &Projection, by_age: &TablePage, now: Timestamp) -> Self {
        let mut sockets = Vec::new();
        for instance in fold.fleet.current(Service::Feed) {
            let Some(feed) = instance.feed() else { continue };
            let is_present = instance.is_present(now);
            for (place, socket) in feed.sockets.iter().enumerate() {
                sockets.push(Socket {
                    name: format!("{} #{}", instance.stats.instance, socket.number),
                    instance: instance.stats.instance.clone(),
                    number: socket.number,
                    shard: feed.shard.clone(),
                    state: is_present.then_some(socket.state),
                    problem: socket.problem.clone(),
                    tokens: socket.tokens,
                    tokens_with_book: socket.tokens_with_book,
                    messages_per_s: instance.frame_rate(place).filter(|_| is_present).map(Number),
                    connected_at: socket.connected_at,
                    last_frame_at: socket.last_data_at,
                    last_pong_at: socket.last_pong_at,
                    reconnects: socket.reconnections,
                    age_s: Number::span(now.since(instance.heard_at)),
                });
            }
        }
        let oldest = fold.fleet.current(Service::Feed).map(|instance| instance.heard_at).min();
        Self {
            at: now,
            age_s: oldest.map(|at| Number::span(now.since(at))),
            sockets,
            silent: silent(by_age, now),
        }
    }
}

fn silent(by_age: &TablePage, now: Timestamp) -> Vec<Silent> {
    let rows = by_age.places.iter().map(|&place| &by_age.table.snapshot.rows[place]);
    // Those of which nothing ever came stand at the end; the table of tokens has them by their state.
    let heard = rows.filter(|row| row.last_tick_at.is_some()).take(SILENT_MAX);
    let silent = heard.map(|row| Silent {
        token_id: row.token_id.clone(),
        condition_id: row.condition_id.clone(),
        question: row.about.as_ref().map(|about| about.question.to_string()),
        outcome: row.label.as_ref().map(|label| label.outcome.to_string()),
        last_tick_at: row.last_tick_at,
        age_s: row.last_tick_at.map(|at| Number::span(now.since(at))),
        state: row.standing.word(),
    });
    silent.collect()
}
