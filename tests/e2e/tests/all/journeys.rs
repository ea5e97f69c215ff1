//! What the venue said is in the database: once, with its verdict, and nothing else.
//!
//! Knows: the simulator's scenarios and its ledger. Never: a tolerance but recorded gaps.

use std::time::Duration;

use e2e::{Settings, World, eventually};

#[tokio::test]
async fn every_stale_trade_is_refused_and_the_others_are_not() {
    let world = World::conserved("stale-trades").await;
    let verdicts = world.query("select verdict, count(*) from api.trades group by 1 order by 1").await;
    assert!(verdicts.iter().any(|row| row[0] == "refused"), "{verdicts:?}");
    let late = "select count(*) from api.trades where verdict = 'refused' and age_s <= 300";
    assert_eq!(world.query(late).await[0][0], "0");
    world.finish().await;
}

#[tokio::test]
async fn a_missing_size_is_found_at_rest_or_stays_unknown() {
    let world = World::conserved("missing-sizes").await;
    let sources =
        world.query("select coalesce(size_source, 'none'), count(*) from api.trades group by 1").await;
    for source in ["venue", "rest", "none"] {
        assert!(sources.iter().any(|row| row[0] == source), "{source}: {sources:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_price_far_from_the_book_is_flagged_unless_rest_shows_that_our_book_was_off() {
    let world = World::conserved("price-spikes").await;
    let flagged =
        "select confirmed, count(*) from api.trades where verdict = 'flagged' group by 1 order by 1";
    let flagged = world.query(flagged).await;
    assert_eq!(flagged.iter().map(|row| row[0].as_str()).collect::<Vec<_>>(), ["f", "t"], "{flagged:?}");
    // A book that REST has overruled is not believed any more: it was fetched anew, and its span is a gap.
    let overruled = "select count(*) from api.gaps where cause = 'overruled' and healed_at is not null";
    assert_ne!(world.query(overruled).await[0][0], "0");
    world.finish().await;
}

#[tokio::test]
async fn what_is_missed_in_a_reconnect_lies_in_a_gap_and_its_trades_are_recovered() {
    let world = World::conserved("reconnect").await;
    world.all_gaps_healed().await;
    world.finish().await;
}

#[tokio::test]
async fn two_identical_fills_in_one_millisecond_are_two_rows() {
    let world = World::conserved("duplicates").await;
    let twins = "select count(*) from (select 1 from api.trades group by token_id, side, price, size, executed_at, \
        transaction_hash having count(*) = 2) twins";
    assert_ne!(world.query(twins).await[0][0], "0");
    world.finish().await;
}

#[tokio::test]
async fn garbage_costs_its_neighbours_nothing_and_is_kept() {
    let world = World::conserved("garbage").await;
    eventually("dead letters are stored with their bytes", Duration::from_secs(30), async || {
        let rows = world.query("select count(*) from api.dead_letters where octet_length(payload) > 0").await;
        if rows[0][0] == "0" { Err("none yet") } else { Ok(()) }
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn four_processors_share_the_stream() {
    let mut settings = Settings::scenario("calm").sized(20, 400, Some(15));
    (settings.processors, settings.writers) = (4, 2);
    let world = World::start(settings).await;
    world.play().await;
    eventually("each processor has worked", Duration::from_secs(20), async || {
        let (_, status) = world.get("/api/status").await.map_err(|error| error.to_string())?;
        let services = status["details"]["services"].as_array().cloned().unwrap_or_default();
        let processors = services.iter().filter(|service| service["service"] == "processor");
        let instances = processors.filter_map(|service| service["instances"].as_array()).flatten();
        let worked = instances.filter(|one| one["report"]["received"].as_u64() > Some(0)).count();
        if worked == 4 { Ok(()) } else { Err(format!("{worked} of 4: {:#}", status["details"])) }
    })
    .await;
    world.finish().await;
}

#[tokio::test]
async fn tap_prints_what_passes_as_one_json_object_a_line() {
    let world = World::start(Settings::scenario("calm").sized(10, 200, Some(10))).await;
    let mut tap = tokio::process::Command::new(e2e::programs::binary("tap"));
    tap.args(["ticks.>", "--count", "50"]).env("NATS_URL", world.viewer_url()).kill_on_drop(true);
    let tapping = tokio::spawn(
        tap.stdout(std::process::Stdio::piped()).spawn().expect("tap starts").wait_with_output(),
    );
    world.play().await;
    let told = tokio::time::timeout(Duration::from_secs(20), tapping).await.expect("fifty ticks pass");
    let told = told.expect("tap is waited for").expect("tap runs");
    assert!(told.status.success());
    let text = String::from_utf8(told.stdout).expect("text");
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 50);
    for line in &lines {
        assert!(line["subject"].as_str().is_some_and(|subject| subject.starts_with("ticks.")), "{line}");
        assert!(line["payload"]["id"].as_str().is_some_and(|id| id.len() == 32), "{line}");
    }
    world.finish().await;
}

#[tokio::test]
async fn odd_frames_cost_their_neighbours_nothing_and_no_more_than_a_few_letters() {
    let world = World::conserved("odd-frames").await;
    let sideless = world.query("select count(*) from api.trades where side is null").await;
    assert_eq!(sideless[0][0], "12", "trades without a side are kept");
    let report = world.feed_report().await;
    // The frame of a million ones is over the limit: it costs its own socket, with the reason, and no tick of the others.
    assert_eq!((report.dropped, report.reconnections), (0, 1));
    let causes = world.query("select distinct cause from api.gaps").await;
    assert_eq!(causes, [["frame_refused"]]);
    assert!(report.depth.hashes_unreadable > 0, "{:?}", report.depth);
    let unknown: u64 = report.depth.unknown_events.values().sum();
    assert_eq!(unknown, 5_000, "{:?}", report.depth.unknown_events);
    let letters = world.query("select count(*) from api.dead_letters where service = 'feed'").await;
    let letters: u64 = letters[0][0].parse().unwrap();
    assert!((1..20).contains(&letters), "{letters} letters");
    let status = format!("/proc/{}/status", world.pid("feed").expect("the feed runs"));
    let status = std::fs::read_to_string(status).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    let peak_kb: u64 = peak.unwrap().parse().unwrap();
    assert!(peak_kb < 250_000, "{peak_kb} kB: a frame of 2 MB took 433 MB once");
    world.finish().await;
}

#[tokio::test]
async fn a_frame_that_is_no_text_costs_its_socket_a_gap_with_the_reason_and_others_nothing() {
    let world = World::conserved("not-utf-8").await;
    world.all_gaps_healed().await;
    let gaps = world.query("select distinct cause from api.gaps").await;
    assert_eq!(gaps, [["frame_refused"]]);
    world.finish().await;
}
