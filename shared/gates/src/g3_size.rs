//! G3: a trade without a usable size gets the size of the same trade as the Data API tells it.
//!
//! Knows: which told trade is the same one. Never: how the Data API is asked.

use std::time::Duration;

use rust_decimal::Decimal;

use contract::ids::{TokenId, TransactionHash};
use contract::money::{Price, Size};
use contract::tick::{Side, Trade};
use contract::time::Timestamp;

use crate::evidence::Answer;
use crate::limits::Limits;

/// A trade as the Data API tells it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RestTrade {
    /// The outcome token traded.
    pub token_id: TokenId,
    /// The taker's side.
    pub side: Option<Side>,
    /// Price of one share; may be an average off the price grid.
    pub price: Price,
    /// Shares traded.
    pub size: Size,
    /// Block time in whole seconds: some seconds after the match.
    pub executed_at: Timestamp,
    /// Settling transaction, where told.
    pub transaction_hash: Option<TransactionHash>,
}

/// What G3 makes of a trade.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finding {
    /// The venue gave a usable size.
    Usable(Size),
    /// It gave none; whether the Data API knows it is still to be asked.
    Ask,
    /// It gave none, and the Data API told this one.
    Found(Size),
    /// It gave none, and none was found.
    Missing,
}

/// Judges the size of `trade`. `answer`: what the Data API told, once it was asked.
pub fn judge(trade: &Trade, answer: Option<&Answer<Vec<RestTrade>>>, limits: &Limits) -> Finding {
    if let Some(size) = trade.size.filter(|size| !size.is_zero()) {
        return Finding::Usable(size);
    }
    match answer {
        None => Finding::Ask,
        Some(Answer::Unavailable) => Finding::Missing,
        Some(Answer::Known(told)) => {
            find(trade, told, limits).map_or(Finding::Missing, |row| Finding::Found(row.size))
        }
    }
}

/// The told trade that is `trade`: nearest in time, then in price, then of the same side.
///
/// None when no told trade of the token has a size, lies within both limits and does not name another
/// transaction. Exactly at a limit is within it.
pub fn find<'a>(trade: &Trade, told: &'a [RestTrade], limits: &Limits) -> Option<&'a RestTrade> {
    told.iter()
        .filter(|row| is_candidate(trade, row, limits))
        .min_by_key(|row| (time_distance(trade, row), price_distance(trade, row), row.side != trade.side))
}

fn is_candidate(trade: &Trade, row: &RestTrade, limits: &Limits) -> bool {
    let other_transaction = match (&trade.transaction_hash, &row.transaction_hash) {
        (Some(ours), Some(theirs)) => ours != theirs,
        (None, _) | (_, None) => false,
    };
    row.token_id == trade.token_id
        && !row.size.is_zero()
        && !other_transaction
        && time_distance(trade, row) <= limits.size_age_max
        && price_distance(trade, row) <= limits.size_tolerance
}

fn time_distance(trade: &Trade, row: &RestTrade) -> Duration {
    // One of the two is zero: `since` answers zero where its argument is the later moment.
    row.executed_at.since(trade.executed_at) + trade.executed_at.since(row.executed_at)
}

fn price_distance(trade: &Trade, row: &RestTrade) -> Decimal {
    (row.price.decimal() - trade.price.decimal()).abs()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{EXECUTED_US, hash, price, size, token, trade};

    fn sizeless() -> Trade {
        Trade { size: None, transaction_hash: None, ..trade() }
    }

    fn row(after_us: i64, price_text: &str, size_text: &str) -> RestTrade {
        RestTrade {
            token_id: token(1),
            side: Some(Side::Buy),
            price: price(price_text),
            size: size(size_text),
            executed_at: Timestamp::from_micros(EXECUTED_US + after_us),
            transaction_hash: None,
        }
    }

    fn found(trade: &Trade, told: Vec<RestTrade>) -> Finding {
        judge(trade, Some(&Answer::Known(told)), &Limits::default())
    }

    #[test]
    fn a_trade_with_a_size_is_never_asked_about() {
        assert_eq!(judge(&trade(), None, &Limits::default()), Finding::Usable(size("10")));
    }

    #[test]
    fn a_size_of_zero_is_as_unusable_as_none() {
        for unusable in [None, Some(Size::ZERO)] {
            let trade = Trade { size: unusable, ..trade() };
            assert_eq!(judge(&trade, None, &Limits::default()), Finding::Ask);
            assert_eq!(judge(&trade, Some(&Answer::Unavailable), &Limits::default()), Finding::Missing);
        }
    }

    #[test]
    fn a_told_trade_exactly_60_seconds_away_is_found_on_either_side() {
        for after_us in [60_000_000, -60_000_000] {
            assert_eq!(found(&sizeless(), vec![row(after_us, "0.5", "7")]), Finding::Found(size("7")));
        }
    }

    #[test]
    fn a_told_trade_one_microsecond_beyond_60_seconds_is_not_found() {
        for after_us in [60_000_001, -60_000_001] {
            assert_eq!(found(&sizeless(), vec![row(after_us, "0.5", "7")]), Finding::Missing);
        }
    }

    #[test]
    fn a_told_trade_exactly_a_cent_away_is_found_on_either_side() {
        for price in ["0.51", "0.49"] {
            assert_eq!(found(&sizeless(), vec![row(0, price, "7")]), Finding::Found(size("7")));
        }
    }

    #[test]
    fn a_told_trade_a_hair_more_than_a_cent_away_is_not_found() {
        for price in ["0.510000000000000001", "0.489999999999999999"] {
            assert_eq!(found(&sizeless(), vec![row(0, price, "7")]), Finding::Missing);
        }
    }

    #[test]
    fn the_nearest_in_time_wins_and_price_decides_only_between_equals() {
        let told =
            vec![row(9_000_000, "0.5", "1"), row(-2_000_000, "0.51", "2"), row(2_000_000, "0.501", "3")];
        assert_eq!(found(&sizeless(), told), Finding::Found(size("3")));
    }

    #[test]
    fn between_equals_in_time_and_price_the_same_side_wins() {
        let other = RestTrade { side: Some(Side::Sell), ..row(0, "0.5", "1") };
        assert_eq!(found(&sizeless(), vec![other, row(0, "0.5", "2")]), Finding::Found(size("2")));
    }

    #[test]
    fn a_trade_of_another_token_or_without_size_is_not_the_one() {
        let other = RestTrade { token_id: token(2), ..row(0, "0.5", "1") };
        assert_eq!(found(&sizeless(), vec![other, row(0, "0.5", "0")]), Finding::Missing);
    }

    #[test]
    fn another_transaction_is_another_trade_however_near() {
        let ours = Trade { transaction_hash: Some(hash("0xaa")), ..sizeless() };
        let near = RestTrade { transaction_hash: Some(hash("0xbb")), ..row(0, "0.5", "1") };
        let far = RestTrade { transaction_hash: Some(hash("0xaa")), ..row(8_000_000, "0.5", "2") };
        assert_eq!(found(&ours, vec![near.clone(), far]), Finding::Found(size("2")));
        assert_eq!(found(&ours, vec![near]), Finding::Missing);
    }

    #[test]
    fn where_one_of_the_two_names_no_transaction_time_and_price_decide() {
        let ours = Trade { transaction_hash: Some(hash("0xaa")), ..sizeless() };
        assert_eq!(found(&ours, vec![row(0, "0.5", "1")]), Finding::Found(size("1")));
        let named = RestTrade { transaction_hash: Some(hash("0xbb")), ..row(0, "0.5", "1") };
        assert_eq!(found(&sizeless(), vec![named]), Finding::Found(size("1")));
    }

    prop_compose! {
        fn any_row()(
            after_us in -70_000_000_i64..70_000_000,
            mills in 470_u32..530,
            shares in 0_u32..4,
            token_number in 1_u32..3,
            transaction in proptest::option::of(prop_oneof![Just("0xaa"), Just("0xbb")]),
        ) -> RestTrade {
            RestTrade {
                token_id: token(token_number),
                transaction_hash: transaction.map(hash),
                ..row(after_us, &Decimal::new(mills.into(), 3).to_string(), &shares.to_string())
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_picked_lies_within_the_limits_and_nothing_else_within_them_is_nearer(
            told in proptest::collection::vec(any_row(), 0..12),
            ours in proptest::option::of(Just("0xaa")),
        ) {
            let trade = Trade { transaction_hash: ours.map(hash), ..sizeless() };
            let limits = Limits::default();
            let within = |row: &&RestTrade| {
                let differs = |theirs: &TransactionHash| Some(theirs) != trade.transaction_hash.as_ref();
                row.token_id == trade.token_id
                    && !row.size.is_zero()
                    && (row.executed_at.micros() - EXECUTED_US).abs() <= 60_000_000
                    && (row.price.decimal() - trade.price.decimal()).abs() <= Decimal::new(1, 2)
                    && !(trade.transaction_hash.is_some() && row.transaction_hash.as_ref().is_some_and(differs))
            };
            match find(&trade, &told, &limits) {
                None => prop_assert_eq!(told.iter().filter(within).count(), 0),
                Some(picked) => {
                    prop_assert!(within(&picked));
                    let key = |row: &RestTrade| ((row.executed_at.micros() - EXECUTED_US).abs(), price_distance(&trade, row));
                    prop_assert!(told.iter().filter(within).all(|row| key(picked) <= key(row)));
                }
            }
        }
    }
}
