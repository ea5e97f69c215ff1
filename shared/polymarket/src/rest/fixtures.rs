//! Bodies captured from the venue, where they lie beside the project.
//!
//! Knows: file names and what their README says of them. Never: a copy of their bytes.
//!
//! The captures are not ours to ship, so a clone without them passes these tests with one loud line each.

use std::path::PathBuf;

use contract::time::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{books, markets, trades};

const NOW: Timestamp = Timestamp::from_millis(1_790_000_000_000);

fn captured(name: &str) -> Option<String> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/rest").join(name);
    let text = std::fs::read_to_string(&path);
    if text.is_err() {
        eprintln!(
            "SKIPPED: the captured body {} is not here, so nothing was checked against it",
            path.display()
        );
    }
    text.ok()
}

#[test]
fn captured_books_are_read() {
    for (name, bid, ask) in [
        ("clob_book_binary_2026-06-30.json", Some("0.063"), None),
        ("clob_book_never_traded_2026-10-31.json", Some("0.001"), Some("0.999")),
        ("clob_book_one_sided_2026-10-02.json", None, Some("0.998")),
    ] {
        let Some(body) = captured(name) else { return };
        let book = books::one("/book", &body).unwrap();
        assert_eq!(book.best_bid().map(|price| price.to_string()).as_deref(), bid, "{name}");
        if ask.is_some() {
            assert_eq!(book.best_ask().map(|price| price.to_string()).as_deref(), ask, "{name}");
        }
        assert!(book.hash.is_some() && book.order_size_min.is_some() && book.neg_risk.is_some(), "{name}");
        assert_eq!(books::all("/books", &format!("[{body}]")).unwrap(), [book]);
    }
}

#[test]
fn captured_trades_of_both_versions_are_read_and_say_the_same() {
    let Some(old) = captured("data_v1_trades_2026-06-28.json") else { return };
    let page = trades::page_v1("/trades", &old).unwrap();
    assert_eq!(page.skipped.count, 0, "{:?}", page.skipped);
    assert_eq!(page.trades[0].price.to_string(), "0.9379999956851944");
    let Some(old) = captured("data_v1_trades_same_rows_2026-09-30.json") else { return };
    let Some(new) = captured("data_v2_trades_same_rows_2026-09-30.json") else { return };
    let (old, new) =
        (trades::page_v1("/trades", &old).unwrap(), trades::page_v2("/v2/trades", &new).unwrap());
    assert_eq!((old.trades.len(), old.skipped.count, new.skipped.count), (3, 0, 0));
    assert_eq!(old.trades, new.trades);
    assert!(new.next_cursor.is_some());
}

#[test]
fn captured_markets_are_read() {
    /// Some captures stand inside their recorder's notes.
    #[derive(Deserialize)]
    struct Noted<'a> {
        #[serde(borrow, default)]
        body: Option<&'a RawValue>,
        #[serde(borrow, default)]
        markets: Option<&'a RawValue>,
    }
    for (name, count) in [
        ("gamma_MarketClosedSports_2026-10-02.json", 1),
        ("gamma_Market_2026-10-02.json", 1),
        ("gamma_binary_market_2026-06-30.json", 1),
        ("gamma_feed_market_2026-06-30.json", 1),
        ("gamma_market_crypto_twap_2026-08-23.json", 1),
        ("gamma_markets_page_2026-03-11_00000.json", 25),
        ("gamma_markets_page_2026-03-11_00700.json", 25),
    ] {
        let Some(body) = captured(name) else { return };
        let noted: Option<Noted<'_>> = serde_json::from_str(&body).ok();
        let inner = noted.and_then(|noted| noted.markets.or(noted.body)).map_or(body.as_str(), RawValue::get);
        let rows = if inner.trim_start().starts_with('[') { inner.to_owned() } else { format!("[{inner}]") };
        let page = markets::list("/markets", &rows, NOW).unwrap();
        assert_eq!((page.markets.len(), page.skipped.count), (count, 0), "{name}: {:?}", page.skipped);
        for market in page.markets {
            assert!(market.tick_size.is_some() && !market.question.is_empty(), "{name}: {market:?}");
        }
    }
}

#[test]
fn other_captured_bodies_are_of_another_shape_and_refused() {
    for name in ["clob_midpoint.json", "clob_price.json", "data_v2_live_fixtures_2026-10-02.json"] {
        let Some(body) = captured(name) else { return };
        assert!(books::one("/book", &body).is_err(), "{name}");
        assert!(trades::page_v2("/v2/trades", &body).is_err(), "{name}");
        assert!(markets::list("/markets", &body, NOW).is_err(), "{name}");
    }
}
