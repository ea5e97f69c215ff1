//! G5: a trade too far from the book is flagged, unless the venue's own book clears it.
//!
//! Knows: a price, a stamped quote, the top of a book. Never: whose fault a wrong book is.

use rust_decimal::Decimal;

use contract::money::Price;
use contract::tick::{Origin, Prevailing, Trade};

use crate::evidence::Answer;
use crate::limits::Limits;

/// The best bid and ask of a book. Both none: an empty book, against which nothing can be held.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Top {
    /// Best bid; none when nobody bids.
    pub best_bid: Option<Price>,
    /// Best ask; none when nobody offers.
    pub best_ask: Option<Price>,
}

/// What G5 makes of a trade. Deviations are distances to the quote the trade was held against.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Finding {
    /// What the venue's book says has to be asked.
    Ask,
    /// Near enough to the book.
    Near {
        /// Distance to the book.
        deviation: Decimal,
        /// Whether the stamped quote diverged, and it was the venue's book that cleared the trade.
        overruled: bool,
    },
    /// Too far from the book.
    Far {
        /// Distance to the book.
        deviation: Decimal,
        /// Whether the venue's book says so; else only the stamped quote does.
        confirmed: bool,
    },
    /// There was no book to hold the trade against.
    Unknown,
}

/// Judges the price of `trade`. `answer`: the top of the venue's book, once it was asked for.
///
/// Of a trade that was recovered after a gap the book at its time is not known, and the book of now says
/// nothing about it: unknown, and nothing is asked.
pub fn judge(trade: &Trade, answer: Option<&Answer<Top>>, limits: &Limits) -> Finding {
    if trade.origin == Origin::Rest {
        return Finding::Unknown;
    }
    let is_far = |deviation: Decimal| deviation > limits.price_deviation_max;
    let stamped = trade.prevailing.as_ref().and_then(|quote| stamped_deviation(trade.price, quote, limits));
    if let Some(deviation) = stamped.filter(|deviation| !is_far(*deviation)) {
        return Finding::Near { deviation, overruled: false };
    }
    let told = match answer {
        None => return Finding::Ask,
        Some(Answer::Unavailable) => None,
        Some(Answer::Known(top)) => deviation(trade.price, *top),
    };
    match (told, stamped) {
        (Some(deviation), _) if is_far(deviation) => Finding::Far { deviation, confirmed: true },
        (Some(deviation), stamped) => Finding::Near { deviation, overruled: stamped.is_some() },
        (None, Some(deviation)) => Finding::Far { deviation, confirmed: false },
        (None, None) => Finding::Unknown,
    }
}

/// Distance from `price` to the nearer end of best bid to best ask: zero between them, and to the one
/// side where the other is empty. None for an empty book.
pub fn deviation(price: Price, top: Top) -> Option<Decimal> {
    let (one, other) = match (top.best_bid, top.best_ask) {
        (Some(bid), Some(ask)) => (bid, ask),
        (Some(only), None) | (None, Some(only)) => (only, only),
        (None, None) => return None,
    };
    // A crossed book has its ends the other way round; what lies between them is still inside.
    let (low, high) = (one.min(other).decimal(), one.max(other).decimal());
    let price = price.decimal();
    Some((low - price).max(price - high).max(Decimal::ZERO).normalize())
}

fn stamped_deviation(price: Price, quote: &Prevailing, limits: &Limits) -> Option<Decimal> {
    let is_young = u128::from(quote.age_us) < limits.quote_age_max.as_micros();
    let top = Top { best_bid: quote.best_bid, best_ask: quote.best_ask };
    if is_young { deviation(price, top) } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{price, trade};

    const YOUNG_US: u64 = 59_999_999;
    const OLD_US: u64 = 60_000_000;

    fn top(bid: &str, ask: &str) -> Top {
        let side = |text: &str| (!text.is_empty()).then(|| price(text));
        Top { best_bid: side(bid), best_ask: side(ask) }
    }

    fn stamped(price_text: &str, quote: Top, age_us: u64) -> Trade {
        let Top { best_bid, best_ask } = quote;
        Trade {
            price: price(price_text),
            prevailing: Some(Prevailing { best_bid, best_ask, age_us }),
            ..trade()
        }
    }

    fn decide(trade: &Trade, answer: Option<Answer<Top>>) -> Finding {
        judge(trade, answer.as_ref(), &Limits::default())
    }

    fn near(deviation: &str, overruled: bool) -> Finding {
        Finding::Near { deviation: deviation.parse().unwrap(), overruled }
    }

    fn far(deviation: &str, confirmed: bool) -> Finding {
        Finding::Far { deviation: deviation.parse().unwrap(), confirmed }
    }

    #[test]
    fn a_trade_recovered_after_a_gap_is_held_against_no_later_book_and_asks_nothing() {
        let recovered = Trade { origin: Origin::Rest, prevailing: None, ..stamped("0.9", top("", ""), 0) };
        assert_eq!(decide(&recovered, None), Finding::Unknown);
        let from_socket = Trade { origin: Origin::Socket, ..recovered };
        assert_eq!(decide(&from_socket, None), Finding::Ask);
    }

    #[test]
    fn a_price_exactly_ten_cents_outside_the_quote_passes_without_a_question() {
        assert_eq!(decide(&stamped("0.65", top("0.5", "0.55"), YOUNG_US), None), near("0.10", false));
        assert_eq!(decide(&stamped("0.40", top("0.5", "0.55"), YOUNG_US), None), near("0.10", false));
    }

    #[test]
    fn a_price_a_hair_more_than_ten_cents_outside_the_quote_must_be_confirmed() {
        for price in ["0.650000000000000001", "0.399999999999999999"] {
            assert_eq!(decide(&stamped(price, top("0.5", "0.55"), YOUNG_US), None), Finding::Ask);
        }
    }

    #[test]
    fn a_price_inside_the_quote_has_no_deviation() {
        for price in ["0.5", "0.53", "0.55"] {
            assert_eq!(decide(&stamped(price, top("0.5", "0.55"), YOUNG_US), None), near("0", false));
        }
    }

    #[test]
    fn a_one_sided_quote_is_held_against_its_one_side() {
        assert_eq!(decide(&stamped("0.6", top("0.5", ""), YOUNG_US), None), near("0.1", false));
        assert_eq!(decide(&stamped("0.6", top("", "0.7"), YOUNG_US), None), near("0.1", false));
        assert_eq!(decide(&stamped("0.601", top("0.5", ""), YOUNG_US), None), Finding::Ask);
        assert_eq!(decide(&stamped("0.599", top("", "0.7"), YOUNG_US), None), Finding::Ask);
    }

    #[test]
    fn the_inside_of_a_crossed_quote_is_what_lies_between_its_ends() {
        assert_eq!(deviation(price("0.52"), top("0.55", "0.5")), Some(Decimal::ZERO));
        assert_eq!(deviation(price("0.6"), top("0.55", "0.5")), Some(Decimal::new(5, 2)));
    }

    #[test]
    fn a_divergence_that_the_venue_confirms_is_kept_with_its_distance_to_the_venue() {
        let trade = stamped("0.9", top("0.5", "0.55"), YOUNG_US);
        assert_eq!(decide(&trade, Some(Answer::Known(top("0.5", "0.6")))), far("0.3", true));
        assert_eq!(decide(&trade, Some(Answer::Known(top("0.5", "0.799999")))), far("0.100001", true));
    }

    #[test]
    fn a_divergence_that_the_venue_denies_is_overruled_even_exactly_at_the_limit() {
        let trade = stamped("0.9", top("0.5", "0.55"), YOUNG_US);
        assert_eq!(decide(&trade, Some(Answer::Known(top("0.5", "0.8")))), near("0.1", true));
    }

    #[test]
    fn a_divergence_nobody_could_confirm_stays_unconfirmed() {
        let trade = stamped("0.9", top("0.5", "0.55"), YOUNG_US);
        assert_eq!(decide(&trade, Some(Answer::Unavailable)), far("0.35", false));
        assert_eq!(decide(&trade, Some(Answer::Known(Top::default()))), far("0.35", false));
    }

    #[test]
    fn a_quote_of_exactly_60_seconds_is_too_old_and_one_a_microsecond_younger_is_not() {
        assert_eq!(decide(&stamped("0.5", top("0.5", "0.55"), YOUNG_US), None), near("0", false));
        assert_eq!(decide(&stamped("0.5", top("0.5", "0.55"), OLD_US), None), Finding::Ask);
    }

    #[test]
    fn without_a_usable_quote_the_venue_alone_decides() {
        let unusable = [
            Trade { price: price("0.9"), prevailing: None, ..trade() },
            stamped("0.9", Top::default(), YOUNG_US),
            stamped("0.9", top("0.9", "0.91"), OLD_US),
        ];
        for trade in unusable {
            assert_eq!(decide(&trade, None), Finding::Ask);
            assert_eq!(decide(&trade, Some(Answer::Known(top("0.5", "0.8")))), near("0.1", false));
            assert_eq!(decide(&trade, Some(Answer::Known(top("0.5", "0.79")))), far("0.11", true));
            assert_eq!(decide(&trade, Some(Answer::Unavailable)), Finding::Unknown);
            assert_eq!(decide(&trade, Some(Answer::Known(Top::default()))), Finding::Unknown);
        }
    }

    proptest! {
        #[test]
        fn the_deviation_is_zero_inside_the_quote_and_nowhere_else(at in 0_i64..=1000, bid in 0_i64..=1000, ask in 0_i64..=1000) {
            let of = |mills| Price::try_from(Decimal::new(mills, 3)).unwrap();
            let quote = Top { best_bid: Some(of(bid)), best_ask: Some(of(ask)) };
            let deviation = deviation(of(at), quote).unwrap();
            let inside = (bid.min(ask)..=bid.max(ask)).contains(&at);
            prop_assert_eq!(deviation.is_zero(), inside);
            prop_assert!(deviation >= Decimal::ZERO && deviation <= Decimal::ONE);
        }

        #[test]
        fn further_from_the_quote_never_means_nearer(a in 0_i64..=400, b in 0_i64..=400) {
            let at = |mills| Trade { prevailing: None, price: Price::try_from(Decimal::new(mills, 3)).unwrap(), ..trade() };
            let is_far = |mills| matches!(decide(&at(mills), Some(Answer::Known(top("0.4", "0.6")))), Finding::Far { .. });
            prop_assert!(!is_far(a.max(b)) || is_far(a.min(b)));
        }
    }
}
