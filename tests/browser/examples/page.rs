//! How the page bears up under load: `./just bench-page`.
//!
//! Knows: frames a second, the heap, bytes of the first load. Never: an assertion; machines are noisy.

use std::time::Duration;

use browser::Visit;
use chromiumoxide::cdp::browser_protocol::performance;
use chromiumoxide::cdp::js_protocol::heap_profiler::CollectGarbageParams;
use e2e::Settings;

/// Length of each measurement.
const SPAN: Duration = Duration::from_mins(1);
/// Before the first look at the heap: caches and rings fill.
const WARM_UP: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    eprintln!(
        "load of this machine: {}",
        std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim()
    );
    // 2,000 events a second.
    let visit = Visit::begin(Settings::scenario("calm").sized(500, 2000, None)).await?;
    eprintln!("first load: {} bytes compressed", visit.first_load().await);
    visit.world.sim.begin();
    for place in ["#/", "#/events?kind=all"] {
        visit.open(place).await?;
        visit.tab.sees("body[data-link=live] #events [data-event]").await;
        tokio::time::sleep(WARM_UP).await;
        let (before, told) = (heap(&visit).await?, visit.tab.frames().len());
        let () = visit.tab.ask(COUNT_FRAMES).await;
        tokio::time::sleep(SPAN).await;
        let median: u64 = visit.tab.ask(MEDIAN_FRAMES).await;
        let (after, messages) = (heap(&visit).await?, visit.tab.frames().len() - told);
        let rate = visit.api("/api/metrics").await["events_per_second"].take();
        eprintln!("{place}, {rate} events/s: median {median} frames/s, {messages} messages in {SPAN:?}");
        eprintln!("  heap {before} bytes before, {after} after");
    }
    visit.end().await
}

/// Bytes that the page holds after what it does not need is gone.
async fn heap(visit: &Visit) -> anyhow::Result<u64> {
    let page = visit.tab.page();
    page.execute(performance::EnableParams::default()).await?;
    page.execute(CollectGarbageParams::default()).await?;
    let metrics = page.metrics().await?;
    let used = metrics.iter().find(|metric| metric.name == "JSHeapUsedSize").map(|metric| metric.value);
    Ok(format!("{:.0}", used.unwrap_or_default()).parse()?)
}

const COUNT_FRAMES: &str = "(() => {
    window.framesBySecond = {};
    const count = (at) => {
        const second = Math.floor(at / 1000);
        window.framesBySecond[second] = (window.framesBySecond[second] ?? 0) + 1;
        requestAnimationFrame(count);
    };
    requestAnimationFrame(count);
    return null;
})()";

/// Of whole seconds: the first and the last are not.
const MEDIAN_FRAMES: &str = "(() => {
    const seconds = Object.keys(window.framesBySecond).map(Number).sort((a, b) => a - b).slice(1, -1);
    const frames = [];
    for (let second = seconds[0]; second <= seconds.at(-1); second += 1)
        frames.push(window.framesBySecond[second] ?? 0);
    return frames.sort((a, b) => a - b)[Math.floor(frames.length / 2)];
})()";
