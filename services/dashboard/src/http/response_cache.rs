//! Short-lived cache for expensive responses.
//!
//! Knows: how old they are. Never: what they say.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use tokio::time::Instant;

/// How long an answer is given again.
const AGE_MAX: Duration = Duration::from_secs(3);
/// Answers kept at once; more are made anew each time.
const ANSWERS_MAX: usize = 64;

/// The answers of one route, by what was asked; a clone is the same one.
#[derive(Clone, Debug)]
pub(crate) struct Recent<K>(Arc<Mutex<HashMap<K, (Instant, Bytes)>>>);

// === impl Recent ===

impl<K: Eq + Hash> Recent<K> {
    /// The answer to this question, if it was given a moment ago.
    pub(crate) fn get(&self, question: &K) -> Option<Bytes> {
        let answers = self.answers();
        let (_, answer) = answers.get(question).filter(|(made_at, _)| made_at.elapsed() < AGE_MAX)?;
        Some(answer.clone())
    }

    /// Keeps an answer for whoever asks the same.
    pub(crate) fn keep(&self, question: K, answer: Bytes) {
        let mut answers = self.answers();
        answers.retain(|_, (made_at, _)| made_at.elapsed() < AGE_MAX);
        if answers.len() < ANSWERS_MAX {
            answers.insert(question, (Instant::now(), answer));
        }
    }

    fn answers(&self) -> MutexGuard<'_, HashMap<K, (Instant, Bytes)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K> Default for Recent<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_answer_is_given_again_for_three_seconds() {
        let recent = Recent::default();
        recent.keep("a", Bytes::from_static(b"1"));
        assert_eq!((recent.get(&"a"), recent.get(&"b")), (Some(Bytes::from_static(b"1")), None));
        tokio::time::advance(AGE_MAX.checked_sub(Duration::from_millis(1)).unwrap()).await;
        assert!(recent.get(&"a").is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(recent.get(&"a"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn answers_are_bounded_and_old_ones_make_room() {
        let recent = Recent::default();
        (0..=ANSWERS_MAX).for_each(|number| recent.keep(number, Bytes::new()));
        assert_eq!(recent.answers().len(), ANSWERS_MAX);
        assert_eq!(recent.get(&ANSWERS_MAX), None);
        tokio::time::advance(AGE_MAX).await;
        recent.keep(ANSWERS_MAX, Bytes::new());
        assert_eq!(recent.answers().len(), 1);
    }
}
