//! What the page shows is what the API and the database have.
//!
//! Knows: which figure is which member of which answer. Never: a tolerance; at rest the numbers are equal.

use browser::{Tab, Visit};
use e2e::Settings;
use serde_json::Value;

/// Figures of the page, and where `/api/metrics` has them.
const OF_METRICS: [(&str, &str); 31] = [
    ("websocket_connected_at", "/websocket_connected_at"),
    ("sockets_connected", "/sockets_connected"),
    ("reconnection_count", "/reconnection_count"),
    ("subscribed_markets", "/subscribed_markets"),
    ("events_per_second", "/events_per_second"),
    ("events_received", "/events_received"),
    ("trades_stored", "/trades_stored"),
    ("price_updates", "/price_updates"),
    ("trades_5m", "/trades_5m"),
    ("dropped", "/dropped"),
    ("average_trade_age_seconds", "/average_trade_age_seconds"),
    ("coverage", "/coverage"),
    ("freshness", "/freshness"),
    ("latency_received", "/latency/executed_to_received/p99_us"),
    ("latency_judged", "/latency/received_to_judged/p99_us"),
    ("gaps_open", "/gaps_open"),
    ("hash_mismatches", "/hash_mismatches"),
    ("g1_hit", "/gates/g1/hit"),
    ("g1_evaluated", "/gates/g1/evaluated"),
    ("g1_unknown", "/gates/g1/unknown"),
    ("g3_hit", "/gates/g3/hit"),
    ("g3_evaluated", "/gates/g3/evaluated"),
    ("g3_unknown", "/gates/g3/unknown"),
    ("g5_hit", "/gates/g5/hit"),
    ("g5_evaluated", "/gates/g5/evaluated"),
    ("g5_unknown", "/gates/g5/unknown"),
    ("g3_size_backfilled", "/g3_size_backfilled"),
    ("g3_size_backfilled", "/gates/g3_backfilled"),
    ("g5_overruled", "/gates/g5_overruled"),
    ("skewed", "/gates/skewed"),
    ("g5_hit", "/g5_divergence_detected"),
];
/// The same of `/api/status`.
const OF_STATUS: [(&str, &str); 3] = [
    ("websocket_state", "/websocket_state"),
    ("errors_last_hour", "/errors_last_hour"),
    ("gaps_open", "/details/gaps_open"),
];
/// Figures and what the database counts of the same.
const OF_DATABASE: [(&str, &str); 6] = [
    ("trades_stored", "select count(*) from api.trades"),
    ("trades_5m", "select count(*) from api.trades"),
    ("gaps_open", "select count(*) from api.gaps where healed_at is null"),
    ("subscribed_markets", "select count(*) from api.markets where active and not closed"),
    ("g1_hit", "select count(*) from api.trades where 'G1' = any(reasons)"),
    ("g5_hit", "select count(*) from api.trades where 'G5' = any(reasons)"),
];
/// The figures of both that go on while nothing happens.
const RUNNING: [(&str, &str); 2] =
    [("uptime_seconds", "/uptime_seconds"), ("last_event_age_seconds", "/last_event_age_seconds")];

#[tokio::test]
async fn every_panel_shows_what_api_and_database_have_and_a_spike_is_flagged() -> anyhow::Result<()> {
    let visit = Visit::begin(Settings::scenario("price-spikes")).await?;
    let loaded = visit.first_load().await;
    assert!((10_000..200_000).contains(&loaded), "{loaded} bytes are loaded first");
    let ((), seen) = tokio::join!(visit.world.play(), a_spike_is_flagged(&visit));
    seen?;
    visit.at_rest().await;
    examples_are_one_click_away(&visit).await?;
    figures_agree(&visit).await;
    running_figures_run(&visit).await;
    the_way_agrees(&visit).await;
    markets_agree(&visit).await?;
    market_agrees(&visit).await?;
    latency_agrees(&visit).await?;
    sockets_agree(&visit).await?;
    gaps_agree(&visit).await?;
    events_agree(&visit).await?;
    assert_eq!(visit.tab.complaints(), Vec::<String>::new(), "the console is silent");
    assert_eq!(visit.strangers(), Vec::<String>::new(), "nobody else was asked");
    assert!(visit.tab.requests().iter().any(|url| url.starts_with("ws://")), "there was something to see");
    messages_are_few(&visit.tab);
    the_policy_is_enforced(&visit.tab).await;
    visit.end().await
}

/// Flagged rows come with their reason; the filters keep others away; a pause stops the rows, not the count.
async fn a_spike_is_flagged(visit: &Visit) -> anyhow::Result<()> {
    let tab = &visit.tab;
    let flagged = "#events [data-event][data-kind=trade][data-verdict=flagged][data-reasons~=G5]";
    tab.sees(flagged).await;
    let words = tab.words(flagged).await;
    assert!(words.contains("flagged G5"), "the row says why: {words}");
    let why = tab.attribute(&format!("{flagged} .c-verdict [title]"), "title").await;
    assert!(why.starts_with("G5 "), "in words: {why}");

    tab.click("#pause").await?;
    tab.sees("#pause[aria-pressed=true]").await;
    let first = tab.attribute("#events [data-event]", "data-event").await;
    tab.until("document.querySelector('#events-note').textContent.includes('newer')").await;
    assert_eq!(tab.attribute("#events [data-event]", "data-event").await, first, "the rows stand still");
    tab.click("#pause").await?;
    tab.until(&format!("document.querySelector('#events [data-event]').dataset.event !== '{first}'")).await;

    tab.choose("#panel-events ~ .tools [name=verdict]", "flagged").await?;
    tab.until("location.hash.includes('verdict=flagged')").await;
    let only = "(() => { const all = [...document.querySelectorAll('#events [data-event]')]; \
        return all.length > 0 && all.every((row) => row.dataset.verdict === 'flagged'); })()";
    tab.until(only).await;
    let question: String =
        tab.ask("document.querySelector('#events [data-event] .c-question').innerText").await;
    tab.click("[name=text]").await?;
    tab.write(&question).await?;
    tab.until("location.hash.includes('text=')").await;
    let wanted = browser::tab::quoted(&question);
    tab.until(&format!(
        "(() => {{ const all = [...document.querySelectorAll('#events [data-event] .c-question')]; \
         return all.length > 0 && all.every((cell) => cell.innerText === {wanted}); }})()"
    ))
    .await;
    Ok(())
}

async fn examples_are_one_click_away(visit: &Visit) -> anyhow::Result<()> {
    let tab = &visit.tab;
    tab.click("[data-examples=G5]").await?;
    tab.sees("#examples [data-event]").await;
    visit
        .agrees("the examples are those of the API", async |visit| {
            let told = visit.api("/api/events?kind=trade&reason=G5&limit=20").await;
            let ids: Vec<&str> =
                list(&told, "events").iter().filter_map(|event| event["id"].as_str()).collect();
            let shown: Vec<String> = all(&visit.tab, "#examples [data-event]", "event").await;
            if shown == ids && !ids.is_empty() {
                Vec::new()
            } else {
                vec![format!("{shown:?} is not {ids:?}")]
            }
        })
        .await;
    tab.press("Escape").await?;
    tab.until("document.querySelector('#examples') === null").await;
    Ok(())
}

async fn figures_agree(visit: &Visit) {
    visit
        .agrees("the figures are those of API and database", async |visit| {
            let (metrics, status) = (visit.api("/api/metrics").await, visit.api("/api/status").await);
            let shown = figures(&visit.tab).await;
            let mut wrong = Vec::new();
            for (answer, members) in [(&metrics, &OF_METRICS[..]), (&status, &OF_STATUS[..])] {
                for (figure, member) in members {
                    let told = answer.pointer(member).unwrap_or_else(|| panic!("no {member} in {answer}"));
                    if !is_same(&shown[*figure], told) {
                        wrong.push(format!("{figure} is {} on the page, {told} in the API", shown[*figure]));
                    }
                }
            }
            for (figure, sql) in OF_DATABASE {
                let counted = visit.world.query(sql).await[0][0].clone();
                if shown[figure] != counted {
                    wrong.push(format!("{figure} is {} on the page, {counted} by `{sql}`", shown[figure]));
                }
            }
            wrong
        })
        .await;
    let shown = figures(&visit.tab).await;
    let g5: u64 = shown["g5_hit"].as_str().unwrap_or_default().parse().unwrap_or(0);
    assert!(g5 > 0, "the spikes were counted: {shown}");
}

/// Ages grow between two looks: the page has one between those of the API before and after.
async fn running_figures_run(visit: &Visit) {
    visit
        .agrees("ages are between those of two answers", async |visit| {
            let before = visit.api("/api/status").await;
            let shown = figures(&visit.tab).await;
            // The page is told once a second; the next word brings what the answer before had, or more.
            let mut wrong = Vec::new();
            for (figure, member) in RUNNING {
                let told = before.pointer(member).and_then(Value::as_f64).unwrap_or(f64::NAN);
                let page: f64 = shown[figure].as_str().unwrap_or_default().parse().unwrap_or(f64::NAN);
                let after = visit.api("/api/status").await;
                let most = after.pointer(member).and_then(Value::as_f64).unwrap_or(f64::NAN);
                if !(page <= most && page.ceil() >= told.floor()) {
                    wrong.push(format!("{figure} is {page} on the page, {told} to {most} in the API"));
                }
            }
            wrong
        })
        .await;
}

async fn the_way_agrees(visit: &Visit) {
    visit
        .agrees("the picture has the stages and instances of the API", async |visit| {
            let flow = visit.api("/api/flow").await;
            let mut wrong = Vec::new();
            for stage in list(&flow, "stages") {
                let name = stage["name"].as_str().unwrap_or_default();
                let shown = visit.tab.attribute(&format!("[data-stage={name}]"), "data-state").await;
                if !is_same(&Value::from(shown.clone()), &stage["state"]) {
                    wrong.push(format!("{name} is {shown} on the page, {stage} in the API"));
                }
                let instances =
                    all(&visit.tab, &format!("[data-stage={name}] [data-instance]"), "instance").await;
                let told: Vec<&str> =
                    list(stage, "instances").iter().filter_map(|one| one["instance"].as_str()).collect();
                if instances != told {
                    wrong.push(format!("{name} has {instances:?} on the page, {told:?} in the API"));
                }
            }
            if list(&flow, "stages").len() < 7 {
                wrong.push(format!("the API tells of too few stages: {flow}"));
            }
            wrong
        })
        .await;
}

async fn markets_agree(visit: &Visit) -> anyhow::Result<()> {
    visit.go("markets").await?;
    visit.tab.sees("#markets [data-token]").await;
    visit
        .agrees("the table of markets is the API's", async |visit| {
            let told = visit.api("/api/tokens?sort=volume_24h&dir=desc&limit=5").await;
            let count = &figures(&visit.tab).await["tokens_matched"];
            let sql = "select sum(jsonb_array_length(tokens)) from api.markets where active and not closed";
            let stored = visit.world.query(sql).await[0][0].clone();
            let shown = all(&visit.tab, "#markets [data-token]", "token").await;
            let ids: Vec<&str> =
                list(&told, "tokens").iter().filter_map(|one| one["token_id"].as_str()).collect();
            let rows = visit.tab.attribute("#markets", "data-rows").await;
            let mut wrong = Vec::new();
            if !is_same(count, &told["matched"]) || *count != stored || *count != rows {
                wrong.push(format!(
                    "{count} tokens on the page, {rows} rows, {told} in the API, {stored} stored"
                ));
            }
            if shown.iter().take(5).ne(&ids) {
                wrong.push(format!("first are {shown:?} on the page, {ids:?} in the API"));
            }
            wrong
        })
        .await;
    Ok(())
}

/// One market: its prices, its ladder level by level, the trades in its chart.
async fn market_agrees(visit: &Visit) -> anyhow::Result<()> {
    let sql = "select token_id from api.trades where verdict = 'flagged' order by executed_at desc limit 1";
    let token = visit.world.query(sql).await[0][0].clone();
    visit.open(&format!("#/markets?token={token}")).await?;
    visit.tab.sees("#market [data-side=bids] [data-level]").await;
    visit
        .agrees("the drawer shows what API and database have of its token", async |visit| {
            let (shown, told) = (figures(&visit.tab).await, visit.api(&format!("/api/tokens/{token}")).await);
            let mut wrong = Vec::new();
            for member in ["outcome", "state", "bid", "ask", "last", "volume_24h", "tick_size"] {
                let page = &shown[format!("token_{member}")];
                if !is_same(page, &told[member]) {
                    wrong.push(format!("{member} is {page} on the page: {told}"));
                }
            }
            let ladder = visit.api(&format!("/api/tokens/{token}/book?levels=12")).await;
            for side in ["bids", "asks"] {
                let levels =
                    all(&visit.tab, &format!("#market [data-side={side}] [data-level]"), "level").await;
                let told: Vec<String> = list(&ladder, side)
                    .iter()
                    .filter_map(|level| Some(format!("{} {}", level[0].as_str()?, level[1].as_str()?)))
                    .collect();
                if levels != told || told.is_empty() {
                    wrong.push(format!("{side} are {levels:?} on the page, {told:?} in the API"));
                }
            }
            let chart = visit.api(&format!("/api/tokens/{token}/chart?minutes=60")).await;
            for verdict in ["clean", "flagged", "refused"] {
                let sql = format!(
                    "select count(*) from api.trades where token_id = '{token}' and verdict = '{verdict}'"
                );
                let (stored, page) =
                    (visit.world.query(&sql).await[0][0].clone(), &shown[format!("chart_{verdict}")]);
                let told = list(&chart, "trades").iter().filter(|trade| trade["verdict"] == verdict).count();
                if *page != stored || stored != told.to_string() {
                    wrong.push(format!("{verdict}: {page} on the page, {told} in the API, {stored} stored"));
                }
            }
            wrong
        })
        .await;
    visit.tab.press("Escape").await?;
    visit.tab.until("document.querySelector('#market') === null").await;
    Ok(())
}

async fn latency_agrees(visit: &Visit) -> anyhow::Result<()> {
    visit.go("latency").await?;
    visit
        .agrees("the latencies are the API's", async |visit| {
            let told = visit.api("/api/latency?minutes=60").await;
            let shown = figures(&visit.tab).await;
            let mut wrong = Vec::new();
            for stage in ["received", "judged", "stored", "page"] {
                for share in ["p50", "p90", "p99"] {
                    let (figure, value) = (format!("latency_{stage}_{share}"), &told["stages"][stage][share]);
                    if !is_same(&shown[&figure], value) || (stage != "page" && value.is_null()) {
                        wrong.push(format!("{figure} is {} on the page, {value} in the API", shown[&figure]));
                    }
                }
            }
            if !is_same(&shown["skew_min_ms"], &told["skew"]["min_ms"]) {
                wrong.push(format!("skew: {} and {}", shown["skew_min_ms"], told["skew"]));
            }
            wrong
        })
        .await;
    Ok(())
}

async fn sockets_agree(visit: &Visit) -> anyhow::Result<()> {
    visit.go("sockets").await?;
    visit
        .agrees("the sockets are the API's", async |visit| {
            let told = visit.api("/api/sockets").await;
            let (sockets, silent) = (
                all(&visit.tab, "[data-socket]", "socket").await,
                all(&visit.tab, ".silent [data-token]", "token").await,
            );
            let names: Vec<&str> =
                list(&told, "sockets").iter().filter_map(|one| one["name"].as_str()).collect();
            let tokens: Vec<&str> =
                list(&told, "silent").iter().filter_map(|one| one["token_id"].as_str()).collect();
            let mut wrong = Vec::new();
            if sockets != names || names.is_empty() {
                wrong.push(format!("sockets {sockets:?} on the page, {names:?} in the API"));
            }
            if silent != tokens || tokens.is_empty() {
                wrong.push(format!("silent are {silent:?} on the page, {tokens:?} in the API"));
            }
            wrong
        })
        .await;
    Ok(())
}

async fn gaps_agree(visit: &Visit) -> anyhow::Result<()> {
    visit.go("gaps").await?;
    visit
        .agrees("the gaps are those of API and database", async |visit| {
            let told = list(&visit.api("/api/gaps?limit=200").await, "gaps").len().to_string();
            let rows = visit.world.query("select count(*) from api.gaps").await[0][0].clone();
            let shown = visit.tab.attribute("#gap-list", "data-rows").await;
            if shown == told && shown == rows {
                Vec::new()
            } else {
                vec![format!("{shown} gaps on the page, {told} in the API, {rows} stored")]
            }
        })
        .await;
    Ok(())
}

async fn events_agree(visit: &Visit) -> anyhow::Result<()> {
    visit.open("#/events?verdict=flagged").await?;
    visit.tab.sees("#events [data-event]").await;
    visit
        .agrees("the flagged events are those of API and database", async |visit| {
            let told = visit.api("/api/events?kind=trade&verdict=flagged&limit=200").await;
            let ids: Vec<&str> = list(&told, "events").iter().filter_map(|one| one["id"].as_str()).collect();
            let sql = "select count(*) from api.trades where verdict = 'flagged'";
            let stored = visit.world.query(sql).await[0][0].clone();
            let rows = visit.tab.attribute("#events", "data-rows").await;
            let shown = all(&visit.tab, "#events [data-event]", "event").await;
            let is_same =
                rows == stored && rows == ids.len().to_string() && ids.starts_with(&as_words(&shown));
            if is_same {
                Vec::new()
            } else {
                vec![format!("{rows} rows, {stored} stored: {shown:?}, {ids:?}")]
            }
        })
        .await;
    Ok(())
}

/// At most 20 messages a second; counted over the whole visit, since a busy machine hands them over in heaps.
fn messages_are_few(tab: &Tab) {
    let frames = tab.frames();
    let (Some(first), Some(last)) = (frames.first(), frames.last()) else { panic!("no message came") };
    let seconds = last.saturating_sub(*first).as_secs();
    let most = usize::try_from(20 * (seconds + 1)).unwrap_or(usize::MAX);
    assert!(frames.len() <= most, "{} messages in {seconds} s", frames.len());
}

/// What the policy forbids does not happen. Last: the browser complains of it.
async fn the_policy_is_enforced(tab: &Tab) {
    let policy: String =
        tab.ask("fetch('/').then((answer) => answer.headers.get('content-security-policy'))").await;
    assert!(policy.contains("default-src 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    let happened: Value = tab
        .ask(
            "(async () => {
                const blocked = [];
                addEventListener('securitypolicyviolation', (event) => blocked.push(event.effectiveDirective));
                const script = document.createElement('script');
                script.textContent = 'window.inlineRan = true';
                document.body.append(script);
                const style = document.createElement('style');
                style.textContent = 'body { outline: 7px solid red }';
                document.head.append(style);
                const asked = await fetch('http://127.0.0.2:9/').then(() => true, () => false);
                while (blocked.length < 3) await new Promise((go) => setTimeout(go, 50));
                const outline = getComputedStyle(document.body).outlineWidth;
                return { ran: Boolean(window.inlineRan), outline, asked, blocked: blocked.sort() };
            })()",
        )
        .await;
    assert_eq!(happened["ran"], false, "{happened}");
    assert_ne!(happened["outline"], "7px", "{happened}");
    assert_eq!(happened["asked"], false, "{happened}");
    assert_eq!(
        happened["blocked"],
        serde_json::json!(["connect-src", "script-src-elem", "style-src-elem"]),
        "{happened}"
    );
}

/// Every figure on the page by its name.
async fn figures(tab: &Tab) -> Value {
    tab.ask(
        "Object.fromEntries([...document.querySelectorAll('[data-figure]')]\
         .map((figure) => [figure.dataset.figure, figure.dataset.value]))",
    )
    .await
}

/// One data attribute of all such elements.
async fn all(tab: &Tab, selector: &str, name: &str) -> Vec<String> {
    let selector = browser::tab::quoted(selector);
    tab.ask(&format!("[...document.querySelectorAll({selector})].map((one) => one.dataset.{name})")).await
}

fn as_words(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

fn list<'a>(answer: &'a Value, member: &str) -> &'a [Value] {
    answer[member].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether the page shows a value of the API; unknown is empty, and a figure that is not there shows nothing.
fn is_same(shown: &Value, told: &Value) -> bool {
    let Some(shown) = shown.as_str() else { return false };
    match told {
        Value::Null => shown.is_empty(),
        Value::String(text) => shown == text,
        Value::Number(number) => {
            shown.parse::<f64>().ok().map(f64::to_bits) == number.as_f64().map(f64::to_bits)
        }
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
    }
}
