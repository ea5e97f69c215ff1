//! What is odd about the venue's catalogue in a scenario.
//!
//! Knows: short markets, dead ones, rows that lag or lack their tokens. Never: the text of a row.

use serde::Deserialize;

/// Most markets without a book; the venue was seen to have 46 (protocol reference 7, finding 18).
pub(super) const DEAD_MAX: usize = 1_000;
/// Most windows of one asset: those of a day of five minutes each.
pub(super) const WINDOWS_MAX: usize = 288;
/// The assets with short markets, in the order in which a scenario takes them.
pub(crate) const ASSETS: [&str; 8] = ["btc", "eth", "xrp", "sol", "doge", "bnb", "hype", "zec"];

/// Markets on whether a price rises within a window: `btc-updown-5m-1766161800`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpDown {
    /// Assets, 1 to 8.
    pub assets: usize,
    /// Length of a window in seconds: 300, 900 or 14,400.
    #[serde(default = "five_minutes")]
    pub window_s: u32,
    /// Windows of each asset that are open from the start, the one of this moment included. Default 2.
    #[serde(default = "two")]
    pub listed: usize,
    /// Windows of each asset that are announced one by one, each when another one ends. Default 0.
    #[serde(default)]
    pub later: usize,
    /// From the end of a window to its `market_resolved`, in seconds. Default 120 (seen: 120 to 148).
    #[serde(default = "two_minutes")]
    pub resolve_after_s: u32,
}

impl UpDown {
    /// Whether there are such markets, and no more of them than a run can hold.
    pub(super) fn is_known(self) -> bool {
        (1..=ASSETS.len()).contains(&self.assets)
            && [300, 900, 14_400].contains(&self.window_s)
            && self.listed > 0
            && self.listed.saturating_add(self.later) <= WINDOWS_MAX
    }
}

/// How Gamma shows a market after its `new_market` (protocol reference 7, finding 21).
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LateListing {
    /// How long, in seconds. The CLOB has no book of it meanwhile; its sockets have.
    pub for_s: u32,
    /// In which way.
    #[serde(default)]
    pub form: LateForm,
}

/// What Gamma shows of a market that it does not list in full yet.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum LateForm {
    /// A row with `"clobTokenIds":"[]"`.
    #[default]
    NoTokens,
    /// No row.
    NoRow,
}

/// How Gamma shows the tokens of a closed market (protocol reference 7, finding 19).
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ClosedTokens {
    /// Both, as while it was open.
    #[default]
    Both,
    /// `"[]"`.
    EmptyList,
    /// `""`.
    EmptyText,
    /// `null`.
    Null,
    /// The first one alone.
    One,
}

/// How the Data API tells a resolution. Both forms were recorded in public in September 2026.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum ResolutionForm {
    /// What a share of each outcome pays.
    #[default]
    Payouts,
    /// No payouts: the oracle's price of the first outcome with 18 decimals, and moments in epoch seconds.
    Price,
}

/// How the sockets learn that a market was resolved.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// By a `market_resolved` to everybody with custom features.
    #[default]
    Plain,
    /// As recorded in public on 2026-10-04, of five crypto markets: changes empty both books, `market_resolved` goes
    /// to the market's subscribers alone, and a socket none of whose markets is open any more is closed with 1000.
    Observed,
}

fn two() -> usize {
    2
}

fn five_minutes() -> u32 {
    300
}

fn two_minutes() -> u32 {
    120
}
