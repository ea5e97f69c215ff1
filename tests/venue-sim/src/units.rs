//! Prices, sizes, sides and hashes as the venue writes them.
//!
//! Knows: exact integers and their shortest decimal text. Never: a float, a market, a clock.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Decimals of a price: every tick the venue was seen to use (down to 0.0001) fits.
const PRICE_DECIMALS: u32 = 4;
/// Decimals of a size: a trade's size has up to six.
const SIZE_DECIMALS: u32 = 6;

/// Price of one share in ten-thousandths of a dollar. Range: 0 to `10_000`.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Price(u16);

impl Price {
    /// The price 0: what an empty bid side shows as its best.
    pub(crate) const ZERO: Self = Self(0);
    /// The price 1: what an empty ask side shows as its best.
    pub(crate) const ONE: Self = Self(10_000);

    /// The price of so many ten-thousandths; anything above 1 becomes 1.
    pub(crate) fn of(ten_thousandths: u16) -> Self {
        Self(ten_thousandths.min(Self::ONE.0))
    }

    /// The price in ten-thousandths.
    pub(crate) fn units(self) -> u16 {
        self.0
    }

    /// What the other outcome of a two-outcome market costs: 1 less this price.
    pub(crate) fn complement(self) -> Self {
        Self(Self::ONE.0 - self.0)
    }

    /// This price and so many ten-thousandths more (or less), held between 0 and 1.
    pub(crate) fn moved(self, ten_thousandths: i32) -> Self {
        let moved = (i32::from(self.0) + ten_thousandths).clamp(0, i32::from(Self::ONE.0));
        Self(u16::try_from(moved).expect("it was clamped between 0 and 10,000"))
    }

    /// Reads a decimal text of a price between 0 and 1 with at most four decimals.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let units = parse_decimal(text, PRICE_DECIMALS)?;
        u16::try_from(units).ok().filter(|units| *units <= Self::ONE.0).map(Self)
    }

    /// Appends the shortest text: `0.63`, `0`, `1`.
    pub(crate) fn push(self, out: &mut String) {
        push_decimal(out, u64::from(self.0), PRICE_DECIMALS);
    }

    /// The text of the middle between two prices, which may lie between two ten-thousandths.
    pub(crate) fn middle(self, other: Self) -> String {
        let mut text = String::new();
        push_decimal(&mut text, 5 * (u64::from(self.0) + u64::from(other.0)), PRICE_DECIMALS + 1);
        text
    }

    /// Three decimals, as a book shows its last trade price: `0.490`.
    pub(crate) fn three_decimals(self) -> String {
        format!("{}.{:03}", self.0 / Self::ONE.0, self.0 % Self::ONE.0 / 10)
    }
}

/// Shares in millionths. A level's size lies on the grid of 0.01, a trade's may use all six decimals.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct Size(u64);

impl Size {
    /// No shares: a level of this size is removed.
    pub(crate) const ZERO: Self = Self(0);
    /// One share.
    pub(crate) const SHARE: u64 = 1_000_000;

    /// So many millionths of a share.
    pub(crate) fn of_millionths(millionths: u64) -> Self {
        Self(millionths)
    }

    /// So many hundredths of a share.
    pub(crate) fn of_hundredths(hundredths: u64) -> Self {
        Self(hundredths * (Self::SHARE / 100))
    }

    /// The size in millionths of a share.
    pub(crate) fn millionths(self) -> u64 {
        self.0
    }

    /// What is left of a level after `eaten`, cut to the grid of 0.01.
    pub(crate) fn less(self, eaten: Self) -> Self {
        let grid = Self::SHARE / 100;
        Self(self.0.saturating_sub(eaten.0) / grid * grid)
    }

    /// Reads a decimal text of a size with at most six decimals.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        parse_decimal(text, SIZE_DECIMALS).map(Self)
    }

    pub(crate) fn push(self, out: &mut String) {
        push_decimal(out, self.0, SIZE_DECIMALS);
    }
}

/// Who takes: `BUY` or `SELL`. In a price change `BUY` means the bids, `SELL` the asks.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Side {
    /// The bids, or a taker who buys.
    Buy,
    /// The asks, or a taker who sells.
    Sell,
}

impl Side {
    /// The venue's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Buy => "BUY",
            Self::Sell => "SELL",
        }
    }

    /// The venue's word as JSON.
    pub(crate) fn json(self) -> &'static str {
        match self {
            Self::Buy => "\"BUY\"",
            Self::Sell => "\"SELL\"",
        }
    }

    /// The other side.
    pub(crate) fn opposite(self) -> Self {
        match self {
            Self::Buy => Self::Sell,
            Self::Sell => Self::Buy,
        }
    }

    /// Reads the venue's word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "BUY" => Some(Self::Buy),
            "SELL" => Some(Self::Sell),
            _ => None,
        }
    }
}

/// Lower-case hexadecimal text of some bytes.
pub(crate) fn push_hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}

fn push_decimal(out: &mut String, value: u64, decimals: u32) {
    use fmt::Write;
    let scale = 10_u64.pow(decimals);
    write!(out, "{}", value / scale).expect("writing to a String cannot fail");
    let (mut fraction, mut digits) = (value % scale, decimals as usize);
    if fraction == 0 {
        return;
    }
    while fraction.is_multiple_of(10) {
        fraction /= 10;
        digits -= 1;
    }
    write!(out, ".{fraction:0digits$}").expect("writing to a String cannot fail");
}

fn parse_decimal(text: &str, decimals: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits_only = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !digits_only(whole) || !digits_only(fraction) {
        return None;
    }
    let given = u32::try_from(fraction.len()).ok().filter(|given| *given <= decimals)?;
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: u64 = if fraction.is_empty() { 0 } else { fraction.parse().ok()? };
    whole.checked_mul(10_u64.pow(decimals))?.checked_add(part * 10_u64.pow(decimals - given))
}

// === impl Display ===

impl fmt::Display for Price {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push(&mut text);
        formatter.write_str(&text)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        self.push(&mut text);
        formatter.write_str(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_are_written_without_trailing_zeros() {
        let texts = [(0, "0"), (100, "0.01"), (6300, "0.63"), (5000, "0.5"), (6240, "0.624"), (10_000, "1")];
        for (units, text) in texts {
            assert_eq!(Price::of(units).to_string(), text);
            assert_eq!(Price::parse(text), Some(Price::of(units)));
        }
    }

    #[test]
    fn sizes_keep_up_to_six_decimals() {
        assert_eq!(Size::of_millionths(3_581_817).to_string(), "3.581817");
        assert_eq!(Size::of_hundredths(20_944).to_string(), "209.44");
        assert_eq!(Size::parse("209.44"), Some(Size::of_hundredths(20_944)));
        assert_eq!(Size::parse("0.0000001"), None);
    }

    #[test]
    fn words_that_are_no_price_are_not_read() {
        for text in ["", ".", "NaN", "-0.1", "1.01", "0.12345", "1e-3"] {
            assert_eq!(Price::parse(text), None, "{text}");
        }
    }

    #[test]
    fn last_trade_price_has_three_decimals() {
        assert_eq!(Price::of(4900).three_decimals(), "0.490");
        assert_eq!(Price::of(3010).three_decimals(), "0.301");
        assert_eq!(Price::ONE.three_decimals(), "1.000");
    }

    #[test]
    fn the_middle_of_two_prices_is_exact() {
        let middle = |one, other| Price::of(one).middle(Price::of(other));
        assert_eq!((middle(650, 660), middle(6_300, 6_301)), ("0.0655".into(), "0.63005".into()));
        assert_eq!((middle(0, 10_000), middle(5_000, 5_000)), ("0.5".into(), "0.5".into()));
    }

    #[test]
    fn complement_and_moves_stay_between_zero_and_one() {
        assert_eq!(Price::of(6300).complement(), Price::of(3700));
        assert_eq!(Price::of(100).moved(-200), Price::ZERO);
        assert_eq!(Price::of(9_950).moved(200), Price::ONE);
    }
}
