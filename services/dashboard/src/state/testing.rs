//! Made-up ticks, stats, gaps and markets for tests.
//!
//! Knows: small, regular values. Never: anything a venue sent.

use contract::gap::{Cause, Gap};
use contract::ids::{ConditionId, TickId, TokenId};
use contract::market::{Market, Outcome};
use contract::money::{Price, Size};
use contract::stats::{
    DashboardReport, FeedDetails, FeedReport, ProcessorReport, Report, Service, SocketReport, SocketState,
    Stats, WriterReport,
};
use contract::tick::{Book, Level, Origin, Prevailing, PriceChange, Side, Tick, Trade};
use contract::time::Timestamp;
use contract::verdict::{JudgedTrade, Reason, SizeSource, Verdict};
use rust_decimal::Decimal;

use super::Projection;
use super::event::Judged;

/// A moment `seconds` after some morning.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_800_000_000 + seconds) * 1_000_000)
}

pub(crate) fn condition(number: u32) -> ConditionId {
    ConditionId::try_from(format!("0x{number:x}").as_str()).unwrap()
}

pub(crate) fn token(number: u32) -> TokenId {
    TokenId::try_from(number.to_string().as_str()).unwrap()
}

/// Market `number`, with the tokens `2 * number` (Yes) and `2 * number + 1` (No).
pub(crate) fn market(number: u32) -> Market {
    let outcome =
        |offset: u32, name: &str| Outcome { token_id: token(2 * number + offset), outcome: name.to_owned() };
    Market {
        slug: format!("market-{number}"),
        question: format!("Question {number}?"),
        active: true,
        tokens: vec![outcome(0, "Yes"), outcome(1, "No")],
        ..Market::unknown(condition(number), at(0))
    }
}

/// Trade `number` on token 2 of market 1, executed at second 0, received 1.5 s and judged 2 s later.
pub(crate) fn trade(number: u32) -> JudgedTrade {
    let start = at(0).micros();
    JudgedTrade {
        trade: Trade {
            id: TickId::of_content(&["test trade", &number.to_string()]),
            condition_id: condition(1),
            token_id: token(2),
            side: Some(Side::Buy),
            price: Price::of_text("0.55").unwrap(),
            size: Some(Size::of_text("10.5").unwrap()),
            origin: Origin::Socket,
            executed_at: at(0),
            received_at: Timestamp::from_micros(start + 1_500_000),
            transaction_hash: None,
            price_before: Some(Price::of_text("0.5").unwrap()),
            prevailing: Some(Prevailing {
                best_bid: Some(Price::of_text("0.54").unwrap()),
                best_ask: Some(Price::of_text("0.56").unwrap()),
                age_us: 12,
            }),
        },
        verdict: Verdict::Clean,
        reasons: Vec::new(),
        size_source: Some(SizeSource::Venue),
        deviation: Some(Decimal::ZERO),
        confirmed: None,
        judged_at: Timestamp::from_micros(start + 2_000_000),
    }
}

pub(crate) fn judged_trade(number: u32, verdict: Verdict) -> Judged {
    let reasons = match verdict {
        Verdict::Clean => vec![],
        Verdict::Flagged => vec![Reason::G5],
        Verdict::Refused => vec![Reason::G1],
    };
    Judged::Trade(Box::new(JudgedTrade { verdict, reasons, ..trade(number) }))
}

/// Price change `number` on token 2 of market 1, received at second 0.
pub(crate) fn price_change(number: u32) -> Judged {
    Judged::Other(Tick::Price(PriceChange {
        id: TickId::of_content(&["test price", &number.to_string()]),
        condition_id: condition(1),
        token_id: token(2),
        side: Side::Sell,
        price: Price::of_text("0.57").unwrap(),
        size: Size::ZERO,
        best_bid: None,
        best_ask: Price::of_text("0.58").ok(),
        hash: None,
        changed_at: at(0),
        received_at: at(0),
    }))
}

/// Book `number` of token 2 of market 1: 0.4 to 0.6, read at `second`, as the venue's hash has it.
pub(crate) fn book(number: u32, second: i64) -> Judged {
    let level = |price| Level(Price::of_text(price).unwrap(), Size::of_text("5").unwrap());
    Judged::Other(Tick::Book(Book {
        id: TickId::of_content(&["test book", &number.to_string()]),
        condition_id: condition(1),
        token_id: token(2),
        bids: vec![level("0.4")],
        asks: vec![level("0.6")],
        hash: None,
        hash_ok: Some(true),
        tick_size: None,
        last_trade_price: None,
        changed_at: at(second),
        received_at: at(second),
    }))
}

/// A gap of market `number`, opened at second `number`.
pub(crate) fn gap(number: u32) -> Gap {
    Gap::opened(condition(number), "0/1", Cause::Silence, at(number.into()), at(number.into()))
}

/// A word of `instance`, which started at second 0, said at second `second`.
pub(crate) fn stats(instance: &str, second: i64, report: Report) -> Stats {
    let service = match report {
        Report::Feed(_) => Service::Feed,
        Report::Processor(_) => Service::Processor,
        Report::Writer(_) => Service::Writer,
        Report::Dashboard(_) => Service::Dashboard,
    };
    Stats {
        service,
        instance: instance.to_owned(),
        version: "0.1.0".to_owned(),
        started_at: at(0),
        at: at(second),
        problems: Vec::new(),
        errors: Vec::new(),
        errors_last_hour: 0,
        report,
    }
}

/// A feed with one connected socket that had data at second `second`.
pub(crate) fn feed(second: i64) -> FeedReport {
    let socket = SocketReport {
        state: SocketState::Connected,
        tokens: 4,
        tokens_with_book: 3,
        connected_at: Some(at(0)),
        last_data_at: Some(at(second)),
        ..SocketReport::default()
    };
    FeedReport {
        markets: 2,
        tokens: 4,
        tokens_with_book: 3,
        last_data_at: socket.last_data_at,
        sockets: vec![socket],
        depth: FeedDetails {
            trades_recovered: 5,
            hashes_checked: 30,
            hash_mismatches: 1,
            ..FeedDetails::default()
        },
        ..FeedReport::default()
    }
}

/// One word of each service, said at second `second`.
pub(crate) fn everybody(second: i64) -> [Stats; 4] {
    [
        stats("feed-1", second, Report::Feed(feed(second))),
        stats("processor-1", second, Report::Processor(ProcessorReport::default())),
        stats("writer-1", second, Report::Writer(WriterReport::default())),
        stats("dashboard-1", second, Report::Dashboard(DashboardReport::default())),
    ]
}

/// Hears one word of each service at second `second`.
pub(crate) fn hear_everybody(fold: &mut Projection, second: i64) {
    for word in everybody(second) {
        fold.stats(word, at(second));
    }
}
