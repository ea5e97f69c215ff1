//! Prices and sizes: exact decimals, checked once at the door.
//!
//! Knows: ranges and spelling of numbers. Never: a float.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// The longest number text that is read: 12 digits, a point, 18 decimals.
const NUMBER_LENGTH_MAX: usize = 31;

/// Price of one share, in USDC. Range: 0 to 1 inclusive. Exact: it was never a float.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "Decimal", into = "Decimal")]
pub struct Price(Decimal);

/// A number of shares. Range: 0 and up, below 10^12. Exact.
///
/// Zero is a size of a book level (the level is gone), never of a trade.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(try_from = "Decimal", into = "Decimal")]
pub struct Size(Decimal);

/// Why a text or number is no price or size.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseDecimalError {
    /// Not digits with at most one point.
    #[error("not a plain decimal number: `{0}`")]
    Spelling(String),
    /// A price below 0 or above 1.
    #[error("price {0} is not within 0 to 1")]
    PriceOutOfRange(Decimal),
    /// A size below 0 or of 10^12 and more.
    #[error("size {0} is not within 0 to 10^12")]
    SizeOutOfRange(Decimal),
}

/// Reads a decimal number: up to 12 digits, then at most a point and 18 decimals, then at most an exponent of one or two
/// digits (`2e-6`, as some of the venue's services write what is small).
///
/// `.48` and `48.` are read; signs of the number, separators, spaces and names such as `NaN` are not.
///
/// # Errors
/// When the text is spelled in any other way, or is no such number once it is written out.
pub fn plain_decimal(text: &str) -> Result<Decimal, ParseDecimalError> {
    let odd = || ParseDecimalError::Spelling(text.chars().take(40).collect());
    if let Some((number, exponent)) = text.split_once(['e', 'E']) {
        let digits = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if !(1..=2).contains(&digits.len()) || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(odd());
        }
        let number = plain_decimal(number).map_err(|_| odd())?;
        let written_out = Decimal::from_scientific(&format!("{number}e{exponent}")).map_err(|_| odd())?;
        return plain_decimal(&written_out.normalize().to_string()).map_err(|_| odd());
    }
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let sane = text.len() <= NUMBER_LENGTH_MAX && whole.len() <= 12 && decimals.len() <= 18;
    if !sane || whole.len() + decimals.len() == 0 || !digits(whole) || !digits(decimals) {
        return Err(odd());
    }
    Decimal::from_str_exact(&format!("0{whole}.{decimals}0")).map(|d| d.normalize()).map_err(|_| odd())
}

impl Price {
    /// The lowest price, 0.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Reads a price as the venue writes it.
    ///
    /// # Errors
    /// When the text is no plain decimal number or lies outside 0 to 1.
    pub fn of_text(text: &str) -> Result<Self, ParseDecimalError> {
        Self::try_from(plain_decimal(text)?)
    }

    /// The number itself.
    pub const fn decimal(self) -> Decimal {
        self.0
    }
}

impl Size {
    /// No share at all.
    pub const ZERO: Self = Self(Decimal::ZERO);

    /// Reads a size as the venue writes it.
    ///
    /// # Errors
    /// When the text is no plain decimal number below 10^12.
    pub fn of_text(text: &str) -> Result<Self, ParseDecimalError> {
        Self::try_from(plain_decimal(text)?)
    }

    /// The number itself.
    pub const fn decimal(self) -> Decimal {
        self.0
    }

    /// Whether this is zero: as a level's size, "the level is gone".
    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }
}

// === impl Price ===

impl TryFrom<Decimal> for Price {
    type Error = ParseDecimalError;

    fn try_from(value: Decimal) -> Result<Self, ParseDecimalError> {
        if (Decimal::ZERO..=Decimal::ONE).contains(&value) {
            Ok(Self(value.normalize()))
        } else {
            Err(ParseDecimalError::PriceOutOfRange(value))
        }
    }
}

impl From<Price> for Decimal {
    fn from(price: Price) -> Self {
        price.0
    }
}

impl fmt::Display for Price {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl Size ===

impl TryFrom<Decimal> for Size {
    type Error = ParseDecimalError;

    fn try_from(value: Decimal) -> Result<Self, ParseDecimalError> {
        if value >= Decimal::ZERO && value < Decimal::from(1_000_000_000_000_u64) {
            Ok(Self(value.normalize()))
        } else {
            Err(ParseDecimalError::SizeOutOfRange(value))
        }
    }
}

impl From<Size> for Decimal {
    fn from(size: Size) -> Self {
        size.0
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_from_zero_to_one_are_prices() {
        for text in ["0", "1", "0.5", ".48", "48e-2", "0.", "0.5000000", "1.000"] {
            assert!(Price::of_text(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_price_just_above_one_is_refused() {
        assert!(Price::of_text("1").is_ok());
        assert!(Price::of_text("1.000000000000000001").is_err());
    }

    #[test]
    fn odd_spellings_are_no_numbers() {
        let odd = [
            "NaN", "inf", "-0.1", "+0.1", "1e", "e5", "1e5e5", "1e123", "1e-", "1e99", "1e-30", "--1", "0x1",
            "1_000", " .5", "０.5", "", ".", "1.2.3", "0.1\n",
        ];
        for text in odd {
            assert!(plain_decimal(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_number_with_an_exponent_is_the_number_that_it_spells() {
        for (text, plain) in
            [("2e-6", "0.000002"), ("2E-06", "0.000002"), ("1.5e3", "1500"), ("5e+1", "50"), ("0e0", "0")]
        {
            assert_eq!(plain_decimal(text).unwrap(), plain_decimal(plain).unwrap(), "{text}");
        }
        assert!(Price::of_text("1e5").is_err() && Price::of_text("5e-1").is_ok());
    }

    #[test]
    fn a_size_below_ten_to_the_twelfth_is_a_size() {
        assert!(Size::of_text("999999999999.999999").is_ok());
        assert!(Size::try_from(Decimal::from(1_000_000_000_000_u64)).is_err());
        assert!(Size::try_from(Decimal::NEGATIVE_ONE).is_err());
        assert!(Size::of_text("0").unwrap().is_zero());
    }

    #[test]
    fn trailing_zeros_make_no_difference() {
        assert_eq!(Size::of_text("10").unwrap().to_string(), Size::of_text("10.000").unwrap().to_string());
        assert_eq!(Price::of_text("0.50").unwrap().to_string(), "0.5");
    }

    #[test]
    fn a_number_travels_as_text() {
        assert_eq!(serde_json::to_string(&Price::of_text("0.55").unwrap()).unwrap(), "\"0.55\"");
        assert!(serde_json::from_str::<Price>("\"1.5\"").is_err());
    }
}
