//! Which markets this feed follows, and on which socket.
//!
//! Knows: hashes and limits. Never: a market's words or prices.

use contract::ids::{ConditionId, TickId, TokenId};
use contract::market::Market;

/// One of `of` feeds that share the markets among themselves by hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shard {
    /// Which one, from 0.
    pub number: u64,
    /// How many there are.
    pub of: u64,
}

/// A market and its tokens, on one socket.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Watched {
    /// The market.
    pub(crate) market: ConditionId,
    /// Its tokens.
    pub(crate) tokens: Vec<TokenId>,
}

/// What each socket follows, and what found no place.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Plan {
    /// The markets of each socket.
    pub(crate) sockets: Vec<Vec<Watched>>,
    /// Markets for which no socket was left.
    pub(crate) left_out: usize,
}

/// Spreads markets, in their order, over as few sockets as the limits allow; a market's tokens stay together.
pub(crate) fn plan(markets: &[Market], tokens_per_socket: usize, sockets_max: usize) -> Plan {
    let mut plan = Plan::default();
    let mut room = 0;
    for market in markets {
        let tokens: Vec<TokenId> = market.tokens.iter().map(|outcome| outcome.token_id.clone()).collect();
        if tokens.is_empty() || tokens.len() > tokens_per_socket {
            plan.left_out += 1;
            continue;
        }
        if tokens.len() > room {
            if plan.sockets.len() == sockets_max {
                plan.left_out += 1;
                continue;
            }
            plan.sockets.push(Vec::new());
            room = tokens_per_socket;
        }
        room -= tokens.len();
        if let Some(socket) = plan.sockets.last_mut() {
            socket.push(Watched { market: market.condition_id.clone(), tokens });
        }
    }
    plan
}

// === impl Shard ===

impl Shard {
    /// Reads `0/4`.
    ///
    /// # Errors
    /// When it is not two numbers, the first below the second.
    pub fn of_text(text: &str) -> Result<Self, String> {
        let numbers = text.split_once('/').and_then(|(n, of)| Some((n.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if number < of && of <= 1_000 => Ok(Self { number, of }),
            _ => Err("not a shard such as `0/4`: the first number below the second, at most 1000".to_owned()),
        }
    }

    /// Whether this market is ours.
    pub(crate) fn holds(self, market: &ConditionId) -> bool {
        let bytes = TickId::of_content(&["shard", market.as_str()]).bytes();
        let mut first = [0; 8];
        first.copy_from_slice(&bytes[..8]);
        u64::from_le_bytes(first) % self.of == self.number
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

#[cfg(test)]
mod tests {
    use contract::market::Outcome;
    use contract::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn market(number: usize, tokens: usize) -> Market {
        let token = |t| Outcome {
            token_id: TokenId::try_from(format!("{}", number * 10 + t).as_str()).unwrap(),
            outcome: "Yes".to_owned(),
        };
        Market {
            condition_id: ConditionId::try_from(format!("0x{number:x}").as_str()).unwrap(),
            slug: String::new(),
            question: String::new(),
            end_at: None,
            active: true,
            closed: false,
            neg_risk: false,
            tick_size: None,
            order_size_min: None,
            volume_24h: None,
            tokens: (0..tokens).map(token).collect(),
            updated_at: Timestamp::from_micros(0),
        }
    }

    #[test]
    fn a_socket_is_filled_to_its_limit_and_not_beyond() {
        let markets: Vec<Market> = (0..3).map(|n| market(n, 2)).collect();
        assert_eq!(plan(&markets, 4, 9).sockets.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
        assert_eq!(plan(&markets, 6, 9).sockets.len(), 1);
        let cramped = plan(&markets, 4, 1);
        assert_eq!((cramped.sockets.len(), cramped.left_out), (1, 1));
    }

    #[test]
    fn a_shard_is_two_numbers_the_first_below_the_second() {
        assert_eq!(Shard::of_text("3/4").unwrap().to_string(), "3/4");
        for text in ["4/4", "", "1", "-1/4", "a/b", "0/0", "0/1001"] {
            assert!(Shard::of_text(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_market_belongs_to_exactly_one_shard(number in any::<u64>(), of in 1u64..20) {
            let market = ConditionId::try_from(format!("0x{number:x}").as_str()).unwrap();
            let holders = (0..of).filter(|&n| Shard { number: n, of }.holds(&market)).count();
            prop_assert_eq!(holders, 1);
        }

        #[test]
        fn the_plan_keeps_its_limits_and_every_market_once(
            sizes in prop::collection::vec(0usize..5, 0..60), per_socket in 4usize..20, sockets_max in 1usize..10
        ) {
            let markets: Vec<Market> = sizes.iter().enumerate().map(|(n, &s)| market(n, s)).collect();
            let plan = plan(&markets, per_socket, sockets_max);
            prop_assert!(plan.sockets.len() <= sockets_max);
            for socket in &plan.sockets {
                prop_assert!(socket.iter().map(|w| w.tokens.len()).sum::<usize>() <= per_socket);
            }
            let placed: usize = plan.sockets.iter().map(Vec::len).sum();
            prop_assert_eq!(placed + plan.left_out, markets.len());
        }
    }
}
