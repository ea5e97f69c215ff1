//! What the venue says of its markets beside their ticks: new ones, ended ones, dead ones, their price steps.
//!
//! Knows: the simulator's catalogue and its delays. Never: a market that the venue does not have.

use std::time::{Duration, Instant};

use e2e::{Settings, World, eventually};
use venue_sim::Flow;
use venue_sim::controls::Announced;
use venue_sim::scenario::catalogue::{LateForm, LateListing, UpDown};

/// The one row that a question has.
async fn row(world: &World, sql: &str) -> Result<Vec<String>, String> {
    let mut rows = world.query(sql).await;
    if rows.len() == 1 { Ok(rows.remove(0)) } else { Err(format!("{} rows", rows.len())) }
}

#[tokio::test]
async fn what_the_venue_says_of_a_market_is_known_before_the_catalogue_shows_it() {
    let mut settings = Settings::scenario("calm").sized(10, 100, None);
    settings.scenario.reserved = 1;
    settings.scenario.tick_lag_ms = 600_000;
    let world = World::start(settings).await;
    world.sim.begin();
    world.all_healthy().await;
    let late = LateListing { for_s: 20, form: LateForm::NoTokens };
    world.sim.list_late(Some(late));
    let began = Instant::now();
    let new = world.sim.announce().expect("one is reserved");
    let books = format!("select count(distinct token_id) from api.books where condition_id = '{new}'");
    eventually("the announced market has its books", Duration::from_secs(15), async || {
        let books = row(&world, &books).await?;
        if books == ["2"] { Ok(()) } else { Err(format!("{books:?}")) }
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(20), "the catalogue had no tokens of it");

    let ids = "select condition_id from api.markets where not closed order by 1 limit 3";
    let ids: Vec<String> = world.query(ids).await.into_iter().flatten().collect();
    world.sim.set_tick_size(&ids[0], 10);
    let step = format!("select tick_size::float8::text from api.markets where condition_id = '{}'", ids[0]);
    eventually("the new price step is stored", Duration::from_secs(15), async || {
        let step = row(&world, &step).await?;
        if step == ["0.001"] { Ok(()) } else { Err(format!("{step:?}")) }
    })
    .await;

    assert_eq!(world.sim.resolve(&ids[1..2], Announced::Openly), 1);
    assert_eq!(world.sim.resolve(&ids[2..], Announced::Silently), 1);
    let ended = |id: &str| {
        format!(
            "select resolution_source, active::text, closed::text, winning_outcome, \
            (winning_token_id = (select o.value ->> 'token_id' from jsonb_array_elements(tokens) o \
            where o.value ->> 'outcome' = winning_outcome))::text, \
            (resolved_at between now() - interval '3 minutes' and now())::text \
            from api.markets where condition_id = '{id}'"
        )
    };
    for (id, source) in [(&ids[1], "market_resolved"), (&ids[2], "resolutions")] {
        // Of what ends without a word only a sweep of the catalogue tells.
        eventually("it is known how it ended", Duration::from_secs(100), async || {
            let told = row(&world, &ended(id)).await?;
            let flags = [told[0].as_str(), &told[1], &told[2], &told[4], &told[5]];
            if flags == [source, "false", "true", "true", "true"] { Ok(()) } else { Err(format!("{told:?}")) }
        })
        .await;
    }
    // Rows of the catalogue that came meanwhile have the old step: they undo nothing.
    assert_eq!(row(&world, &step).await.unwrap(), ["0.001"]);
    eventually("the catalogue was asked for the smallest order", Duration::from_mins(1), async || {
        let sql = format!("select order_size_min::text from api.markets where condition_id = '{new}'");
        let told = row(&world, &sql).await?;
        if told == ["5"] { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await;
    world.sim.stop_generating().await.expect("the venue could write all it had to say");
    world.finish().await;
}

#[tokio::test]
async fn short_markets_are_chosen_by_pattern_and_dead_ones_cost_nothing() {
    let mut settings = Settings::scenario("calm").sized(30, 100, None);
    settings.scenario.updown =
        Some(UpDown { assets: 2, window_s: 14_400, listed: 2, later: 0, resolve_after_s: 120 });
    settings.scenario.dead_markets = 9;
    settings.env.push(("FEED_UNIVERSE", "top:5+slug:btc-updown-*".to_owned()));
    let world = World::start(settings).await;
    world.sim.begin();
    eventually("what is over is left alone, all else has its books", Duration::from_mins(1), async || {
        let report = world.feed_report().await;
        let dead = report.depth.tokens_dead;
        let chosen = world.query("select count(*) from api.markets where slug like 'btc-updown-%'").await;
        let chosen: u64 = chosen[0][0].parse().unwrap_or_default();
        let all = report.tokens_with_book == report.tokens && report.tokens >= 2 * (5 + 2);
        if dead > 0 && all && 2 * chosen >= dead + 4 && report.gaps_open == 0 {
            Ok(())
        } else {
            Err(format!("{dead} dead, {chosen} chosen, {} of {}", report.tokens_with_book, report.tokens))
        }
    })
    .await;
    let others = "select count(*) from api.markets where slug like '%-updown-%' and slug not like 'btc-%' \
        and condition_id in (select condition_id from api.prices)";
    assert_eq!(world.query(others).await[0][0], "0", "short markets of other assets are none of the choice");
    assert_eq!(
        world.query("select count(*) from api.gaps").await[0][0],
        "0",
        "nothing is missing of what is over"
    );
    let report = world.feed_report().await;
    assert!(report.depth.without_book.is_empty(), "{:?}", report.depth.without_book);
}

#[tokio::test]
async fn books_that_do_not_come_after_a_thaw_are_had_as_soon_as_ticks_flow() {
    let mut settings = Settings::scenario("calm").sized(20, 400, None);
    settings.env.push(("FEED_SILENCE_MAX_S", "6".to_owned()));
    let world = World::start(settings).await;
    world.sim.begin();
    world.all_healthy().await;
    let reconnections = world.feed_report().await.reconnections;
    world.sim.freeze(Flow::Frozen);
    eventually("the silent socket was opened again", Duration::from_secs(30), async || {
        let now = world.feed_report().await.reconnections;
        if now > reconnections { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    // Three times each book is asked for in vain; ticks flow all the while.
    world.sim.thaw_without_books(Duration::from_secs(25));
    eventually("all books are there", Duration::from_mins(1), async || {
        let report = world.feed_report().await;
        if report.tokens_with_book == report.tokens {
            Ok(())
        } else {
            Err(report.tokens_with_book.to_string())
        }
    })
    .await;
    world.sim.stop_generating().await.expect("the venue could write all it had to say");
    world.all_gaps_healed().await;
    world.finish().await;
}
