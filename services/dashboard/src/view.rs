//! Answers: what the state is, in the words of the public contract.
//!
//! Knows: member names and how a value is written. Never: where a value comes from, or a default for an unknown one.
//!
//! Unknown is null. Times are RFC 3339 with six decimals. Money is text, digit for digit; measured numbers
//! (seconds, rates, shares of a whole) are JSON numbers, digit for digit too: they never pass through a float.

pub(crate) mod chart;
pub(crate) mod coverage;
pub(crate) mod delivery;
pub(crate) mod event;
pub(crate) mod flow;
pub(crate) mod history;
pub(crate) mod latency;
pub(crate) mod metrics;
pub(crate) mod series;
pub(crate) mod sockets;
pub(crate) mod status;
pub(crate) mod tokens;

use std::time::Duration;

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// A decimal as a JSON number.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Number(pub(crate) Decimal);

/// Why a request was not answered.
#[derive(Debug, Serialize)]
pub(crate) struct Refusal {
    /// In words; names the parameter and its range where one is at fault.
    pub(crate) error: String,
}

/// Text of an answer.
///
/// # Panics
/// Never: our answers hold only texts, numbers, lists and maps with text keys.
pub(crate) fn json<T: Serialize>(answer: &T) -> String {
    serde_json::to_string(answer).expect("our answers hold only texts, numbers, lists and text keys")
}

// === impl Number ===

impl Number {
    /// `part` of `whole`, four decimals; none of nothing.
    pub(crate) fn share(part: u64, whole: u64) -> Option<Self> {
        let whole = (whole > 0).then(|| Decimal::from(whole))?;
        Some(Self((Decimal::from(part) / whole).round_dp(4)))
    }

    /// Seconds, from microseconds, signed.
    pub(crate) fn seconds(micros: i64) -> Self {
        Self(Decimal::new(micros, 6).normalize())
    }

    /// Seconds of a span, to the millisecond.
    pub(crate) fn span(span: Duration) -> Self {
        Self(Decimal::new(i64::try_from(span.as_millis()).unwrap_or(i64::MAX), 3).normalize())
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_digit_for_digit() {
        let seconds = |micros| json(&Number::seconds(micros));
        assert_eq!([1_500_000, -1, 0].map(seconds), ["1.5", "-0.000001", "0"]);
        assert_eq!(json(&Number::span(Duration::from_millis(60_001))), "60.001");
    }

    #[test]
    fn a_share_of_nothing_is_unknown() {
        assert_eq!(json(&[Number::share(2, 3), Number::share(0, 5), Number::share(0, 0)]), "[0.6667,0,null]");
    }
}
