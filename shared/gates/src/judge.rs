//! One verdict out of three gates.
//!
//! Knows: the order of the gates and how their findings add up. Never: an answer it was not given.

use rust_decimal::Decimal;

use contract::money::Size;
use contract::tick::{Origin, Trade};
use contract::time::Timestamp;
use contract::verdict::{JudgedTrade, Reason, SizeSource, Verdict};

use crate::evidence::Answer;
use crate::g1_stale::{self, Age};
use crate::g3_size::{self, RestTrade};
use crate::g5_divergence::{self, Top};
use crate::limits::Limits;

/// A fact that a gate needs and a trade does not carry.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Question {
    /// The trades of the market as the Data API tells them.
    Size,
    /// The top of the token's book as the venue tells it.
    Book,
}

/// The answers so far; none where the question was not asked yet.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Evidence {
    /// To [`Question::Size`].
    pub size: Option<Answer<Vec<RestTrade>>>,
    /// To [`Question::Book`].
    pub book: Option<Answer<Top>>,
}

/// What became of one judging.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Decision {
    /// These questions come first, each once; at least one.
    Ask(Vec<Question>),
    /// The verdict.
    Decided(Judgement),
}

/// What one gate did, as its counters want it. `hit` and `unknown` only where `evaluated`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Outcome {
    /// The gate looked at the trade.
    pub evaluated: bool,
    /// It caught it: G1 refused it, G3 met no usable size (found later or not), G5 flagged it.
    pub hit: bool,
    /// It could not decide: G3 found no size, G5 had no book.
    pub unknown: bool,
}

/// A verdict with everything that led to it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Judgement {
    /// Clean, flagged or refused.
    pub verdict: Verdict,
    /// Everything that speaks against the trade, each once, in ascending order.
    pub reasons: Vec<Reason>,
    /// The size, the venue's or the one found; none when there is no usable one.
    pub size: Option<Size>,
    /// Where the size comes from; none when there is no size.
    pub size_source: Option<SizeSource>,
    /// Distance to the quote it was finally held against; none when there was none.
    pub deviation: Option<Decimal>,
    /// For a trade flagged by G5: whether the venue's book confirmed it.
    pub confirmed: Option<bool>,
    /// G1: stale trades.
    pub g1: Outcome,
    /// G3: trades without size.
    pub g3: Outcome,
    /// G5: trades away from the book.
    pub g5: Outcome,
    /// G3 found the size.
    pub backfilled: bool,
    /// G5: the venue's book cleared a trade that our quote spoke against.
    pub overruled: bool,
    /// The trade lies too far in the future.
    pub skewed: bool,
}

/// Judges `trade` by what it carries and by the answers so far.
///
/// G1 comes first: a trade it refuses asks nothing, and G3 and G5 never see it. Once every question has
/// an answer, the decision is a judgement.
pub fn judge(trade: &Trade, evidence: &Evidence, limits: &Limits) -> Decision {
    let age =
        g1_stale::judge(trade.executed_at, trade.received_at, limits.trade_age_max, limits.clock_skew_max);
    if age == Age::Stale {
        return Decision::Decided(Judgement::refused(trade));
    }
    let size = g3_size::judge(trade, evidence.size.as_ref(), limits);
    let price = g5_divergence::judge(trade, evidence.book.as_ref(), limits);
    let mut questions = Vec::new();
    if size == g3_size::Finding::Ask {
        questions.push(Question::Size);
    }
    if price == g5_divergence::Finding::Ask {
        questions.push(Question::Book);
    }
    if !questions.is_empty() {
        return Decision::Ask(questions);
    }
    let mut judgement = Judgement::passed();
    judgement.weigh_size(size, own_source(trade));
    judgement.weigh_price(price);
    judgement.weigh_skew(age == Age::Skewed);
    judgement.reasons.sort_unstable();
    Decision::Decided(judgement)
}

/// Where the size that a trade carries itself comes from.
const fn own_source(trade: &Trade) -> SizeSource {
    match trade.origin {
        Origin::Socket => SizeSource::Venue,
        Origin::Rest => SizeSource::Rest,
    }
}

// === impl Outcome ===

impl Outcome {
    /// The gate never saw the trade.
    pub const NOT_EVALUATED: Self = Self { evaluated: false, hit: false, unknown: false };
    /// Nothing speaks against the trade.
    pub const PASSED: Self = Self { evaluated: true, hit: false, unknown: false };
    /// Caught.
    pub const HIT: Self = Self { evaluated: true, hit: true, unknown: false };
    /// Caught, and what would settle it could not be learned.
    pub const HIT_UNKNOWN: Self = Self { evaluated: true, hit: true, unknown: true };
    /// Could not decide.
    pub const UNKNOWN: Self = Self { evaluated: true, hit: false, unknown: true };
}

// === impl Judgement ===

impl Judgement {
    /// The trade with this verdict, as it is published. It takes the size that was found.
    pub fn of(self, trade: Trade, judged_at: Timestamp) -> JudgedTrade {
        JudgedTrade {
            trade: Trade { size: self.size, ..trade },
            verdict: self.verdict,
            reasons: self.reasons,
            size_source: self.size_source,
            deviation: self.deviation,
            confirmed: self.confirmed,
            judged_at,
        }
    }

    fn passed() -> Self {
        Self {
            verdict: Verdict::Clean,
            reasons: Vec::new(),
            size: None,
            size_source: None,
            deviation: None,
            confirmed: None,
            g1: Outcome::PASSED,
            g3: Outcome::PASSED,
            g5: Outcome::PASSED,
            backfilled: false,
            overruled: false,
            skewed: false,
        }
    }

    fn refused(trade: &Trade) -> Self {
        let size = trade.size.filter(|size| !size.is_zero());
        Self {
            verdict: Verdict::Refused,
            reasons: vec![Reason::G1],
            size,
            size_source: size.map(|_| own_source(trade)),
            g1: Outcome::HIT,
            g3: Outcome::NOT_EVALUATED,
            g5: Outcome::NOT_EVALUATED,
            ..Self::passed()
        }
    }

    fn weigh_size(&mut self, finding: g3_size::Finding, own_source: SizeSource) {
        match finding {
            g3_size::Finding::Usable(size) => {
                self.size = Some(size);
                self.size_source = Some(own_source);
            }
            g3_size::Finding::Found(size) => {
                self.size = Some(size);
                self.size_source = Some(SizeSource::Rest);
                self.g3 = Outcome::HIT;
                self.backfilled = true;
            }
            g3_size::Finding::Missing | g3_size::Finding::Ask => {
                self.reasons.push(Reason::G3);
                self.g3 = Outcome::HIT_UNKNOWN;
            }
        }
    }

    fn weigh_price(&mut self, finding: g5_divergence::Finding) {
        match finding {
            g5_divergence::Finding::Near { deviation, overruled } => {
                self.deviation = Some(deviation);
                self.overruled = overruled;
            }
            g5_divergence::Finding::Far { deviation, confirmed } => {
                self.deviation = Some(deviation);
                self.confirmed = Some(confirmed);
                self.reasons.push(Reason::G5);
                self.verdict = Verdict::Flagged;
                self.g5 = Outcome::HIT;
            }
            g5_divergence::Finding::Unknown | g5_divergence::Finding::Ask => self.g5 = Outcome::UNKNOWN,
        }
    }

    fn weigh_skew(&mut self, skewed: bool) {
        if skewed {
            self.skewed = true;
            self.reasons.push(Reason::Skew);
            self.verdict = Verdict::Flagged;
        }
    }
}

#[cfg(test)]
mod tests;
