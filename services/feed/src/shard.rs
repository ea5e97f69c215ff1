//! Which markets are ours, where several feeds share them.
//!
//! Knows: a hash of the condition id. Never: a market's events or prices.

use contract::ids::{ConditionId, TickId};

/// One of `of` feeds that share the markets among themselves by hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shard {
    /// Which one, from 0.
    pub number: u64,
    /// How many there are.
    pub of: u64,
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
    use proptest::prelude::*;

    use super::*;

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
    }
}
