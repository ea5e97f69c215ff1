//! What the page says when a part of the system dies, and when it comes back.
//!
//! Knows: services that are killed, frozen and started again. Never: a limit that a busy machine breaks.

use std::time::{Duration, Instant};

use browser::Visit;
use e2e::Settings;
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
