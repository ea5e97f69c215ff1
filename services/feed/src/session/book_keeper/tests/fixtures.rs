//! Frames captured from the venue, where they lie beside the project, read by a book keeper.
//!
//! Knows: file names and what their README says of them. Never: a copy of their bytes.
//!
//! The captures are not ours to ship, so a clone without them passes these tests with one loud line each.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use super::*;

fn captured(name: &str) -> Option<Vec<String>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures/ws").join(name);
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!(
            "SKIPPED: the captured frames {} are not here, so nothing was checked against them",
            path.display()
        );
        return None;
    };
    let frame = |line: &str| {
        let wrapped = serde_json::from_str::<Value>(line).ok();
        wrapped
            .and_then(|value| value["frame"].as_str().map(str::to_owned))
            .unwrap_or_else(|| line.to_owned())
    };
    Some(text.lines().filter(|line| !line.trim().is_empty()).map(frame).collect())
}

/// A book keeper that follows every market of these frames. Tick sizes are those the books state, or 0.01.
fn desk_of(frames: &[String]) -> BookKeeper {
    let mut markets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut grids: BTreeMap<String, String> = BTreeMap::new();
    let elements = frames.iter().filter_map(|frame| serde_json::from_str::<Value>(frame).ok());
    for element in elements.flat_map(|value| if let Value::Array(list) = value { list } else { vec![value] })
    {
        let Some(market) = element["market"].as_str() else { continue };
        let entries = element["price_changes"].as_array().into_iter().flatten();
        let named = [&element].into_iter().chain(entries).filter_map(|value| value["asset_id"].as_str());
        for token in named {
            let tokens = markets.entry(market.to_owned()).or_default();
            if !tokens.iter().any(|known| known == token) {
                tokens.push(token.to_owned());
            }
        }
        if let Some(grid) = element["tick_size"].as_str() {
            grids.insert(market.to_owned(), grid.to_owned());
        }
    }
    let list: Vec<AssignedMarket> = markets
        .iter()
        .map(|(market, tokens)| AssignedMarket {
            market: ConditionId::try_from(market.as_str()).unwrap(),
            tokens: tokens.iter().map(|token| id(token)).collect(),
            held: 0,
            tick_size: Some(grids.get(market).map_or("0.01", String::as_str).parse().unwrap()),
            order_size_min: Some(Decimal::from(5)),
            neg_risk: false,
            end_at: None,
        })
        .collect();
    let mut books = BookKeeper::new(Arc::new(Mutex::new(Budget::unlimited())), Duration::from_mins(5));
    books.follow(&list);
    books
}

/// Reads all frames, each received as long after the one before as its time says; what they came to.
fn read_all(books: &mut BookKeeper, frames: &[String]) -> Vec<FrameOutcome> {
    let mut at = NOW;
    let mut last = None;
    let mut readings = Vec::new();
    for frame in frames {
        let stamp = frame
            .rsplit_once("\"timestamp\":\"")
            .and_then(|(_, rest)| rest.split('"').next()?.parse::<i64>().ok());
        let step = stamp.zip(last).map_or(0, |(now, before): (i64, i64)| (now - before).max(0));
        last = stamp.or(last);
        at = at.plus(Duration::from_millis(u64::try_from(step).unwrap()));
        books.close_idle_groups(at);
        readings.push(books.read(frame, at));
        for held in books.tokens.values() {
            let quote = held.book.prevailing(at, at);
            let crossed = quote
                .and_then(|quote| quote.best_bid.zip(quote.best_ask))
                .is_some_and(|(bid, ask)| bid >= ask);
            assert!(!crossed, "a settled book is crossed after {frame}");
        }
    }
    books.close_idle_groups(at.plus(Duration::from_secs(1)));
    readings
}

#[test]
fn the_crossing_burst_rebuilds_the_closing_book_and_every_hash_agrees() {
    let Some(frames) = captured("nautilus_crossing_burst_2026-09-29.jsonl") else { return };
    let mut books = desk_of(&frames);
    let (closing, burst) = frames.split_last().unwrap();
    read_all(&mut books, burst);
    let reading = BookKeeper::read(&mut desk_of(&frames), closing, NOW);
    let Tick::Book(closing) = &reading.ticks[0] else { panic!("the last frame is a book") };
    let held = &books.tokens[&closing.token_id];
    let rebuilt = held.book.ladder().unwrap();
    assert!(
        rebuilt.bids().eq(closing.bids.iter().copied()) && rebuilt.asks().eq(closing.asks.iter().copied())
    );
    let tally = books.stats();
    assert!(tally.checked >= 40 && tally.mismatches == 0 && tally.differences == 0, "{tally:?}");
}

#[test]
fn untrimmed_books_and_their_changes_agree_with_the_venues_hashes() {
    for (name, expected) in [("polyarb_capture_2026-06-30.jsonl", 3), ("polybot_frames_2025-12-23.jsonl", 3)]
    {
        let Some(frames) = captured(name) else { return };
        let mut books = desk_of(&frames);
        let readings = read_all(&mut books, &frames);
        let ticks: Vec<&Tick> = readings.iter().flat_map(|reading| &reading.ticks).collect();
        let snapshots =
            ticks.iter().filter_map(|tick| if let Tick::Book(book) = tick { Some(book) } else { None });
        let agreed = snapshots.filter(|book| book.hash_ok == Some(true)).count();
        assert_eq!((agreed, books.stats().mismatches), (expected, 0), "{name}: {:?}", books.stats());
        assert!(books.stats().checked > expected as u64, "{name}: changes were checked too");
    }
}

#[test]
fn every_captured_frame_is_read_and_only_made_up_ones_are_refused() {
    for (name, refused) in [
        // A trade from a documentation that lacks its event type.
        ("doc_examples_not_captured.jsonl", 1),
        ("golden_burger_samples_2026-09-30.jsonl", 0),
        ("marcasite_frames_2026-10-02.jsonl", 0),
        ("nautilus_crossing_burst_2026-09-29.jsonl", 0),
        ("netqo_frames_2026-08-14.jsonl", 0),
        ("polyarb_capture_2026-06-30.jsonl", 0),
        ("polybot_frames_2025-12-23.jsonl", 0),
        ("tail5m_frames_2026-09-11.jsonl", 0),
        ("tail5m_recv_wrapped_2026-09-11.jsonl", 0),
    ] {
        let Some(frames) = captured(name) else { return };
        let readings = read_all(&mut desk_of(&frames), &frames);
        let found: Vec<&(String, Vec<u8>)> = readings.iter().flat_map(|reading| &reading.refused).collect();
        assert_eq!(found.len(), refused, "{name}: {found:?}");
        assert!(readings.iter().any(|reading| !reading.ticks.is_empty()), "{name}");
    }
    // A type that does not exist is counted by itself; two hashes that are events cost their ticks nothing.
    let Some(frames) = captured("mixed_known_unknown_synthetic.jsonl") else { return };
    let readings = read_all(&mut desk_of(&frames), &frames);
    let unknown: Vec<&str> =
        readings.iter().flat_map(|reading| &reading.unknown).map(|unknown| unknown.kind.as_str()).collect();
    assert_eq!(unknown, ["settlement_preview"]);
    assert!(readings.iter().all(|reading| reading.refused.is_empty()));
    assert_eq!(readings.iter().map(|reading| reading.hashes_unreadable).sum::<u64>(), 2);
}
