//! Questions and answers: in memory on a clock moved by hand, and once over a real connection.
//!
//! Knows: example trades. Never: the venue itself.

use std::num::NonZeroU32;
use std::sync::Mutex;

use contract::time::Timestamp;
use polymarket::rest::{DataVersion, RestConfig, RestError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::{market, price, size, token, told, trade};

const WITHIN: Duration = Duration::from_secs(5);

/// Answers from memory: the n-th entry of `rounds` answers the n-th question for trades, the last one all later.
fn answers(rounds: Vec<Option<Vec<RestTrade>>>, top: Option<Top>) -> (Answers, Arc<Mutex<Vec<Instant>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    let fetch = move |markets: Vec<ConditionId>| {
        let number = noted.lock().unwrap().len();
        noted.lock().unwrap().push(Instant::now());
        let rows = rounds[number.min(rounds.len() - 1)].clone().map(Arc::new);
        async move {
            let nowhere = RestError::Address("nowhere".to_owned());
            Ok(markets.into_iter().zip(rows.into_iter().cycle()).collect::<HashMap<_, _>>())
                .and_then(|told| if told.is_empty() { Err(nowhere) } else { Ok(told) })
        }
    };
    let (trades, desk) = lookup("trades", 20, Metrics::default(), fetch);
    tokio::spawn(desk.run());
    let fetch = move |tokens: Vec<TokenId>| async move {
        match top {
            Some(top) => Ok(tokens.into_iter().map(|token| (token, top)).collect()),
            None => std::future::pending().await,
        }
    };
    let (books, desk) = lookup("books", 250, Metrics::default(), fetch);
    tokio::spawn(desk.run());
    (Answers { trades, books, within: WITHIN, places: Arc::default() }, asked)
}

async fn ask(answers: &Answers, questions: &[Question]) -> (Evidence, Duration) {
    let before = Instant::now();
    let evidence = answers.to(questions, &trade(), &Limits::default(), None).await;
    (evidence, before.elapsed())
}

fn sizes(evidence: &Evidence) -> Vec<String> {
    match &evidence.size {
        Some(Answer::Known(rows)) => rows.iter().map(|row| row.size.to_string()).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_size_told_at_once_is_taken_at_once() {
    let (answers, asked) = answers(vec![Some(vec![told("7")])], None);
    let (evidence, took) = ask(&answers, &[Question::Size]).await;
    assert_eq!((sizes(&evidence), evidence.book), (vec!["7".to_owned()], None));
    assert!(took < Duration::from_secs(1) && asked.lock().unwrap().len() == 1);
}

#[tokio::test(start_paused = true)]
async fn a_size_told_after_settlement_is_asked_for_again() {
    let other = RestTrade { price: price("0.9"), ..told("1") };
    let (answers, asked) = answers(vec![None, Some(vec![other.clone()]), Some(vec![other, told("7")])], None);
    let (evidence, took) = ask(&answers, &[Question::Size]).await;
    assert_eq!(sizes(&evidence), ["1", "7"]);
    assert!(took >= Duration::from_millis(3_500) && took < Duration::from_secs(4), "{took:?}");
    assert_eq!(asked.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_size_that_is_never_told_is_given_up_after_the_third_time() {
    let (answers, asked) = answers(vec![Some(Vec::new())], None);
    let (evidence, took) = ask(&answers, &[Question::Size]).await;
    assert!(sizes(&evidence).is_empty());
    assert!(took < WITHIN && asked.lock().unwrap().len() == 3);
}

#[tokio::test(start_paused = true)]
async fn where_every_call_fails_nobody_knows() {
    let (answers, _asked) = answers(vec![None], Some(Top::default()));
    let (evidence, _took) = ask(&answers, &[Question::Size, Question::Book]).await;
    assert_eq!(evidence.size, Some(Answer::Unavailable));
    assert_eq!(evidence.book, Some(Answer::Known(Top::default())));
}

#[tokio::test(start_paused = true)]
async fn a_silent_service_costs_the_time_limit_and_no_more() {
    let (answers, _asked) = answers(vec![Some(vec![told("7")])], None);
    let (evidence, took) = ask(&answers, &[Question::Size, Question::Book]).await;
    assert_eq!((evidence.book, took), (Some(Answer::Unavailable), WITHIN));
    assert_eq!(sizes(&evidence), ["7"]);
}

#[tokio::test(start_paused = true)]
async fn rows_of_other_tokens_are_no_evidence() {
    let other = RestTrade { token_id: token(2), ..told("1") };
    let (answers, _asked) = answers(vec![Some(vec![other, told("7")])], None);
    assert_eq!(sizes(&ask(&answers, &[Question::Size]).await.0), ["7"]);
}

/// Serves one body for `/v2/trades` and one for `/books`, written after the venue's documentation (October 2026).
async fn venue() -> String {
    const TRADES: &str = r#"{"data":[{"side":"BUY","token_id":"1","condition_id":"0xab","size":7.5,"price":0.5,"timestamp":1795000002,"transaction_hash":"0xfe"},{"side":"BUY","token_id":"9","condition_id":"0xcd","size":1,"price":0.5,"timestamp":1795000002}],"pagination":{"next_cursor":null}}"#;
    const BOOKS: &str = r#"[{"market":"0xab","asset_id":"1","timestamp":"1795000000123","hash":"","bids":[{"price":"0.48","size":"1"},{"price":"0.49","size":"1"}],"asks":[]}]"#;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            let count = stream.read(&mut request).await.unwrap_or(0);
            let is_trades = String::from_utf8_lossy(&request[..count]).starts_with("GET /v2/trades?");
            let body = if is_trades { TRADES } else { BOOKS };
            let answer = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let _gone = stream.write_all(answer.as_bytes()).await;
        }
    });
    url
}

#[tokio::test]
async fn both_questions_are_answered_over_a_real_connection() {
    let url = venue().await;
    let rest = Rest::new(RestConfig {
        clob_url: url.clone(),
        data_url: url,
        data_version: DataVersion::V2,
        rate_per_s: NonZeroU32::new(100).unwrap(),
        ..RestConfig::of_venue(|| Timestamp::from_millis(0))
    });
    let (stop, metrics) = (CancellationToken::new(), Metrics::default());
    let mut tasks = Tasks::new(stop.clone());
    let answers = Answers::start(&rest.unwrap(), WITHIN, &metrics, &mut tasks);
    let (evidence, _took) = ask(&answers, &[Question::Size, Question::Book]).await;
    assert_eq!(sizes(&evidence), ["7.5"]);
    assert_eq!(evidence.book, Some(Answer::Known(Top { best_bid: Some(price("0.49")), best_ask: None })));
    assert_eq!(metrics.report(None).rest_calls, 2);
    assert_eq!((market().as_str(), size("7.5").to_string()), ("0xab", "7.5".to_owned()));
    drop(answers);
    tasks.join(WITHIN).await.unwrap();
    assert!(!stop.is_cancelled());
}
