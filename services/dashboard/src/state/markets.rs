//! Questions and outcomes by token.
//!
//! Knows: names. Never: more than a bounded number of them, or a price.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use contract::ids::{ConditionId, TokenId};
use contract::market::Market;

use super::event::Name;

/// Tokens whose names are kept: more than the venue ever had open at once. Beyond it the first learned go.
pub(crate) const TOKENS_MAX: usize = 100_000;

/// The names.
#[derive(Debug)]
pub(crate) struct Markets {
    names: HashMap<TokenId, Name>,
    /// A token of each market, to find its question by.
    tokens: HashMap<ConditionId, TokenId>,
    learned: VecDeque<(TokenId, ConditionId)>,
    max: usize,
}

impl Markets {
    /// Learns or corrects the names of a market.
    pub(crate) fn learn(&mut self, market: &Market) {
        let question: Arc<str> = market.question.as_str().into();
        for outcome in &market.tokens {
            let name = Name { question: question.clone(), outcome: outcome.outcome.as_str().into() };
            self.tokens.insert(market.condition_id.clone(), outcome.token_id.clone());
            if self.names.insert(outcome.token_id.clone(), name).is_none() {
                self.learned.push_back((outcome.token_id.clone(), market.condition_id.clone()));
            }
            if self.learned.len() > self.max
                && let Some((token_id, condition_id)) = self.learned.pop_front()
            {
                self.names.remove(&token_id);
                if self.tokens.get(&condition_id) == Some(&token_id) {
                    self.tokens.remove(&condition_id);
                }
            }
        }
    }

    /// Question and outcome of a token.
    pub(crate) fn name(&self, token_id: &TokenId) -> Option<Name> {
        self.names.get(token_id).cloned()
    }

    /// Question of a market.
    pub(crate) fn question(&self, condition_id: &ConditionId) -> Option<Arc<str>> {
        let token_id = self.tokens.get(condition_id)?;
        Some(self.names.get(token_id)?.question.clone())
    }

    #[cfg(test)]
    pub(crate) fn bounded(max: usize) -> Self {
        Self { max, ..Self::default() }
    }

    #[cfg(test)]
    pub(crate) fn size(&self) -> usize {
        self.names.len().max(self.learned.len()).max(self.tokens.len())
    }
}

impl Default for Markets {
    fn default() -> Self {
        let (names, tokens, learned) = Default::default();
        Self { names, tokens, learned, max: TOKENS_MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing::market;

    #[test]
    fn a_market_names_its_tokens_and_a_correction_replaces_the_name() {
        let mut markets = Markets::default();
        let mut known = market(1);
        markets.learn(&known);
        known.question = "Really?".to_owned();
        markets.learn(&known);
        let name = markets.name(&known.tokens[0].token_id).unwrap();
        assert_eq!((&*name.question, &*name.outcome), ("Really?", "Yes"));
        assert_eq!(markets.question(&known.condition_id).as_deref(), Some("Really?"));
        assert_eq!(markets.size(), 2);
    }

    #[test]
    fn beyond_the_bound_the_first_learned_names_go() {
        let mut markets = Markets::bounded(4);
        (1..=3).for_each(|number| markets.learn(&market(number)));
        assert_eq!(markets.size(), 4);
        assert_eq!(markets.name(&market(1).tokens[0].token_id), None);
        assert_eq!(markets.question(&market(1).condition_id), None);
        assert!(markets.question(&market(2).condition_id).is_some());
        assert!(markets.name(&market(3).tokens[1].token_id).is_some());
    }
}
