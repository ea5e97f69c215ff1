//! The venue in its depth: recorded frames, the whole of it, its bad habits, every break made good.
//!
//! Knows: the captures beside the project, the simulator's ailments. Never: a tolerance but recorded gaps.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use e2e::{Settings, World, by_length, eventually};
use serde_json::{Value, json};
use venue_sim::controls::LostRemoval;
use venue_sim::replay::Rebase;
use venue_sim::rest::RestMode;
use venue_sim::scenario::{Cut, Scenario, Service};
use venue_sim::{Begin, Flow, Options, Simulator, Source};

/// Captures of the market channel; the others beside them are of another service.
const RECORDED: [&str; 9] = [
    "doc_examples_not_captured",
    "golden_burger_samples_2026-09-30",
    "marcasite_frames_2026-10-02",
    "mixed_known_unknown_synthetic",
    "nautilus_crossing_burst_2026-09-29",
    "netqo_frames_2026-08-14",
    "polyarb_capture_2026-06-30",
    "polybot_frames_2025-12-23",
    "tail5m_frames_2026-09-11",
];
/// Books of them that nobody trimmed: their hashes hold.
const UNTRIMMED: usize = 8;

/// Where a capture lies, if it is here.
fn captured(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures").join(path);
    if path.is_file() {
        return Some(path);
    }
    eprintln!("SKIPPED: the capture {} is not here, so nothing was checked against it", path.display());
    None
}

/// All recorded frames in one file, 20 a second, and their elements.
fn recording(folder: &Path) -> Option<(PathBuf, Vec<Value>)> {
    let path = folder.join("recording.jsonl");
    let mut file = std::fs::File::create(&path).unwrap();
    let (mut elements, mut at_ms) = (Vec::new(), 1_800_000_000_000_u64);
    for name in RECORDED {
        let text = std::fs::read_to_string(captured(&format!("ws/{name}.jsonl"))?).unwrap();
        for frame in text.lines().filter(|line| !line.trim().is_empty()) {
            at_ms += 50;
            writeln!(file, "{}", json!({ "recv_ts": at_ms, "frame": frame })).unwrap();
            match serde_json::from_str(frame).unwrap() {
                Value::Array(list) => elements.extend(list),
                single => elements.push(single),
            }
        }
    }
    Some((path, elements))
}

#[tokio::test]
async fn every_recorded_frame_goes_through_the_whole_pipeline() {
    let folder = tempfile::tempdir().unwrap();
    let Some((path, elements)) = recording(folder.path()) else { return };
    let mut settings = Settings::scenario("calm");
    settings.recording = Some(path);
    let world = World::start(settings).await;
    world.play().await;
    let changes: usize =
        elements.iter().filter_map(|element| element["price_changes"].as_array()).map(Vec::len).sum();
    let books: BTreeSet<String> = elements
        .iter()
        .filter(|element| element["event_type"] == "book")
        .map(|element| {
            format!("{} {}", element["asset_id"].as_str().unwrap(), element["timestamp"].as_str().unwrap())
        })
        .collect();
    eventually("every change and every book is stored", Duration::from_mins(1), async || {
        let prices: usize = world.query("select count(*) from api.prices").await[0][0].parse().unwrap();
        let sql = "select token_id || ' ' || (extract(epoch from changed_at) * 1000)::bigint from api.books";
        let stored: BTreeSet<String> =
            world.query(sql).await.into_iter().map(|mut row| row.remove(0)).collect();
        let missing: Vec<&String> = books.difference(&stored).collect();
        // Two in the synthetic file have a word for their hash: that costs them the check, and nothing else.
        if prices == changes && missing.is_empty() {
            Ok(())
        } else {
            Err(format!("{prices} of {changes} changes; books missing: {missing:?}; {}", world.logs()))
        }
    })
    .await;
    let verdicts =
        world.query("select coalesce(hash_ok::text, 'unchecked'), count(*) from api.books group by 1").await;
    let agreed =
        verdicts.iter().find(|row| row[0] == "true").map_or(0, |row| row[1].parse::<usize>().unwrap());
    assert!(agreed >= UNTRIMMED, "{verdicts:?}");
    let report = world.feed_report().await;
    eprintln!("recorded frames: {changes} changes, {} books, {verdicts:?}, {:?}", books.len(), report.depth);
}

#[tokio::test]
async fn what_the_recorder_keeps_the_simulator_plays() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("recording.jsonl");
    let sim = Simulator::start(Options::of(Scenario::named("calm").unwrap())).await.unwrap();
    let urls = sim.urls();
    let mut record = tokio::process::Command::new(e2e::programs::binary("examples/record"));
    record
        .args(["--top", "3", "--seconds", "5", "--ws", &urls.ws, "--gamma", &urls.gamma, "--out"])
        .arg(&out);
    let told = tokio::time::timeout(Duration::from_secs(30), record.kill_on_drop(true).output()).await;
    let told = told.expect("it ends by itself").expect("the recorder runs");
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    sim.shutdown().await;
    let source = Source::Recording { path: out.clone(), speed: 1_000, rebase: Rebase::None };
    let options = Options { source, begin: Begin::WhenTold, ..Options::of(Scenario::named("calm").unwrap()) };
    let replay = Simulator::start(options).await.unwrap();
    assert_eq!(replay.open_tokens().len(), 6, "three markets with both tokens");
    replay.begin();
    replay.finished().await.unwrap();
    let lines = std::fs::read_to_string(&out).unwrap().lines().count();
    assert!(lines > 20, "{lines} frames in five seconds");
    replay.shutdown().await;
}

#[tokio::test]
async fn a_real_universe_is_covered_within_a_minute_and_kept_while_it_changes() {
    let Some(universe) = captured("rest/gamma_universe_2026-03-11_even.jsonl.gz") else { return };
    let mut settings = Settings::scenario("whole-venue");
    settings.universe = Some(universe);
    settings.scenario.poison_tokens = 20;
    settings.scenario.reserved = 1_800;
    settings.scenario.rate_per_s = 300;
    settings.env.extend([("FEED_SOCKETS_MAX", "200".to_owned()), ("FEED_CONNECTS_PER_S", "50".to_owned())]);
    let began = Instant::now();
    let world = World::start(settings).await;
    let poison = world.sim.poisoned();
    assert_eq!(poison.len(), 20);
    world.sim.begin();
    covered(&world, Duration::from_mins(1).saturating_sub(began.elapsed())).await;
    eprintln!("covered {} tokens {:?} after the start", world.sim.open_tokens().len() - 20, began.elapsed());
    let replaced = world.sim.replace_markets(10);
    assert!(replaced.closed.len() > 1_500 && replaced.opened.len() == replaced.closed.len());
    let began = Instant::now();
    let list = |ids: &[String]| ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(",");
    let closed = format!(
        "select count(*) from api.markets where closed and condition_id in ({})",
        list(&replaced.closed)
    );
    let opened = format!(
        "select count(distinct condition_id) from api.books where condition_id in ({})",
        list(&replaced.opened)
    );
    eventually("what closed is given up and what opened has its books", Duration::from_mins(4), async || {
        let (closed, opened) = (world.query(&closed).await.remove(0), world.query(&opened).await.remove(0));
        let all = replaced.closed.len().to_string();
        if closed[0] == all && opened[0] == all {
            Ok(())
        } else {
            Err(format!("{closed:?} and {opened:?} of {all}"))
        }
    })
    .await;
    covered(&world, Duration::from_mins(1)).await;
    eprintln!("{} markets replaced {:?} after", replaced.closed.len(), began.elapsed());
}

/// Waits until every open token but the poison has a live book, and nothing else is followed.
async fn covered(world: &World, limit: Duration) {
    eventually("every token is covered but the poison", limit, async || {
        let report = world.feed_report().await;
        let (open, aside) = (world.sim.open_tokens(), report.depth.set_aside_count);
        let poison = world.sim.poisoned().into_iter().filter(|token| open.contains(token)).count();
        let wanted = (open.len() - poison) as u64;
        if report.tokens == open.len() as u64 && report.tokens_with_book == wanted && aside == poison as u64 {
            return Ok(());
        }
        Err(format!(
            "{} followed, {} with a book, {aside} set aside; {} open, {poison} of them poison",
            report.tokens,
            report.tokens_with_book,
            open.len()
        ))
    })
    .await;
}

#[tokio::test]
async fn every_socket_broken_at_random_costs_no_fill() {
    let mut settings = Settings::scenario("calm").sized(100, 1_000, None);
    settings.env.push(("FEED_TOKENS_PER_SOCKET", "20".to_owned()));
    settings.processors = 2;
    let world = World::start(settings).await;
    world.sim.begin();
    let (began, mut random) = (Instant::now(), fastrand::Rng::with_seed(20_261_124));
    let mut broken = 0;
    while began.elapsed() < by_length(Duration::from_secs(40), Duration::from_mins(5)) {
        tokio::time::sleep(Duration::from_millis(random.u64(100..1_500))).await;
        let cut = if random.bool() { Cut::Close } else { Cut::Abort };
        broken += world.sim.drop_some(1, cut, random.u64(..));
    }
    world.sim.stop_generating().await.expect("the venue could write all it had to say");
    world.all_healthy().await;
    world.all_gaps_healed().await;
    let recovered = "select origin, verdict, count(*) from api.trades group by 1, 2 order by 1, 2";
    let recovered = world.query(recovered).await;
    assert!(recovered.iter().any(|row| row[0] == "rest"), "{recovered:?}");
    let gaps = "select count(*), round(avg(extract(epoch from healed_at - opened_at)), 2), sum(trades_recovered) from api.gaps";
    let gaps = world.query(gaps).await;
    let account = world.finish().await;
    eprintln!(
        "{broken} sockets broken: {recovered:?}; gaps, mean seconds, trades recovered: {gaps:?}; {account:?}"
    );
    assert!(broken > by_length(25, 200), "{broken}");
}

#[tokio::test]
async fn a_removal_withheld_from_one_token_of_a_thousand_is_found_and_mended_and_disturbs_nothing_else() {
    let world = World::start(Settings::scenario("calm").sized(500, 1_000, None)).await;
    world.sim.begin();
    eventually("books are held against their hashes", Duration::from_secs(30), async || {
        let checked = world.feed_report().await.depth.hashes_checked;
        if checked > 2_000 { Ok(()) } else { Err(format!("{checked}")) }
    })
    .await;
    assert_eq!(world.feed_report().await.depth.hash_mismatches, 0);
    let (mut lost, mut withheld) = (None, 0);
    eventually("a wrong book is fetched anew", Duration::from_mins(2), async || {
        // The venue's own next book may mend it within the 2 s before we do: then another removal is withheld.
        let removals = world.sim.lost_removals();
        if removals.len() == withheld {
            let mended = match removals.last() {
                None => true,
                Some(LostRemoval { token_id, at_ms, .. }) => {
                    let books = format!(
                        "select count(*) from api.books where token_id = '{token_id}' and hash_ok \
                        and received_at > to_timestamp({at_ms} / 1000.0)"
                    );
                    world.query(&books).await[0][0] != "0"
                }
            };
            if mended && world.feed_report().await.depth.resyncs == 0 {
                world.sim.lose_removal();
                withheld += 1;
            }
        }
        let depth = world.feed_report().await.depth;
        lost = world.sim.lost_removals().pop();
        if depth.resyncs == 1 { Ok(()) } else { Err(format!("{withheld} withheld, {depth:?}")) }
    })
    .await;
    let lost = lost.expect("a removal is withheld");
    world.all_gaps_healed().await;
    let gaps = world
        .query("select condition_id, cause, (extract(epoch from healed_at) * 1000)::bigint from api.gaps")
        .await;
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert_eq!((&gaps[0][0], gaps[0][1].as_str()), (&lost.condition_id, "book_mismatch"));
    let newest = format!(
        "select hash_ok from api.books where token_id = '{}' order by received_at desc limit 1",
        lost.token_id
    );
    assert_eq!(world.query(&newest).await[0][0], "t", "the fresh book is the venue's");
    // The groups that touched it after the loss, by the ledger: the first shows it.
    let touched =
        world.ledger().into_iter().filter(|entry| entry.token_id == lost.token_id && entry.delivered);
    let found_at = touched.map(|entry| entry.sent_at_ms).find(|at_ms| *at_ms > lost.at_ms).unwrap();
    let mended_at: u64 = gaps[0][2].parse().unwrap();
    let mended_after = Duration::from_millis(mended_at.saturating_sub(found_at));
    eprintln!("the book was right again {mended_after:?} after the next group that touched it");
    assert!(mended_after < Duration::from_secs(5), "{mended_after:?}");
    let depth = world.feed_report().await.depth;
    let mismatches = 1..=2 * withheld as u64;
    assert!(mismatches.contains(&depth.hash_mismatches) && depth.resyncs == 1, "{depth:?}");
    world.sim.stop_generating().await.expect("the venue could write all it had to say");
    world.finish().await;
}

#[tokio::test]
async fn a_silence_with_an_open_socket_is_noticed_and_its_fills_are_recovered() {
    let mut settings = Settings::scenario("calm").sized(20, 300, None);
    settings.env.push(("FEED_SILENCE_MAX_S", "4".to_owned()));
    let world = World::start(settings).await;
    world.sim.begin();
    eventually("ticks flow", Duration::from_secs(30), async || {
        let ticks: u64 = world.feed_report().await.ticks.values().sum();
        if ticks > 1_000 { Ok(()) } else { Err(ticks) }
    })
    .await;
    world.sim.freeze(Flow::Frozen);
    eventually("the silence is a gap", Duration::from_secs(30), async || {
        let gaps = world.query("select count(*) from api.gaps where cause = 'silence'").await;
        if gaps[0][0] == "0" { Err("none yet") } else { Ok(()) }
    })
    .await;
    world.sim.freeze(Flow::Flowing);
    world.all_healthy().await;
    world.all_gaps_healed().await;
    world.sim.stop_generating().await.expect("the venue could write all it had to say");
    let recovered = world.query("select sum(trades_recovered) from api.gaps where cause = 'silence'").await;
    assert_ne!(recovered[0][0], "0");
    world.finish().await;
}

#[tokio::test]
async fn fills_that_an_overrun_buffer_had_no_room_for_are_recovered() {
    let mut settings = Settings::scenario("calm").sized(40, 1_000, None);
    settings.env.push(("FEED_BUFFER_MB", "1".to_owned()));
    let mut world = World::start(settings).await;
    world.sim.begin();
    world.nats.kill().await;
    let ticks = |world: &World| world.sim.status().ledger_next;
    let before = ticks(&world);
    eventually("more was sent than the buffer holds", Duration::from_secs(30), async || {
        let sent = ticks(&world) - before;
        if sent > 10_000 { Ok(()) } else { Err(sent) }
    })
    .await;
    world.nats.restart().await.expect("nats-server starts again");
    eventually("what was dropped is said", Duration::from_secs(30), async || {
        let (status, body) = world.get("/api/status").await.map_err(|error| error.to_string())?;
        let text = body["details"]["problems"].to_string();
        let said = status == 503 && text.contains("were dropped within the last minute");
        if said { Ok(()) } else { Err(format!("{status} {text}")) }
    })
    .await;
    world.all_gaps_healed().await;
    world.sim.stop_generating().await.expect("the venue could write all it had to say");
    // A minute after the last drop.
    world.all_healthy().await;
    let gaps =
        world.query("select count(*), sum(trades_recovered) from api.gaps where cause = 'buffer_full'").await;
    assert!(gaps[0][0] != "0" && gaps[0][1] != "0", "{gaps:?}");
    world.finish().await;
}

#[tokio::test]
async fn books_crossed_inside_a_match_and_dumps_that_lag_agree_with_every_hash() {
    for scenario in ["match-groups", "lagging-dump", "stale-snapshots"] {
        let world = World::conserved(scenario).await;
        let depth = world.feed_report().await.depth;
        assert!(depth.hashes_checked > 500 && depth.hash_mismatches == 0, "{scenario}: {depth:?}");
        world.finish().await;
    }
}

#[tokio::test]
async fn lost_removals_are_mended_each_in_a_gap_of_its_market_alone() {
    let world = World::conserved("lost-removals").await;
    world.all_gaps_healed().await;
    let lost: BTreeSet<String> =
        world.sim.lost_removals().into_iter().map(|lost| lost.condition_id).collect();
    let sql = "select distinct condition_id from api.gaps where cause = 'book_mismatch'";
    let mended: BTreeSet<String> = world.query(sql).await.into_iter().map(|mut row| row.remove(0)).collect();
    assert!(!mended.is_empty() && mended.is_subset(&lost), "{mended:?} of {lost:?}");
    assert_eq!(world.query("select count(*) from api.gaps where cause <> 'book_mismatch'").await[0][0], "0");
    world.finish().await;
}

#[tokio::test]
async fn poison_is_set_aside_and_books_that_do_not_come_are_named() {
    let world = World::conserved("poison").await;
    let depth = world.feed_report().await.depth;
    let poison: BTreeSet<String> = world.sim.poisoned().into_iter().collect();
    assert_eq!(depth.set_aside.into_iter().collect::<BTreeSet<_>>(), poison);
    let open = world.query("select count(distinct condition_id) from api.gaps where healed_at is null").await;
    assert_eq!(open[0][0], poison.len().to_string(), "their markets, and no others, are in a gap");
    world.finish().await;
    // Nothing begins: a book after a trade would open what its subscription did not.
    let world = World::start(Settings::scenario("missing-books")).await;
    eventually("the token without a book is named, and only that one", Duration::from_mins(1), async || {
        let report = world.feed_report().await;
        let named = report.depth.without_book.len();
        if named == 1 && report.tokens_with_book + 1 == report.tokens {
            Ok(())
        } else {
            Err(format!("{report:?}"))
        }
    })
    .await;
}

#[tokio::test]
async fn markets_come_and_go_while_it_runs() {
    let world = World::start(Settings::scenario("silent-resolve")).await;
    world.play().await;
    let open = || world.sim.open_tokens().len() as u64;
    eventually("just what is open is followed", Duration::from_mins(3), async || {
        let report = world.feed_report().await;
        if report.tokens == open() { Ok(()) } else { Err(format!("{} of {}", report.tokens, open())) }
    })
    .await;
    let closed = world.query("select count(*) from api.markets where closed").await;
    assert_ne!(closed[0][0], "0", "a resolved market is told");
    world.finish().await;
}

#[tokio::test]
async fn a_door_that_lets_few_in_and_a_slow_rest_cost_time_and_nothing_else() {
    let mut settings = Settings::scenario("busy-door");
    let old_version = ("POLYMARKET_DATA_VERSION", "v1".to_owned());
    settings.env.extend([("FEED_TOKENS_PER_SOCKET", "10".to_owned()), old_version]);
    let world = World::start(settings).await;
    world.play().await;
    world.sim.set_rest(Service::Data, RestMode::Slow(Duration::from_secs(2)));
    world.all_healthy().await;
    world.all_gaps_healed().await;
    let (status, calls) = (world.sim.status(), world.sim.rest_calls());
    assert!(status.connects_refused > 0 && calls["/trades"] > 0, "{status:?}");
    world.finish().await;
}

#[tokio::test]
async fn normal_ticks_cost_no_call_to_rest() {
    let world = World::start(Settings::scenario("calm").sized(40, 500, Some(20))).await;
    world.play().await;
    let ticks: u64 = world.feed_report().await.ticks.values().sum();
    assert!(ticks > 5_000, "{ticks}");
    let calls = world.sim.rest_calls();
    let asked: u64 = ["/book", "/books", "/trades", "/v2/trades", "/v2/status"]
        .iter()
        .filter_map(|route| calls.get(route))
        .sum();
    assert_eq!(asked, 0, "{calls:?}");
    eprintln!(
        "{ticks} ticks, calls of the whole run (the catalogue once a minute, the clock every ten): {calls:?}"
    );
    world.finish().await;
}
