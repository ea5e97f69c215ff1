//! The shelf on a real Postgres: migrations, rights, batches, days, pages.
//!
//! Knows: tables, roles and views by their names. Never: the bus.

use contract::dead_letter::DeadLetter;
use contract::gap::{Cause, Gap, State};
use contract::ids::{ConditionId, TickId, TokenId};
use contract::market::{Market, Outcome};
use contract::money::{Price, Size};
use contract::stats::Service;
use contract::tick::{Book, Level, Origin, Prevailing, PriceChange, Side, Trade};
use contract::time::Timestamp;
use contract::verdict::{JudgedTrade, Reason, SizeSource, Verdict};
use stack::paths::Paths;
use stack::{postgres, wheels};
use store::row::{self, GapView, Row};
use store::{
    Class, Cursor, GapFilter, MarketFilter, Migrated, Reader, Rows, SchemaVersion, Stored, Table,
    TradeFilter, WriterSession,
};
use tokio_postgres::{Client, NoTls};

const PASSWORD: &str = "only-for-this-test";
const DAY_US: i64 = 86_400_000_000;

/// A migrated database of its own for one test.
struct Database {
    server: postgres::Server,
    writer: WriterSession,
    reader: Reader,
}

impl Database {
    async fn start() -> Self {
        let server = e2e::database::migrated_by_a_superuser(PASSWORD).await;
        let writer =
            WriterSession::new(&server.url("polyfeed_writer", PASSWORD, "polyfeed"), "writer-1").unwrap();
        let reader = Reader::connect(&server.url("polyfeed_reader", PASSWORD, "polyfeed")).unwrap();
        Self { server, writer, reader }
    }

    async fn store(&mut self, rows: &[Row]) -> Stored {
        self.writer.store(&Rows::of(rows)).await.unwrap()
    }

    /// As the superuser, in the session's time zone UTC: the answer as text.
    async fn ask(&self, sql: &str) -> String {
        self.server.psql("polyfeed", sql).await.unwrap().trim().to_owned()
    }

    async fn login(&self, role: &str) -> Client {
        let url = self.server.url(role, PASSWORD, "polyfeed");
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        tokio::spawn(async move {
            // It ends with the client.
            let _ended = connection.await;
        });
        client
    }

    async fn now(&self) -> Timestamp {
        let micros = self.ask("select (extract(epoch from now()) * 1000000)::bigint").await;
        Timestamp::from_micros(micros.parse().unwrap())
    }
}

async fn server() -> postgres::Server {
    let places = Paths::of_workspace().unwrap();
    let programs = wheels::postgres(&places, &|line: &str| eprintln!("{line}")).await.unwrap();
    postgres::Server::disposable(&programs).await.unwrap()
}

fn condition(number: usize) -> ConditionId {
    ConditionId::try_from(format!("0x{number:064x}").as_str()).unwrap()
}

fn token(number: usize) -> TokenId {
    TokenId::try_from(format!("7{number:070}").as_str()).unwrap()
}

fn price(text: &str) -> Price {
    Price::of_text(text).unwrap()
}

fn judged(number: usize, executed_at: Timestamp) -> JudgedTrade {
    let trade = Trade {
        id: TickId::of_content(&["trade", &number.to_string()]),
        condition_id: condition(1),
        token_id: token(1),
        side: Some(Side::Buy),
        price: price("0.48"),
        size: Some(Size::of_text("12.5").unwrap()),
        origin: Origin::Socket,
        executed_at,
        received_at: Timestamp::from_micros(executed_at.micros() + 1_500_000),
        transaction_hash: None,
        price_before: None,
        prevailing: Some(Prevailing { best_bid: Some(price("0.47")), best_ask: None, age_us: 9 }),
    };
    JudgedTrade {
        trade,
        verdict: Verdict::Clean,
        reasons: vec![],
        size_source: Some(SizeSource::Venue),
        deviation: Some("0.01".parse().unwrap()),
        confirmed: None,
        judged_at: executed_at,
    }
}

fn trade(judged: JudgedTrade) -> Row {
    Row::Trade(Box::new(row::Trade::of(judged, Some("frame-1".to_owned())).unwrap()))
}

fn change(number: usize, changed_at: Timestamp) -> Row {
    let change = PriceChange {
        id: TickId::of_content(&["price", &number.to_string()]),
        condition_id: condition(1),
        token_id: token(1),
        side: Side::Sell,
        price: price("0.5"),
        size: Size::ZERO,
        best_bid: None,
        best_ask: Some(price("0.51")),
        hash: None,
        changed_at,
        received_at: changed_at,
    };
    Row::Price(change.try_into().unwrap())
}

fn book(changed_at: Timestamp, received_at: Timestamp) -> Row {
    let book = Book {
        id: TickId::of_content(&["book", &changed_at.micros().to_string()]),
        condition_id: condition(1),
        token_id: token(1),
        bids: vec![
            Level(price("0.47"), Size::of_text("10").unwrap()),
            Level(price("0.4"), Size::of_text("0.000001").unwrap()),
        ],
        asks: vec![],
        hash: None,
        hash_ok: Some(true),
        tick_size: Some("0.01".parse().unwrap()),
        last_trade_price: None,
        changed_at,
        received_at,
    };
    Row::Book(book.try_into().unwrap())
}

fn market(number: usize, slug: &str, updated_at: Timestamp) -> Row {
    let outcome = |outcome: &str, number| Outcome { token_id: token(number), outcome: outcome.to_owned() };
    let market = Market {
        slug: slug.to_owned(),
        question: format!("Question {number}?"),
        active: true,
        closed: number.is_multiple_of(2),
        tokens: vec![outcome("Yes", number), outcome("No", number + 1_000)],
        ..Market::unknown(condition(number), updated_at)
    };
    Row::Market(Box::new(market.try_into().unwrap()))
}

fn gap(number: i64, healed_ms: Option<i64>, trades_recovered: u64) -> Row {
    let at = Timestamp::from_millis(1_789_156_413_000 + number);
    let opened = Gap::opened(condition(1), "0/1", Cause::Silence, at, at);
    let healed_at = healed_ms.map(Timestamp::from_millis);
    let state = if healed_at.is_some() { State::Healed } else { State::Open };
    Row::Gap(Gap { healed_at, state, trades_recovered, ..opened }.try_into().unwrap())
}

#[tokio::test]
async fn migrations_run_once_even_when_many_begin_and_a_foreign_history_is_refused() {
    let server = server().await;
    for name in ["one", "two"] {
        server.create_database(name).await.unwrap();
    }
    let (one, two) = (server.admin_url("one"), server.admin_url("two"));
    let (a, b, c) = tokio::join!(store::migrate(&one), store::migrate(&one), store::migrate(&two));
    let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
    let newest = a.to;
    let mut begun = [a.from, b.from];
    begun.sort_unstable();
    assert_eq!((begun, c), ([0, newest], Migrated { from: 0, to: newest }));

    let mut shelf = WriterSession::new(&one, "writer-1").unwrap();
    assert_eq!(shelf.fit().await.unwrap(), SchemaVersion::Fits);
    let delete = format!("delete from polyfeed.migrations where version = {newest}");
    server.psql("one", &delete).await.unwrap();
    assert_eq!(
        shelf.fit().await.unwrap(),
        SchemaVersion::Behind { found: newest - 1, needed: newest, may_migrate: true }
    );
    let insert = format!("insert into polyfeed.migrations values ({newest}, 'x', 'x')");
    server.psql("one", &insert).await.unwrap();
    let changed = store::migrate(&one).await.unwrap_err();
    assert!(changed.to_string().contains(&format!("migration {newest} (")), "{changed}");
    server.psql("two", "insert into polyfeed.migrations values (99, 'x', 'x')").await.unwrap();
    let newer = store::migrate(&two).await.unwrap_err();
    assert!(newer.to_string().contains("version 99"), "{newer}");
    assert_eq!(newer.class(), Class::Bug);
}

#[tokio::test]
async fn the_writer_may_store_and_nothing_else_and_the_reader_may_read_views_and_nothing_else() {
    let database = Database::start().await;
    let refused = async |client: &Client, sql: &str| {
        let error = client.batch_execute(sql).await.expect_err(sql);
        error.code().unwrap_or_else(|| panic!("{sql}: {error}")).code().to_owned()
    };
    let writer = database.login("polyfeed_writer").await;
    for sql in [
        "create table polyfeed.mine (a int)",
        "create table public.mine (a int)",
        "create temp table mine (a int)",
        "drop table polyfeed.trades",
        "delete from polyfeed.trades",
        "delete from polyfeed.markets",
        "truncate polyfeed.prices",
        "update polyfeed.trades set price = 1",
        "select * from polyfeed.trades",
        "select * from api.trades",
        "select polyfeed.make_partition('trades', 'executed_at', '2020-01-01')",
        "set role polyfeed_owner",
    ] {
        assert_eq!(refused(&writer, sql).await, "42501", "{sql}");
    }
    let reader = database.login("polyfeed_reader").await;
    for sql in ["select * from polyfeed.trades", "select polyfeed.drop_expired(1)"] {
        assert_eq!(refused(&reader, sql).await, "42501", "{sql}");
    }
    assert_eq!(refused(&reader, "create table public.mine (a int)").await, "25006");
    // The default can be switched off; the rights cannot.
    reader.batch_execute("set default_transaction_read_only = off").await.unwrap();
    for sql in [
        "insert into api.gaps (condition_id) values ('x')",
        "create table public.mine (a int)",
        "create temp table mine (a int)",
        "select lo_from_bytea(0, 'mine')",
        "select lo_create(0)",
        "select lo_put(1, 0, 'mine')",
        "set temp_file_limit = -1",
    ] {
        assert_eq!(refused(&reader, sql).await, "42501", "{sql}");
    }
    let limit = reader.query_one("show temp_file_limit", &[]).await.unwrap();
    assert_eq!(limit.get::<_, &str>(0), "1GB");
    assert_eq!(refused(&reader, "select pg_sleep(10)").await, "57014");
    for view in ["trades", "prices", "books", "markets", "gaps", "dead_letters", "totals"] {
        reader.batch_execute(&format!("select * from api.{view} limit 1")).await.unwrap();
    }
    let limits = "select string_agg(rolname || ' ' || rolconnlimit || ' ' || rolcanlogin, ', ' order by rolname) \
        from pg_roles where rolname like 'polyfeed_%'";
    let told = database.ask(limits).await;
    assert_eq!(told, "polyfeed_owner -1 false, polyfeed_reader 16 true, polyfeed_writer 16 true");
}

#[tokio::test]
async fn the_views_have_the_columns_of_the_contract_in_its_order() {
    let database = Database::start().await;
    let trades = "id uuid, condition_id text, token_id text, question text, outcome text, side text, price numeric, \
        size numeric, size_source text, origin text, executed_at timestamptz, received_at timestamptz, \
        judged_at timestamptz, stored_at timestamptz, age_s numeric, verdict text, reasons _text, best_bid numeric, \
        best_ask numeric, deviation numeric, confirmed bool, transaction_hash text";
    let expected = [
        ("trades", trades),
        (
            "prices",
            "id uuid, condition_id text, token_id text, side text, price numeric, size numeric, best_bid numeric, \
                best_ask numeric, changed_at timestamptz, received_at timestamptz",
        ),
        (
            "books",
            "id uuid, condition_id text, token_id text, bids jsonb, asks jsonb, hash text, hash_ok bool, \
                changed_at timestamptz, received_at timestamptz",
        ),
        (
            "markets",
            "condition_id text, slug text, question text, end_at timestamptz, active bool, closed bool, \
                neg_risk bool, tick_size numeric, volume_24h numeric, tokens jsonb, updated_at timestamptz, \
                first_seen_at timestamptz, event_slug text, series_slug text, tags _text, order_size_min numeric, \
                resolved_at timestamptz, winning_token_id text, winning_outcome text, resolution_source text",
        ),
        (
            "gaps",
            "id uuid, condition_id text, shard text, cause text, opened_at timestamptz, healed_at timestamptz, \
                trades_recovered int8, detected_at timestamptz, state text",
        ),
        ("dead_letters", "id uuid, service text, subject text, error text, payload bytea, at timestamptz"),
        ("totals", "name text, rows int8"),
    ];
    for (view, columns) in expected {
        let sql = format!(
            "select string_agg(column_name || ' ' || udt_name, ', ' order by ordinal_position) \
             from information_schema.columns where table_schema = 'api' and table_name = '{view}'"
        );
        assert_eq!(database.ask(&sql).await, columns, "{view}");
    }
}

#[tokio::test]
async fn a_batch_is_stored_once_counted_once_and_read_back_as_it_was() {
    let mut database = Database::start().await;
    let now = database.now().await;
    let mut flagged = judged(2, now);
    (flagged.verdict, flagged.reasons) = (Verdict::Flagged, vec![Reason::G3, Reason::G5]);
    (flagged.trade.size, flagged.size_source, flagged.confirmed) = (None, None, Some(false));
    let letter = DeadLetter::new(Service::Feed, "socket 1", "1", "odd", &[0, 255], now);
    let rows = [
        trade(judged(1, now)),
        trade(flagged),
        change(1, now),
        change(1, now),
        book(now, now),
        market(1, "first", now),
        gap(1, None, 0),
        Row::DeadLetter(letter.try_into().unwrap()),
    ];
    let stored = database.store(&rows).await;
    let one = |table| stored.inserted.get(&table).copied();
    assert_eq!(one(Table::Trades), Some(2));
    for table in [Table::Prices, Table::Books, Table::Markets, Table::Gaps, Table::DeadLetters] {
        assert_eq!(one(table), Some(1), "{table:?}");
    }
    assert_eq!(stored.duplicates, 1);
    assert_eq!(database.store(&rows).await, Stored { inserted: [].into(), duplicates: 8 });

    let totals = database.reader.totals().await.unwrap();
    assert_eq!((totals["trades"], totals["prices"], totals["dead_letters"]), (2, 1, 1));
    let shown = database.reader.trades(&TradeFilter::default(), None, 10).await.unwrap();
    assert_eq!(shown.len(), 2);
    let clean = shown.iter().find(|trade| trade.verdict == "clean").unwrap();
    assert_eq!((clean.question.as_deref(), clean.outcome.as_deref()), (Some("Question 1?"), Some("Yes")));
    assert_eq!(
        (clean.price.to_string(), clean.age_s.to_string()),
        ("0.48".to_owned(), "1.500000".to_owned())
    );
    assert_eq!((clean.executed_at, clean.reasons.len()), (now, 0));
    let flagged = shown.iter().find(|trade| trade.verdict == "flagged").unwrap();
    assert_eq!(flagged.reasons, ["G3", "G5"]);
    assert_eq!((flagged.size, flagged.size_source.as_deref(), flagged.confirmed), (None, None, Some(false)));
    assert_eq!(
        database.ask("select bids::text || asks::text from api.books").await,
        r#"[["0.47", "10"], ["0.4", "0.000001"]][]"#
    );
    assert_eq!(database.ask("select correlation_id from polyfeed.trades limit 1").await, "frame-1");
    database.reader.ping().await.unwrap();
}

#[tokio::test]
async fn one_bad_row_fails_its_whole_batch_as_data_and_the_others_can_be_stored() {
    let mut database = Database::start().await;
    let now = database.now().await;
    let mut far = judged(1, now);
    far.deviation = Some("1.01".parse().unwrap());
    let mut named = gap(1, None, 0);
    if let Row::Gap(gap) = &mut named {
        gap.shard = "0/1\0".to_owned();
    }
    for bad in [trade(far), named] {
        let failed = database.writer.store(&Rows::of(&[change(1, now), bad])).await.unwrap_err();
        assert_eq!(failed.class(), Class::Data, "{failed}");
        assert_eq!(database.ask("select count(*) from api.prices").await, "0");
    }
    assert_eq!(database.store(&[change(1, now)]).await.inserted[&Table::Prices], 1);
    assert_eq!(database.reader.totals().await.unwrap()["prices"], 1);
}

#[tokio::test]
async fn days_are_made_ahead_filled_from_the_default_and_dropped_when_expired() {
    let mut database = Database::start().await;
    let now = database.now().await;
    let days_ago = |days: i64| Timestamp::from_micros(now.micros() - days * DAY_US);
    let partitions = "select count(*) from pg_inherits where inhparent = 'polyfeed.trades'::regclass";
    // DEFAULT, today and two days ahead; rerunning makes none.
    assert_eq!(database.ask(partitions).await, "4");
    assert_eq!(database.writer.make_partitions(7).await.unwrap(), 0);

    database
        .store(&[trade(judged(1, now)), trade(judged(2, days_ago(3))), trade(judged(3, days_ago(30)))])
        .await;
    database
        .store(&[book(days_ago(40), now), book(days_ago(41), days_ago(41)), change(1, days_ago(-20))])
        .await;
    let in_default = "select (select count(*) from polyfeed.trades_default) || ' ' || (select count(*) from polyfeed.books_default)";
    assert_eq!(database.ask(in_default).await, "2 2");
    assert_eq!(database.writer.make_partitions(7).await.unwrap(), 1);
    assert_eq!(database.ask(partitions).await, "5");
    assert_eq!(database.ask(in_default).await, "1 2");
    assert_eq!(database.ask("select count(*) from api.trades").await, "3");
    assert_eq!(database.store(&[trade(judged(2, days_ago(3)))]).await.duplicates, 1);

    // The day three days ago goes, the trade and the book that were received long ago go; a book of forty
    // days ago that came today stays.
    let expired = database.writer.drop_expired(2).await.unwrap();
    assert_eq!((expired.partitions, expired.rows), (1, 2));
    assert_eq!(database.ask("select count(*) from api.trades").await, "1");
    assert_eq!(database.ask("select count(*) from api.books").await, "1");
    assert_eq!(database.ask("select count(*) from api.prices").await, "1");
    assert_eq!(database.reader.totals().await.unwrap()["trades"], 3);
    assert_eq!(database.writer.drop_expired(0).await.unwrap_err().class(), Class::Data);
}

#[tokio::test]
async fn an_older_telling_never_undoes_a_newer_one() {
    let mut database = Database::start().await;
    let now = database.now().await;
    let later = Timestamp::from_micros(now.micros() + 1);
    for telling in [
        gap(1, None, 0),
        gap(1, Some(1_789_156_500_000), 3),
        gap(1, None, 0),
        gap(1, Some(1_789_156_500_000), 2),
    ] {
        database.store(&[telling]).await;
    }
    let gaps = database.reader.gaps(&GapFilter::default(), None, 10).await.unwrap();
    let [GapView { gap: told, question: None }] = &gaps[..] else { panic!("{gaps:?}") };
    assert_eq!((told.healed_at.unwrap().timestamp_millis(), told.trades_recovered), (1_789_156_500_000, 3));

    database.store(&[market(1, "newer", later)]).await;
    assert_eq!(database.store(&[market(1, "older", now)]).await.duplicates, 1);
    assert_eq!(database.ask("select slug from api.markets").await, "newer");
    let totals = database.reader.totals().await.unwrap();
    assert_eq!((totals["gaps"], totals["markets"]), (1, 1));
}

#[tokio::test]
async fn pages_hold_every_row_once_and_filters_narrow_them() {
    let mut database = Database::start().await;
    let now = database.now().await;
    // Three trades in each moment: the id decides among them.
    let at = |number: usize| Timestamp::from_micros(now.micros() - i64::try_from(number / 3).unwrap());
    let rows: Vec<_> = (0..25).map(|number| trade(judged(number, at(number)))).collect();
    database.store(&rows).await;
    let (mut seen, mut before): (Vec<Cursor>, _) = (vec![], None);
    loop {
        let page = database.reader.trades(&TradeFilter::default(), before, 7).await.unwrap();
        assert!(page.len() <= 7);
        seen.extend(page.iter().map(row::TradeView::cursor));
        match page.last() {
            Some(last) => before = Some(last.cursor()),
            None => break,
        }
    }
    assert_eq!(seen.len(), 25);
    assert!(seen.is_sorted_by(|a, b| (a.at, a.id) > (b.at, b.id)), "newest first, each once");

    let count = async |filter: TradeFilter| database.reader.trades(&filter, None, 500).await.unwrap().len();
    let all = TradeFilter::default;
    assert_eq!(count(TradeFilter { token_id: Some(token(1)), ..all() }).await, 25);
    assert_eq!(count(TradeFilter { token_id: Some(token(2)), ..all() }).await, 0);
    assert_eq!(
        count(TradeFilter { condition_id: Some(condition(1)), verdict: Some(Verdict::Clean), ..all() }).await,
        25
    );
    assert_eq!(count(TradeFilter { verdict: Some(Verdict::Refused), ..all() }).await, 0);
    assert_eq!(count(TradeFilter { from: Some(at(3)), ..all() }).await, 6);
    assert_eq!(count(TradeFilter { to: Some(at(3)), ..all() }).await, 19);

    let markets: Vec<_> = (1..=9).map(|number| market(number, "slug", now)).collect();
    let gaps: Vec<_> =
        (1..=9).map(|number| gap(number, (number > 4).then_some(1_789_156_500_000), 0)).collect();
    database.store(&markets).await;
    database.store(&gaps).await;
    let reader = &database.reader;
    let first = reader.markets(&MarketFilter::default(), None, 5).await.unwrap();
    let rest =
        reader.markets(&MarketFilter::default(), Some(&first[4].market.condition_id), 5).await.unwrap();
    assert_eq!((first.len(), rest.len(), &rest[3].market.condition_id), (5, 4, &condition(9)));
    assert!(first.iter().all(|shown| shown.first_seen_at.is_some()));
    let of_token = MarketFilter { token_id: Some(token(3)), ..MarketFilter::default() };
    assert_eq!(reader.markets(&of_token, None, 5).await.unwrap()[0].market.condition_id, condition(3));
    let closed = MarketFilter { closed: Some(true), ..MarketFilter::default() };
    assert_eq!(reader.markets(&closed, None, 50).await.unwrap().len(), 4);
    let open = GapFilter { open: Some(true), condition_id: Some(condition(1)), ..GapFilter::default() };
    let page = reader.gaps(&open, None, 3).await.unwrap();
    let last = reader.gaps(&open, Some(page[2].cursor()), 3).await.unwrap();
    assert_eq!((page.len(), last.len()), (3, 1));
    let since = |micros| GapFilter { from: Some(Timestamp::from_micros(micros)), ..GapFilter::default() };
    let healed_us = 1_789_156_500_000_000;
    let reaching = reader.gaps(&since(healed_us - 1), None, 50).await.unwrap().len();
    let open_still = reader.gaps(&since(healed_us), None, 50).await.unwrap().len();
    assert_eq!((reaching, open_still), (9, 4), "a gap that reaches into the span belongs to it");
    assert_eq!(page[0].question.as_deref(), Some("Question 1?"));
    reader.close();
}
