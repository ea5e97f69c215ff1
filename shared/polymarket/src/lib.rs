//! polymarket.
