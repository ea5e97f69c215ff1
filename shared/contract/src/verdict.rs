//! What the processor thinks of a trade.
//!
//! Knows: verdicts, reasons and the judged trade. Never: how a verdict is reached.

use std::fmt;

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::tick::Trade;
use crate::time::Timestamp;

/// What became of a tick; the word that stands in its subject.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing speaks against it.
    Clean,
    /// Stored and published, but look twice: it diverges from the book, or comes from the future.
    Flagged,
    /// Too old to act on.
    Refused,
}

/// Why a trade is not plainly clean.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
pub enum Reason {
    /// Older than the limit.
    G1,
    /// No usable size, and none was found.
    G3,
    /// Too far from the book.
    G5,
    /// More than the allowed skew in the future.
    #[serde(rename = "SKEW")]
    Skew,
}

/// Where the size of a trade comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SizeSource {
    /// The venue's own message.
    Venue,
    /// Found by the processor in the Data API.
    Rest,
}

/// A trade with its verdict, as published on `ticks.clean|flagged|refused.trade.*`.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct JudgedTrade {
    /// The trade; its size is the one found, if one had to be found.
    #[serde(flatten)]
    pub trade: Trade,
    /// Clean, flagged or refused.
    pub verdict: Verdict,
    /// Everything that speaks against it, each once, in ascending order.
    pub reasons: Vec<Reason>,
    /// Where the size comes from; none when there is no size.
    pub size_source: Option<SizeSource>,
    /// Distance to the nearer end of the quote it was held against; none when there was no quote.
    pub deviation: Option<Decimal>,
    /// For a trade flagged by G5: whether REST confirmed it. None for all others.
    pub confirmed: Option<bool>,
    /// When the processor decided.
    pub judged_at: Timestamp,
}

impl Verdict {
    /// All verdicts.
    pub const ALL: [Self; 3] = [Self::Clean, Self::Flagged, Self::Refused];

    /// The word in subjects, answers and the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Flagged => "flagged",
            Self::Refused => "refused",
        }
    }

    /// The verdict with this word, if there is one.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verdict| verdict.word() == word)
    }
}

impl Reason {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::G1, Self::G3, Self::G5, Self::Skew];

    /// The reason with this word, if there is one.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.word() == word)
    }

    /// The word in answers and in the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::G1 => "G1",
            Self::G3 => "G3",
            Self::G5 => "G5",
            Self::Skew => "SKEW",
        }
    }
}

impl SizeSource {
    /// The word in answers and in the database.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Venue => "venue",
            Self::Rest => "rest",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
