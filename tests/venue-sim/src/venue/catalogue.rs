//! What the venue's REST shows of a market, where that is not the whole truth.
//!
//! Knows: rows that come late, lack their tokens or an old tick size; books that are gone. Never: the text of a row.

use super::Venue;
use crate::market::{Listing, Market};
use crate::scenario::catalogue::{ClosedTokens, LateForm, LateListing, ResolutionForm};

/// A book that is gone belongs to a window that was over so long ago.
const OVER_FOR_MS: u64 = 39 * 86_400_000;

/// What is odd about the catalogue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Catalogue {
    pub(crate) late: Option<LateListing>,
    pub(crate) closed_tokens: ClosedTokens,
    /// From a change of a tick size to its showing, in ms.
    pub(crate) tick_lag_ms: u64,
    /// From the end of a market to its showing, in ms.
    pub(crate) close_lag_ms: u64,
    pub(crate) resolution_form: ResolutionForm,
}

/// The tokens in Gamma's row of a market.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ShownTokens {
    /// The first ones, so many.
    First(usize),
    /// None: this JSON stands in their place.
    Json(&'static str),
}

impl Venue {
    /// Whether Gamma has a row of this market.
    pub(crate) fn has_row(&self, market: usize, now_ms: u64) -> bool {
        let of = &self.markets[market];
        of.listing != Listing::Reserved && lateness(of, now_ms) != Some(LateForm::NoRow)
    }

    /// Whether Gamma calls this market closed; none of one that it does not list at all.
    pub(crate) fn is_shown_closed(&self, market: usize, now_ms: u64) -> Option<bool> {
        let of = &self.markets[market];
        match of.listing {
            Listing::Reserved => None,
            Listing::Open | Listing::Dead => Some(false),
            Listing::Closed => Some(now_ms >= of.closed_at_ms + self.catalogue.close_lag_ms),
        }
    }

    /// What Gamma's row shows in `clobTokenIds`.
    pub(crate) fn shown_tokens(&self, market: usize, now_ms: u64) -> ShownTokens {
        let of = &self.markets[market];
        let closed = self.is_shown_closed(market, now_ms) == Some(true);
        match (closed, self.catalogue.closed_tokens) {
            (true, ClosedTokens::EmptyList) => ShownTokens::Json("\"[]\""),
            (true, ClosedTokens::EmptyText) => ShownTokens::Json("\"\""),
            (true, ClosedTokens::Null) => ShownTokens::Json("null"),
            (true, ClosedTokens::One) => ShownTokens::First(1),
            _ if lateness(of, now_ms) == Some(LateForm::NoTokens) => ShownTokens::Json("\"[]\""),
            _ => ShownTokens::First(of.tokens.len()),
        }
    }

    /// Whether Gamma and the CLOB's REST do not list this market in full yet.
    pub(crate) fn is_late(&self, market: usize, now_ms: u64) -> bool {
        lateness(&self.markets[market], now_ms).is_some()
    }

    /// The market and the place in it of a token whose book the CLOB's REST has.
    pub(crate) fn token_at_rest(&self, id: &str, now_ms: u64) -> Option<(usize, usize)> {
        self.token(id).filter(|(market, _)| lateness(&self.markets[*market], now_ms).is_none())
    }

    /// Takes the books of those of these markets that are open, and returns how many were: Gamma goes on to
    /// call them open, but they ended 39 days ago.
    pub(crate) fn expire(&mut self, markets: &[usize], now_ms: u64) -> usize {
        let mut expired = 0;
        for market in markets.iter().copied() {
            let of = &mut self.markets[market];
            if of.listing == Listing::Open {
                of.listing = Listing::Dead;
                of.ends_at_ms = of.ends_at_ms.min(now_ms - OVER_FOR_MS);
                expired += 1;
            }
        }
        self.rest();
        expired
    }
}

/// How a market is listed while that is not in full.
fn lateness(market: &Market, now_ms: u64) -> Option<LateForm> {
    market.late.filter(|(until_ms, _)| now_ms < *until_ms).map(|(_, form)| form)
}
