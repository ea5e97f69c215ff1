//! The venue's hash of a whole book: SHA-1 over its compact JSON.
//!
//! Knows: the text that is hashed. Never: where a book came from.
//!
//! Source: 17 of 17 untrimmed books and 63 of 63 deltas captured December 2025 to October 2026 agree with the rule.

use std::fmt::Write as _;

use contract::ids::BookHash;
use contract::money::Price;
use contract::tick::Level;
use contract::time::Timestamp;
use rust_decimal::Decimal;
use sha1::{Digest, Sha1};

use crate::{HashContext, Ladder};

/// Units of the grids that are searched, in a dollar: the finest one has a step of one.
const UNITS: u16 = 10_000;
/// The step that is searched in every market, in units: its grid may have been finer before.
const COMMON_STEP: u16 = 10;

/// A string takes whatever is written to it.
const TAKES_ALL: &str = "a string takes whatever is written to it";

/// A book and everything of its surroundings that is hashed, but for the last trade price.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashInput<'a> {
    pub(crate) context: &'a HashContext,
    pub(crate) tick_size: Decimal,
    pub(crate) order_size_min: Decimal,
    pub(crate) changed_at: Timestamp,
    pub(crate) ladder: &'a Ladder,
}

/// What came of holding a book against a hash.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HashMatch {
    /// It agrees, with this last trade price; none: never traded.
    With(Option<Price>),
    /// It agrees with none.
    Never,
}

/// Holds a book against the hash stated for it: with each of the `known` last trade prices, then with none, then
/// with every price on the market's own grid and on that of 0.001, outwards from the first known one. Also tells how
/// many were searched.
///
/// `text` is only there to be used again.
pub(crate) fn verify(
    text: &mut String,
    input: HashInput<'_>,
    stated: &BookHash,
    known: [Option<Price>; 2],
) -> (HashMatch, usize) {
    let wanted = digest_of(stated);
    text.clear();
    push_prefix(text, input);
    let prefix = Sha1::new_with_prefix(text.as_bytes());
    let mut agrees = |price: Option<Price>| {
        text.clear();
        push_tail(text, price);
        <[u8; 20]>::from(prefix.clone().chain_update(text.as_bytes()).finalize()) == wanted
    };
    if let Some(price) = known.into_iter().find(|&price| agrees(price)) {
        return (HashMatch::With(price), 0);
    }
    if known.iter().all(Option::is_some) && agrees(None) {
        return (HashMatch::With(None), 1);
    }
    let mut tried = 1;
    for price in grids(input.tick_size, known[0]) {
        tried += 1;
        if agrees(Some(price)) {
            return (HashMatch::With(Some(price)), tried);
        }
    }
    (HashMatch::Never, tried)
}

/// Whether a book agrees with the hash stated for it if the last trade was at this price; `text` is there to be used again.
pub(crate) fn agrees(text: &mut String, input: HashInput<'_>, stated: &BookHash, price: Price) -> bool {
    text.clear();
    push_prefix(text, input);
    push_tail(text, Some(price));
    <[u8; 20]>::from(Sha1::digest(text.as_bytes())) == digest_of(stated)
}

/// All prices of the market's own grid, then those of the common one that are not on it.
fn grids(tick_size: Decimal, around: Option<Price>) -> impl Iterator<Item = Price> {
    let own = (tick_size * Decimal::from(UNITS)).trunc().normalize();
    let own = u16::try_from(own.mantissa()).map_or(COMMON_STEP, |step| step.clamp(1, UNITS));
    let common = grid(COMMON_STEP, around).filter(move |at| !at.is_multiple_of(own));
    grid(own, around).chain(common).map(|units| {
        Price::try_from(Decimal::new(i64::from(units), 4).normalize()).expect("0 to 10,000 units are a price")
    })
}

/// All multiples of a step from 0 to a dollar, in units, those next to `around` first: the market rarely jumps.
fn grid(step: u16, around: Option<Price>) -> impl Iterator<Item = u16> {
    let middle = around.map_or(Decimal::new(5, 1), Price::decimal) * Decimal::from(UNITS);
    let middle = u16::try_from(middle.trunc().mantissa()).map_or(UNITS / 2, |at| at.min(UNITS)) / step;
    let above = move |offset: u16| Some(middle + offset).filter(|&at| at <= UNITS / step);
    let below = move |offset: u16| middle.checked_sub(offset).filter(|_| offset > 0);
    (0..=UNITS / step)
        .flat_map(move |offset| [above(offset), below(offset)])
        .flatten()
        .map(move |at| at * step)
}

fn push_prefix(text: &mut String, input: HashInput<'_>) {
    let HashContext { condition_id, token_id, neg_risk, .. } = input.context;
    let millis = input.changed_at.millis();
    write!(
        text,
        r#"{{"market":"{condition_id}","asset_id":"{token_id}","timestamp":"{millis}","hash":"","bids":["#
    )
    .expect(TAKES_ALL);
    push_levels(text, input.ladder.bids_upwards());
    text.push_str(r#"],"asks":["#);
    push_levels(text, input.ladder.asks_downwards());
    text.push_str(r#"],"min_order_size":""#);
    push_number(text, input.order_size_min.normalize());
    text.push_str(r#"","tick_size":""#);
    push_number(text, input.tick_size.normalize());
    write!(text, r#"","neg_risk":{neg_risk},"last_trade_price":""#).expect(TAKES_ALL);
}

fn push_levels(text: &mut String, levels: impl Iterator<Item = Level>) {
    let mut separator = r#"{"price":""#;
    for Level(price, size) in levels {
        text.push_str(separator);
        push_number(text, price.decimal());
        text.push_str(r#"","size":""#);
        push_number(text, size.decimal());
        text.push_str(r#""}"#);
        separator = r#",{"price":""#;
    }
}

/// A last trade price has three decimals, or as many more as it needs.
fn push_tail(text: &mut String, price: Option<Price>) {
    if let Some(price) = price.map(Price::decimal) {
        if price.scale() > 3 {
            push_number(text, price);
        } else {
            write!(text, "{price:.3}").expect(TAKES_ALL);
        }
    }
    text.push_str(r#""}"#);
}

/// Appends what `Display` would, several times as fast: half of the time of a hash is spent here.
fn push_number(text: &mut String, number: Decimal) {
    let Ok(mut rest) = u64::try_from(number.mantissa()) else {
        return write!(text, "{number}").expect(TAKES_ALL);
    };
    let mut spelled = [0; 32]; // 20 digits and a point, or "0." and 28 decimals
    let (mut at, mut decimals_left) = (spelled.len(), number.scale());
    loop {
        at -= 1;
        spelled[at] = b'0' + u8::try_from(rest % 10).expect("a digit is below ten");
        rest /= 10;
        match decimals_left {
            0 if rest == 0 => break,
            0 => {}
            1 => {
                at -= 1;
                spelled[at] = b'.';
                decimals_left = 0;
                if rest == 0 {
                    at -= 1;
                    spelled[at] = b'0';
                    break;
                }
            }
            more => decimals_left = more - 1,
        }
    }
    text.push_str(std::str::from_utf8(&spelled[at..]).expect("digits and a point are text"));
}

fn digest_of(hash: &BookHash) -> [u8; 20] {
    let mut digest = [0; 20];
    let digits = hash.as_str().bytes().map(|digit| match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.wrapping_sub(b'a' - 10),
    });
    for (at, digit) in digits.enumerate() {
        digest[at / 2] = digest[at / 2] << 4 | digit;
    }
    digest
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tail(price: &str) -> String {
        let mut text = String::new();
        push_tail(&mut text, Some(Price::of_text(price).unwrap()));
        text
    }

    #[test]
    fn a_last_trade_price_has_three_decimals_or_more_if_it_needs_them() {
        let shown = ["0", "0.49", "1", "0.4905", "0.001"].map(tail);
        assert_eq!(shown, [r#"0.000"}"#, r#"0.490"}"#, r#"1.000"}"#, r#"0.4905"}"#, r#"0.001"}"#]);
    }

    #[test]
    fn each_grid_has_its_own_steps_and_the_thousandths_once_and_begins_next_to_what_is_known() {
        // Of the 401 steps of 0.0025 every other one is a thousandth.
        let grids_and_sizes =
            [("0.01", 1_001), ("0.001", 1_001), ("0.0050", 1_001), ("0.0025", 1_201), ("0.0001", 10_001)];
        for (tick, steps) in grids_and_sizes {
            let tick: Decimal = tick.parse().unwrap();
            for known in [None, Some("0"), Some("0.4905"), Some("1")] {
                let known = known.map(|text| Price::of_text(text).unwrap());
                let mut prices: Vec<_> = grids(tick, known).collect();
                if let Some(known) = known {
                    assert!((prices[0].decimal() - known.decimal()).abs() < tick);
                }
                prices.sort_unstable();
                prices.dedup();
                assert_eq!(prices.len(), steps, "{tick}");
            }
        }
    }

    #[test]
    fn a_digest_reads_back_from_its_text() {
        let text = "00ff10a9fea204d5ce8d2eca8410ae7d71f107ba";
        let digest = digest_of(&BookHash::try_from(text).unwrap());
        let shown = digest.iter().fold(String::new(), |shown, byte| format!("{shown}{byte:02x}"));
        assert_eq!(shown, text);
    }

    proptest! {
        #[test]
        fn a_number_is_spelled_as_it_is_shown(mantissa in any::<u128>(), bits in 1u32..97, scale in 0u32..=28) {
            let mantissa = i128::try_from(mantissa >> (128 - bits)).unwrap();
            let number = Decimal::from_i128_with_scale(mantissa, scale);
            let mut text = String::new();
            push_number(&mut text, number);
            prop_assert_eq!(text, number.to_string());
        }
    }
}
