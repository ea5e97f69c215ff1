//! The routes against a server that answers with prepared bytes.
//!
//! Knows: requests and answers. Never: the venue itself.

use std::io::Write;

use super::canned::{Canned, Reply, ok, reply};
use super::*;

const KEYSET: &str = include_str!("../../testdata/gamma_markets_keyset.json");
const MARKETS: &str = include_str!("../../testdata/gamma_markets.json");
const BOOK: &str = include_str!("../../testdata/clob_book.json");
const BOOKS: &str = include_str!("../../testdata/clob_books.json");
const TRADES_V1: &str = include_str!("../../testdata/data_v1_trades.json");
const TRADES_V2: &str = include_str!("../../testdata/data_v2_trades.json");

fn token(text: &str) -> TokenId {
    TokenId::try_from(text).unwrap()
}

fn market(text: &str) -> ConditionId {
    ConditionId::try_from(text).unwrap()
}

async fn time_of(replies: Vec<Reply>) -> Result<Timestamp, RestError> {
    Canned::start(replies).await.rest(DataVersion::V2).time().await
}

#[tokio::test]
async fn the_catalogue_is_paged_by_volume() {
    let server = Canned::start(vec![ok(KEYSET)]).await;
    let rest = server.rest(DataVersion::V2);
    let page = rest.markets_page(None, 1_000).await.unwrap();
    assert_eq!((page.markets.len(), page.skipped.count), (3, 1));
    assert_eq!(page.next_cursor.as_deref(), Some("eyJpZCI6IjEwMSJ9"));
    assert_eq!(page.markets[0].volume_24h.unwrap().to_string(), "1234567.891011121314");
    assert_eq!(page.markets[2].tokens[0].token_id.as_str(), "81");
    rest.markets_page(Some("a b="), 20).await.unwrap();
    let common = "closed=false&active=true&order=volume24hr&ascending=false";
    let expected = [
        format!("GET /markets/keyset?limit=100&{common}"),
        format!("GET /markets/keyset?limit=20&{common}&after_cursor=a+b%3D"),
    ];
    assert_eq!(server.asked(), expected);
}

#[tokio::test]
async fn markets_are_found_by_condition_id_by_slug_and_by_token() {
    let server = Canned::start(vec![ok(&format!(r#"{{"markets":{MARKETS}}}"#))]).await;
    let rest = server.rest(DataVersion::V2);
    let names = ["0xab", "will-it-rain", "0xcd"].map(str::to_owned);
    assert_eq!(rest.markets_of(&names).await.unwrap().len(), 2);
    assert_eq!(rest.markets_of_tokens(&[token("71")]).await.unwrap().len(), 1);
    assert_eq!(rest.closed_markets_of(&[market("0xab")]).await.unwrap().len(), 1);
    assert!(rest.markets_of(&[]).await.unwrap().is_empty());
    let expected = [
        "GET /markets/keyset?limit=100&closed=false&condition_ids=0xab&condition_ids=0xcd",
        "GET /markets/keyset?limit=100&closed=false&slug=will-it-rain",
        "GET /markets/keyset?limit=100&closed=false&clob_token_ids=71",
        "GET /markets/keyset?limit=100&closed=true&condition_ids=0xab",
    ];
    assert_eq!(server.asked(), expected);
}

#[tokio::test]
async fn the_old_route_is_asked_where_the_new_one_refuses_or_does_not_know_the_filter() {
    let others = r#"{"markets":[{"conditionId":"0xef","outcomes":"[\"Yes\",\"No\"]","clobTokenIds":"[\"1\",\"2\"]"}]}"#;
    for odd in [reply(422, "", "{}"), reply(404, "", "{}"), ok(others)] {
        let server = Canned::start(vec![odd, ok(MARKETS)]).await;
        let found = server.rest(DataVersion::V2).markets_of(&["0xab".to_owned()]).await.unwrap();
        assert_eq!(found.iter().map(|market| market.condition_id.as_str()).collect::<Vec<_>>(), ["0xab"]);
        let query = "?limit=100&closed=false&condition_ids=0xab";
        assert_eq!(server.asked(), [format!("GET /markets/keyset{query}"), format!("GET /markets{query}")]);
    }
}

#[tokio::test]
async fn how_markets_ended_is_asked_of_the_data_api() {
    let body = r#"{"data":[{"condition_id":"0xab","payouts":["1","0"]},{"condition_id":"0x9","payouts":["1","0"]}]}"#;
    let server = Canned::start(vec![ok(body)]).await;
    let actual =
        server.rest(DataVersion::V2).resolutions_of(&[market("0xab"), market("0xcd")]).await.unwrap();
    assert_eq!(actual.iter().map(|one| one.winner).collect::<Vec<_>>(), [Some(0)], "only of those asked for");
    assert_eq!(server.asked(), ["GET /v2/resolutions?condition=0xab%2C0xcd"]);
}

#[tokio::test]
async fn a_book_is_asked_for_by_its_token() {
    let server = Canned::start(vec![ok(BOOK)]).await;
    let book = server.rest(DataVersion::V2).book(&token("71")).await.unwrap().unwrap();
    assert_eq!(book.best_bid().unwrap().to_string(), "0.49");
    assert_eq!(book.best_ask().unwrap().to_string(), "0.52");
    assert_eq!((book.bids.len(), book.asks.len(), book.neg_risk), (3, 2, Some(false)));
    assert_eq!(book.order_size_min.unwrap().to_string(), "5");
    assert_eq!(server.asked(), ["GET /book?token_id=71"]);
}

#[tokio::test]
async fn a_token_without_a_book_has_none_and_that_is_no_error() {
    let gone = reply(404, "", r#"{"error":"No orderbook exists for the requested token id"}"#);
    let server = Canned::start(vec![gone, reply(403, "", "no")]).await;
    let rest = server.rest(DataVersion::V2);
    assert_eq!(rest.book(&token("71")).await.unwrap(), None);
    assert!(rest.book(&token("71")).await.is_err());
}

#[tokio::test]
async fn many_books_come_in_any_order_and_only_those_asked_for_are_taken() {
    let server = Canned::start(vec![ok(BOOKS)]).await;
    let rest = server.rest(DataVersion::V2);
    let books = rest.books(&[token("71"), token("72"), token("73")]).await.unwrap();
    let tokens: Vec<_> = books.iter().map(|book| book.token_id.as_str()).collect();
    assert_eq!(tokens, ["72", "71"]);
    assert_eq!(server.asked(), [r#"POST /books [{"token_id":"71"},{"token_id":"72"},{"token_id":"73"}]"#]);
    assert!(rest.books(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn no_more_than_250_books_are_asked_for_at_once() {
    let server = Canned::start(vec![ok("[]")]).await;
    let tokens: Vec<_> = (0..=BOOKS_TOKENS_MAX).map(|number| token(&number.to_string())).collect();
    server.rest(DataVersion::V2).books(&tokens).await.unwrap();
    assert_eq!(server.asked()[0].matches("token_id").count(), BOOKS_TOKENS_MAX);
}

#[tokio::test]
async fn trades_of_v2_are_asked_for_by_market_and_paged_by_cursor() {
    let server = Canned::start(vec![ok(TRADES_V2)]).await;
    let rest = server.rest(DataVersion::V2);
    let page = rest.trades(&[market("0xab"), market("0xcd")], 9_999, None).await.unwrap();
    assert_eq!((page.trades.len(), page.skipped.count), (2, 0));
    assert_eq!(page.trades[1].size.to_string(), "0.000009");
    rest.trades(&[market("0xab")], 7, page.next_cursor.as_deref()).await.unwrap();
    let expected = [
        "GET /v2/trades?condition=0xab%2C0xcd&limit=1000&taker_only=true&_=1790000000000000-0",
        "GET /v2/trades?condition=0xab&limit=7&taker_only=true&cursor=eyJzcSI6MX0&_=1790000000000000-1",
    ];
    assert_eq!(server.asked(), expected);
}

#[tokio::test]
async fn trades_of_v1_say_the_same_and_are_paged_by_offset() {
    let server = Canned::start(vec![ok(TRADES_V1)]).await;
    let rest = server.rest(DataVersion::V1);
    let page = rest.trades(&[market("0xab")], 2, None).await.unwrap();
    let same = trades::page_v2("/v2/trades", TRADES_V2).unwrap();
    assert_eq!(page.trades, same.trades);
    assert_eq!(page.next_cursor.as_deref(), Some("2"));
    assert_eq!(rest.trades(&[market("0xab")], 3, Some("2")).await.unwrap().next_cursor, None);
    assert_eq!(rest.trades(&[market("0xab")], 2, Some("10000")).await.unwrap().next_cursor, None);
    assert_eq!(
        server.asked()[1],
        "GET /trades?market=0xab&limit=3&takerOnly=true&offset=2&_=1790000000000000-1"
    );
}

#[tokio::test]
async fn no_more_than_20_markets_are_asked_for_at_once() {
    let server = Canned::start(vec![ok(r#"{"data":[]}"#)]).await;
    let markets: Vec<_> = (0..=TRADES_MARKETS_MAX).map(|number| market(&format!("0x{number}"))).collect();
    server.rest(DataVersion::V2).trades(&markets, 5, None).await.unwrap();
    assert_eq!(server.asked()[0].matches("0x").count(), TRADES_MARKETS_MAX);
}

#[tokio::test]
async fn the_clock_is_read_in_seconds() {
    assert_eq!(time_of(vec![ok("1790000000\n")]).await.unwrap(), Timestamp::from_millis(1_790_000_000_000));
    for body in ["", "1790000000000", "soon", "{}"] {
        assert!(time_of(vec![ok(body)]).await.is_err(), "{body}");
    }
}

#[tokio::test]
async fn any_status_but_200_is_an_error() {
    for status in [201, 204, 206, 301, 302, 304, 307, 400, 404, 429, 500, 503] {
        let elsewhere = "Location: http://127.0.0.1:1/\r\nContent-Type: text/html\r\n";
        let error = time_of(vec![reply(status, elsewhere, "1790000000")]).await.unwrap_err();
        assert!(
            matches!(error, RestError::Refused { status: actual, .. } if actual == status),
            "{status}: {error}"
        );
    }
}

#[tokio::test]
async fn the_venue_may_ask_for_a_pause() {
    let error = time_of(vec![reply(429, "Retry-After: 3\r\n", "slow down")]).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(3)));
    assert!(error.is_transient());
}

#[tokio::test]
async fn a_body_that_breaks_off_or_was_never_begun_may_pass_by_itself() {
    let broken = Reply::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n17".to_vec());
    for reply in [broken, Reply::Bytes(Vec::new()), Reply::Bytes(b"garbage\r\n\r\n".to_vec())] {
        assert!(time_of(vec![reply]).await.unwrap_err().is_transient());
    }
}

#[tokio::test]
async fn an_endless_body_ends_at_the_limit() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x1_0000)).into_bytes();
    let error = time_of(vec![Reply::Endless(head, chunk)]).await.unwrap_err();
    assert!(matches!(error, RestError::TooLarge { .. }), "{error}");
}

#[tokio::test]
async fn a_silent_server_costs_no_more_than_the_time_limit() {
    let stalls = [b"".to_vec(), b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n17".to_vec()];
    for bytes in stalls {
        let server = Canned::start(vec![Reply::Stall(bytes)]).await;
        let config = RestConfig { timeout: Duration::from_millis(100), ..server.config(DataVersion::V2) };
        let error = Rest::new(config).unwrap().time().await.unwrap_err();
        assert!(matches!(error, RestError::TimedOut { .. }), "{error}");
    }
}

#[tokio::test]
async fn waiting_for_our_turn_counts_against_the_time_limit() {
    let server = Canned::start(vec![ok("1790000000")]).await;
    let rate_per_s = NonZeroU32::MIN;
    let config =
        RestConfig { timeout: Duration::from_millis(500), rate_per_s, ..server.config(DataVersion::V2) };
    let rest = Rest::new(config).unwrap();
    assert!(rest.time().await.is_ok());
    let error = rest.time().await.unwrap_err();
    assert!(matches!(error, RestError::TimedOut { .. }), "{error}");
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_transient_error() {
    let mut config = RestConfig::of_venue(|| Timestamp::from_millis(0));
    config.clob_url = "http://127.0.0.1:1".to_owned();
    let error = Rest::new(config).unwrap().time().await.unwrap_err();
    assert!(matches!(error, RestError::Unreachable { .. }) && error.is_transient(), "{error}");
}

#[tokio::test]
async fn a_witness_is_told_of_every_call_by_route_and_outcome() {
    let server =
        Canned::start(vec![ok("1790000000"), reply(429, "", "slow down"), reply(503, "", "away")]).await;
    let (sender, receiver) = std::sync::mpsc::channel();
    let config = server.config(DataVersion::V2);
    let rest =
        Rest::with_observer(config, move |route, outcome, _took| sender.send((route, outcome)).unwrap())
            .unwrap();
    assert!(rest.time().await.is_ok());
    assert!(rest.time().await.is_err() && rest.time().await.is_err());
    drop(rest);
    let calls: Vec<_> = receiver.iter().collect();
    assert_eq!(calls, [("/time", "answered"), ("/time", "limited"), ("/time", "refused")]);
}

#[tokio::test]
async fn trades_are_asked_for_so_that_no_cache_answers_and_one_that_does_is_known_by_its_age() {
    let empty = r#"{"data":[]}"#;
    let server =
        Canned::start(vec![ok(empty), reply(200, "Age: 52\r\n", empty), reply(200, "Age: x\r\n", empty)])
            .await;
    let rest = server.rest(DataVersion::V2);
    let markets = [ConditionId::try_from("0xab").unwrap()];
    let mut ages = Vec::new();
    for _ in 0..3 {
        ages.push(rest.trades(&markets, 10, None).await.unwrap().age.as_secs());
    }
    assert_eq!(ages, [0, 52, 0]);
    let asked: std::collections::BTreeSet<String> = server.asked().into_iter().collect();
    assert_eq!(asked.len(), 3, "each address is another one: {asked:?}");
}

#[tokio::test]
async fn the_old_data_api_is_paged_to_its_end_and_says_that_there_is_more() {
    let row =
        r#"{"conditionId":"0xab","asset":"71","side":"BUY","price":0.5,"size":1,"timestamp":1790000000}"#;
    let full = format!("[{}]", vec![row; 500].join(","));
    let server = Canned::start(vec![ok(&full)]).await;
    let rest = server.rest(DataVersion::V1);
    let markets = [ConditionId::try_from("0xab").unwrap()];
    let (mut cursor, mut pages) = (None, 0);
    loop {
        let page = rest.trades(&markets, 500, cursor.as_deref()).await.unwrap();
        pages += 1;
        cursor = page.next_cursor;
        if cursor.is_none() {
            assert!(page.is_cut, "the last page that can be had was full");
            break;
        }
    }
    assert_eq!(pages, 7, "offsets 0 to 3000");
}

#[test]
fn an_address_that_is_none_is_refused_at_once() {
    for url in ["", "clob", "ftp://x", "file:///etc/passwd", "http://"] {
        let config =
            RestConfig { data_url: url.to_owned(), ..RestConfig::of_venue(|| Timestamp::from_millis(0)) };
        assert!(matches!(Rest::new(config), Err(RestError::Address(_))), "{url}");
    }
}

#[tokio::test]
async fn the_data_api_says_how_far_it_lags_behind_and_the_old_one_does_not() {
    let envelope = r#"{"data":{"computed_at":"2026-10-06T08:00:00Z","age_seconds":2,"serving":{"lag_seconds":240,
        "worst":"activity_feed","mechanisms":[{"name":"activity_feed","age_seconds":4}]}}}"#;
    let bare = r#"{"status":"ok","lag_seconds":2.5}"#;
    let server =
        Canned::start(vec![ok(envelope), ok(bare), ok("{}"), ok(r#"{"data":{"serving":{}}}"#)]).await;
    let rest = server.rest(DataVersion::V2);
    assert_eq!(rest.trades_lag().await.unwrap(), Some(Duration::from_secs(242)), "with its own age");
    assert_eq!(rest.trades_lag().await.unwrap(), Some(Duration::from_secs(3)), "the old, bare form");
    for _ in 0..2 {
        assert!(rest.trades_lag().await.is_err(), "an unknown lag is not zero");
    }
    assert_eq!(rest.calls(), 4);
    let old = server.rest(DataVersion::V1);
    assert_eq!((old.trades_lag().await.unwrap(), old.calls()), (None, 0));
    assert!(old.trades_pages_overlap() && !rest.trades_pages_overlap());
}

/// An answer as whoever asked for gzip gets it.
fn gzipped(body: &[u8]) -> Reply {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(body).unwrap();
    let packed = packed.finish().unwrap();
    let head =
        format!("HTTP/1.1 200 x\r\nContent-Length: {}\r\nContent-Encoding: gzip\r\n\r\n", packed.len());
    Reply::Bytes([head.as_bytes(), &packed].concat())
}

#[tokio::test]
async fn a_packed_answer_is_read_and_one_that_unpacks_without_end_ends_at_the_limit() {
    let server = Canned::start(vec![gzipped(br#"{"markets":[]}"#), gzipped(&vec![b' '; 17 << 20])]).await;
    let rest = server.rest(DataVersion::V2);
    assert!(rest.markets_page(None, 1).await.unwrap().markets.is_empty());
    assert!(matches!(rest.markets_page(None, 1).await, Err(RestError::TooLarge { .. })));
    assert_eq!(server.encodings(), ["gzip", "gzip"], "it is asked for");
}
