//! Which subscribed tokens still owe their opening book, and how each is asked for next.
//!
//! Knows: tokens, times, limits. Never: a socket, a book.

use std::collections::HashMap;
use std::time::Duration;

use contract::ids::TokenId;
use tokio::time::Instant;

/// A token without its opening book after this long is subscribed again; source: `nautilus_trader` waits as long.
pub(crate) const OPENING_WITHIN: Duration = Duration::from_secs(10);
/// A socket that ends this soon after a subscription that was not answered may have been closed because of it.
const BLAMED_WITHIN: Duration = Duration::from_secs(5);
/// A token that nothing helped is subscribed again this often.
const AGAIN_EVERY: Duration = Duration::from_mins(1);
/// The same where its ticks flow: the subscription lives, and only the book did not come.
const TICKING_AFTER: Duration = Duration::from_secs(5);
/// So many of those are asked for at once.
const TICKING_MAX: usize = 50;
/// Asked for in vain so often while ticks flow, a book is fetched by REST.
const IN_VAIN_MAX: u32 = 2;

/// The tokens of one connection that have no book yet.
#[derive(Debug, Default)]
pub(crate) struct PendingSnapshots {
    owing: HashMap<TokenId, PendingSnapshot>,
}

#[derive(Clone, Copy, Debug)]
struct PendingSnapshot {
    asked_at: Instant,
    asked: u32,
    /// Ticks of it came since.
    ticked: bool,
    /// How often it was asked for while its ticks flowed.
    in_vain: u32,
}

/// Tokens whose books are overdue.
#[derive(Debug, Default, Eq, PartialEq)]
pub(crate) struct OverdueSnapshots {
    /// To be subscribed again.
    pub(crate) again: Vec<TokenId>,
    /// Subscribing again did not help either; each is reported once.
    pub(crate) missing: Vec<TokenId>,
    /// Their ticks flow: to be fetched by REST.
    pub(crate) by_rest: Vec<TokenId>,
}

impl PendingSnapshots {
    /// These tokens were subscribed now.
    pub(crate) fn asked(&mut self, tokens: &[TokenId], now: Instant) {
        for token in tokens {
            let first = PendingSnapshot { asked_at: now, asked: 0, ticked: false, in_vain: 0 };
            let owing = self.owing.entry(token.clone()).or_insert(first);
            let in_vain = owing.in_vain + u32::from(owing.ticked && owing.asked > 2);
            *owing = PendingSnapshot { asked_at: now, asked: owing.asked + 1, ticked: false, in_vain };
        }
    }

    /// A tick of a token came that has no book: its subscription lives.
    pub(crate) fn ticked(&mut self, token: &TokenId) {
        if let Some(owing) = self.owing.get_mut(token) {
            owing.ticked = true;
        }
    }

    /// A book of this token came.
    pub(crate) fn came(&mut self, token: &TokenId) {
        self.owing.remove(token);
    }

    /// What is overdue; the caller asks for `again` and `by_rest` and says so by [`PendingSnapshots::asked`].
    pub(crate) fn overdue(&self, now: Instant) -> OverdueSnapshots {
        let mut overdue = OverdueSnapshots::default();
        let mut ticking = 0;
        for (token, owing) in self.owing.iter().filter(|(_, owing)| owing.due_at() <= now) {
            if owing.asked == 2 {
                overdue.missing.push(token.clone());
            }
            let is_ticking = owing.asked > 2 && owing.ticked;
            ticking += usize::from(is_ticking);
            if is_ticking && owing.in_vain >= IN_VAIN_MAX {
                overdue.by_rest.push(token.clone());
            } else if !is_ticking || ticking <= TICKING_MAX {
                overdue.again.push(token.clone());
            }
        }
        overdue
    }

    /// Tokens whose subscription the end of the connection may be to blame on: asked just before, unanswered.
    pub(crate) fn blamed(&self, now: Instant) -> Vec<TokenId> {
        let just = |owing: &&PendingSnapshot| now.saturating_duration_since(owing.asked_at) <= BLAMED_WITHIN;
        let blamed = self.owing.iter().filter(|(_, owing)| just(owing));
        blamed.map(|(token, _)| token.clone()).collect()
    }

    /// Tokens that have no book although they were subscribed three times and more.
    pub(crate) fn given_up(&self) -> Vec<TokenId> {
        self.owing.iter().filter(|(_, owing)| owing.asked > 2).map(|(token, _)| token.clone()).collect()
    }

    /// When to look next; none while nothing is owed.
    pub(crate) fn next_look(&self) -> Option<Instant> {
        self.owing.values().map(PendingSnapshot::due_at).min()
    }
}

impl PendingSnapshot {
    fn due_at(&self) -> Instant {
        let after = match self.asked {
            0..=2 => OPENING_WITHIN,
            _ if self.ticked => TICKING_AFTER,
            _ => AGAIN_EVERY,
        };
        self.asked_at + after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u32) -> TokenId {
        TokenId::try_from(number.to_string().as_str()).unwrap()
    }

    #[test]
    fn a_book_is_overdue_after_ten_seconds_and_not_before() {
        let (mut openings, start) = (PendingSnapshots::default(), Instant::now());
        openings.asked(&[token(1), token(2)], start);
        openings.came(&token(2));
        let just_before = start + OPENING_WITHIN - Duration::from_millis(1);
        assert_eq!(openings.overdue(just_before), OverdueSnapshots::default());
        let due = openings.overdue(start + OPENING_WITHIN);
        assert_eq!((due.again, due.missing), (vec![token(1)], vec![]));
        assert_eq!(openings.next_look(), Some(start + OPENING_WITHIN));
    }

    #[test]
    fn a_token_that_asking_again_does_not_help_is_told_once_and_asked_again_now_and_then() {
        let (mut openings, mut now) = (PendingSnapshots::default(), Instant::now());
        openings.asked(&[token(1)], now);
        now += OPENING_WITHIN;
        openings.asked(&openings.overdue(now).again, now);
        now += OPENING_WITHIN;
        let due = openings.overdue(now);
        assert_eq!((due.again.len(), due.missing.len()), (1, 1));
        assert_eq!(openings.given_up(), []);
        openings.asked(&due.again, now);
        assert_eq!(openings.given_up(), [token(1)]);
        assert_eq!(openings.overdue(now + OPENING_WITHIN), OverdueSnapshots::default());
        let later = openings.overdue(now + AGAIN_EVERY);
        assert_eq!((later.again.len(), later.missing.len()), (1, 0));
        openings.came(&token(1));
        assert_eq!(openings.next_look(), None);
    }

    #[test]
    fn while_ticks_flow_a_book_is_asked_for_within_seconds_and_then_fetched_by_rest() {
        let (mut openings, mut now) = (PendingSnapshots::default(), Instant::now());
        for _ in 0..3 {
            openings.asked(&[token(1), token(2)], now);
            now += OPENING_WITHIN;
        }
        now -= OPENING_WITHIN;
        for _ in 0..IN_VAIN_MAX {
            openings.ticked(&token(1));
            assert_eq!(openings.next_look(), Some(now + TICKING_AFTER));
            now += TICKING_AFTER;
            let due = openings.overdue(now);
            assert_eq!((due.again.as_slice(), due.by_rest.len()), ([token(1)].as_slice(), 0));
            openings.asked(&due.again, now);
        }
        assert_eq!(
            openings.overdue(now + TICKING_AFTER),
            OverdueSnapshots::default(),
            "nothing ticks any more"
        );
        openings.ticked(&token(1));
        assert_eq!(openings.overdue(now + TICKING_AFTER).by_rest, [token(1)]);
    }

    #[test]
    fn not_all_books_that_are_owed_are_asked_for_at_once() {
        let (mut openings, now) = (PendingSnapshots::default(), Instant::now());
        let tokens: Vec<TokenId> = (0..200).map(token).collect();
        (0..3).for_each(|_| openings.asked(&tokens, now));
        for token in &tokens {
            openings.ticked(token);
        }
        assert_eq!(openings.overdue(now + TICKING_AFTER).again.len(), TICKING_MAX);
    }

    #[test]
    fn only_a_subscription_just_made_and_unanswered_is_blamed() {
        let (mut openings, start) = (PendingSnapshots::default(), Instant::now());
        openings.asked(&[token(1), token(2)], start);
        openings.came(&token(1));
        assert_eq!(openings.blamed(start + BLAMED_WITHIN), [token(2)]);
        assert_eq!(openings.blamed(start + BLAMED_WITHIN + Duration::from_millis(1)), []);
    }
}
