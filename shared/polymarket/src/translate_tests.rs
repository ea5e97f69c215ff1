//! Frames as the venue writes them, and what we make of them.
//!
//! Knows: forms from the protocol (market channel documentation, read 2026-11-23). Never: captured bytes.

use contract::tick::Kind;

use super::*;

const MARKET: &str = "0xbd31dc8a20211944f6b70f31557f1001557b59905b7738480ca09bd4532f84af";
const NOW: Timestamp = Timestamp::from_millis(1_789_156_414_000);

fn change(price: &str, size: &str) -> String {
    format!(
        r#"{{"asset_id":"71", "price":"{price}", "size":"{size}", "side":"SELL", "hash":"caab9fea204d5ce8d2eca8410ae7d71f107bab10", "best_bid":"0.624", "best_ask":"0.63"}}"#
    )
}

fn price_change(entries: &[String]) -> String {
    format!(
        r#"{{"market":"{MARKET}", "price_changes":[{}], "timestamp":"1789156413830", "event_type":"price_change"}}"#,
        entries.join(", ")
    )
}

fn last_trade(members: &str) -> String {
    format!(
        r#"{{"market":"{MARKET}", "asset_id":"71", "price":"0.55", {members}"fee_rate_bps":"0", "side":"BUY", "timestamp":"1789156413830", "event_type":"last_trade_price"}}"#
    )
}

fn book_of(bids: &str, asks: &str) -> String {
    format!(
        r#"{{"market":"{MARKET}","asset_id":"71","timestamp":"1789156413830","hash":"caab9fea204d5ce8d2eca8410ae7d71f107bab10","bids":[{bids}],"asks":[{asks}],"tick_size":"0.01","event_type":"book","last_trade_price":""}}"#
    )
}

fn ticks(text: &str) -> Vec<Tick> {
    frame(text, NOW)
        .into_iter()
        .map(|parsed| match parsed {
            FrameEvent::Tick(tick) => tick,
            other => panic!("no tick: {other:?}"),
        })
        .collect()
}

fn refusal(text: &str) -> String {
    match frame(text, NOW).as_slice() {
        [FrameEvent::Refused { error, .. }] => error.clone(),
        other => panic!("not refused: {other:?}"),
    }
}

fn only_trade(text: &str) -> Trade {
    match ticks(text).pop().unwrap() {
        Tick::Trade(trade) => *trade,
        other => panic!("{other:?}"),
    }
}

#[test]
fn signs_of_life_carry_no_data() {
    for (text, expected) in [
        ("PONG", ControlFrame::Pong),
        ("pong\n", ControlFrame::Pong),
        ("PING", ControlFrame::Ping),
        ("[]", ControlFrame::Empty),
        ("", ControlFrame::Empty),
        ("NO NEW ASSETS", ControlFrame::Empty),
    ] {
        assert!(
            matches!(frame(text, NOW).as_slice(), [FrameEvent::Nothing(quiet)] if *quiet == expected),
            "{text:?}"
        );
    }
}

#[test]
fn a_subscription_that_is_not_understood_is_told_apart_from_what_is_no_json() {
    assert!(matches!(frame("INVALID OPERATION", NOW).as_slice(), [FrameEvent::NotUnderstood]));
    assert!(refusal("INVALID").starts_with("not as documented"));
}

#[test]
fn each_entry_of_a_price_change_is_a_tick() {
    let ticks = ticks(&price_change(&[change("0.63", "9"), change("0.64", "0")]));
    let Tick::Price(second) = &ticks[1] else { panic!() };
    assert_eq!(ticks.len(), 2);
    assert!(second.size.is_zero());
    assert_eq!((second.side, second.best_bid.unwrap().to_string()), (Side::Sell, "0.624".to_owned()));
    assert_ne!(ticks[0].id(), ticks[1].id());
}

#[test]
fn a_bad_entry_costs_its_neighbours_nothing() {
    let text = price_change(&[change("0.63", "9"), change("1.01", "9"), change("0.64", "9")]);
    let parsed = frame(&text, NOW);
    assert!(
        matches!(parsed.as_slice(), [FrameEvent::Tick(_), FrameEvent::Tick(_), FrameEvent::Refused { .. }]),
        "{parsed:?}"
    );
}

#[test]
fn a_bad_element_of_an_array_costs_its_neighbours_nothing() {
    let good = last_trade(r#""size":"1", "#);
    let text = format!("[{good},{{\"event_type\":\"book\"}},{good},7]");
    let parsed = frame(&text, NOW);
    let [FrameEvent::Tick(_), FrameEvent::Tick(_), FrameEvent::Refused { error, bytes }] = parsed.as_slice()
    else {
        panic!("{parsed:?}")
    };
    assert_eq!(*bytes, format!("{{\"event_type\":\"book\"}},{good},7"));
    assert!(error.starts_with("2 parts of a frame, the first: not as documented: missing"), "{error}");
    let text = format!("[{good},7,{good}]");
    assert!(matches!(frame(&text, NOW).as_slice(), [_, _, FrameEvent::Refused { bytes: "7", .. }]));
}

#[test]
fn where_a_frame_breaks_off_what_came_before_is_kept_and_the_rest_is_one_letter() {
    let good = last_trade(r#""size":"1", "#);
    let text = format!("[{good},{good},{{\"event_type\":");
    let parsed = frame(&text, NOW);
    let [FrameEvent::Tick(_), FrameEvent::Tick(_), FrameEvent::Refused { error, bytes }] = parsed.as_slice()
    else {
        panic!("{parsed:?}")
    };
    assert!(error.starts_with("no JSON"), "{error}");
    assert_eq!(*bytes, ",{\"event_type\":");
}

#[test]
fn of_a_frame_with_more_parts_than_any_the_rest_is_one_letter() {
    let entries = |count: usize| price_change(&vec![change("0.63", "9"); count]);
    assert_eq!(ticks(&entries(PARTS_MAX)).len(), PARTS_MAX);
    for text in [entries(PARTS_MAX + 1), format!("[{},{}]", entries(PARTS_MAX - 1), entries(1))] {
        let mut parsed = frame(&text, NOW);
        assert!(
            matches!(parsed.pop(), Some(FrameEvent::Refused { error, bytes }) if error.starts_with("more than 20000 parts") && bytes.contains("0.63"))
        );
        assert!(
            parsed.len() >= PARTS_MAX - 1
                && parsed.iter().all(|parsed| matches!(parsed, FrameEvent::Tick(_)))
        );
    }
}

#[test]
fn a_letter_of_a_frame_is_cut_and_says_so() {
    let text = format!("[{{\"error\": \"{}\"}}]", "ä".repeat(PAYLOAD_KEPT_MAX));
    match frame(&text, NOW).as_slice() {
        [FrameEvent::Refused { error, bytes }] => {
            assert!(error.ends_with("(cut from 131085 bytes)"), "{error}");
            assert_eq!(bytes.len(), PAYLOAD_KEPT_MAX - 1, "a letter of two bytes is not halved");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_broken_frame_is_refused_with_all_its_bytes() {
    assert!(refusal("[{\"event_type\":\"book\"").starts_with("no JSON"));
    assert!(refusal("{\"event_type\":").starts_with("not as documented"));
    assert_eq!(refusal("{}"), "`event_type` is missing");
    assert_eq!(refusal(r#"{"event_type":[7]}"#), "`event_type` is no text");
    assert_eq!(refusal(r#"{"event_type":null,"x":1}"#), "`event_type` is missing");
    assert_eq!(refusal(r#"{"error":"bad"}"#), "the venue reports an error: bad");
}

#[test]
fn events_of_unknown_types_are_counted_by_type_and_cost_their_neighbours_nothing() {
    let (good, new) = (last_trade(r#""size":"1", "#), r#"{"event_type":"Settlement Preview","x":1}"#);
    let text = format!(r#"[{new},{good},{{"event_type":7}},{{"event_type":"settlement.preview"}},8]"#);
    let parsed = frame(&text, NOW);
    let [
        FrameEvent::Tick(_),
        FrameEvent::Unknown { kind: seven, count: 1, .. },
        FrameEvent::Unknown { kind, count: 2, sample },
        FrameEvent::Refused { bytes: "8", .. },
    ] = parsed.as_slice()
    else {
        panic!("{parsed:?}")
    };
    assert_eq!((seven.as_str(), kind.as_str(), *sample), ("7", "settlement_preview", new));
    let many: Vec<String> = (0..1_000).map(|n| format!(r#"{{"event_type":"x{n}"}}"#)).collect();
    let text = format!("[{}]", many.join(","));
    let counts: Vec<u64> = frame(&text, NOW)
        .iter()
        .map(
            |parsed| {
                if let FrameEvent::Unknown { count, .. } = parsed { *count } else { panic!("{parsed:?}") }
            },
        )
        .collect();
    assert_eq!((counts.len(), counts.iter().sum::<u64>()), (UNKNOWN_MAX, 1_000));
}

#[test]
fn a_size_that_is_no_size_leaves_the_trade_without_one() {
    for members in
        ["", r#""size":"", "#, r#""size":"0", "#, r#""size":"-3", "#, r#""size":"NaN", "#, r#""size":null, "#]
    {
        assert_eq!(only_trade(&last_trade(members)).size, None, "{members}");
    }
    assert_eq!(only_trade(&last_trade(r#""size":"3.581817", "#)).size.unwrap().to_string(), "3.581817");
    assert_eq!(only_trade(&last_trade(r#""size":3.5, "#)).size.unwrap().to_string(), "3.5");
}

#[test]
fn a_transaction_hash_is_part_of_the_id_and_may_be_absent() {
    let with = only_trade(&last_trade(r#""size":"1", "transaction_hash":"0xFE", "#));
    let without = only_trade(&last_trade(r#""size":"1", "transaction_hash":"", "#));
    assert_eq!(with.transaction_hash.unwrap().as_str(), "0xfe");
    assert_eq!(without.transaction_hash, None);
    assert_ne!(with.id, without.id);
}

#[test]
fn an_odd_hash_is_no_hash_and_costs_its_tick_nothing() {
    let parsed = |text: &str| -> (Vec<Tick>, u64) {
        let (mut ticks, mut odd) = (Vec::new(), 0);
        for parsed in frame(text, NOW) {
            match parsed {
                FrameEvent::Tick(tick) => ticks.push(tick),
                FrameEvent::HashUnreadable(count) => odd += count,
                other => panic!("{other:?}"),
            }
        }
        (ticks, odd)
    };
    for hash in ["0x", "nope", "0xzz"] {
        let members = format!(r#""size":"1", "transaction_hash":"{hash}", "#);
        let (ticks, odd) = parsed(&last_trade(&members));
        assert!(matches!(&ticks[..], [Tick::Trade(trade)] if trade.transaction_hash.is_none()), "{hash}");
        assert_eq!(odd, 1, "{hash}");
    }
    let good = "caab9fea204d5ce8d2eca8410ae7d71f107bab10";
    for hash in ["0xcaab9fea204d5ce8d2eca8410ae7d71f107bab10", &good.repeat(2)[..64], "x"] {
        let text = price_change(&[change("0.63", "9"), change("0.64", "9")]).replace(good, hash);
        let (ticks, odd) = parsed(&text);
        assert!(
            ticks.iter().all(|tick| matches!(tick, Tick::Price(change) if change.hash.is_none())),
            "{hash}"
        );
        assert_eq!((ticks.len(), odd), (2, 2), "{hash}");
        let (ticks, odd) = parsed(&book_of("", "").replace(good, hash));
        assert!(matches!(&ticks[..], [Tick::Book(book)] if book.hash.is_none()), "{hash}");
        assert_eq!(odd, 1, "{hash}");
    }
}

#[test]
fn a_trade_without_a_readable_side_is_kept_without_it() {
    for side in [r#""side":"","#, r#""side":null,"#, r#""side":"X","#, ""] {
        let text = format!(
            r#"{{"market":"0xab","asset_id":"71","price":"0.5","size":"2",{side}"timestamp":"1789156413830","event_type":"last_trade_price"}}"#
        );
        assert_eq!(only_trade(&text).side, None, "{side}");
    }
}

#[test]
fn small_letters_exponents_and_a_side_that_is_null_are_read() {
    let trade = only_trade(&last_trade(r#""size":"2e-6", "#).replace("\"BUY\"", "\"buy\""));
    assert_eq!((trade.side, trade.size.unwrap().to_string()), (Some(Side::Buy), "0.000002".to_owned()));
    let text = book_of("", r#"{"price":"0.5","size":"3"}"#).replace("\"bids\":[]", "\"bids\":null");
    let Some(Tick::Book(book)) = ticks(&text).pop() else { panic!("no book") };
    assert_eq!((book.bids.len(), book.asks.len()), (0, 1));
    assert!(refusal(&book_of("", "").replace("\"bids\":[],", "")).contains("bids"), "missing is not empty");
}

#[test]
fn levels_in_either_order_give_the_same_book() {
    let (low, high) = (r#"{"price":"0.1","size":"1"}"#, r#"{"price":".48","size":"2"}"#);
    let (near, far) = (r#"{"price":"0.5","size":"3"}"#, r#"{"price":"0.9","size":"4"}"#);
    let live = ticks(&book_of(&format!("{low},{high}"), &format!("{far},{near}")));
    let documented = ticks(&book_of(&format!("{high},{low}"), &format!("{near},{far}")));
    assert_eq!(live, documented);
    let Tick::Book(book) = &live[0] else { panic!() };
    assert_eq!(
        (book.bids[0].0.to_string(), book.asks[0].0.to_string()),
        ("0.48".to_owned(), "0.5".to_owned())
    );
    assert_eq!(book.last_trade_price, None);
}

#[test]
fn a_level_that_stands_twice_makes_a_book_unusable() {
    let level = r#"{"price":"0.10","size":"1"},{"price":"0.1","size":"2"}"#;
    assert_eq!(refusal(&book_of(level, "")), "the level 0.1 stands twice in the book");
}

#[test]
fn an_empty_side_of_a_quote_is_none() {
    let text = |bid: &str, ask: &str| {
        format!(
            r#"{{"market":"{MARKET}", "asset_id":"71", "best_bid":"{bid}", "best_ask":"{ask}", "spread":"0.01", "timestamp":"1789156413830", "event_type":"best_bid_ask"}}"#
        )
    };
    for (bid, ask) in [("", ""), ("0", "1"), ("0", "0")] {
        let Tick::Quote(quote) = ticks(&text(bid, ask)).pop().unwrap() else { panic!() };
        assert_eq!((quote.best_bid, quote.best_ask), (None, None), "{bid} {ask}");
    }
    let Tick::Quote(quote) = ticks(&text("0.51", "0.52")).pop().unwrap() else { panic!() };
    assert!(quote.best_bid.is_some() && quote.best_ask.is_some());
}

#[test]
fn old_forms_of_price_change_are_read() {
    let old = format!(
        r#"{{"asset_id":"71","market":"{MARKET}","hash":"caab9fea204d5ce8d2eca8410ae7d71f107bab10","timestamp":"1700000000000","event_type":"price_change","changes":[{{"price":"0.4","side":"BUY","size":"3"}}]}}"#
    );
    assert_eq!(ticks(&old)[0].kind(), Kind::Price);
    let shape_only = price_change(&[change("0.63", "9")]).replace(r#", "event_type":"price_change""#, "");
    assert_eq!(ticks(&shape_only).len(), 1);
}

#[test]
fn a_grid_change_and_news_of_markets_are_read() {
    let text = format!(
        r#"{{"market":"{MARKET}", "asset_id":"71", "old_tick_size":"0.01", "new_tick_size":"0.001", "timestamp":"1789156413830", "event_type":"tick_size_change"}}"#
    );
    assert_eq!(ticks(&text)[0].kind(), Kind::TickSize);
    let text = format!(
        r#"{{"id":"5155500", "market":"{MARKET}", "condition_id":"{MARKET}", "event_type":"new_market"}}"#
    );
    assert!(matches!(frame(&text, NOW).as_slice(), [FrameEvent::NewMarket(_)]));
    let text = text.replace("new_market", "market_resolved");
    assert!(matches!(frame(&text, NOW).as_slice(), [FrameEvent::Resolved(..)]));
}

#[test]
fn a_time_in_seconds_or_an_odd_id_is_refused() {
    let good = last_trade(r#""size":"1", "#);
    for (from, to) in [
        ("1789156413830", "1789156413"),
        (MARKET, "0xzz"),
        (r#""asset_id":"71""#, r#""asset_id":"7.1""#),
        (r#""price":"0.55""#, r#""price":{}"#),
        (r#""price":"0.55""#, &format!(r#""price":"0.{}""#, "5".repeat(5_000))),
    ] {
        refusal(&good.replace(from, to));
    }
}

#[test]
fn an_escaped_text_is_read() {
    let text = last_trade(r#""size":"1", "#).replace(r#""BUY""#, r#""\u0042UY""#);
    assert_eq!(only_trade(&text).side, Some(Side::Buy));
}
