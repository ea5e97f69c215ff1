//! The routes that third-party programs ask first, each held against the venue's own state.
//!
//! Knows: sections 2.1, 2.5 and 7 of the protocol reference. Never: the simulator's inside.

use crate::support::{Client, all_tokens, get, request, start, tokens_of, universe};
use serde_json::{Value, json};
use venue_sim::Simulator;
use venue_sim::controls::{Announced, TrueBook};

fn id_of(market: &Value) -> String {
    market["conditionId"].as_str().unwrap().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// Best bid and best ask of the venue's own book, in ten-thousandths.
fn best(book: &TrueBook) -> [i64; 2] {
    [&book.bids, &book.asks].map(|levels| units(&levels[0].0))
}

/// A decimal text in hundred-thousandths over ten: `0.0655` is 655.
fn units(price: &str) -> i64 {
    let (_, decimals) = price.split_once('.').unwrap_or((price, "0"));
    format!("{decimals:0<4}").parse().unwrap()
}

/// A simulator in which trades happened, all its tokens, and the answers of a CLOB route to each of them.
async fn traded() -> (Simulator, Vec<String>) {
    let simulator = start("calm", |_, scenario| scenario.rate_per_s = 3_000).await;
    let tokens = all_tokens(&simulator).await;
    let (mut client, _) = Client::subscribed(&simulator, &tokens).await;
    simulator.begin();
    let mut trades = 0;
    while trades < 10 {
        trades += usize::from(client.json().await["event_type"] == "last_trade_price");
    }
    simulator.stop_generating().await.unwrap();
    (simulator, tokens)
}

async fn post(url: &str, body: &Value) -> Value {
    let (status, text) = request("POST", url, &body.to_string()).await;
    assert_eq!(status, 200, "{url}: {text}");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn prices_middles_and_spreads_are_those_of_the_venues_own_book() {
    let (simulator, tokens) = traded().await;
    let clob = simulator.urls().clob;
    for token in &tokens[..20] {
        let [bid, ask] = best(&simulator.book_of(token).unwrap());
        let one = async |path: &str| get(&format!("{clob}{path}token_id={token}")).await;
        let price = async |side: &str| one(&format!("/price?side={side}&")).await["price"].clone();
        let (buy, sell) = (price("BUY").await, price("SELL").await);
        assert_eq!((units(text(&buy)), units(text(&sell))), (bid, ask));
        let middle = one("/midpoint?").await["mid"].clone();
        assert_eq!(2 * format!("{:0<5}", &text(&middle)[2..]).parse::<i64>().unwrap(), 10 * (bid + ask));
        let spread = one("/spread?").await["spread"].clone();
        assert_eq!(units(text(&spread)), ask - bid);
        let both = json!([{"token_id": token, "side": "BUY"}, {"token_id": token, "side": "SELL"}, {"token_id": "1", "side": "BUY"}]);
        let prices = post(&format!("{clob}/prices"), &both).await;
        assert_eq!(prices, json!({token: {"BUY": buy, "SELL": sell}}));
        let wanted = json!([{"token_id": token}, {"token_id": "1"}]);
        assert_eq!(post(&format!("{clob}/midpoints"), &wanted).await, json!({token: middle}));
        assert_eq!(post(&format!("{clob}/spreads"), &wanted).await, json!({token: spread}));
    }
    for wrong in
        ["/price?side=BUY&token_id=1", "/midpoint?token_id=1", "/spread?token_id=1", "/tick-size?token_id=1"]
    {
        assert_eq!(request("GET", &format!("{clob}{wrong}"), "").await.0, 404, "{wrong}");
    }
    let bad = format!("/price?token_id={}", tokens[0]);
    for wrong in [bad.as_str(), "/midpoint", "/price?side=BUY"] {
        assert_eq!(request("GET", &format!("{clob}{wrong}"), "").await.0, 400, "{wrong}");
    }
    assert_eq!(request("POST", &format!("{clob}/prices"), "nonsense").await.0, 400);
    simulator.shutdown().await;
}

#[tokio::test]
async fn grids_fees_and_exclusions_are_those_of_the_catalogue() {
    let (simulator, _) = traded().await;
    let clob = simulator.urls().clob;
    for market in &universe(&simulator).await[..10] {
        let token = &tokens_of(market)[0];
        let one = async |path: &str| get(&format!("{clob}{path}?token_id={token}")).await;
        let grid = one("/tick-size").await;
        assert!(grid["minimum_tick_size"].is_number(), "{grid}");
        assert_eq!(grid["minimum_tick_size"], market["orderPriceMinTickSize"]);
        assert_eq!(one("/neg-risk").await, json!({"neg_risk": market["negRisk"]}));
        assert_eq!(one("/fee-rate").await, json!({"base_fee": 0}));
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn the_last_trade_is_that_of_the_data_api_and_none_is_a_half_without_a_side() {
    let (simulator, tokens) = traded().await;
    let (clob, data) = (simulator.urls().clob, simulator.urls().data);
    let told = simulator.ledger().into_iter().rev().find(|entry| entry.transaction_hash.is_some()).unwrap();
    let last = get(&format!("{clob}/last-trade-price?token_id={}", told.token_id)).await;
    assert_eq!(text(&last["price"]), told.price.as_deref().unwrap());
    assert_eq!(text(&last["side"]), told.side.unwrap().word());
    let book = get(&format!("{clob}/book?token_id={}", told.token_id)).await;
    assert_eq!(units(text(&book["last_trade_price"])), units(text(&last["price"])));
    assert_eq!(text(&book["last_trade_price"]).len(), 5, "three decimals in a book");
    let mut never = Vec::new();
    for token in &tokens {
        let book = get(&format!("{clob}/book?token_id={token}")).await;
        if book["last_trade_price"] == "" {
            never.push(token.clone());
        }
    }
    assert!(!never.is_empty(), "some never traded");
    let untraded = get(&format!("{clob}/last-trade-price?token_id={}", never[0])).await;
    assert_eq!(untraded, json!({"price": "0.5", "side": ""}));
    let wanted = json!([{"token_id": told.token_id}, {"token_id": never[0]}, {"token_id": "1"}]);
    let rows = post(&format!("{clob}/last-trades-prices"), &wanted).await;
    let row = |token: &str, of: &Value| json!({"token_id": token, "price": of["price"], "side": of["side"]});
    assert_eq!(rows, json!([row(&told.token_id, &last), row(&never[0], &untraded)]));
    let ids = format!("token_ids={},{}", told.token_id, never[0]);
    assert_eq!(get(&format!("{clob}/last-trades-prices?{ids}")).await, rows);
    assert_eq!(get(&format!("{clob}/ok")).await, json!("OK"));
    assert!(get(&format!("{data}/v2/status")).await["data"].is_object());
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_market_of_the_clob_pairs_tokens_and_outcomes_as_gamma_does() {
    let (simulator, _) = traded().await;
    let clob = simulator.urls().clob;
    let markets = universe(&simulator).await;
    simulator.resolve(&[id_of(&markets[1])], Announced::Silently);
    for (market, closed) in [(&markets[0], false), (&markets[1], true)] {
        let (id, tokens) = (id_of(market), tokens_of(market));
        let outcomes: Vec<String> = serde_json::from_str(text(&market["outcomes"])).unwrap();
        let short = get(&format!("{clob}/clob-markets/{id}")).await;
        let pairs: Vec<Value> = tokens.iter().zip(&outcomes).map(|(t, o)| json!({"t": t, "o": o})).collect();
        assert_eq!((&short["c"], &short["t"]), (&json!(id), &json!(pairs)));
        assert_eq!((&short["mts"], &short["mos"]), (&market["orderPriceMinTickSize"], &json!(5)));
        assert_eq!(short.get("nr").is_some(), market["negRisk"] == true);
        assert_eq!(short["ao"], !closed);
        let full = get(&format!("{clob}/markets/{id}")).await;
        assert_eq!((&full["condition_id"], &full["market_slug"]), (&json!(id), &market["slug"]));
        assert_eq!((&full["closed"], &full["accepting_orders"]), (&json!(closed), &json!(!closed)));
        assert_eq!(full["end_date_iso"], market["endDate"]);
        for (told, token) in full["tokens"].as_array().unwrap().iter().zip(&tokens) {
            assert_eq!(text(&told["token_id"]), token);
        }
        let winners = full["tokens"].as_array().unwrap().iter().filter(|token| token["winner"] == true);
        assert_eq!(winners.count(), usize::from(closed));
        let of_token = get(&format!("{clob}/markets-by-token/{}", tokens[1])).await;
        assert_eq!(
            of_token,
            json!({"condition_id": id, "primary_token_id": tokens[0], "secondary_token_id": tokens[1]})
        );
    }
    for wrong in ["/clob-markets/0x1", "/markets/0x1", "/markets-by-token/1"] {
        assert_eq!(request("GET", &format!("{clob}{wrong}"), "").await.0, 404, "{wrong}");
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn lists_of_the_clob_go_by_pages_until_their_last_cursor() {
    let simulator = start("calm", |_, scenario| scenario.markets = 1_500).await;
    let clob = simulator.urls().clob;
    let closed = id_of(&universe(&simulator).await[0]);
    simulator.resolve(std::slice::from_ref(&closed), Announced::Silently);
    for (route, count, full) in [
        ("/markets", 1_500, true),
        ("/simplified-markets", 1_500, false),
        ("/sampling-markets", 1_499, true),
        ("/sampling-simplified-markets", 1_499, false),
    ] {
        let (mut ids, mut cursor) = (Vec::new(), "MA==".to_owned());
        while cursor != "LTE=" {
            let page = get(&format!("{clob}{route}?next_cursor={cursor}")).await;
            assert_eq!(page["count"], page["data"].as_array().unwrap().len());
            for row in page["data"].as_array().unwrap() {
                assert_eq!(row.get("market_slug").is_some(), full, "{route}");
                ids.push(text(&row["condition_id"]).to_owned());
            }
            text(&page["next_cursor"]).clone_into(&mut cursor);
        }
        ids.sort_unstable();
        ids.dedup();
        assert_eq!((ids.len(), ids.contains(&closed)), (count, count == 1_500), "{route}");
    }
    assert_eq!(request("GET", &format!("{clob}/markets?next_cursor=!"), "").await.0, 400);
    simulator.shutdown().await;
}

#[tokio::test]
async fn an_event_holds_its_market_and_is_found_by_id_slug_series_and_words() {
    let simulator = start("short-markets", |_, _| {}).await;
    let gamma = simulator.urls().gamma;
    let page = get(&format!("{gamma}/events/keyset?limit=1000")).await;
    let events = page["events"].as_array().unwrap().clone();
    assert_eq!((events.len(), page.get("next_cursor")), (40 + 24 + 46, None));
    assert!(page["$schema"].is_string());
    let markets = universe(&simulator).await;
    let short = events.iter().find(|event| text(&event["slug"]).starts_with("btc-updown-5m-")).unwrap();
    for event in [&events[0], short] {
        let inside = &event["markets"][0];
        let row = markets.iter().find(|market| market["slug"] == event["slug"]).unwrap();
        assert_eq!((inside["conditionId"].clone(), inside.get("events")), (row["conditionId"].clone(), None));
        assert_eq!((&event["id"], &event["title"]), (&row["events"][0]["id"], &row["question"]));
        let by = async |path: &str, value: &Value| {
            get(&format!("{gamma}{path}{}", text(value))).await["slug"].clone()
        };
        assert_eq!(by("/events/", &event["id"]).await, event["slug"]);
        assert_eq!(by("/events/slug/", &event["slug"]).await, event["slug"]);
        assert_eq!(by("/markets/", &row["id"]).await, event["slug"]);
        assert_eq!(by("/markets/slug/", &event["slug"]).await, event["slug"]);
        let old = get(&format!("{gamma}/events?id={}", text(&event["id"]))).await;
        assert_eq!((old.as_array().unwrap().len(), &old[0]["slug"]), (1, &event["slug"]));
    }
    let series = text(&short["series"][0]["id"]);
    let of_series = get(&format!("{gamma}/events/keyset?series_id={series}&limit=100")).await;
    let slugs: Vec<&str> =
        of_series["events"].as_array().unwrap().iter().map(|event| text(&event["seriesSlug"])).collect();
    assert!(slugs.len() >= 3 && slugs.iter().all(|slug| *slug == "btc-up-or-down-5m"), "{slugs:?}");
    let crypto = get(&format!("{gamma}/events/keyset?tag_slug=crypto&limit=500")).await;
    assert_eq!(crypto["events"].as_array().unwrap().len(), 24 + 46);
    let first = get(&format!("{gamma}/events/keyset?tag_id=21&limit=50")).await;
    let cursor = text(&first["next_cursor"]);
    let rest = get(&format!("{gamma}/events/keyset?tag_id=21&limit=50&after_cursor={cursor}")).await;
    assert_eq!(rest["events"].as_array().unwrap().len(), 20);
    let found = get(&format!("{gamma}/public-search?q=eth%20DOWN&limit_per_type=2")).await;
    assert!(found["events"].as_array().unwrap().iter().all(|event| text(&event["slug"]).starts_with("eth-")));
    assert_eq!(
        (found["events"].as_array().unwrap().len(), &found["pagination"]["hasMore"]),
        (2, &json!(true))
    );
    let total = found["pagination"]["totalResults"].as_u64().unwrap();
    let second = get(&format!("{gamma}/public-search?q=eth%20down&limit_per_type=2&page=2")).await;
    assert!(total > 4 && second["events"][0]["slug"] != found["events"][0]["slug"]);
    for (wrong, status) in [("/events/1", 404), ("/markets/slug/none", 404), ("/public-search", 422)] {
        assert_eq!(request("GET", &format!("{gamma}{wrong}"), "").await.0, status, "{wrong}");
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn subjects_and_series_are_those_of_the_markets() {
    let simulator = start("short-markets", |_, _| {}).await;
    let gamma = simulator.urls().gamma;
    let page = get(&format!("{gamma}/markets/keyset?slug=none&include_tag=true")).await;
    assert_eq!(page["markets"], json!([]));
    let crypto = get(&format!("{gamma}/events/keyset?tag_id=21&limit=500")).await;
    let event = &crypto["events"][0];
    let tag = json!([{"id": "21", "label": "Crypto", "slug": "crypto"}]);
    for path in ["/events/", "/markets/"] {
        let id = if path == "/events/" { &event["id"] } else { &event["markets"][0]["id"] };
        assert_eq!(get(&format!("{gamma}{path}{}/tags", text(id))).await, tag);
    }
    let tags = get(&format!("{gamma}/tags")).await;
    assert!(tags.as_array().unwrap().contains(&tag[0]) && tags.as_array().unwrap().len() == 5, "{tags}");
    assert_eq!(get(&format!("{gamma}/tags?limit=2&offset=4")).await.as_array().unwrap().len(), 1);
    let all = get(&format!("{gamma}/series")).await;
    assert_eq!(all.as_array().unwrap().len(), 8, "one of each asset");
    let series = get(&format!("{gamma}/series?slug=btc-up-or-down-5m")).await;
    let of_series = crypto["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["seriesSlug"] == "btc-up-or-down-5m");
    let mut slugs: Vec<&str> = of_series.map(|event| text(&event["slug"])).collect();
    let mut told: Vec<&str> =
        series[0]["events"].as_array().unwrap().iter().map(|event| text(&event["slug"])).collect();
    slugs.sort_unstable();
    told.sort_unstable();
    assert_eq!(told, slugs);
    assert_eq!(get(&format!("{gamma}/series/{}", text(&series[0]["id"]))).await, series[0]);
    assert_eq!(request("GET", &format!("{gamma}/series/1"), "").await.0, 404);
    simulator.shutdown().await;
}
