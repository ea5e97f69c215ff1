//! What must become of a trade: the oracle's side of the gates.
//!
//! Knows: the rules of the public contract, applied to what the simulator decided. Never: a book, a frame.

use serde::{Deserialize, Serialize};

use crate::scenario::{PriceForm, RestBook, SizeForm, TradeForm};

/// Oldest age that passes G1, in ms.
const AGE_MAX_MS: i64 = 300_000;
/// Furthest future that passes, in ms.
const SKEW_MAX_MS: i64 = 5_000;

/// What must become of a trade.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Expectation {
    /// On which subject it must end.
    pub verdict: Verdict,
    /// `G1`, `G3`, `G5`, `SKEW`; compare as a set.
    pub reasons: Vec<String>,
    /// The size that must be stored: as decimal text, or none.
    pub size: Option<String>,
    /// Where that size must come from.
    pub size_source: Option<SizeSource>,
    /// Of G5: whether REST agreed that the price diverges.
    pub confirmed: Option<bool>,
}

/// The verdict on a trade.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nothing against it (a missing size is not against it).
    Clean,
    /// Stored with a warning.
    Flagged,
    /// Too old.
    Refused,
}

/// Where a size comes from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SizeSource {
    /// The trade's own frame.
    Venue,
    /// The Data API.
    Rest,
}

impl Expectation {
    /// Of an ordinary trade of this size.
    pub(crate) fn clean(size: &str) -> Self {
        Self::of(&TradeForm::default(), 0, size)
    }

    /// Of a trade of this form that is `age_ms` old when sent and whose true size is `size`.
    pub(crate) fn of(form: &TradeForm, age_ms: i64, size: &str) -> Self {
        let sized = form.size == SizeForm::Present;
        let own_size = sized.then(|| size.to_owned());
        let own_source = sized.then_some(SizeSource::Venue);
        if age_ms > AGE_MAX_MS {
            return Self {
                verdict: Verdict::Refused,
                reasons: vec!["G1".to_owned()],
                size: own_size,
                size_source: own_source,
                confirmed: None,
            };
        }
        let skewed = age_ms < -SKEW_MAX_MS;
        let unsized_for_good = !sized && !form.at_rest;
        let spiked = form.price == PriceForm::Beyond
            || (form.price == PriceForm::Overruled && form.rest_book != RestBook::Up);
        let reasons = [(skewed, "SKEW"), (unsized_for_good, "G3"), (spiked, "G5")];
        let found = !sized && form.at_rest;
        Self {
            verdict: if skewed || spiked { Verdict::Flagged } else { Verdict::Clean },
            reasons: reasons.iter().filter(|(holds, _)| *holds).map(|(_, name)| (*name).to_owned()).collect(),
            size: if found { Some(size.to_owned()) } else { own_size },
            size_source: if found { Some(SizeSource::Rest) } else { own_source },
            confirmed: spiked.then_some(form.rest_book == RestBook::Up),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expected(form: &TradeForm, age_ms: i64) -> (Verdict, String, Option<SizeSource>, Option<bool>) {
        let expected = Expectation::of(form, age_ms, "5");
        assert_eq!(expected.size.is_some(), expected.size_source.is_some());
        (expected.verdict, expected.reasons.join("+"), expected.size_source, expected.confirmed)
    }

    #[test]
    fn age_decides_first() {
        let sized = Some(SizeSource::Venue);
        let plain = TradeForm::default;
        assert_eq!(expected(&plain(), 300_000), (Verdict::Clean, String::new(), sized, None));
        assert_eq!(expected(&plain(), 300_001), (Verdict::Refused, "G1".into(), sized, None));
        assert_eq!(expected(&plain(), -5_000), (Verdict::Clean, String::new(), sized, None));
        assert_eq!(expected(&plain(), -5_001), (Verdict::Flagged, "SKEW".into(), sized, None));
        let spiked = TradeForm { price: PriceForm::Beyond, size: SizeForm::Absent, ..plain() };
        assert_eq!(expected(&spiked, 400_000), (Verdict::Refused, "G1".into(), None, None));
    }

    #[test]
    fn a_missing_size_is_clean_with_or_without_an_answer() {
        let form = |at_rest| TradeForm { size: SizeForm::Zero, at_rest, ..TradeForm::default() };
        assert_eq!(expected(&form(true), 0), (Verdict::Clean, String::new(), Some(SizeSource::Rest), None));
        assert_eq!(expected(&form(false), 0), (Verdict::Clean, "G3".into(), None, None));
    }

    #[test]
    fn a_spike_is_flagged_unless_the_true_book_is_around_it() {
        let form = |price, rest_book| TradeForm { price, rest_book, ..TradeForm::default() };
        let sized = Some(SizeSource::Venue);
        let flagged = |confirmed| (Verdict::Flagged, "G5".to_owned(), sized, Some(confirmed));
        let clean = (Verdict::Clean, String::new(), sized, None);
        assert_eq!(expected(&form(PriceForm::Beyond, RestBook::Up), 0), flagged(true));
        assert_eq!(expected(&form(PriceForm::Beyond, RestBook::Error), 0), flagged(false));
        assert_eq!(expected(&form(PriceForm::Beyond, RestBook::Hang), 0), flagged(false));
        assert_eq!(expected(&form(PriceForm::Edge, RestBook::Up), 0), clean);
        assert_eq!(expected(&form(PriceForm::Overruled, RestBook::Up), 0), clean);
    }

    #[test]
    fn reasons_add_up() {
        let form = TradeForm {
            price: PriceForm::Beyond,
            size: SizeForm::Empty,
            at_rest: false,
            ..TradeForm::default()
        };
        assert_eq!(expected(&form, 0), (Verdict::Flagged, "G3+G5".into(), None, Some(true)));
    }
}
