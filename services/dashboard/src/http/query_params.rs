//! What a request asks for: every parameter is checked here, by name and range.
//!
//! Knows: shapes of parameters. Never: what is done with them.

use axum::extract::Query;
use axum::http::Uri;
use chassis::logline::sanitize;
use contract::ids::{ConditionId, TickId, TokenId};
use contract::tick::Kind;
use contract::time::Timestamp;
use contract::verdict::Verdict;
use serde::Deserialize;
use serde::de::value::{Error as Odd, StrDeserializer};
use store::Cursor;

use super::answer::ApiError;

/// Longest text to search for, in characters.
pub(crate) const TEXT_MAX: usize = 100;
/// Longest part of a value that a refusal shows, in characters.
const SHOWN_MAX: usize = 80;

/// The parameters of a request: each is allowed, and there once.
#[derive(Debug)]
pub(crate) struct QueryParams(Vec<(String, String)>);

// === impl QueryParams ===

impl QueryParams {
    /// Reads the parameters of an address.
    ///
    /// # Errors
    /// When one is not among `allowed`, or is there twice.
    pub(crate) fn of(uri: &Uri, allowed: &[&str]) -> Result<Self, ApiError> {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| ApiError::bad("the parameters cannot be read"))?
            .0;
        for (place, (name, _)) in pairs.iter().enumerate() {
            if !allowed.contains(&name.as_str()) {
                let there_are = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
                let name = sanitize(name, SHOWN_MAX);
                return Err(ApiError::bad(format!(
                    "`{name}` is not a parameter here; there are: {there_are}"
                )));
            }
            if pairs[..place].iter().any(|(other, _)| other == name) {
                return Err(ApiError::bad(format!("`{name}` is there more than once")));
            }
        }
        Ok(Self(pairs))
    }

    /// The text of a parameter.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// A whole number from `min` to `max`, or `default`.
    ///
    /// # Errors
    /// When it is none, or out of its range.
    pub(crate) fn whole(
        &self,
        name: &str,
        default: usize,
        min: usize,
        max: usize,
    ) -> Result<usize, ApiError> {
        let shape = format!("a whole number from {min} to {max}");
        let parse = |text: &str| {
            let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|number| is_plain && (min..=max).contains(number))
        };
        Ok(self.parsed(name, &shape, parse)?.unwrap_or(default))
    }

    /// `limit`: 1 to 500, 50 by default.
    ///
    /// # Errors
    /// As [`QueryParams::whole`].
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        self.whole("limit", 50, 1, 500)
    }

    /// `kind`.
    ///
    /// # Errors
    /// When it is no kind.
    pub(crate) fn kind(&self) -> Result<Option<Kind>, ApiError> {
        self.parsed("kind", "one of trade, price, book, quote, tick_size", Kind::of_word)
    }

    /// `verdict`.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn verdict(&self) -> Result<Option<Verdict>, ApiError> {
        self.parsed("verdict", "one of clean, flagged, refused", Verdict::of_word)
    }

    /// `token_id`.
    ///
    /// # Errors
    /// When it is no token id.
    pub(crate) fn token_id(&self) -> Result<Option<TokenId>, ApiError> {
        self.parsed("token_id", "1 to 78 decimal digits", |text| TokenId::try_from(text).ok())
    }

    /// `condition_id`, or another parameter that is one.
    ///
    /// # Errors
    /// When it is no condition id.
    pub(crate) fn condition_id(&self, name: &str) -> Result<Option<ConditionId>, ApiError> {
        self.parsed(name, "0x and 1 to 64 hexadecimal digits", |text| ConditionId::try_from(text).ok())
    }

    /// `before`, an event.
    ///
    /// # Errors
    /// When it is no id.
    pub(crate) fn event_id(&self) -> Result<Option<TickId>, ApiError> {
        self.parsed("before", "the id of an event, 32 hexadecimal digits", |text| TickId::try_from(text).ok())
    }

    /// `before`, a place in a list.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn place(&self) -> Result<Option<Cursor>, ApiError> {
        self.parsed("before", "a place as `next` gives it", |text| {
            let (micros, id) = text.rsplit_once('-')?;
            let at = Timestamp::from_micros(micros.parse().ok()?);
            // Beyond its range the database would take the place for none and begin anew.
            at.date_time()?;
            Some(Cursor { at, id: TickId::try_from(id).ok()? })
        })
    }

    /// A yes or no.
    ///
    /// # Errors
    /// When it is neither.
    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, ApiError> {
        self.parsed(name, "true or false", |text| text.parse().ok())
    }

    /// `from` and `to`.
    ///
    /// # Errors
    /// When one is no moment, or they are the wrong way round.
    pub(crate) fn span(&self) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
        let moment = |name| {
            self.parsed(name, "a time such as 2026-01-31T12:00:00Z", |text| {
                Timestamp::deserialize(StrDeserializer::<Odd>::new(text)).ok()
            })
        };
        let (from, to) = (moment("from")?, moment("to")?);
        if let (Some(from), Some(to)) = (from, to)
            && from >= to
        {
            return Err(ApiError::bad("`from` must be before `to`"));
        }
        Ok((from, to))
    }

    /// `q`: a text to search for, in small letters; empty without one.
    ///
    /// # Errors
    /// When it is longer than `max` characters.
    pub(crate) fn search(&self, max: usize) -> Result<String, ApiError> {
        let shape = format!("a text of at most {max} characters");
        let parse = |text: &str| (text.chars().count() <= max).then(|| text.to_lowercase());
        Ok(self.parsed("q", &shape, parse)?.unwrap_or_default())
    }

    /// A parameter that `parse` reads, whose `shape` a refusal tells.
    ///
    /// # Errors
    /// When `parse` gives none.
    pub(crate) fn parsed<T>(
        &self,
        name: &str,
        shape: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, ApiError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match parse(text) {
            Some(value) => Ok(Some(value)),
            None => {
                Err(ApiError::bad(format!("`{name}` must be {shape}, not `{}`", sanitize(text, SHOWN_MAX))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(query: &str) -> QueryParams {
        let uri: Uri = format!("/api/x?{query}").parse().unwrap();
        let name = query.split('=').next().unwrap();
        let all = ["from", "to", name];
        QueryParams::of(&uri, &all).unwrap()
    }

    fn error<T>(result: Result<T, ApiError>) -> String {
        result.err().expect("it is refused").error
    }

    #[test]
    fn limit_is_1_to_500_and_50_without_it() {
        for (query, limit) in [("limit=1", 1), ("limit=500", 500), ("other=", 50)] {
            assert_eq!(asked(query).limit().unwrap(), limit);
        }
        for text in ["0", "501", "-1", "+5", "abc", "", "99999999999999999999", "1e3", "５"] {
            let told = error(asked(&format!("limit={text}")).limit());
            assert!(told.starts_with("`limit` must be a whole number from 1 to 500"), "{told}");
        }
    }

    #[test]
    fn offset_is_0_to_10000() {
        assert_eq!(asked("offset=10000").whole("offset", 0, 0, 10_000).unwrap(), 10_000);
        assert!(asked("offset=10001").whole("offset", 0, 0, 10_000).is_err());
    }

    #[test]
    fn ids_are_checked_by_shape() {
        assert!(asked("token_id=123").token_id().unwrap().is_some());
        for text in ["'; drop", "%00", "../", "x", ""] {
            assert!(asked(&format!("token_id={}", text.replace(' ', "+"))).token_id().is_err(), "{text}");
        }
        assert!(asked("condition_id=0xab").condition_id("condition_id").unwrap().is_some());
        assert!(asked("condition_id=ab").condition_id("condition_id").is_err());
        assert!(asked(&format!("before={}", "a".repeat(32))).event_id().unwrap().is_some());
        assert!(asked("before=1").event_id().is_err());
    }

    #[test]
    fn words_are_from_closed_sets() {
        assert_eq!(asked("kind=trade").kind().unwrap(), Some(Kind::Trade));
        assert!(error(asked("kind=trades").kind()).contains("one of trade, price"));
        assert_eq!(asked("verdict=refused").verdict().unwrap(), Some(Verdict::Refused));
        assert!(asked("verdict=CLEAN").verdict().is_err());
        assert_eq!(asked("open=true").flag("open").unwrap(), Some(true));
        assert!(asked("open=1").flag("open").is_err());
    }

    #[test]
    fn a_span_runs_forwards() {
        let (from, to) = asked("from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:01Z").span().unwrap();
        assert_eq!(to.unwrap().micros_since(from.unwrap()), 1_000_000);
        assert!(asked("from=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z").span().is_err());
        for text in ["2026-01-01", "now", "2026-01-01T00:00:00", ""] {
            assert!(asked(&format!("from={text}")).span().is_err(), "{text}");
        }
    }

    #[test]
    fn a_place_is_what_an_answer_gave_as_next() {
        let cursor = Cursor { at: Timestamp::from_micros(-5), id: TickId::of_content(&["x"]) };
        let text = crate::view::history::place(cursor);
        assert_eq!(asked(&format!("before={text}")).place().unwrap(), Some(cursor));
        for text in ["5", "5-", "-5", "x-y", &format!("{}-{}", i64::MAX, cursor.id)] {
            assert!(asked(&format!("before={text}")).place().is_err(), "{text}");
        }
    }

    #[test]
    fn unknown_and_repeated_parameters_are_refused_by_name() {
        let uri: Uri = "/api/events?limt=5".parse().unwrap();
        let told = error(QueryParams::of(&uri, &["limit", "offset"]));
        assert_eq!(told, "`limt` is not a parameter here; there are: limit, offset");
        let uri: Uri = "/api/events?limit=5&limit=6".parse().unwrap();
        assert_eq!(error(QueryParams::of(&uri, &["limit"])), "`limit` is there more than once");
        let uri: Uri = "/api/status?x=1".parse().unwrap();
        assert!(error(QueryParams::of(&uri, &[])).ends_with("there are: none"));
    }
}
