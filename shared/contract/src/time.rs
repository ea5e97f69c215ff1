//! Moments: UTC, cut to the microsecond, so that memory, bus and database agree.
//!
//! Knows: how a moment is written. Never: which moment it is now.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The first millisecond a venue time may name: 2020-01-01, before the venue opened.
const VENUE_MS_MIN: i64 = 1_577_836_800_000;
/// The last millisecond a venue time may name: 2100-01-01.
const VENUE_MS_MAX: i64 = 4_102_444_800_000;

/// A moment in UTC, in whole microseconds since 1970.
///
/// On the bus: an integer. In JSON: RFC 3339 text with six decimals.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Timestamp(i64);

/// A venue time that names no moment between 2020 and 2100.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a time in {unit} between 2020 and 2100: `{text}`")]
pub struct ParseTimeError {
    /// The unit the field is written in.
    pub unit: &'static str,
    /// The text as received, cut to 40 characters.
    pub text: String,
}

impl Timestamp {
    /// The moment `micros` microseconds after 1970 (before it, if negative).
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// The moment `millis` milliseconds after 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis.saturating_mul(1_000))
    }

    /// Microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970, rounded down.
    pub const fn millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// Reads a field that the venue writes in milliseconds.
    ///
    /// The unit belongs to the field and is never guessed: a value in seconds is an error here.
    ///
    /// # Errors
    /// When the text is no integer, or names a moment outside 2020 to 2100.
    pub fn of_venue_millis(text: &str) -> Result<Self, ParseTimeError> {
        let odd = || ParseTimeError { unit: "milliseconds", text: text.chars().take(40).collect() };
        let plain = !text.is_empty() && text.len() <= 16 && text.bytes().all(|b| b.is_ascii_digit());
        let millis = if plain { text.parse().map_err(|_| odd())? } else { return Err(odd()) };
        if (VENUE_MS_MIN..VENUE_MS_MAX).contains(&millis) {
            Ok(Self::from_millis(millis))
        } else {
            Err(odd())
        }
    }

    /// Reads a field that the venue writes in whole seconds.
    ///
    /// # Errors
    /// When the number names a moment outside 2020 to 2100.
    pub fn of_venue_seconds(seconds: i64) -> Result<Self, ParseTimeError> {
        let millis = seconds.checked_mul(1_000).filter(|ms| (VENUE_MS_MIN..VENUE_MS_MAX).contains(ms));
        millis
            .map(Self::from_millis)
            .ok_or_else(|| ParseTimeError { unit: "seconds", text: seconds.to_string() })
    }

    /// Microseconds from `earlier` to this moment; negative when `earlier` is the later one.
    pub const fn micros_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Time passed since `earlier`; zero when `earlier` is the later one.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.micros_since(earlier)).unwrap_or(0))
    }

    /// This moment, `span` later.
    #[must_use]
    pub fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// This moment, `span` earlier.
    #[must_use]
    pub fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_micros()).unwrap_or(i64::MAX)))
    }

    /// The same moment for chrono; `None` beyond its range (year 262,000).
    pub fn date_time(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.0)
    }
}

// === impl Timestamp ===

impl From<DateTime<Utc>> for Timestamp {
    fn from(value: DateTime<Utc>) -> Self {
        Self(value.timestamp_micros())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.date_time() {
            Some(moment) => f.write_str(&moment.to_rfc3339_opts(SecondsFormat::Micros, true)),
            None => write!(f, "{} µs", self.0),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            serializer.serialize_i64(self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(MomentVisitor)
    }
}

struct MomentVisitor;

impl de::Visitor<'_> for MomentVisitor {
    type Value = Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("microseconds since 1970 or RFC 3339 text")
    }

    fn visit_i64<E: de::Error>(self, micros: i64) -> Result<Timestamp, E> {
        Ok(Timestamp(micros))
    }

    fn visit_u64<E: de::Error>(self, micros: u64) -> Result<Timestamp, E> {
        i64::try_from(micros).map(Timestamp).map_err(E::custom)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
        DateTime::parse_from_rfc3339(text).map(|moment| moment.with_timezone(&Utc).into()).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_venue_time_in_seconds_is_not_taken_for_milliseconds() {
        assert!(Timestamp::of_venue_millis("1789156413").is_err());
        assert!(Timestamp::of_venue_seconds(1_789_156_413_830).is_err());
    }

    #[test]
    fn the_years_2020_and_2100_bound_a_venue_time() {
        assert!(Timestamp::of_venue_millis("1577836799999").is_err());
        assert!(Timestamp::of_venue_millis("1577836800000").is_ok());
        assert!(Timestamp::of_venue_millis("4102444799999").is_ok());
        assert!(Timestamp::of_venue_millis("4102444800000").is_err());
        assert!(Timestamp::of_venue_seconds(1_577_836_800).is_ok());
        assert!(Timestamp::of_venue_seconds(1_577_836_799).is_err());
    }

    #[test]
    fn odd_texts_are_no_times() {
        for text in
            ["", "-1789156413830", "+1789156413830", "1.7e12", "2026-01-01", "１７８９１５６４１３８３０"]
        {
            assert!(Timestamp::of_venue_millis(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_moment_reads_the_same_from_the_bus_and_from_json() {
        let moment = Timestamp::from_micros(1_789_156_413_830_123);
        let packed = rmp_serde::to_vec_named(&moment).unwrap();
        assert_eq!(rmp_serde::from_slice::<Timestamp>(&packed).unwrap(), moment);
        let json = serde_json::to_string(&moment).unwrap();
        assert_eq!(json, "\"2026-09-11T19:53:33.830123Z\"");
        assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), moment);
    }

    #[test]
    fn time_since_a_later_moment_is_zero_and_its_micros_negative() {
        let (early, late) = (Timestamp::from_micros(5), Timestamp::from_micros(9));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(early.micros_since(late), -4);
        assert_eq!(early.plus(Duration::from_micros(4)), late);
        assert_eq!(late.minus(Duration::from_micros(4)), early);
    }
}
