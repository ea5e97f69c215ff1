//! What the page says when a part of the system dies, and when it comes back.
//!
//! Knows: services that are killed, frozen and started again. Never: a limit that a busy machine breaks.

use std::time::{Duration, Instant};

use browser::Visit;
use e2e::Settings;
use serde_json::Value;
use tokio::process::Command;

/// Longest wait for the verdict to turn: 5 s on a machine of one's own.
const TURNED_WITHIN: Duration = Duration::from_secs(10);
/// Longest wait for everything to be well again.
const WELL_WITHIN: Duration = Duration::from_mins(1);

#[tokio::test]
async fn a_dead_feed_turns_the_verdict_and_a_lost_dashboard_is_told_until_it_is_back() -> anyhow::Result<()> {
    let mut visit = Visit::begin(Settings::scenario("calm").sized(20, 200, None)).await?;
    // Clean trades only: what lies in the list is then exactly what the database has of them.
    visit.open("#/events?verdict=clean").await?;
    visit.world.sim.begin();
    visit.tab.sees("#events [data-event]").await;
    visit.go("overview").await?;
    visit.tab.sees("[data-panel=connection][data-state=live]").await;
    a_dead_feed_is_named(&mut visit).await?;
    visit.tab.click("nav a[data-view=events]").await?;
    visit.tab.sees("main[data-view=events]").await;
    a_frozen_dashboard_is_told_too(&visit).await?;
    a_dead_dashboard_is_told(&mut visit).await?;
    the_gap_is_drawn_and_its_hours_are_incomplete(&visit).await?;
    visit.end().await
}

async fn a_dead_feed_is_named(visit: &mut Visit) -> anyhow::Result<()> {
    let killed = Instant::now();
    visit.world.kill("feed").await;
    visit
        .tab
        .within(
            TURNED_WITHIN,
            "document.querySelector('#verdict').dataset.state !== 'trustworthy' && \
             document.querySelector('#verdict-because').innerText.includes('feed')",
        )
        .await;
    eprintln!("the verdict turned {:?} after the end of feed", killed.elapsed());
    let tab = &visit.tab;
    for panel in ["connection", "flow"] {
        tab.sees(&format!("[data-panel={panel}][data-state=unknown] .badge[data-silent=feed]")).await;
    }
    tab.sees("[data-figure=websocket_state][data-value='']").await;
    tab.sees("[data-stage=feed]:not([data-state=ok])").await;
    let badge = tab.words("[data-panel=connection] .badge[data-silent=feed]").await;
    assert!(badge.contains("silent"), "with the age of its last word: {badge}");

    let started = Instant::now();
    visit.world.bring_up("feed");
    let restarted = "document.querySelector('#verdict-because').innerText.includes('feed restarted ')";
    visit.tab.within(WELL_WITHIN, restarted).await;
    visit.tab.within(WELL_WITHIN, "document.querySelector('#verdict').dataset.state === 'trustworthy'").await;
    eprintln!("the verdict turned back {:?} after the start of feed", started.elapsed());
    visit.tab.sees("[data-panel=connection][data-state=live]").await;
    visit.tab.sees("[data-figure=websocket_state][data-value=connected]").await;
    Ok(())
}

/// Held for longer than the page waits, and released: the page comes back and goes on. Whether its list is whole is looked
/// at in the end.
async fn a_frozen_dashboard_is_told_too(visit: &Visit) -> anyhow::Result<()> {
    let tab = &visit.tab;
    tab.sees("#events [data-event]").await;
    let newest = tab.attribute("#events [data-event]", "data-event").await;
    assert!(!is_grey(visit).await, "what is live has colours");
    signal(visit, "-STOP").await?;
    let stopped = Instant::now();
    tab.within(WELL_WITHIN, "document.body.dataset.link === 'lost'").await;
    eprintln!("the page told of the silence {:?} after the dashboard froze", stopped.elapsed());
    tab.sees("#verdict[data-state=unknown]").await;
    let because = tab.words("#verdict-because").await;
    assert!(because.contains("hears nothing"), "{because}");
    tab.sees("[data-panel=events][data-state=old]").await;
    assert!(is_grey(visit).await, "what is old loses its colours");
    signal(visit, "-CONT").await?;
    tab.within(
        WELL_WITHIN,
        "document.body.dataset.link === 'live' && \
         document.querySelector('#verdict').dataset.state === 'trustworthy'",
    )
    .await;
    tab.until(&format!("document.querySelector('#events [data-event]')?.dataset.event !== '{newest}'")).await;
    Ok(())
}

async fn a_dead_dashboard_is_told(visit: &mut Visit) -> anyhow::Result<()> {
    visit.world.kill("dashboard").await;
    let killed = Instant::now();
    visit.tab.within(TURNED_WITHIN, "document.body.dataset.link === 'lost'").await;
    eprintln!("the page told of the loss {:?} after the end of the dashboard", killed.elapsed());
    visit.tab.sees("#verdict[data-state=unknown]").await;
    visit.tab.until("document.querySelector('#link').innerText.includes('offline')").await;
    visit.world.flowing().await;
    visit.world.bring_up("dashboard");
    visit.tab.within(WELL_WITHIN, "document.body.dataset.link === 'live'").await;
    visit.tab.within(WELL_WITHIN, "document.querySelector('#verdict').dataset.state === 'trustworthy'").await;
    visit.world.sim.stop_generating().await?;
    visit.at_rest().await;
    // What the new dashboard no longer holds is told as a hole; where it holds all, there is none.
    visit
        .agrees("the list is whole, or says where it is not", async |visit| {
            let sql = "select least(count(*), 500) from api.trades where verdict = 'clean'";
            let stored = visit.world.query(sql).await[0][0].clone();
            let rows = visit.tab.attribute("#events", "data-rows").await;
            // Gaps have rows of their own.
            let gaps: usize = visit.tab.count("#events [data-kind=gap]").await;
            let rows = rows.parse::<usize>().map_or(rows, |all| (all - gaps).to_string());
            let holes: usize = visit.tab.count("#events [data-kind=hole]").await;
            if rows == stored || holes > 0 {
                Vec::new()
            } else {
                vec![format!("{rows} rows, {stored} stored, {holes} holes told")]
            }
        })
        .await;
    Ok(())
}

/// The death of the feed is a bar on the line of time for each gap, and a share of the hour for each market.
async fn the_gap_is_drawn_and_its_hours_are_incomplete(visit: &Visit) -> anyhow::Result<()> {
    let before = visit.api("/api/coverage?hours=24&limit=50").await;
    visit.go("gaps").await?;
    bars_agree(visit).await;
    cells_agree(visit, before).await;
    a_click_lists_the_gaps_of_an_hour(visit).await
}

async fn bars_agree(visit: &Visit) {
    visit
        .agrees("each gap has its bar", async |visit| {
            let told = visit.api("/api/gaps?limit=500").await;
            let mut gaps: Vec<String> = told["gaps"].as_array().into_iter().flatten().map(bar_of).collect();
            let mut bars: Vec<String> = visit.tab.ask(BARS).await;
            gaps.sort();
            bars.sort();
            let stored = visit.world.query("select count(*) from api.gaps").await[0][0].clone();
            if bars == gaps && bars.len().to_string() == stored && !bars.is_empty() {
                Vec::new()
            } else {
                vec![format!("{bars:?} on the page, {gaps:?} in the API, {stored} stored")]
            }
        })
        .await;
}

/// While the hour goes on, its share grows: the page has one between those of two answers.
async fn cells_agree(visit: &Visit, mut before: Value) {
    visit
        .agrees("each cell has the share of the API", async |visit| {
            let cells: Vec<(String, Vec<Option<f64>>)> = visit.tab.ask(CELLS).await;
            let after = visit.api("/api/coverage?hours=24&limit=50").await;
            if after["hours"] != before["hours"] {
                before = after;
                return vec!["an hour began meanwhile".to_owned()];
            }
            let at = |all: &[Option<f64>], place: usize| all.get(place).copied().flatten();
            let mut wrong = Vec::new();
            for (market, shown) in &cells {
                let (least, most) = (shares(&before, market), shares(&after, market));
                let fits = |place: usize| match (shown[place], at(&least, place), at(&most, place)) {
                    (None, None, None) => true,
                    (Some(shown), Some(least), Some(most)) => least <= shown && shown <= most,
                    _ => false,
                };
                if shown.len() != 24 || !(0..24).all(fits) {
                    wrong.push(format!("{market}: {shown:?} on the page, {least:?} to {most:?} in the API"));
                }
            }
            let markets = after["markets"].as_array().map_or(0, Vec::len);
            let holes = cells.iter().flat_map(|(_, all)| all).flatten().filter(|share| **share < 1.0).count();
            if cells.len() != markets || holes == 0 {
                wrong.push(format!("{} markets, {holes} cells with a hole: {after}", cells.len()));
            }
            wrong
        })
        .await;
}

async fn a_click_lists_the_gaps_of_an_hour(visit: &Visit) -> anyhow::Result<()> {
    let cell = "table.coverage td[data-value]:not([data-value='']):not([data-value='1'])";
    let market = visit
        .tab
        .ask::<String>(&format!("document.querySelector(\"{cell}\").closest('tr').dataset.market"))
        .await;
    visit.tab.click(cell).await?;
    visit.tab.until(&format!("location.hash.includes('market={market}')")).await;
    let hour: String = visit.tab.ask("new URLSearchParams(location.hash.split('?')[1]).get('hour')").await;
    visit
        .agrees("a click lists the gaps of that hour", async |visit| {
            let sql = format!(
                "select count(*) from api.gaps where condition_id = '{market}' \
                 and opened_at < '{hour}'::timestamptz + interval '1 h' \
                 and (healed_at is null or healed_at > '{hour}')"
            );
            let stored = visit.world.query(&sql).await[0][0].clone();
            let rows = visit.tab.count("#gap-list [data-gap]").await;
            if stored == rows.to_string() && rows > 0 {
                Vec::new()
            } else {
                vec![format!("{rows} listed, {stored} stored")]
            }
        })
        .await;
    Ok(())
}

/// A bar as the API's gap has it: its id, cause and state.
fn bar_of(gap: &Value) -> String {
    let word = |member: &str| gap[member].as_str().unwrap_or_default();
    let state = if gap["healed_at"].is_null() { "open" } else { "healed" };
    format!("{} {} {state}", word("id"), word("cause"))
}

const BARS: &str = "[...document.querySelectorAll('.timeline [data-cause] [data-gap]')]\
    .map((bar) => `${bar.dataset.gap} ${bar.closest('[data-cause]').dataset.cause} ${bar.dataset.state}`)";

const CELLS: &str = "[...document.querySelectorAll('table.coverage [data-market]')].map((row) => [row.dataset.market, \
    [...row.querySelectorAll('[data-cell]')].map(({ dataset }) => dataset.value === '' ? null : Number(dataset.value))])";

/// The shares of a market, hour by hour.
fn shares(coverage: &Value, market: &str) -> Vec<Option<f64>> {
    let markets = coverage["markets"].as_array().into_iter().flatten();
    let cells = markets.filter(|one| one["condition_id"] == market).filter_map(|one| one["cells"].as_array());
    cells.flatten().map(Value::as_f64).collect()
}

async fn is_grey(visit: &Visit) -> bool {
    let look = "(() => { const look = getComputedStyle(document.querySelector('[data-panel=events]')); \
        return look.getPropertyValue('--good') === look.getPropertyValue('--quiet'); })()";
    visit.tab.ask(look).await
}

async fn signal(visit: &Visit, name: &str) -> anyhow::Result<()> {
    let pid = visit.world.pid("dashboard").unwrap_or_default().to_string();
    let sent = Command::new("kill").args([name, &pid]).status().await?;
    anyhow::ensure!(sent.success(), "the dashboard can be told {name}");
    Ok(())
}
