//! Lookups with a fetch that answers from memory, on a clock that is moved by hand.
//!
//! Knows: numbers as keys. Never: REST.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::*;

const BATCH: usize = 3;

/// What the fetch of a test does: doubles even keys, knows no odd ones, fails while told to.
#[derive(Clone, Default)]
struct Source {
    calls: Arc<Mutex<Vec<Vec<u32>>>>,
    fails: Arc<Mutex<bool>>,
}

impl Source {
    fn start(&self, metrics: &Metrics) -> (Lookup<u32, u32>, JoinHandle<()>) {
        let source = self.clone();
        let fetch = move |keys: Vec<u32>| {
            let source = source.clone();
            async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                source.calls.lock().unwrap().push(keys.clone());
                if *source.fails.lock().unwrap() {
                    return Err(RestError::Address("nowhere".to_owned()));
                }
                Ok(keys.into_iter().filter(|key| key % 2 == 0).map(|key| (key, key * 2)).collect())
            }
        };
        let (lookup, desk) = lookup("books", BATCH, metrics.clone(), fetch);
        (lookup, tokio::spawn(desk.run()))
    }

    fn calls(&self) -> Vec<Vec<u32>> {
        self.calls.lock().unwrap().clone()
    }

    fn fail(&self, fails: bool) {
        *self.fails.lock().unwrap() = fails;
    }
}

async fn get_all(lookup: &Lookup<u32, u32>, keys: &[u32]) -> Vec<Option<u32>> {
    join_all(keys.iter().map(|key| lookup.get(*key, None))).await
}

#[tokio::test(start_paused = true)]
async fn questions_of_one_moment_share_a_call_and_the_same_question_is_asked_once() {
    let source = Source::default();
    let (lookup, _desk) = source.start(&Metrics::default());
    assert_eq!(get_all(&lookup, &[2, 4, 2, 3]).await, [Some(4), Some(8), Some(4), None]);
    assert_eq!(source.calls(), [[2, 4, 3]]);
}

#[tokio::test(start_paused = true)]
async fn a_call_never_has_more_keys_than_allowed() {
    let source = Source::default();
    let (lookup, _desk) = source.start(&Metrics::default());
    get_all(&lookup, &[2, 4, 6, 8]).await;
    assert_eq!(source.calls().iter().map(Vec::len).collect::<Vec<_>>(), [BATCH, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_value_is_kept_for_a_second_and_asked_for_again_after_it() {
    let source = Source::default();
    let (lookup, _desk) = source.start(&Metrics::default());
    lookup.get(2, None).await;
    tokio::time::sleep(KEEP.saturating_sub(Duration::from_millis(10))).await;
    assert_eq!(lookup.get(2, None).await, Some(4));
    assert_eq!(source.calls().len(), 1);
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(lookup.get(2, None).await, Some(4));
    assert_eq!(source.calls().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_question_during_the_call_for_the_same_key_shares_it() {
    let source = Source::default();
    let (lookup, _desk) = source.start(&Metrics::default());
    let late = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        lookup.get(2, None).await
    };
    assert_eq!(tokio::join!(lookup.get(2, None), late), (Some(4), Some(4)));
    assert_eq!(source.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_question_nobody_waits_for_any_more_is_not_asked() {
    let source = Source::default();
    let (lookup, _desk) = source.start(&Metrics::default());
    let hasty = tokio::time::timeout(Duration::from_millis(1), lookup.get(2, None));
    assert!(hasty.await.is_err());
    assert_eq!(lookup.get(4, None).await, Some(8));
    assert_eq!(source.calls(), [[4]]);
}

#[tokio::test(start_paused = true)]
async fn after_five_failures_the_answer_comes_at_once_and_one_try_mends_it() {
    let (source, metrics) = (Source::default(), Metrics::default());
    let (lookup, _desk) = source.start(&metrics);
    source.fail(true);
    for _ in 0..5 {
        assert_eq!(lookup.get(2, None).await, None);
    }
    assert_eq!(metrics.suspended(), ["books"]);
    let before = Instant::now();
    assert_eq!(lookup.get(2, None).await, None);
    assert_eq!((before.elapsed(), source.calls().len()), (Duration::ZERO, 5));
    source.fail(false);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(lookup.get(2, None).await, Some(4));
    assert!(metrics.suspended().is_empty());
    let report = metrics.report(None);
    assert_eq!((report.rest_calls, report.rest_failures), (6, 5));
}

#[tokio::test(start_paused = true)]
async fn questions_beyond_the_limit_are_answered_at_once() {
    let source = Source::default();
    let (lookup, _desk) = source.start(&Metrics::default());
    let asked = [2; 2 * QUESTIONS_MAX];
    let answers = get_all(&lookup, &asked).await;
    let answered = answers.iter().filter(|answer| answer.is_some()).count();
    assert!((QUESTIONS_MAX..2 * QUESTIONS_MAX).contains(&answered), "{answered}");
    assert_eq!(source.calls().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_desk_ends_when_nobody_is_left_to_ask() {
    let (lookup, desk) = Source::default().start(&Metrics::default());
    drop(lookup);
    desk.await.unwrap();
}
