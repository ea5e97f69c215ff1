//! What a client of the live stream wants to see.
//!
//! Knows: kinds, tokens, markets. Never: how it asked for them.

use std::collections::HashSet;

use contract::ids::{ConditionId, TokenId};
use contract::tick::Kind;

use super::EncodedEvent;
use crate::state::events::EventFilter;

/// The words of `kinds`, as an answer to a wrong one.
pub(crate) const KINDS: &str = "trade, price, book, quote, tick_size, gap";

/// What passes; a set that is none does not narrow.
#[derive(Clone, Debug, Default)]
pub(crate) struct SubscriptionFilter {
    kinds: Option<HashSet<Kind>>,
    without_gaps: bool,
    pub(crate) token_id: Option<TokenId>,
    /// The market of that token, where it is known: gaps are of whole markets.
    pub(crate) market_of_token: Option<ConditionId>,
    pub(crate) condition_id: Option<ConditionId>,
}

// === impl SubscriptionFilter ===

impl SubscriptionFilter {
    /// Narrowed to kinds, by their words, joined by commas; none when a word is unknown.
    pub(crate) fn of_kinds(mut self, words: &str) -> Option<Self> {
        let mut kinds = HashSet::new();
        self.without_gaps = true;
        for word in words.split(',') {
            match Kind::of_word(word) {
                Some(kind) => drop(kinds.insert(kind)),
                None if word == "gap" => self.without_gaps = false,
                None => return None,
            }
        }
        self.kinds = Some(kinds);
        Some(self)
    }

    /// Whether an event passes.
    pub(super) fn takes(&self, line: &EncodedEvent) -> bool {
        self.takes_kind(line.kind)
            && self.token_id.as_ref().is_none_or(|id| *id == line.token_id)
            && self.condition_id.as_ref().is_none_or(|id| *id == line.condition_id)
    }

    /// Whether a gap of this market passes.
    pub(super) fn takes_gap(&self, condition_id: &ConditionId) -> bool {
        !self.without_gaps
            && self.condition_id.as_ref().is_none_or(|id| id == condition_id)
            && (self.token_id.is_none() || self.market_of_token.as_ref() == Some(condition_id))
    }

    /// Whether every event passes.
    pub(super) fn takes_everything(&self) -> bool {
        self.kinds.is_none() && self.token_id.is_none() && self.condition_id.is_none()
    }

    /// Whether events of a kind pass.
    pub(crate) fn takes_kind(&self, kind: Kind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    /// The filter for the events that are shown first. Of several kinds only one can be filtered by; the rest
    /// is left to [`SubscriptionFilter::takes_kind`].
    pub(crate) fn filter(&self) -> EventFilter {
        let mut kinds = self.kinds.iter().flatten().copied();
        let kind = match (kinds.next(), kinds.next()) {
            (Some(only), None) => Some(only),
            _ => None,
        };
        let (token_id, condition_id) = (self.token_id.clone(), self.condition_id.clone());
        EventFilter { kind, token_id, condition_id, ..EventFilter::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_for_kinds_takes_these_and_no_others() {
        let wish = SubscriptionFilter::default().of_kinds("trade,gap").unwrap();
        assert!(wish.takes_kind(Kind::Trade) && !wish.takes_kind(Kind::Book));
        let market = ConditionId::try_from("0x1").unwrap();
        assert!(wish.takes_gap(&market));
        assert!(!SubscriptionFilter::default().of_kinds("price").unwrap().takes_gap(&market));
        assert_eq!(wish.filter().kind, Some(Kind::Trade));
        assert_eq!(SubscriptionFilter::default().of_kinds("trade,price").unwrap().filter().kind, None);
    }

    #[test]
    fn a_token_narrows_gaps_to_those_of_its_market() {
        let [own, other] = ["0x1", "0x2"].map(|id| ConditionId::try_from(id).unwrap());
        let token_id = TokenId::try_from("71").ok();
        let known = SubscriptionFilter {
            token_id: token_id.clone(),
            market_of_token: Some(own.clone()),
            ..SubscriptionFilter::default()
        };
        assert!(known.takes_gap(&own) && !known.takes_gap(&other));
        let unknown = SubscriptionFilter { token_id, ..SubscriptionFilter::default() };
        assert!(!unknown.takes_gap(&own), "of a token that nobody knows there is no market");
    }

    #[test]
    fn an_unknown_kind_is_none() {
        for words in ["", "trades", "trade,", "trade,,gap", "TRADE"] {
            assert!(SubscriptionFilter::default().of_kinds(words).is_none(), "{words:?}");
        }
    }
}
