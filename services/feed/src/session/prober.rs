//! Finds by bisection which token makes the venue close a socket, beside the sockets that people rely on.
//!
//! Knows: suspects, and a connection of its own to try them on. Never: a book.

use std::collections::VecDeque;
use std::time::Duration;

use chassis::backoff::Backoff;
use contract::ids::TokenId;
use contract::tick::Tick;
use contract::time::Timestamp;
use polymarket::session::{Frame, OPENING_BYTES_MAX, Session, TOKENS_PER_MESSAGE};
use polymarket::translate::{ControlFrame, FrameEvent, frame};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::control::{ControlEvent, ProbeResult};
use crate::session::connect_limiter::ConnectRateLimiter;

/// A group that neither answers nor ends the connection within this is not to blame.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// A connection that outlives an answer by this was not ended by it.
const OUTLIVES: Duration = Duration::from_millis(100);
/// Tokens on one connection: above about 500 no opening book comes.
const TOKENS_MAX: usize = 200;
/// Pauses while the venue closes everything.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// Groups that may wait to be taken up.
pub(crate) const GROUPS_MAX: usize = 1_024;

/// The prober.
#[derive(Debug)]
pub(crate) struct Prober {
    url: String,
    limiter: ConnectRateLimiter,
    events: mpsc::Sender<ControlEvent>,
    work: Worklist,
    session: Option<(Session, usize)>,
    /// A token that the venue bore last: to tell a bad token from a bad hour.
    control: Option<TokenId>,
}

/// Groups still to be tried; pure.
#[derive(Debug, Default)]
struct Worklist(VecDeque<Vec<TokenId>>);

/// What the venue did when a group was subscribed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    /// It sent a book or an empty answer, or bore the group in silence.
    Bore,
    /// The connection ended.
    Ended,
}

impl Prober {
    /// A prober that knows no suspects.
    pub(crate) fn new(url: &str, limiter: ConnectRateLimiter, events: mpsc::Sender<ControlEvent>) -> Self {
        Self { url: url.to_owned(), limiter, events, work: Worklist::default(), session: None, control: None }
    }

    /// Tries whatever comes until `stop`.
    pub(crate) async fn run(
        mut self,
        mut suspects: mpsc::Receiver<Vec<TokenId>>,
        stop: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut backoff = Backoff::new(RETRY.0, RETRY.1);
        loop {
            while let Ok(tokens) = suspects.try_recv() {
                self.work.add(&tokens);
            }
            let Some(group) = self.work.next() else {
                self.session = None;
                tokio::select! {
                    tokens = suspects.recv() => match tokens {
                        Some(tokens) => self.work.add(&tokens),
                        None => return Ok(()),
                    },
                    () = stop.cancelled() => return Ok(()),
                }
                continue;
            };
            let finding = tokio::select! {
                finding = self.examine(group.clone()) => finding,
                () = stop.cancelled() => return Ok(()),
            };
            let Some(finding) = finding else {
                debug!("the venue closes whatever is opened: suspects wait");
                self.work.0.push_front(group);
                tokio::select! {
                    () = sleep(backoff.next(fastrand::u64(..))) => {}
                    () = stop.cancelled() => return Ok(()),
                }
                continue;
            };
            backoff.reset();
            if finding != ProbeResult::default()
                && self.events.send(ControlEvent::Probed(finding)).await.is_err()
            {
                return Ok(());
            }
        }
    }

    /// Tries a group; halves of one that ended the connection go back to the list. None: the venue itself is to blame.
    async fn examine(&mut self, group: Vec<TokenId>) -> Option<ProbeResult> {
        match self.offer(&group).await? {
            Outcome::Bore => {
                self.control = group.first().cloned();
                Some(ProbeResult { good: group, bad: Vec::new() })
            }
            Outcome::Ended if group.len() > 1 => {
                self.work.halve(group);
                Some(ProbeResult::default())
            }
            Outcome::Ended => {
                let control: Vec<TokenId> = self.control.clone().into_iter().collect();
                let venue_is_well = self.offer(&control).await? == Outcome::Bore;
                venue_is_well.then_some(ProbeResult { good: Vec::new(), bad: group })
            }
        }
    }

    /// Subscribes a group on the open connection, or on a new one. None: no connection can be had.
    async fn offer(&mut self, group: &[TokenId]) -> Option<Outcome> {
        let room = |(_, tokens): &(Session, usize)| !group.is_empty() && tokens + group.len() <= TOKENS_MAX;
        let (mut session, tokens) = if let Some((mut session, tokens)) = self.session.take().filter(room) {
            if session.subscribe(group).await.is_err() {
                return Some(Outcome::Ended);
            }
            (session, tokens)
        } else {
            self.limiter.acquire().await;
            match Session::open(&self.url, group).await {
                Ok(session) => (session, 0),
                Err(error) => {
                    self.limiter.pause_for(error.retry_after().unwrap_or_default());
                    return None;
                }
            }
        };
        let outcome = answer(&mut session, group).await;
        if outcome == Outcome::Bore {
            self.session = Some((session, tokens + group.len()));
        }
        Some(outcome)
    }
}

/// Reads until the venue answers a subscription, or ends the connection.
async fn answer(session: &mut Session, group: &[TokenId]) -> Outcome {
    // Nobody answers an empty subscription; that it is borne for a moment is all there is to see.
    let within = if group.is_empty() { RETRY.0 } else { ANSWER_WITHIN };
    let until = Instant::now() + within;
    loop {
        match timeout_at(until, session.next(OPENING_BYTES_MAX)).await {
            Err(_late) => return Outcome::Bore,
            Ok(Err(_ended)) => return Outcome::Ended,
            Ok(Ok(Frame::Text(text))) if answers(text.as_str(), group) => break,
            Ok(Ok(Frame::Text(_) | Frame::Binary(_))) => {}
        }
    }
    let outlives = Instant::now() + OUTLIVES;
    loop {
        match timeout_at(outlives, session.next(OPENING_BYTES_MAX)).await {
            Err(_late) => return Outcome::Bore,
            Ok(Err(_ended)) => return Outcome::Ended,
            Ok(Ok(_frame)) => {}
        }
    }
}

/// Whether a frame answers the subscription of these tokens: with a book of one, or with nothing.
fn answers(text: &str, group: &[TokenId]) -> bool {
    frame(text, Timestamp::from_micros(0)).iter().any(|event| match event {
        FrameEvent::Tick(Tick::Book(book)) => group.contains(&book.token_id),
        FrameEvent::Nothing(ControlFrame::Empty) => true,
        FrameEvent::Tick(_)
        | FrameEvent::Refused { .. }
        | FrameEvent::Unknown { .. }
        | FrameEvent::HashUnreadable(_)
        | FrameEvent::NotUnderstood
        | FrameEvent::NewMarket(_)
        | FrameEvent::Resolved(..)
        | FrameEvent::Nothing(_) => false,
    })
}

// === impl Worklist ===

impl Worklist {
    fn add(&mut self, tokens: &[TokenId]) {
        self.0.extend(tokens.chunks(TOKENS_PER_MESSAGE).map(<[TokenId]>::to_vec));
    }

    fn halve(&mut self, mut group: Vec<TokenId>) {
        let second = group.split_off(group.len() / 2);
        self.0.push_front(second);
        self.0.push_front(group);
    }

    fn next(&mut self) -> Option<Vec<TokenId>> {
        self.0.pop_front()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(numbers: std::ops::Range<u32>) -> Vec<TokenId> {
        numbers.map(|number| TokenId::try_from(number.to_string().as_str()).unwrap()).collect()
    }

    #[test]
    fn a_book_of_the_group_or_an_empty_answer_answers_it() {
        let group = tokens(71..72);
        let book = |token: u32| {
            format!(
                r#"[{{"market":"0xab","asset_id":"{token}","timestamp":"1789156413000","bids":[],"asks":[],"event_type":"book"}}]"#
            )
        };
        assert!(answers(&book(71), &group) && answers("[]", &group));
        assert!(!answers(&book(72), &group) && !answers("PONG", &group) && !answers("[7]", &group));
    }

    proptest! {
        #[test]
        fn bisection_finds_exactly_the_bad_ones_with_few_broken_connections(
            count in 1u32..300, bad in prop::collection::btree_set(0u32..300, 0..4)
        ) {
            let all = tokens(0..count);
            let bad: Vec<TokenId> =
                bad.into_iter().filter(|number| *number < count).flat_map(|number| tokens(number..number + 1)).collect();
            let (mut work, mut good, mut found, mut broken) = (Worklist::default(), Vec::new(), Vec::new(), 0);
            work.add(&all);
            while let Some(group) = work.next() {
                prop_assert!(group.len() <= TOKENS_PER_MESSAGE);
                if !group.iter().any(|token| bad.contains(token)) {
                    good.extend(group);
                } else if group.len() == 1 {
                    broken += 1;
                    found.extend(group);
                } else {
                    broken += 1;
                    work.halve(group);
                }
            }
            prop_assert_eq!(found.len(), bad.len());
            prop_assert!(bad.iter().all(|token| found.contains(token)));
            prop_assert_eq!(good.len() + found.len(), all.len());
            prop_assert!(broken <= 8 * bad.len(), "{} broken for {}", broken, bad.len());
        }
    }
}
