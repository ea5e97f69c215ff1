//! REST over real connections.
//!
//! Knows: section 2 of the protocol reference. Never: the simulator's inside.

use std::time::Duration;

use crate::support::{
    Client, all_tokens, ask, eventually, eventually_some, fresh, get, request, start, tokens_of, universe,
};
use serde_json::{Value, json};
use venue_sim::controls::Announced;
use venue_sim::ledger::Kind;
use venue_sim::rest::RestMode;
use venue_sim::scenario::{Fault, FaultMode, Scenario, Service};
use venue_sim::{Options, Simulator};

#[tokio::test]
async fn gamma_pages_by_keyset_from_the_largest_volume_on() {
    let simulator = start("calm", |_, scenario| scenario.markets = 250).await;
    let markets = universe(&simulator).await;
    assert_eq!(markets.len(), 250);
    let volumes =
        markets.iter().map(|market| market["volume24hr"].as_f64().unwrap_or(0.0)).collect::<Vec<_>>();
    assert!(volumes.windows(2).all(|pair| pair[0] >= pair[1]) && volumes[0] > 0.0);
    assert!(volumes.contains(&0.0), "the small ones have no volume members");
    let market = &markets[0];
    assert_eq!(tokens_of(market).len(), 2);
    assert_eq!(serde_json::from_str::<Vec<String>>(market["outcomes"].as_str().unwrap()).unwrap().len(), 2);
    assert!(
        market["volume"].is_string() && market["volumeNum"].is_number() && market["orderMinSize"].is_number()
    );
    assert!(
        market["feeType"].is_null()
            && market["closed"] == false
            && market["endDate"].as_str().unwrap().ends_with('Z')
    );
    simulator.shutdown().await;
}

#[tokio::test]
async fn gamma_filters_by_ids_tokens_and_slug_and_refuses_what_the_venue_refuses() {
    let simulator = start("calm", |_, _| {}).await;
    let gamma = simulator.urls().gamma;
    let market = universe(&simulator).await[3].clone();
    let [condition, slug] = ["conditionId", "slug"].map(|name| market[name].as_str().unwrap().to_owned());
    let token = tokens_of(&market)[1].clone();
    for filter in
        [format!("condition_ids={condition}"), format!("clob_token_ids={token}"), format!("slug={slug}")]
    {
        let found = get(&format!("{gamma}/markets?{filter}")).await;
        assert_eq!(found.as_array().unwrap().len(), 1, "{filter}");
        assert_eq!(found[0]["conditionId"], condition.as_str());
        let closed = get(&format!("{gamma}/markets?{filter}&closed=true")).await;
        assert_eq!(closed, json!([]));
    }
    for wrong in ["/keyset?offset=1", "/keyset?limit=0", "?order=volume_24hr", "?offset=2001"] {
        assert_eq!(request("GET", &format!("{gamma}/markets{wrong}"), "").await.0, 422, "{wrong}");
    }
    simulator.shutdown().await;
}

#[tokio::test]
async fn clob_books_have_the_order_and_members_of_the_venue() {
    let simulator = start("calm", |_, _| {}).await;
    let clob = simulator.urls().clob;
    let tokens = all_tokens(&simulator).await;
    let (status, text) = request("GET", &format!("{clob}/book?token_id={}", tokens[0]), "").await;
    let book: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status, 200);
    assert!(text.ends_with('}') && book["min_order_size"] == "5" && book["neg_risk"].is_boolean());
    let (_, opening) = Client::subscribed(&simulator, &tokens[..1]).await;
    for member in ["hash", "timestamp", "bids", "asks", "tick_size", "last_trade_price"] {
        assert_eq!(book[member], opening[0][member], "{member}");
    }
    let (status, text) = request("GET", &format!("{clob}/book?token_id=1"), "").await;
    assert!(status == 404 && text.contains("No orderbook exists"), "{text}");
    let wanted = json!([{"token_id": tokens[0]}, {"token_id": "1"}, {"token_id": tokens[3]}]).to_string();
    let (status, text) = request("POST", &format!("{clob}/books"), &wanted).await;
    let books: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!((status, books.len()), (200, 2));
    assert_eq!(request("GET", &format!("{clob}/books"), "").await.0, 400);
    assert_eq!(request("POST", &format!("{clob}/books"), "nonsense").await.0, 400);
    assert!(get(&format!("{clob}/time")).await.as_u64().unwrap() > 1_700_000_000);
    simulator.shutdown().await;
}

#[tokio::test]
async fn data_tells_the_same_trades_in_both_versions_after_their_settlement() {
    let simulator = start("calm", |options, scenario| {
        options.settlement_delay = Duration::from_secs(1);
        scenario.rate_per_s = 4_000;
    })
    .await;
    let (mut client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await).await;
    simulator.begin();
    while simulator.ledger().iter().filter(|entry| entry.kind == Kind::Trade).count() < 8 {
        client.next().await;
    }
    let data = simulator.urls().data;
    simulator.stop_generating().await.unwrap();
    let trade = simulator.ledger().into_iter().find(|entry| entry.kind == Kind::Trade).unwrap();
    let by_condition = format!("{data}/v2/trades?condition={}&limit=1000", trade.condition_id);
    let hash = trade.transaction_hash.as_deref().unwrap();
    let settled = async || {
        let answer = get(&fresh(&by_condition)).await;
        answer["data"].as_array().unwrap().iter().find(|row| row["transaction_hash"] == hash).cloned()
    };
    let row = eventually_some("the trade is settled", settled).await;
    assert_eq!(row["token_id"], trade.token_id.as_str());
    assert_eq!(row["size"].to_string(), *trade.size.as_ref().unwrap());
    assert_eq!(row["timestamp"].as_u64().unwrap(), (trade.timestamp_ms + 1_000) / 1_000);
    let old = get(&format!("{data}/trades?market={}&limit=1000", trade.condition_id)).await;
    let twin = old
        .as_array()
        .unwrap()
        .iter()
        .find(|other| other["transactionHash"] == row["transaction_hash"])
        .unwrap();
    assert_eq!(
        (&twin["asset"], &twin["size"], &twin["price"]),
        (&row["token_id"], &row["size"], &row["price"])
    );
    simulator.shutdown().await;
}

#[tokio::test]
async fn data_v2_pages_by_cursor_and_refuses_what_the_venue_refuses() {
    let simulator = start("calm", |options, scenario| {
        options.settlement_delay = Duration::ZERO;
        scenario.rate_per_s = 8_000;
    })
    .await;
    let (mut client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await).await;
    simulator.begin();
    while simulator.ledger().iter().filter(|entry| entry.kind == Kind::Trade).count() < 7 {
        client.next().await;
    }
    simulator.stop_generating().await.unwrap();
    let count = simulator.ledger().iter().filter(|entry| entry.kind == Kind::Trade).count();
    let now = || std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    let newest = u128::from(simulator.ledger().iter().map(|entry| entry.timestamp_ms).max().unwrap());
    eventually("the last trades, stamped 30 ms ahead, are settled", || now() > newest).await;
    let data = simulator.urls().data;
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("{data}/v2/trades?limit=3{cursor}")).await;
        seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["transaction_hash"].to_string()));
        match page["pagination"]["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    // Trades below 0.01 share are dust and hidden.
    assert!(seen.len() <= count && seen.len() + 1 >= count, "{} {count}", seen.len());
    let twenty_one = vec!["0x1"; 21].join(",");
    let twenty_one = format!("condition={twenty_one}");
    for wrong in ["limit=1001", "limit=0", "cursor=x", "offset=0", "condition=0x1&event_id=2", &twenty_one] {
        let (status, text) = request("GET", &format!("{data}/v2/trades?{wrong}"), "").await;
        assert!(status == 400 && text.contains("\"retryable\":false"), "{wrong}: {text}");
        assert!(text.contains("\"code\":\"invalid_request\""), "{text}");
    }
    assert_eq!(request("GET", &format!("{data}/trades?offset=3001"), "").await.0, 400);
    let status = get(&format!("{data}/v2/status")).await;
    assert_eq!((&status["data"]["serving"]["lag_seconds"], status.get("lag_seconds")), (&0.into(), None));
    simulator.shutdown().await;
}

#[tokio::test]
async fn the_same_address_of_trades_is_answered_by_a_cache_and_another_one_by_the_service() {
    let [cached, bare] = [
        start("calm", |_, _| {}).await,
        start("calm", |options, _| options.trades_cached_for = Duration::ZERO).await,
    ];
    for (simulator, same) in [(&cached, 1), (&bare, 2)] {
        let url = format!("{}/v2/trades?limit=5", simulator.urls().data);
        let (one, two) = (get(&url).await, get(&url).await);
        assert_eq!((one == two, simulator.rest_calls()["/v2/trades"]), (true, same));
        let (head, _) = ask("GET", &url, "User-Agent: x\r\n", "").await;
        assert_eq!(head.contains("cache-control: public, max-age=300"), same == 1, "{head}");
        let same = simulator.rest_calls()["/v2/trades"];
        get(&fresh(&url)).await;
        assert_eq!(simulator.rest_calls()["/v2/trades"], same + 1);
    }
    cached.shutdown().await;
    bare.shutdown().await;
}

#[tokio::test]
async fn each_service_fails_as_it_is_told_and_alone() {
    let simulator = start("calm", |_, _| {}).await;
    let urls = simulator.urls();
    simulator.set_rest(Service::Data, RestMode::Down);
    simulator.set_rest(Service::Gamma, RestMode::Slow(Duration::from_millis(5)));
    assert_eq!(request("GET", &format!("{}/v2/trades", urls.data), "").await.0, 503);
    assert_eq!(request("GET", &format!("{}/markets?limit=1", urls.gamma), "").await.0, 200);
    simulator.set_rest(Service::Data, RestMode::Up);
    assert_eq!(request("GET", &format!("{}/v2/trades", urls.data), "").await.0, 200);
    assert_eq!(simulator.rest_calls()["/v2/trades"], 2);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_token_of_a_broken_book_has_no_answer_and_its_neighbours_have() {
    let simulator = start("price-spikes", |_, _| {}).await;
    let clob = simulator.urls().clob;
    let tokens = all_tokens(&simulator).await;
    let (mut broken, mut whole) = (None, None);
    // Among the markets of the injections are four with a book that REST cannot give.
    for token in tokens.iter().step_by(2) {
        let wanted = json!([{"token_id": token}]).to_string();
        match request("POST", &format!("{clob}/books"), &wanted).await.1.as_str() {
            "[]" => broken = broken.or(Some(token.clone())),
            _ => whole = whole.or(Some(token.clone())),
        }
    }
    let book = |token: Option<String>| format!("{clob}/book?token_id={}", token.unwrap());
    assert_eq!(request("GET", &book(broken), "").await.0, 503);
    assert_eq!(request("GET", &book(whole), "").await.0, 200);
    simulator.shutdown().await;
}

#[tokio::test]
async fn the_control_routes_begin_drop_and_tell_the_ledger() {
    let simulator = start("calm", |_, scenario| scenario.rate_per_s = 500).await;
    let base = simulator.urls().clob.replace("/clob", "/sim");
    let (mut client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await).await;
    assert_eq!(get(&format!("{base}/status")).await["phase"], "waiting");
    assert_eq!(request("POST", &format!("{base}/begin"), "").await.0, 200);
    client.next().await;
    let status = get(&format!("{base}/status")).await;
    assert_eq!((&status["phase"], &status["sockets"]), (&json!("running"), &json!(1)));
    let (_, lines) = request("GET", &format!("{base}/ledger?from=2&limit=3"), "").await;
    let entries: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(
        entries.iter().map(|entry| entry["sequence"].as_u64().unwrap()).collect::<Vec<_>>(),
        [2, 3, 4]
    );
    assert_eq!(request("POST", &format!("{base}/drop?how=abort"), "").await.1, "{\"dropped\":1}");
    assert_eq!(request("POST", &format!("{base}/drop?how=gently"), "").await.0, 400);
    assert_eq!(request("GET", &format!("{base}/ledger?from=x"), "").await.0, 400);
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_fault_of_a_scenario_begins_and_ends_with_its_span() {
    let fault = Fault { service: Service::Data, mode: FaultMode::Limited, from_s: 0, for_s: 1 };
    let simulator = start("calm", |_, scenario| scenario.faults = vec![fault]).await;
    let url = format!("{}/v2/trades", simulator.urls().data);
    let answers = async |wanted: u16| (request("GET", &fresh(&url), "").await.0 == wanted).then_some(());
    answers(200).await.unwrap();
    simulator.begin();
    eventually_some("the fault begins", async || answers(429).await).await;
    eventually_some("the fault ends", async || answers(200).await).await;
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_slow_service_answers_right_and_late() {
    let fault = Fault { service: Service::Data, mode: FaultMode::Slow(400), from_s: 0, for_s: 60 };
    let simulator = start("calm", |_, scenario| scenario.faults = vec![fault]).await;
    let url = format!("{}/v2/status", simulator.urls().data);
    simulator.begin();
    let late = async || {
        let asked_at = std::time::Instant::now();
        assert!(get(&url).await["data"]["serving"].is_object());
        (asked_at.elapsed() >= Duration::from_millis(400)).then_some(())
    };
    eventually_some("the fault begins", late).await;
    simulator.shutdown().await;
}

#[tokio::test]
async fn the_old_trades_end_and_the_new_ones_stay() {
    let [gone, here] = [start("v1-gone", |_, _| {}).await, start("calm", |_, _| {}).await];
    let answers = async |simulator: &Simulator, route: &str| {
        request("GET", &format!("{}{route}", simulator.urls().data), "").await
    };
    assert_eq!(answers(&here, "/trades?_=1").await.0, 200);
    here.retire_v1();
    for simulator in [&gone, &here] {
        let (status, body) = answers(simulator, "/trades").await;
        assert!(status == 404 && body.contains("\"error\""), "{status} {body}");
        assert_eq!(answers(simulator, "/v2/trades").await.0, 200);
    }
    gone.shutdown().await;
    here.shutdown().await;
}

#[tokio::test]
async fn a_sweep_goes_on_behind_its_cursor_when_that_market_closes() {
    let simulator = start("calm", |_, _| {}).await;
    let base = format!("{}/markets/keyset?order=volume24hr&ascending=false", simulator.urls().gamma);
    let ids = |page: &Value| -> Vec<String> {
        let markets = page["markets"].as_array().unwrap().iter();
        markets.map(|market| market["conditionId"].as_str().unwrap().to_owned()).collect()
    };
    let first = get(&format!("{base}&limit=10")).await;
    let whole = ids(&get(&format!("{base}&limit=40")).await);
    simulator.resolve(&ids(&first)[9..], Announced::Silently);
    let rest =
        get(&format!("{base}&limit=100&after_cursor={}", first["next_cursor"].as_str().unwrap())).await;
    assert_eq!(ids(&rest), whole[10..]);
    let rising = get(&format!("{base}&limit=100").replace("=false", "=true")).await;
    let falling = ids(&get(&format!("{base}&limit=100")).await);
    assert!(ids(&rising).iter().eq(falling.iter().rev()));
    simulator.shutdown().await;
}

#[tokio::test]
async fn a_port_that_is_taken_is_said_with_its_address() {
    let simulator = start("calm", |_, _| {}).await;
    let address = simulator.urls().clob.replace("http://", "").replace("/clob", "");
    let mut options = Options::of(Scenario::named("calm").unwrap());
    options.address = address.parse().unwrap();
    let error = Simulator::start(options).await.unwrap_err();
    assert_eq!(error.to_string(), format!("could not listen on {address}"));
    simulator.shutdown().await;
}

#[tokio::test]
async fn who_does_not_say_who_he_is_gets_a_page_from_every_service_of_the_venue() {
    let simulator = start("calm", |_, _| {}).await;
    let urls = simulator.urls();
    for (agent, status) in
        [("", "403"), ("User-Agent: Python-urllib/3.13\r\n", "403"), ("User-Agent: me/1\r\n", "200")]
    {
        for url in [
            format!("{}/time", urls.clob),
            format!("{}/markets/keyset", urls.gamma),
            format!("{}/v2/trades", urls.data),
        ] {
            let (head, body) = ask("GET", &url, agent, "").await;
            assert_eq!(head.split(' ').nth(1), Some(status), "{url} {agent}");
            assert_eq!(body.contains("error code: 1010"), status == "403");
        }
    }
    let own = urls.clob.replace("/clob", "/sim/status");
    assert!(ask("GET", &own, "", "").await.0.starts_with("HTTP/1.1 200"), "its own routes are no venue's");
    simulator.shutdown().await;
}

#[tokio::test]
async fn trades_are_filtered_by_amount_and_some_do_not_know_their_outcomes_place() {
    let simulator = start("calm", |options, scenario| {
        options.settlement_delay = Duration::ZERO;
        scenario.rate_per_s = 8_000;
    })
    .await;
    let (mut client, _) = Client::subscribed(&simulator, &all_tokens(&simulator).await).await;
    simulator.begin();
    let mut trades = 0;
    while trades < 60 {
        trades += usize::from(client.json().await["event_type"] == "last_trade_price");
    }
    simulator.stop_generating().await.unwrap();
    let data = simulator.urls().data;
    let rows = async |query: &str| {
        get(&fresh(&format!("{data}/v2/trades?limit=1000&{query}"))).await["data"].as_array().unwrap().clone()
    };
    let size = |row: &Value| row["size"].as_f64().unwrap();
    let settled = async || Some(rows("").await).filter(|rows| rows.len() > 40);
    let all = eventually_some("most are settled", settled).await;
    assert!(all.iter().any(|row| size(row) < 500.0) && all.iter().any(|row| size(row) >= 500.0));
    let large = rows("filter_amount=500&filter_type=TOKENS").await;
    assert!(!large.is_empty() && large.len() < all.len() && large.iter().all(|row| size(row) >= 500.0));
    let dear = rows("filter_amount=500&filter_type=CASH").await;
    assert!(dear.iter().all(|row| size(row) * row["price"].as_f64().unwrap() >= 499.9), "{dear:?}");
    let none = rows("filter_amount=0").await;
    assert!(none.iter().all(|row| size(row) >= 0.01) && none.len() >= all.len());
    let old = get(&fresh(&format!("{data}/trades?limit=1000&filterAmount=500&filterType=TOKENS"))).await;
    assert!(old.as_array().unwrap().iter().all(|row| size(row) >= 500.0));
    let unknown: Vec<&Value> = all.iter().filter(|row| row["outcome_index"] == 999).collect();
    assert!((all.len() / 14..=all.len() / 4).contains(&unknown.len()), "{} of {}", unknown.len(), all.len());
    assert!(
        unknown.iter().all(|row| row["event_slug"] == "" && !row["token_id"].as_str().unwrap().is_empty())
    );
    simulator.shutdown().await;
}

#[tokio::test]
async fn each_service_has_a_root_of_its_own_besides_its_prefix() {
    let simulator = start("calm", |options, _| options.roots_from = Some(0)).await;
    let roots = simulator.roots().unwrap();
    let tokens = all_tokens(&simulator).await;
    for (root, prefix, path) in [
        (&roots.clob, simulator.urls().clob, format!("/book?token_id={}", tokens[0])),
        (&roots.gamma, simulator.urls().gamma, "/markets/keyset?limit=1&closed=true".to_owned()),
        (&roots.data, simulator.urls().data, "/v2/trades".to_owned()),
    ] {
        assert_eq!(get(&format!("{root}{path}")).await, get(&format!("{prefix}{path}")).await);
        assert_eq!(request("GET", &format!("{root}/sim/status"), "").await.0, 404);
    }
    assert_eq!(request("GET", &format!("{}/v2/trades", roots.gamma), "").await.0, 404);
    let mut client = Client::to(&roots.ws).await;
    client.say(&json!({"type": "market", "assets_ids": tokens[..2]}).to_string()).await;
    assert_eq!(client.json().await.as_array().unwrap().len(), 2);
    let plain = start("calm", |_, _| {}).await;
    assert_eq!(plain.roots(), None);
    plain.shutdown().await;
    simulator.shutdown().await;
}

#[tokio::test]
async fn the_control_routes_do_what_the_handles_do() {
    let simulator = start("calm", |_, scenario| scenario.rate_per_s = 500).await;
    let urls = simulator.urls();
    let base = urls.clob.replace("/clob", "/sim");
    let act = async |route: &str| -> Value {
        let (status, text) = request("POST", &format!("{base}{route}"), "").await;
        assert_eq!(status, 200, "{route}: {text}");
        serde_json::from_str(&text).unwrap()
    };
    let markets = universe(&simulator).await;
    let id = |at: usize| markets[at]["conditionId"].as_str().unwrap();
    let tokens = tokens_of(&markets[0]);
    act("/freeze").await;
    assert!(simulator.status().frozen);
    act("/thaw?books_after_s=3600").await;
    let mut client = Client::connect(&simulator).await;
    let wish = json!({"type": "market", "assets_ids": tokens, "custom_feature_enabled": true});
    client.say(&wish.to_string()).await;
    client.say("PING").await;
    assert_eq!(client.text().await, "PONG", "no book comes");
    act("/thaw").await;
    assert_eq!(act(&format!("/tick-size?condition={}&size=0.0001", id(0))).await, json!({"changed": 1}));
    assert_eq!(client.json().await["new_tick_size"], "0.0001");
    let before = simulator.book_of(&tokens[0]).unwrap();
    assert_eq!(act(&format!("/move?condition={}&quiet_s=60", id(0))).await, json!({"moved": 1}));
    assert_ne!(simulator.book_of(&tokens[0]).unwrap().hash, before.hash);
    let announced = act("/announce").await["announced"].as_str().unwrap().to_owned();
    assert_eq!(simulator.tokens_of(&announced).len(), 2);
    assert_eq!(act(&format!("/expire?condition={},{}", id(1), id(1))).await, json!({"expired": 1}));
    assert_eq!(act(&format!("/resolve?condition={}&how=silently", id(2))).await, json!({"resolved": 1}));
    assert_eq!(simulator.status().markets_open, 39);
    act("/rest?service=data&mode=blocked").await;
    assert_eq!(request("GET", &format!("{}/v2/status", urls.data), "").await.0, 403);
    act("/rest?service=data&mode=slow&ms=1").await;
    assert_eq!(request("GET", &format!("{}/v2/status", urls.data), "").await.0, 200);
    for wrong in [
        "/thaw?books_after_s=x",
        "/resolve?how=loudly",
        "/tick-size?size=0",
        "/rest?service=x&mode=up",
        "/rest?service=data&mode=slow",
    ] {
        assert_eq!(request("POST", &format!("{base}{wrong}"), "").await.0, 400, "{wrong}");
    }
    simulator.shutdown().await;
}
