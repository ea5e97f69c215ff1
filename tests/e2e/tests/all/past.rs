//! What the page asks of the database about one token and about all markets, on a real Postgres.
//!
//! Knows: rows put there by hand. Never: the bus.

use contract::ids::{ConditionId, TokenId};
use contract::time::Timestamp;
use rust_decimal::Decimal;
use stack::postgres;
use store::{CoverageOrder, Reader};

const PASSWORD: &str = "only-for-this-test";

/// A migrated database, and a moment: rows stand at whole seconds around it.
struct Database {
    server: postgres::Server,
    reader: Reader,
    start: Timestamp,
}

impl Database {
    async fn start() -> Self {
        let server = e2e::database::migrated_by_a_superuser(PASSWORD).await;
        let reader = Reader::connect(&server.url("polyfeed_reader", PASSWORD, "polyfeed")).unwrap();
        let micros = server.psql("polyfeed", "select (extract(epoch from now()))::bigint").await.unwrap();
        let start = Timestamp::from_micros(micros.trim().parse::<i64>().unwrap() * 1_000_000);
        Self { server, reader, start }
    }

    fn at(&self, seconds: i64) -> Timestamp {
        Timestamp::from_micros(self.start.micros() + seconds * 1_000_000)
    }

    async fn run(&self, sql: &str) {
        self.server.psql("polyfeed", sql).await.unwrap();
    }

    async fn book(&self, token: u32, second: i64, bids: &str, asks: &str) {
        let at = self.at(second);
        self.run(&format!(
            "insert into polyfeed.books (id, condition_id, token_id, bids, asks, hash_ok, changed_at, received_at) \
             values (gen_random_uuid(), '0x1', '{token}', '{bids}', '{asks}', true, '{at}', '{at}')"
        ))
        .await;
    }

    /// `prices`: size, best bid, best ask.
    async fn change(&self, token: u32, second: i64, side: &str, price: &str, prices: [&str; 3]) {
        let (at, [size, bid, ask]) = (self.at(second), prices);
        self.run(&format!(
            "insert into polyfeed.prices (id, condition_id, token_id, side, price, size, best_bid, best_ask, \
             changed_at, received_at) values (gen_random_uuid(), '0x1', '{token}', '{side}', {price}, {size}, {bid}, \
             {ask}, '{at}', '{at}')"
        ))
        .await;
    }

    async fn trade(&self, token: u32, second: i64, price: &str, verdict: &str) {
        let at = self.at(second);
        self.run(&format!(
            "insert into polyfeed.trades (id, condition_id, token_id, side, price, origin, executed_at, received_at, \
             judged_at, verdict, reasons) values (gen_random_uuid(), '0x1', '{token}', 'BUY', {price}, 'socket', \
             '{at}', '{at}', '{at}', '{verdict}', '{{}}')"
        ))
        .await;
    }

    async fn gap(&self, market: u32, cause: &str, opened: i64, healed: Option<i64>) {
        let opened = self.at(opened);
        let healed = healed.map_or("null".to_owned(), |second| format!("'{}'", self.at(second)));
        self.run(&format!(
            "insert into polyfeed.gaps values (gen_random_uuid(), '0x{market}', '0/1', '{cause}', '{opened}', {healed}, 0, \
            '{opened}', case when {healed}::timestamptz is null then 'open' else 'healed' end)"
        ))
        .await;
    }

    async fn market(&self, number: u32, is_closed: bool) {
        self.run(&format!(
            "insert into polyfeed.markets (condition_id, slug, question, active, closed, neg_risk, tokens, updated_at) \
             values ('0x{number}', 'm{number}', 'Question {number}?', true, {is_closed}, false, '[]', now())"
        ))
        .await;
    }
}

fn token(number: u32) -> TokenId {
    TokenId::try_from(number.to_string().as_str()).unwrap()
}

fn condition(text: &str) -> ConditionId {
    ConditionId::try_from(text).unwrap()
}

fn number(text: &str) -> Decimal {
    text.parse().unwrap()
}

#[tokio::test]
async fn a_ladder_is_the_last_book_with_the_changes_since() {
    let database = Database::start().await;
    assert_eq!(database.reader.ladder(&token(1)).await.unwrap(), None);
    database.book(1, -60, "[[0.4,1]]", "[]").await;
    database.book(1, -30, r#"[["0.47","10"],["0.4","0.000000000000000001"]]"#, r#"[["0.5","7"]]"#).await;
    for (second, side, price, size) in [
        (-40, "BUY", "0.1", "99"),
        (-20, "BUY", "0.48", "3"),
        (-19, "BUY", "0.47", "0"),
        (-18, "SELL", "0.49", "5"),
        (-17, "SELL", "0.5", "8"),
    ] {
        database.change(1, second, side, price, [size, "null", "null"]).await;
    }
    database.change(2, -1, "BUY", "0.9", ["1", "null", "null"]).await;
    let ladder = database.reader.ladder(&token(1)).await.unwrap().unwrap();
    let side = |levels: [(&str, &str); 2]| levels.map(|(price, size)| (number(price), number(size)));
    assert_eq!(ladder.bids, side([("0.48", "3"), ("0.4", "0.000000000000000001")]));
    assert_eq!(ladder.asks, side([("0.49", "5"), ("0.5", "8")]));
    assert_eq!((ladder.at, ladder.received_at), (database.at(-17), database.at(-30)));
    assert_eq!(ladder.hash_ok, Some(true));
}

#[tokio::test]
async fn levels_that_were_stored_as_numbers_are_told_as_text_too() {
    let database = Database::start().await;
    database.book(1, -30, "[[0.470,10],[0.4,0.000000000000000001]]", "[]").await;
    let told =
        database.server.psql("polyfeed", "select bids::text || asks::text from api.books").await.unwrap();
    assert_eq!(told.trim(), r#"[["0.470", "10"], ["0.4", "0.000000000000000001"]][]"#);
    let ladder = database.reader.ladder(&token(1)).await.unwrap().unwrap();
    let expected = [("0.47", "10"), ("0.4", "0.000000000000000001")];
    assert_eq!(ladder.bids, expected.map(|(price, size)| (number(price), number(size))));
}

#[tokio::test]
async fn the_last_prices_are_those_of_the_newest_book_or_change() {
    let database = Database::start().await;
    database.book(1, -30, "[[0.47,10]]", "[[0.5,7]]").await;
    database.change(1, -20, "BUY", "0.48", ["3", "0.48", "null"]).await;
    database.change(1, -10, "BUY", "0.1", ["3", "null", "null"]).await;
    database.trade(1, -9, "0.48", "clean").await;
    database.trade(1, -8, "0.9", "refused").await;
    database.change(2, -30, "BUY", "0.3", ["3", "0.3", "null"]).await;
    database.book(2, -20, "[]", r#"[["0.5","7"]]"#).await;
    let last = database.reader.last_prices(&[token(1), token(2), token(3)]).await.unwrap();
    assert_eq!(last.len(), 2, "of the third nothing is stored");
    let first = last.iter().find(|last| last.token_id == token(1)).unwrap();
    assert_eq!((first.bid, first.ask, first.quoted_at), (Some(number("0.48")), None, database.at(-20)));
    assert_eq!(first.last, Some((number("0.48"), database.at(-9))));
    let second = last.iter().find(|last| last.token_id == token(2)).unwrap();
    assert_eq!((second.bid, second.ask, second.last), (None, Some(number("0.5")), None));
}

#[tokio::test]
async fn a_chart_has_one_price_a_step_all_trades_and_the_gaps_that_reach_into_it() {
    let database = Database::start().await;
    database.book(1, -500, "[[0.4,1]]", "[[0.6,1]]").await;
    for (second, bid) in [(-100, "0.41"), (-99, "0.42"), (-50, "0.43")] {
        database.change(1, second, "BUY", bid, ["1", bid, "0.6"]).await;
    }
    for (second, verdict) in [(-300, "clean"), (-90, "clean"), (-30, "flagged")] {
        database.trade(1, second, "0.5", verdict).await;
    }
    database.gap(1, "silence", -300, Some(-150)).await;
    database.gap(1, "silence", -300, Some(-40)).await;
    database.gap(2, "silence", -60, None).await;
    database.gap(1, "book_mismatch", -20, None).await;
    let span = (database.at(-100), database.at(0));
    let chart = database.reader.chart(&token(1), &condition("0x1"), span, 10).await.unwrap();
    let prices: Vec<_> = chart.prices.iter().map(|price| (price.at, price.bid.unwrap())).collect();
    let expected = [(-500, "0.4"), (-99, "0.42"), (-50, "0.43")];
    assert_eq!(prices, expected.map(|(second, bid)| (database.at(second), number(bid))));
    let trades: Vec<_> = chart.trades.iter().map(|trade| (trade.at, trade.verdict.as_str())).collect();
    assert_eq!(trades, [(database.at(-90), "clean"), (database.at(-30), "flagged")]);
    let gaps: Vec<&str> = chart.gaps.iter().map(|gap| gap.cause.as_str()).collect();
    assert_eq!((gaps, chart.trades_cut), (vec!["book_mismatch", "silence"], false));
    assert_eq!(chart.known_from, None, "its market is not stored");
    database.market(1, true).await;
    let chart = database.reader.chart(&token(1), &condition("0x1"), span, 10).await.unwrap();
    assert!(chart.known_from >= Some(database.start), "{:?}", chart.known_from);
}

#[tokio::test]
async fn the_grid_begins_with_the_market_that_lacked_ticks_for_longest() {
    let database = Database::start().await;
    for market in 1..=5 {
        database.market(market, market == 5).await;
    }
    database.gap(1, "silence", -100, Some(-50)).await;
    database.gap(2, "silence", -100, Some(-60)).await;
    // The second lies inside the first.
    database.gap(2, "socket_closed", -90, Some(-70)).await;
    database.gap(3, "silence", -30, None).await;
    database.gap(3, "silence", -900, Some(-800)).await;
    database.gap(4, "not_followed", -900, None).await;
    let span = (database.at(-600), database.at(0));
    let order = async |order| {
        let grid = database.reader.coverage(span, order, 50, 0).await.unwrap();
        grid.markets.iter().map(|market| market.condition_id.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(order(CoverageOrder::Worst).await, ["0x1", "0x2", "0x3"]);
    assert_eq!(order(CoverageOrder::Best).await, ["0x3", "0x2", "0x1"]);
    assert_eq!(order(CoverageOrder::Question).await, ["0x1", "0x2", "0x3"]);
    let page = database.reader.coverage(span, CoverageOrder::Worst, 1, 1).await.unwrap();
    assert_eq!((page.total, page.markets.len(), page.gaps.len()), (3, 1, 2));
    assert!(page.markets[0].first_seen_at.is_some());
}
