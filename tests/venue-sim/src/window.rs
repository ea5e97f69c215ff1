//! The window of a short market: whether the price of an asset rises within it.
//!
//! Knows: its slug, its series, its ends (protocol reference 7, finding 18). Never: a book, a token.

/// An asset and a span of time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Window {
    /// The asset in lower case, as in a slug.
    pub(crate) asset: &'static str,
    /// Its begin in seconds since the epoch.
    pub(crate) starts_at_s: u64,
    pub(crate) length_s: u32,
}

impl Window {
    /// `5m`, `15m` or `4h`.
    pub(crate) fn duration(self) -> String {
        let minutes = self.length_s / 60;
        if minutes < 60 { format!("{minutes}m") } else { format!("{}h", minutes / 60) }
    }

    /// The slug of its market and of the event with only this market.
    pub(crate) fn slug(self) -> String {
        format!("{}-updown-{}-{}", self.asset, self.duration(), self.starts_at_s)
    }

    /// The slug of the series that its event belongs to.
    pub(crate) fn series(self) -> String {
        format!("{}-up-or-down-{}", self.asset, self.duration())
    }

    pub(crate) fn starts_at_ms(self) -> u64 {
        self.starts_at_s * 1000
    }

    pub(crate) fn ends_at_ms(self) -> u64 {
        self.starts_at_ms() + u64::from(self.length_s) * 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_named_after_its_asset_its_length_and_its_begin() {
        let of = |length_s| Window { asset: "eth", starts_at_s: 1_766_161_800, length_s };
        assert_eq!(of(300).slug(), "eth-updown-5m-1766161800");
        assert_eq!(
            (of(900).series(), of(14_400).series()),
            ("eth-up-or-down-15m".into(), "eth-up-or-down-4h".into())
        );
        // 2025-12-19T16:35:00Z, as Gamma said of this very market.
        assert_eq!(of(300).ends_at_ms(), 1_766_162_100_000);
    }
}
