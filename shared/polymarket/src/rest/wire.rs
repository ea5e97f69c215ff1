//! The venue's own shapes in REST bodies, borrowed from the text.
//!
//! Knows: names and spelling of members. Never: whether a value makes sense.
//!
//! Every member is kept as it stands in the text, so that a number never passes through a float and an
//! odd member costs its own row at most. Unknown members are skipped, missing ones are none.

use std::borrow::Cow;
use std::str::FromStr;

use rust_decimal::Decimal;
use serde::Deserialize;
use serde_json::value::RawValue;

/// The longest text of a number that is read.
const NUMBER_LENGTH_MAX: usize = 64;
/// Digits up to which a bare JSON number may be an id: beyond, a sender's float has lost some.
const BARE_ID_DIGITS_MAX: usize = 15;

/// A value as it stands in the text.
pub(super) type Raw<'a> = Option<&'a RawValue>;

/// `GET /markets/keyset`.
#[derive(Debug, Deserialize)]
pub(super) struct MarketPage<'a> {
    #[serde(borrow)]
    pub(super) markets: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) next_cursor: Raw<'a>,
}

/// A market of the catalogue.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Market<'a> {
    #[serde(borrow, default)]
    pub(super) condition_id: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) slug: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) question: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) end_date: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) active: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) closed: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) neg_risk: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) order_price_min_tick_size: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) order_min_size: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) volume24hr: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) outcomes: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) clob_token_ids: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) position_ids: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) version: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) events: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) tags: Raw<'a>,
}

/// An event of a market, as the catalogue names it.
#[derive(Debug, Deserialize)]
pub(super) struct Event<'a> {
    #[serde(borrow, default)]
    pub(super) slug: Raw<'a>,
    #[serde(borrow, default, rename = "seriesSlug")]
    pub(super) series_slug: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) series: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) tags: Raw<'a>,
}

/// Whatever has a slug alone: a series.
#[derive(Debug, Deserialize)]
pub(super) struct Named<'a> {
    #[serde(borrow, default)]
    pub(super) slug: Raw<'a>,
}

/// A label.
#[derive(Debug, Deserialize)]
pub(super) struct Tag<'a> {
    #[serde(borrow, default)]
    pub(super) slug: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) label: Raw<'a>,
}

/// `GET /v2/resolutions`.
#[derive(Debug, Deserialize)]
pub(super) struct Resolutions<'a> {
    #[serde(borrow)]
    pub(super) data: Vec<&'a RawValue>,
}

/// How a market paid.
#[derive(Debug, Deserialize)]
pub(super) struct Resolution<'a> {
    #[serde(borrow, default, alias = "conditionId", alias = "condition")]
    pub(super) condition_id: Raw<'a>,
    /// What each outcome pays, in the order of its tokens.
    #[serde(borrow, default)]
    pub(super) payouts: Raw<'a>,
    /// The oracle's price of the first outcome, where payouts are missing.
    #[serde(borrow, default)]
    pub(super) price: Raw<'a>,
    #[serde(borrow, default, alias = "resolvedAt", alias = "timestamp")]
    pub(super) resolved_at: Raw<'a>,
}

/// `GET /book`, and an element of `POST /books`.
#[derive(Debug, Deserialize)]
pub(super) struct Book<'a> {
    #[serde(borrow, default)]
    pub(super) market: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) asset_id: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) timestamp: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) hash: Raw<'a>,
    #[serde(borrow)]
    pub(super) bids: Vec<Level<'a>>,
    #[serde(borrow)]
    pub(super) asks: Vec<Level<'a>>,
    #[serde(borrow, default)]
    pub(super) min_order_size: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) tick_size: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) neg_risk: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) last_trade_price: Raw<'a>,
}

/// A level of a book.
#[derive(Debug, Deserialize)]
pub(super) struct Level<'a> {
    #[serde(borrow, default)]
    pub(super) price: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) size: Raw<'a>,
}

/// `GET /v2/status`: an envelope since September 2026, bare before.
#[derive(Debug, Deserialize)]
pub(super) struct Status<'a> {
    #[serde(borrow, default)]
    pub(super) data: Option<StatusData<'a>>,
    #[serde(borrow, default)]
    pub(super) lag_seconds: Raw<'a>,
}

/// What stands in the envelope.
#[derive(Debug, Deserialize)]
pub(super) struct StatusData<'a> {
    /// How old this status is.
    #[serde(borrow, default)]
    pub(super) age_seconds: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) serving: Option<Serving<'a>>,
}

/// How far the rows that are served lag behind.
#[derive(Debug, Deserialize)]
pub(super) struct Serving<'a> {
    #[serde(borrow, default)]
    pub(super) lag_seconds: Raw<'a>,
}

/// `GET /v2/trades`.
#[derive(Debug, Deserialize)]
pub(super) struct TradePage<'a> {
    #[serde(borrow)]
    pub(super) data: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    pub(super) pagination: Option<Pagination<'a>>,
}

/// Where a page stands among its siblings.
#[derive(Debug, Deserialize)]
pub(super) struct Pagination<'a> {
    #[serde(borrow, default)]
    pub(super) next_cursor: Raw<'a>,
}

/// A trade, in the names of v2 or of v1.
#[derive(Debug, Deserialize)]
pub(super) struct Trade<'a> {
    #[serde(borrow, default, alias = "conditionId")]
    pub(super) condition_id: Raw<'a>,
    #[serde(borrow, default, alias = "asset")]
    pub(super) token_id: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) side: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) price: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) size: Raw<'a>,
    #[serde(borrow, default)]
    pub(super) timestamp: Raw<'a>,
    #[serde(borrow, default, alias = "transactionHash")]
    pub(super) transaction_hash: Raw<'a>,
}

/// The text of a string, or of a number.
pub(super) fn text(raw: Raw<'_>) -> Option<Cow<'_, str>> {
    let raw = raw?.get();
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str::<String>(raw).ok().map(Cow::Owned),
        b'0'..=b'9' | b'-' => Some(Cow::Borrowed(raw)),
        _ => None,
    }
}

/// The exact number that a string or a number spells, with an exponent or without.
///
/// None where it spells none, or one that 28 digits cannot hold.
pub(super) fn decimal(raw: Raw<'_>) -> Option<Decimal> {
    let text = text(raw)?;
    let is_plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E'));
    if !is_plain || text.len() > NUMBER_LENGTH_MAX {
        return None;
    }
    let is_scientific = text.contains(['e', 'E']);
    let number = if is_scientific { Decimal::from_scientific(&text) } else { Decimal::from_str(&text) };
    number.ok().map(|number| number.normalize())
}

/// A whole number, of a string or a number.
pub(super) fn integer(raw: Raw<'_>) -> Option<i64> {
    text(raw)?.parse().ok()
}

/// `Ok(None)` where the value is missing or null.
///
/// # Errors
/// When it is neither true nor false: `"true"` and `1` are not booleans.
pub(super) fn boolean(raw: Raw<'_>) -> Result<Option<bool>, ()> {
    match raw.map(RawValue::get) {
        None | Some("null") => Ok(None),
        Some("true") => Ok(Some(true)),
        Some("false") => Ok(Some(false)),
        Some(_) => Err(()),
    }
}

/// A list of texts: a real array, or one inside a string, as the catalogue writes most of them.
///
/// None where it is neither, or holds anything but strings and short whole numbers.
pub(super) fn list(raw: Raw<'_>) -> Option<Vec<String>> {
    let raw = raw?.get();
    if raw.starts_with('"') { elements(&serde_json::from_str::<String>(raw).ok()?) } else { elements(raw) }
}

fn elements(array: &str) -> Option<Vec<String>> {
    let elements: Vec<&RawValue> = serde_json::from_str(array).ok()?;
    let element = |raw: &RawValue| {
        let is_bare = !raw.get().starts_with('"');
        text(Some(raw)).filter(|text| !is_bare || text.len() <= BARE_ID_DIGITS_MAX).map(Cow::into_owned)
    };
    elements.into_iter().map(element).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        serde_json::from_str(json).unwrap()
    }

    fn number(json: &str) -> Option<String> {
        decimal(Some(&raw(json))).map(|number| number.to_string())
    }

    #[test]
    fn a_number_is_exact_however_it_is_spelled() {
        for (json, exact) in [
            ("9e-6", "0.000009"),
            ("9E-6", "0.000009"),
            ("1.5e3", "1500"),
            ("0.9379999956851944", "0.9379999956851944"),
            ("\"0.30000000000000004441\"", "0.30000000000000004441"),
            ("0.30000000000000004441", "0.30000000000000004441"),
            ("-1", "-1"),
            ("10.0", "10"),
        ] {
            assert_eq!(number(json).as_deref(), Some(exact), "{json}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for json in
            ["\"NaN\"", "\"\"", "\"1_000\"", "\"0x1\"", "null", "true", "[1]", "1e400", "\"1e\"", "\" 1\""]
        {
            assert_eq!(number(json), None, "{json}");
        }
        assert_eq!(number(&format!("\"{}\"", "1".repeat(NUMBER_LENGTH_MAX + 1))), None);
        assert_eq!(decimal(None), None);
    }

    #[test]
    fn a_list_is_read_from_an_array_and_from_an_array_inside_a_string() {
        for json in [r#""[\"1\",\"2\"]""#, r#"["1","2"]"#, r#""[1,2]""#, "[1,2]"] {
            assert_eq!(list(Some(&raw(json))), Some(vec!["1".to_owned(), "2".to_owned()]), "{json}");
        }
        for json in [r#""""#, r#""null""#, "null", "7", "[null]", "[[1]]"] {
            assert_eq!(list(Some(&raw(json))), None, "{json}");
        }
    }

    #[test]
    fn a_bare_number_too_long_to_be_exact_is_no_id() {
        assert!(list(Some(&raw("[123456789012345]"))).is_some());
        assert!(list(Some(&raw("[1234567890123456]"))).is_none());
    }

    #[test]
    fn only_true_and_false_are_booleans() {
        assert_eq!(boolean(Some(&raw("true"))), Ok(Some(true)));
        assert_eq!(boolean(Some(&raw("false"))), Ok(Some(false)));
        assert_eq!(boolean(Some(&raw("null"))), Ok(None));
        assert_eq!(boolean(None), Ok(None));
        for json in ["\"true\"", "1", "[]"] {
            assert_eq!(boolean(Some(&raw(json))), Err(()), "{json}");
        }
    }
}
