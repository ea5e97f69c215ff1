//! Gamma's catalogue and how markets end, as a program meets them that follows the venue.
//!
//! Knows: sections 2.5 and 7 of the protocol reference. Never: the simulator's inside.

use crate::support::{Client, ask, get, request, start, tokens_of, universe};
use serde_json::{Value, json};
use venue_sim::Simulator;
use venue_sim::controls::Announced;
use venue_sim::scenario::catalogue::{
    ClosedTokens, LateForm, LateListing, ResolutionForm, Settlement, UpDown,
};

fn id_of(market: &Value) -> String {
    market["conditionId"].as_str().unwrap().to_owned()
}

/// The rows of a look-up by keyset.
async fn look_up(simulator: &Simulator, query: &str) -> Vec<Value> {
    let page = get(&format!("{}/markets/keyset?{query}", simulator.urls().gamma)).await;
    page["markets"].as_array().unwrap().clone()
}

#[tokio::test]
async fn markets_are_looked_up_by_condition_token_and_slug_open_and_closed() {
    let simulator = start("calm", |_, _| {}).await;
    let markets = universe(&simulator).await;
    let ids: Vec<String> = markets[..3].iter().map(id_of).collect();
    simulator.resolve(&ids[..1], Announced::Silently);
    let named = |name: &str, values: Vec<String>| {
        values.iter().map(|value| format!("{name}={value}")).collect::<Vec<_>>().join("&")
    };
    let slugs = markets[..3].iter().map(|market| market["slug"].as_str().unwrap().to_owned()).collect();
    let tokens = markets[..3].iter().map(|market| tokens_of(market)[1].clone()).collect();
    for query in [named("condition_ids", ids.clone()), named("clob_token_ids", tokens), named("slug", slugs)]
    {
        let open: Vec<String> = look_up(&simulator, &query).await.iter().map(id_of).collect();
        assert_eq!(open, ids[1..], "{query}");
        let closed = look_up(&simulator, &format!("{query}&closed=true")).await;
        assert_eq!(closed.iter().map(id_of).collect::<Vec<_>>(), ids[..1], "{query}");
    }
    let too_many = named("condition_ids", (0..101).map(|number| format!("0x{number}")).collect());
    let url = format!("{}/markets/keyset?{too_many}", simulator.urls().gamma);
    assert_eq!(request("GET", &url, "").await.0, 422);
    simulator.shutdown().await;
}

#[tokio::test]
async fn pages_by_keyset_are_cut_at_a_hundred_and_old_lists_say_that_they_end() {
    let simulator = start("calm", |_, scenario| scenario.markets = 130).await;
    let gamma = simulator.urls().gamma;
    let page = get(&format!("{gamma}/markets/keyset?limit=500&surprise=1")).await;
    assert_eq!(page["markets"].as_array().unwrap().len(), 100);
    assert!(page["$schema"].is_string() && page["next_cursor"].is_string());
    let old = format!("{gamma}/markets?limit=1");
    let (head, _) = ask("GET", &old, "User-Agent: x\r\n", "").await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    for line in ["deprecation: true", "sunset: Fri, 01 May 2026"] {
        assert!(head.contains(line), "{head}");
    }
    let (head, _) = ask("GET", &format!("{gamma}/markets/keyset?limit=1"), "User-Agent: x\r\n", "").await;
    assert!(!head.contains("sunset"), "{head}");
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_cursor_goes_on_with_its_own_filters_only() {
    let simulator = start("calm", |_, _| {}).await;
    let gamma = simulator.urls().gamma;
    let first = get(&format!("{gamma}/markets/keyset?limit=10&order=volume24hr&ascending=false")).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let next = |query: &str| format!("{gamma}/markets/keyset?{query}&after_cursor={cursor}");
    let second = get(&next("limit=5&ascending=false&order=volume24hr&unknown=x")).await;
    assert_eq!(second["markets"].as_array().unwrap().len(), 5);
    assert_ne!(second["markets"][0], first["markets"][0]);
    assert_eq!(request("GET", &next("limit=10"), "").await.0, 422);
    // A parameter that is not the cursor's is ignored like any other unknown one.
    let again = get(&format!("{gamma}/markets/keyset?limit=10&cursor={cursor}")).await;
    assert_eq!(again, get(&format!("{gamma}/markets/keyset?limit=10")).await);
    simulator.shutdown().await;
}

#[tokio::test]
async fn the_winner_is_the_same_in_the_frame_the_row_and_the_resolution() {
    let simulator = start("calm", |_, _| {}).await;
    let markets = universe(&simulator).await;
    let ids: Vec<String> = markets.iter().map(id_of).collect();
    let tokens: Vec<String> = markets[..12].iter().flat_map(tokens_of).collect();
    let (mut client, _) = Client::subscribed(&simulator, &tokens).await;
    let resolutions = format!("{}/v2/resolutions", simulator.urls().data);
    let asked = format!("{resolutions}?condition={}", ids[..12].join(","));
    assert_eq!(get(&asked).await, json!({"data": []}));
    simulator.resolve(&ids[..12], Announced::Openly);
    let rows = get(&asked).await["data"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 12);
    let mut winners = [0, 0];
    for (row, market) in rows.iter().zip(&markets) {
        let told = client.json().await;
        assert_eq!((&told["event_type"], &row["status"]), (&json!("market_resolved"), &json!("resolved")));
        assert_eq!((&told["market"], &row["condition_id"]), (&market["conditionId"], &market["conditionId"]));
        let winner = usize::from(row["payouts"] == json!([0, 1_000_000]));
        winners[winner] += 1;
        assert_eq!(row["payouts"][winner], 1_000_000);
        assert_eq!(told["winning_asset_id"], tokens_of(market)[winner]);
        let outcomes: Vec<String> = serde_json::from_str(market["outcomes"].as_str().unwrap()).unwrap();
        assert_eq!(told["winning_outcome"], outcomes[winner]);
        let closed = &look_up(&simulator, &format!("closed=true&condition_ids={}", id_of(market))).await[0];
        let prices: Vec<String> = serde_json::from_str(closed["outcomePrices"].as_str().unwrap()).unwrap();
        assert_eq!((prices[winner].as_str(), prices[1 - winner].as_str()), ("1", "0"));
        assert!(closed["closedTime"].as_str().unwrap().ends_with("+00"));
    }
    assert!(winners.iter().all(|count| *count > 0), "{winners:?}");
    simulator.tell_resolutions(ResolutionForm::Price);
    let priced = get(&asked).await["data"].as_array().unwrap().clone();
    for (row, other) in priced.iter().zip(&rows) {
        assert_eq!((&row["condition_id"], row.get("payouts")), (&other["condition_id"], None));
        let whole = other["payouts"][0] == 1_000_000;
        assert_eq!(row["price"], if whole { "1000000000000000000" } else { "0" });
        assert!(row["last_update_timestamp"].as_str().unwrap().parse::<u64>().is_ok(), "{row}");
    }
    let many = vec!["0x1"; 21].join(",");
    for wrong in [format!("?condition={many}"), String::new(), "?condition=0x1&event_id=2".to_owned()] {
        let (status, text) = request("GET", &format!("{resolutions}{wrong}"), "").await;
        assert!(status == 400 && text.contains("invalid_request"), "{wrong}: {status} {text}");
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_dead_market_is_open_at_gamma_and_nowhere_else() {
    let simulator = start("calm", |_, scenario| scenario.dead_markets = 9).await;
    let rows = universe(&simulator).await;
    let dead: Vec<&Value> =
        rows.iter().filter(|row| row["slug"].as_str().unwrap().contains("-updown-5m-")).collect();
    assert_eq!(dead.len(), 9);
    let alive = rows[0].clone();
    assert_eq!(simulator.expire(&[id_of(&alive)]), 1);
    let expired = look_up(&simulator, &format!("condition_ids={}", id_of(&alive))).await;
    let clob = simulator.urls().clob;
    for row in dead.into_iter().chain(&expired) {
        assert_eq!((&row["closed"], &row["acceptingOrders"]), (&json!(false), &json!(true)));
        assert!(row["endDate"].as_str().unwrap() < row["updatedAt"].as_str().unwrap(), "{row}");
        let token = &tokens_of(row)[0];
        assert_eq!(request("GET", &format!("{clob}/book?token_id={token}"), "").await.0, 404);
        let wanted = json!([{"token_id": token}]).to_string();
        assert_eq!(request("POST", &format!("{clob}/books"), &wanted).await.1, "[]");
        let (_, books) = Client::subscribed(&simulator, &tokens_of(row)).await;
        assert_eq!(books, json!([]));
    }
    assert_eq!(simulator.resolve(&[id_of(&alive)], Announced::Silently), 1);
    assert!(look_up(&simulator, &format!("condition_ids={}", id_of(&alive))).await.is_empty());
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_new_market_is_told_at_once_and_listed_late() {
    let late = LateListing { for_s: 3_600, form: LateForm::NoTokens };
    let simulator = start("calm", |_, scenario| scenario.late_listing = Some(late)).await;
    let (mut client, _) = Client::subscribed(&simulator, &simulator.open_tokens()[..2]).await;
    let clob = simulator.urls().clob;
    for form in [LateForm::NoTokens, LateForm::NoRow] {
        simulator.list_late(Some(LateListing { form, ..late }));
        let id = simulator.announce().unwrap();
        let told = client.json().await;
        let tokens = simulator.tokens_of(&id);
        assert_eq!((&told["event_type"], &told["assets_ids"]), (&json!("new_market"), &json!(tokens)));
        let found = look_up(&simulator, &format!("condition_ids={id}")).await;
        let shown: Vec<&str> = found.iter().map(|row| row["clobTokenIds"].as_str().unwrap()).collect();
        assert_eq!(shown, if form == LateForm::NoTokens { vec!["[]"] } else { vec![] });
        assert!(look_up(&simulator, &format!("clob_token_ids={}", tokens[0])).await.is_empty());
        assert_eq!(request("GET", &format!("{clob}/book?token_id={}", tokens[0]), "").await.0, 404);
        let (_, books) = Client::subscribed(&simulator, &tokens).await;
        assert_eq!(books.as_array().unwrap().len(), 2, "its sockets have it at once");
    }
    simulator.list_late(Some(LateListing { for_s: 0, form: LateForm::NoRow }));
    let id = simulator.announce().unwrap();
    let found = look_up(&simulator, &format!("condition_ids={id}")).await;
    assert_eq!(tokens_of(&found[0]), simulator.tokens_of(&id));
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_closed_market_may_lack_its_tokens() {
    let simulator = start("calm", |_, _| {}).await;
    let market = universe(&simulator).await[0].clone();
    let tokens = tokens_of(&market);
    simulator.resolve(&[id_of(&market)], Announced::Silently);
    let closed = format!("closed=true&condition_ids={}", id_of(&market));
    let one = json!([tokens[0]]).to_string();
    for (form, shown) in [
        (ClosedTokens::EmptyList, json!("[]")),
        (ClosedTokens::EmptyText, json!("")),
        (ClosedTokens::Null, Value::Null),
        (ClosedTokens::One, json!(one)),
        (ClosedTokens::Both, market["clobTokenIds"].clone()),
    ] {
        simulator.show_closed_tokens(form);
        let row = &look_up(&simulator, &closed).await[0];
        assert_eq!((&row["clobTokenIds"], &row["closed"]), (&shown, &json!(true)), "{form:?}");
        let by_token = look_up(&simulator, &format!("closed=true&clob_token_ids={}", tokens[1])).await;
        assert_eq!(by_token.len(), usize::from(form == ClosedTokens::Both), "{form:?}");
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn short_markets_are_found_by_their_slug_and_their_series() {
    let updown = UpDown { assets: 3, window_s: 900, listed: 2, later: 1, resolve_after_s: 120 };
    let simulator = start("calm", |_, scenario| {
        scenario.updown = Some(updown);
        scenario.rate_per_s = 5_000;
    })
    .await;
    let rows = universe(&simulator).await;
    let short: Vec<&Value> =
        rows.iter().filter(|row| row["slug"].as_str().unwrap().contains("-updown-15m-")).collect();
    assert_eq!((rows.len(), short.len()), (46, 6));
    for row in &short {
        let slug = row["slug"].as_str().unwrap();
        let (asset, start) = slug.split_once("-updown-15m-").unwrap();
        assert!(["btc", "eth", "xrp"].contains(&asset), "{slug}");
        assert_eq!(start.parse::<u64>().unwrap() % 900, 0);
        let series = format!("{asset}-up-or-down-15m");
        let event = &row["events"][0];
        assert_eq!((&event["seriesSlug"], &event["series"][0]["slug"]), (&json!(series), &json!(series)));
        assert_eq!((&event["slug"], row.get("volume24hr")), (&json!(slug), None));
        assert!(row["eventStartTime"].as_str().unwrap() < row["endDate"].as_str().unwrap());
    }
    let slug = short[0]["slug"].as_str().unwrap();
    assert_eq!(look_up(&simulator, &format!("slug={slug}")).await.len(), 1);
    let (mut client, books) = Client::subscribed(&simulator, &tokens_of(short[0])).await;
    assert_eq!(books.as_array().unwrap().len(), 2);
    simulator.begin();
    while client.json().await["event_type"] != "price_change" {}
    simulator.shutdown().await;
}

#[tokio::test]
async fn markets_are_filtered_by_subject_volume_and_end() {
    let simulator = start("calm", |_, scenario| {
        scenario.markets = 300;
        scenario.dead_markets = 2;
    })
    .await;
    let all = universe(&simulator).await;
    let crypto = look_up(&simulator, "tag_id=21&include_tag=true").await;
    assert_eq!(crypto.len(), 2);
    assert_eq!(crypto[0]["tags"], json!([{"id": "21", "label": "Crypto", "slug": "crypto"}]));
    assert_eq!(all[0].get("tags"), None, "only who asks for them gets tags");
    let number = |market: &Value, name: &str| market[name].as_f64();
    let bound = number(&all[20], "volumeNum").unwrap();
    let large = look_up(&simulator, &format!("limit=100&volume_num_min={bound}")).await;
    assert_eq!(large.len(), 21);
    assert!(large.iter().all(|market| number(market, "volumeNum").unwrap() >= bound));
    let range =
        look_up(&simulator, &format!("limit=100&volume_num_min={bound}&volume_num_max={bound}")).await;
    assert_eq!(range.iter().map(id_of).collect::<Vec<_>>(), [id_of(&all[20])]);
    let now = all[0]["updatedAt"].as_str().unwrap();
    let ended = look_up(&simulator, &format!("end_date_max={now}")).await;
    assert_eq!(ended.len(), 2, "only dead ones ended before");
    assert_eq!(look_up(&simulator, "limit=100&liquidity_num_min=999999999").await.len(), 0);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_settlement_as_observed_empties_the_book_tells_subscribers_and_closes_what_has_no_more_to_say() {
    let simulator = start("calm", |_, scenario| {
        scenario.settlement = Settlement::Observed;
        scenario.close_lag_ms = 3_600_000;
    })
    .await;
    let markets = universe(&simulator).await;
    let tokens: Vec<String> = markets[..3].iter().flat_map(tokens_of).collect();
    let (mut both, _) = Client::subscribed(&simulator, &tokens[..4]).await;
    let (mut lone, books) = Client::subscribed(&simulator, &tokens[2..4]).await;
    let (mut other, _) = Client::subscribed(&simulator, &tokens[4..]).await;
    let id = id_of(&markets[1]);
    assert_eq!(simulator.resolve(std::slice::from_ref(&id), Announced::Openly), 1);
    let levels = |side: &str| books[0][side].as_array().unwrap().len();
    for client in [&mut both, &mut lone] {
        for _ in 0..levels("bids") + levels("asks") {
            let change = client.json().await;
            for entry in change["price_changes"].as_array().unwrap() {
                assert_eq!(
                    (&entry["size"], &entry["best_bid"], &entry["best_ask"]),
                    (&json!("0"), &json!("0"), &json!("1"))
                );
            }
        }
        let told = client.json().await;
        assert_eq!((&told["event_type"], &told["market"]), (&json!("market_resolved"), &json!(id)));
    }
    assert_eq!(lone.closed().await, (1000, "all subscribed assets resolved".to_owned()));
    for client in [&mut both, &mut other] {
        client.say("PING").await;
        assert_eq!(client.text().await, "PONG", "nothing else was said, and nobody was closed");
    }
    let row = &look_up(&simulator, &format!("condition_ids={id}")).await[0];
    assert_eq!(
        (&row["closed"], &row["acceptingOrders"], row.get("closedTime")),
        (&json!(false), &json!(true), None)
    );
    assert!(look_up(&simulator, &format!("closed=true&condition_ids={id}")).await.is_empty());
    let resolved = get(&format!("{}/v2/resolutions?condition={id}", simulator.urls().data)).await;
    assert_eq!(resolved["data"][0]["status"], "resolved");
    assert_eq!(
        request("GET", &format!("{}/book?token_id={}", simulator.urls().clob, tokens[2]), "").await.0,
        404
    );
    simulator.shutdown().await;
}
