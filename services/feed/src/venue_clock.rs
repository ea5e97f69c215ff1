//! How far the venue's clock is from ours, asked now and then.
//!
//! Knows: two clocks. Never: what the difference is used for; nothing is ever corrected by it.

use std::time::Duration;

use chassis::clock;
use contract::time::Timestamp;
use polymarket::rest::Rest;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::feed_stats::FeedStats;

/// How often the venue is asked.
const ASKED_EVERY: Duration = Duration::from_mins(10);
/// How soon again where it did not answer.
const ASKED_AGAIN: Duration = Duration::from_mins(1);
/// A larger offset is worth a word: ages of trades are as wrong as that.
const OFFSET_MAX_MS: u64 = 2_000;

/// Asks until `stop`.
pub(crate) async fn watch(rest: Rest, stats: FeedStats, stop: CancellationToken) -> anyhow::Result<()> {
    loop {
        let before = Timestamp::from(clock::now());
        let venue_time = tokio::select! {
            venue_time = rest.time() => venue_time,
            () = stop.cancelled() => return Ok(()),
        };
        let after = Timestamp::from(clock::now());
        let pause = match venue_time {
            Ok(venue_time) => {
                let offset_ms = offset_ms(venue_time, before, after);
                stats.clock_offset(offset_ms);
                if offset_ms.unsigned_abs() > OFFSET_MAX_MS {
                    warn!(offset_ms, "the venue's clock is {offset_ms} ms ahead of ours");
                }
                ASKED_EVERY
            }
            Err(error) => {
                debug!(%error, "the venue did not tell its time");
                ASKED_AGAIN
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => return Ok(()),
        }
    }
}

/// The venue's clock minus ours, in milliseconds. It tells whole seconds: half a second is added on average.
fn offset_ms(venue_time: Timestamp, before: Timestamp, after: Timestamp) -> i64 {
    let middle = before.plus(after.since(before) / 2);
    venue_time.plus(Duration::from_millis(500)).micros_since(middle) / 1_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_offset_is_taken_from_the_middle_of_the_question_and_of_the_second() {
        let at = |ms: i64| Timestamp::from_millis(1_790_000_000_000 + ms);
        assert_eq!(offset_ms(at(0), at(400), at(600)), 0);
        assert_eq!(offset_ms(at(3_000), at(400), at(600)), 3_000);
        assert_eq!(offset_ms(at(0), at(1_400), at(1_600)), -1_000, "never clamped");
    }
}
