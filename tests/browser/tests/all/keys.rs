//! The page by keyboard alone, and what of it survives a reload.
//!
//! Knows: keys, the focus, the address. Never: a mouse.

use browser::Visit;
use e2e::Settings;

#[tokio::test]
async fn everything_is_reached_by_keyboard_and_survives_a_reload() -> anyhow::Result<()> {
    let visit = Visit::begin(Settings::scenario("calm").sized(60, 100, None)).await?;
    visit.world.sim.begin();
    visit.tab.sees("#events [data-event]").await;
    the_contents_are_one_key_away(&visit).await?;
    events_are_filtered_and_walked_through(&visit).await?;
    markets_are_paged_sorted_and_opened(&visit).await?;
    the_heat_map_is_walked_through(&visit).await?;
    assert_eq!(visit.tab.complaints(), Vec::<String>::new(), "the console is silent");
    visit.end().await
}

async fn the_contents_are_one_key_away(visit: &Visit) -> anyhow::Result<()> {
    let tab = &visit.tab;
    tab.press("Tab").await?;
    assert!(tab.has_focus("a.skip").await, "first comes the way past the bar");
    tab.press("Enter").await?;
    assert!(tab.has_focus("#main").await, "it leads to the contents");
    Ok(())
}

async fn events_are_filtered_and_walked_through(visit: &Visit) -> anyhow::Result<()> {
    let tab = &visit.tab;
    tab.tab_to("nav a[data-view=events]").await?;
    tab.press("Enter").await?;
    tab.sees("main[data-view=events] #events [data-event]").await;
    tab.tab_to("[name=kind]").await?;
    tab.write("ev").await?;
    tab.sees("#events [data-event][data-kind=price]").await;
    tab.tab_to("[name=text]").await?;
    let question: String =
        tab.ask("document.querySelector('#events [data-event] .c-question').innerText").await;
    tab.write(&question).await?;
    let only = format!(
        "location.hash.includes('text=') && [...document.querySelectorAll('#events [data-event] .c-question')]\
         .every((cell) => cell.innerText === {})",
        browser::tab::quoted(&question)
    );
    tab.until(&only).await;
    tab.sees("#events [data-event]").await;
    tab.reload().await?;
    tab.sees("#events [data-event]").await;
    tab.until(&only).await;
    let kept: (String, String) =
        tab.ask("['kind', 'text'].map((name) => document.querySelector(`[name=${name}]`).value)").await;
    assert_eq!(kept, ("all".to_owned(), question), "the filter is in the address");

    tab.tab_to("#events").await?;
    for key in ["ArrowDown", "ArrowDown", "ArrowUp"] {
        tab.press(key).await?;
    }
    tab.sees("#pause[aria-pressed=true]").await;
    let active = active(visit, "events").await;
    assert!(active > 0, "the keys walk from row to row: {active}");
    tab.press("Enter").await?;
    the_drawer_holds_the_focus(visit).await?;
    assert!(tab.has_focus("#events").await, "the focus is given back");
    Ok(())
}

async fn markets_are_paged_sorted_and_opened(visit: &Visit) -> anyhow::Result<()> {
    let tab = &visit.tab;
    tab.tab_to("nav a[data-view=markets]").await?;
    tab.press("Enter").await?;
    tab.sees("#markets [data-token]").await;
    tab.tab_to("[data-sort=question]").await?;
    tab.press("Enter").await?;
    tab.until("location.hash.includes('sort=question')").await;
    tab.tab_to("#markets").await?;
    for key in ["Home", "PageDown"] {
        tab.press(key).await?;
    }
    let paged = active(visit, "markets").await;
    assert!(paged > 5, "a page is more than a few rows: {paged}");
    tab.press("PageDown").await?;
    assert!(active(visit, "markets").await > paged);
    tab.press("End").await?;
    let rows: usize = tab.attribute("#markets", "data-rows").await.parse()?;
    assert_eq!(active(visit, "markets").await, rows - 1);
    let last = format!("#markets-row-{}[data-token]", rows - 1);
    tab.sees(&last).await;
    let token = tab.attribute(&last, "data-token").await;
    let told = visit.api("/api/tokens?sort=question&dir=asc&limit=500").await;
    let end = told["tokens"].as_array().and_then(|all| all.last()).map(|one| one["token_id"].clone());
    assert_eq!(end, Some(token.clone().into()), "the last row is the API's last");

    tab.press("Enter").await?;
    tab.sees(&format!("#market [data-token='{token}']")).await;
    tab.reload().await?;
    tab.sees(&format!("#market [data-token='{token}']")).await;
    tab.sees(&last).await;
    tab.sees("#market [data-side=bids]").await;
    the_drawer_holds_the_focus(visit).await?;

    tab.tab_to("[name=q]").await?;
    let question: String =
        tab.ask("document.querySelector('#markets [data-token] .m-question').innerText").await;
    tab.write(&question).await?;
    tab.until("location.hash.includes('q=')").await;
    tab.until("Number(document.querySelector('[data-figure=tokens_matched]').dataset.value) < 20").await;
    tab.sees("#markets [data-token]").await;
    Ok(())
}

async fn the_heat_map_is_walked_through(visit: &Visit) -> anyhow::Result<()> {
    let tab = &visit.tab;
    visit.open("#/latency").await?;
    tab.sees(".heatmap canvas[aria-label*=samples]").await;
    tab.tab_to(".heatmap canvas[aria-label*=samples]").await?;
    tab.press("End").await?;
    let cell = "document.activeElement.closest('.heatmap').querySelector('.pointed').innerText";
    tab.until(&format!("/ (times|nothing measured)$/.test({cell})")).await;
    let newest: String = tab.ask(cell).await;
    tab.press("ArrowUp").await?;
    tab.until(&format!("{cell} !== {}", browser::tab::quoted(&newest))).await;
    Ok(())
}

/// Tab goes round within the drawer in both directions; Escape closes it.
async fn the_drawer_holds_the_focus(visit: &Visit) -> anyhow::Result<()> {
    let tab = &visit.tab;
    tab.sees("#market[role=dialog] [data-token]").await;
    for key in ["Tab", "Shift+Tab"] {
        for _ in 0..15 {
            tab.press(key).await?;
            assert!(tab.has_focus("#market, #market *").await, "{key} leaves the drawer");
        }
    }
    tab.press("Escape").await?;
    tab.until("document.querySelector('#market') === null").await;
    Ok(())
}

/// Number of the row that the keys stand on.
async fn active(visit: &Visit, grid: &str) -> usize {
    let id = visit.tab.attribute(&format!("#{grid}"), "aria-activedescendant").await;
    id.rsplit_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or_else(|| panic!("no row: {id}"))
}
