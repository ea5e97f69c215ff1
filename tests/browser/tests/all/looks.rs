//! Every view, in both themes, on a small screen and a phone: nothing that bars anybody, and pictures of it all.
//!
//! Knows: axe-core, as it was fetched for the page. Never: a rule that is switched off.

use std::path::Path;

use anyhow::Context;
use browser::{Theme, Visit};
use e2e::{Settings, by_length};

/// Sizes by their names.
const SIZES: [(&str, i64, i64); 2] = [("screen", 1280, 800), ("phone", 390, 844)];
/// Views: their names, their addresses, and what is there when they are drawn.
const VIEWS: [(&str, &str, &str); 7] = [
    ("overview", "#/", "#events [data-event]"),
    ("markets", "#/markets", "#markets [data-token]"),
    ("latency", "#/latency", "[data-figure=latency_received_p50]:not([data-value=''])"),
    ("gaps", "#/gaps", "#gap-list [data-gap]"),
    ("sockets", "#/sockets", "[data-socket]"),
    ("events", "#/events", "#events [data-event][data-verdict=flagged]"),
    ("examples", "#/?gate=G5", "#examples [data-event]"),
];

#[tokio::test]
async fn no_view_bars_anybody_in_either_theme_on_screen_or_phone() -> anyhow::Result<()> {
    let axe = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../services/dashboard/web/node_modules/axe-core/axe.min.js");
    let axe = std::fs::read_to_string(&axe)
        .with_context(|| format!("{}: run services/dashboard/web/build.sh", axe.display()))?;
    let visit = Visit::begin(Settings::scenario("demo").sized(120, 100, None)).await?;
    visit.world.sim.begin();
    visit.world.sim.drop_connections(venue_sim::scenario::Cut::Close).await;
    visit.world.all_gaps_healed().await;
    visit.tab.sees("#events [data-event][data-verdict=flagged]").await;
    let token = visit.api("/api/events?kind=trade&limit=1").await["events"][0]["token_id"].take();
    let market = format!("#/markets?token={}", token.as_str().context("a token was traded")?);
    let market = ("market", market.as_str(), "#market [data-side=bids] tbody tr");
    let mut violations = Vec::new();
    for theme in [Theme::Light, Theme::Dark] {
        visit.tab.theme(theme).await?;
        for (size, width, height) in SIZES {
            // What a theme changes are colours, what a size changes is where things stand: together at full length.
            if (theme, size) == (Theme::Dark, "phone") && !by_length(false, true) {
                continue;
            }
            visit.tab.size(width, height).await?;
            for (name, place, drawn) in VIEWS.into_iter().chain([market]) {
                visit.open(place).await?;
                visit.tab.sees(drawn).await;
                visit.tab.sees("body[data-link=live]").await;
                let _: Option<bool> = visit.tab.ask(&format!("{axe}; null")).await;
                let found: Vec<String> = visit.tab.ask(CHECK).await;
                violations.extend(found.into_iter().map(|word| format!("{name} {theme:?} {size}: {word}")));
                let sideways: bool = visit.tab.ask("document.documentElement.scrollWidth > innerWidth").await;
                if sideways {
                    violations.push(format!("{name} {theme:?} {size}: the page scrolls sideways"));
                }
                visit.tab.picture(&format!("{name}-{theme:?}-{size}").to_lowercase()).await?;
            }
        }
    }
    assert_eq!(violations, Vec::<String>::new());
    visit.end().await
}

/// Every violation in a sentence, with the first elements that it concerns.
const CHECK: &str = "axe.run(document, { resultTypes: ['violations'] }).then((told) => {
    if (told.passes.length === 0) return ['axe checked nothing'];
    return told.violations.map(({ id, help, nodes }) => `${id}: ${help}: ` + nodes.slice(0, 3)
        .map((node) => `${node.target.join(' ')} (${node.any[0]?.message ?? node.html})`).join('; '));
})";
