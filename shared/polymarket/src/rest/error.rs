//! What can go wrong with a REST call.
//!
//! Knows: which failures may pass by themselves. Never: how often to try.

use std::time::Duration;

use chrono::DateTime;

use crate::link::OddProxy;

/// Longest pause that the venue may ask for; a longer one is cut to this.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);
/// The pause where the venue asks for one in a way that cannot be read.
const RETRY_AFTER_ODD: Duration = Duration::from_secs(2);
/// Characters kept of what the venue said.
const SAID_MAX: usize = 200;

/// A REST call that failed.
#[derive(Debug, thiserror::Error)]
pub enum RestError {
    /// A configured address is none.
    #[error("not an http or https address: `{0}`")]
    Address(String),
    /// What is configured as a proxy is none.
    #[error(transparent)]
    Proxy(#[from] OddProxy),
    /// The client could not be set up.
    #[error("the HTTP client could not be set up")]
    Setup(#[source] reqwest::Error),
    /// No whole answer came within the time limit, waiting for our turn included.
    #[error("no answer of `{route}` within {waited:?}")]
    TimedOut {
        /// The route asked.
        route: &'static str,
        /// The time limit.
        waited: Duration,
    },
    /// The connection could not be opened or broke off.
    #[error("`{route}` could not be reached")]
    Unreachable {
        /// The route asked.
        route: &'static str,
        /// What the client said.
        #[source]
        source: reqwest::Error,
    },
    /// The answer has another status than 200.
    #[error("`{route}` answered {status}: {said}")]
    Refused {
        /// The route asked.
        route: &'static str,
        /// The status.
        status: u16,
        /// The beginning of the answer, control characters removed.
        said: String,
        /// The pause that the venue asks for, at most 60 s.
        retry_after: Option<Duration>,
    },
    /// The answer is longer than we read.
    #[error("the answer of `{route}` is longer than {bytes_max} bytes")]
    TooLarge {
        /// The route asked.
        route: &'static str,
        /// The most we read.
        bytes_max: usize,
    },
    /// The answer is no JSON: an error page, an empty or a broken-off body.
    #[error("the answer of `{route}` is no JSON: {said}")]
    NotJson {
        /// The route asked.
        route: &'static str,
        /// Its beginning.
        said: String,
    },
    /// The answer is JSON of another shape.
    #[error("the answer of `{route}` is odd: {what}")]
    Odd {
        /// The route asked.
        route: &'static str,
        /// What is odd about it.
        what: String,
    },
}

impl RestError {
    /// Whether the same call may succeed later without anybody changing a setting.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::TimedOut { .. } | Self::Unreachable { .. } | Self::NotJson { .. } => true,
            // The venue calls a question that it gave up itself a bad one.
            Self::Refused { status: 400, said, .. } => is_given_up(said),
            // Blocked: it may pass, and is not asked often.
            Self::Refused { status, .. } => matches!(status, 403 | 408 | 425 | 429 | 500..),
            Self::Address(_) | Self::Proxy(_) | Self::Setup(_) | Self::TooLarge { .. } | Self::Odd { .. } => {
                false
            }
        }
    }

    /// What went wrong, in a word: one of nine.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Address(_) | Self::Proxy(_) | Self::Setup(_) => "not_sent",
            Self::TimedOut { .. } => "late",
            Self::Unreachable { .. } => "unreachable",
            Self::Refused { status: 403, .. } => "blocked",
            Self::Refused { status: 429, .. } => "limited",
            Self::Refused { .. } => "refused",
            Self::TooLarge { .. } => "too_large",
            Self::NotJson { .. } => "not_json",
            Self::Odd { .. } => "odd",
        }
    }

    /// How long the venue asks to be left alone, at most 60 s.
    pub const fn retry_after(&self) -> Option<Duration> {
        if let Self::Refused { retry_after, .. } = self { *retry_after } else { None }
    }

    pub(super) fn odd(route: &'static str, what: impl Into<String>) -> Self {
        Self::Odd { route, what: what.into() }
    }

    pub(super) fn not_json(route: &'static str, body: &str) -> Self {
        Self::NotJson { route, said: beginning(body) }
    }

    /// `date`: when the answer was written, by the clock of whoever wrote it.
    pub(super) fn refused(
        route: &'static str,
        status: u16,
        (retry_after, date): (Option<&str>, Option<&str>),
        body: &str,
    ) -> Self {
        let blocked = (status == 403).then_some(RETRY_AFTER_MAX);
        let retry_after = retry_after.map(|text| pause(text, date)).or(blocked);
        Self::Refused { route, status, said: beginning(body), retry_after }
    }
}

/// Reads `Retry-After`: whole seconds, or a moment, which is compared with `date`.
fn pause(text: &str, date: Option<&str>) -> Duration {
    if let Ok(seconds) = text.trim().parse::<u64>() {
        return Duration::from_secs(seconds).min(RETRY_AFTER_MAX);
    }
    let moment = |text: &str| DateTime::parse_from_rfc2822(text.trim()).ok();
    let span = moment(text).zip(date.and_then(moment)).map(|(until, now)| until - now);
    // A moment that is over asks for no pause.
    span.map_or(RETRY_AFTER_ODD, |span| span.to_std().unwrap_or_default().min(RETRY_AFTER_MAX))
}

fn is_given_up(said: &str) -> bool {
    said.contains("context canceled") || said.contains("context deadline exceeded")
}

fn beginning(body: &str) -> String {
    body.chars().filter(|c| !c.is_control()).take(SAID_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(status: u16, retry_after: Option<&str>) -> RestError {
        RestError::refused("/book", status, (retry_after, Some("Wed, 21 Oct 2026 07:27:48 GMT")), "no\0\nway")
    }

    #[test]
    fn what_may_pass_by_itself_is_transient() {
        for status in [403, 408, 425, 429, 500, 502, 503, 520, 524] {
            assert!(refused(status, None).is_transient(), "{status}");
        }
        for status in [204, 206, 301, 304, 400, 401, 404, 409, 418, 451] {
            assert!(!refused(status, None).is_transient(), "{status}");
        }
        assert!(RestError::not_json("/book", "<html>").is_transient());
        assert!(!RestError::odd("/book", "a list").is_transient());
    }

    #[test]
    fn a_pause_is_read_in_whole_seconds_and_never_longer_than_a_minute() {
        for (text, seconds) in [("3", 3), ("60", 60), ("61", 60), ("99999999", 60), ("-1", 2), ("abc", 2)] {
            assert_eq!(refused(429, Some(text)).retry_after(), Some(Duration::from_secs(seconds)), "{text}");
        }
        for (text, seconds) in [
            ("Wed, 21 Oct 2026 07:28:00 GMT", 12),
            ("Wed, 21 Oct 2026 07:27:00 GMT", 0),
            ("Thu, 21 Oct 2027 07:28:00 GMT", 60),
            ("Wed, 99 Oct 2026 07:28:00 GMT", 2),
        ] {
            assert_eq!(refused(429, Some(text)).retry_after(), Some(Duration::from_secs(seconds)), "{text}");
        }
        let undated = RestError::refused("/book", 429, (Some("Wed, 21 Oct 2026 07:28:00 GMT"), None), "");
        assert_eq!(undated.retry_after(), Some(RETRY_AFTER_ODD), "by whose clock?");
        assert_eq!(refused(429, None).retry_after(), None);
        assert_eq!(RestError::odd("/book", "x").retry_after(), None);
    }

    #[test]
    fn a_question_that_the_venue_gave_up_may_be_asked_again_and_one_that_is_blocked_not_soon() {
        let said = |status, body| RestError::refused("/book", status, (None, None), body);
        assert!(said(400, r#"{"error":"context canceled"}"#).is_transient());
        assert!(!said(400, r#"{"error":"invalid token id"}"#).is_transient());
        let blocked = said(403, "<html>error code: 1010</html>");
        assert_eq!((blocked.word(), blocked.retry_after()), ("blocked", Some(RETRY_AFTER_MAX)));
    }

    #[test]
    fn what_the_venue_said_is_cut_and_cleaned() {
        assert_eq!(refused(404, None).to_string(), "`/book` answered 404: noway");
        assert_eq!(RestError::not_json("/book", &"x".repeat(999)).to_string().matches('x').count(), SAID_MAX);
    }
}
