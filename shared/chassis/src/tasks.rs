//! The tasks of a process: all are named, all are awaited, one that fails stops the others.
//!
//! Knows: futures and their names. Never: what they do.

use std::any::Any;
use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error};

/// A set of running tasks under one stop token.
#[derive(Debug)]
pub struct Tasks {
    stop: CancellationToken,
    running: JoinSet<anyhow::Result<()>>,
    names: HashMap<Id, String>,
    first_failure: Option<anyhow::Error>,
}

impl Tasks {
    /// No tasks yet. The first failure among them cancels `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        Self { stop, running: JoinSet::new(), names: HashMap::new(), first_failure: None }
    }

    /// Starts a task. It is to end by itself soon after `stop` is cancelled.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn spawn<F>(&mut self, name: impl Into<String>, task: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let id = self.running.spawn(task).id();
        self.names.insert(id, name.into());
    }

    /// Waits until a task ends, for ever where none does; for whoever starts tasks while others run.
    ///
    /// A failure cancels the stop token and is returned by [`Tasks::join`]. Dropping the wait loses nothing.
    pub async fn one_ended(&mut self) {
        match self.running.join_next_with_id().await {
            Some(ended) => self.note(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits until every task has ended: without limit before `stop`, and at most `grace` after it.
    ///
    /// What has not ended by then is aborted and named.
    ///
    /// # Errors
    ///
    /// The first failure or panic, with the name of its task; else the names of the tasks that did not end.
    pub async fn join(mut self, grace: Duration) -> anyhow::Result<()> {
        let stop = self.stop.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                ended = self.running.join_next_with_id() => match ended {
                    Some(ended) => self.note(ended),
                    None => break,
                },
            }
        }
        let deadline = Instant::now() + grace;
        while let Ok(ended) = timeout_at(deadline, self.running.join_next_with_id()).await {
            let Some(ended) = ended else {
                return self.first_failure.map_or(Ok(()), Err);
            };
            self.note(ended);
        }
        Err(self.give_up(grace))
    }

    fn note(&mut self, ended: Result<(Id, anyhow::Result<()>), JoinError>) {
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            Err(error) => (error.id(), Err(describe(error))),
        };
        let name = self.names.remove(&id).unwrap_or_else(|| "unnamed".to_owned());
        let Err(failure) = result.with_context(|| format!("task `{name}` failed")) else {
            debug!(task = name, "a task ended");
            return;
        };
        self.stop.cancel();
        if self.first_failure.is_none() {
            self.first_failure = Some(failure);
        } else {
            // Only the first failure is returned, so a later one is told here.
            error!("{}", crate::logline::error_chain(failure.as_ref()));
        }
    }

    fn give_up(mut self, grace: Duration) -> anyhow::Error {
        self.running.abort_all();
        let mut left: Vec<_> = self.names.into_values().collect();
        left.sort_unstable();
        let left = left.join("`, `");
        match self.first_failure {
            Some(failure) => {
                error!("did not end within {grace:?} and were aborted: `{left}`");
                failure
            }
            None => anyhow!("did not end within {grace:?} and were aborted: `{left}`"),
        }
    }
}

fn describe(error: JoinError) -> anyhow::Error {
    match error.try_into_panic() {
        Ok(payload) => anyhow!("panicked: {}", panic_text(payload.as_ref())),
        Err(error) => anyhow!(error),
    }
}

/// The text of a panic, where it has one.
pub(crate) fn panic_text(payload: &(dyn Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a text")
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    const GRACE: Duration = Duration::from_secs(30);

    fn tasks() -> (Tasks, CancellationToken) {
        let stop = CancellationToken::new();
        (Tasks::new(stop.clone()), stop)
    }

    async fn until(stop: CancellationToken) -> anyhow::Result<()> {
        stop.cancelled().await;
        Ok(())
    }

    fn text(result: anyhow::Result<()>) -> String {
        format!("{:#}", result.unwrap_err())
    }

    #[tokio::test]
    async fn a_task_that_fails_is_noticed_by_whoever_starts_more() {
        let stop = CancellationToken::new();
        let mut tasks = Tasks::new(stop.clone());
        tasks.spawn("good", async { Ok(()) });
        tasks.one_ended().await;
        assert!(!stop.is_cancelled());
        tasks.spawn("bad", async { Err(anyhow!("broken")) });
        tasks.one_ended().await;
        assert!(stop.is_cancelled());
        let failure = tasks.join(Duration::from_secs(1)).await.unwrap_err();
        assert!(format!("{failure:#}").contains("task `bad` failed"), "{failure:#}");
    }

    #[tokio::test]
    async fn no_tasks_are_joined_at_once() {
        tasks().0.join(GRACE).await.unwrap();
    }

    #[tokio::test]
    async fn a_task_that_ends_well_stops_nobody() {
        let (mut tasks, stop) = tasks();
        tasks.spawn("short", async { Ok(()) });
        tasks.join(GRACE).await.unwrap();
        assert!(!stop.is_cancelled());
    }

    #[tokio::test]
    async fn after_a_stop_every_task_is_awaited() {
        let (mut tasks, stop) = tasks();
        tasks.spawn("one", until(stop.clone()));
        tasks.spawn("two", until(stop.clone()));
        stop.cancel();
        tasks.join(GRACE).await.unwrap();
    }

    #[tokio::test]
    async fn the_first_error_stops_the_others_and_is_returned_with_its_name() {
        let (mut tasks, stop) = tasks();
        tasks.spawn("calm", until(stop.clone()));
        tasks.spawn("reader", async { Err(anyhow!("cut off")) });
        assert_eq!(text(tasks.join(GRACE).await), "task `reader` failed: cut off");
        assert!(stop.is_cancelled());
    }

    #[tokio::test]
    async fn a_panic_counts_as_a_failure() {
        let (mut tasks, stop) = tasks();
        tasks.spawn("calm", until(stop));
        tasks.spawn("wild", async { panic!("at the {}", "disco") });
        assert_eq!(text(tasks.join(GRACE).await), "task `wild` failed: panicked: at the disco");
    }

    #[tokio::test]
    async fn tasks_that_do_not_end_in_time_are_named() {
        let (mut tasks, stop) = tasks();
        tasks.spawn("stuck", pending());
        tasks.spawn("also stuck", pending());
        tasks.spawn("calm", until(stop.clone()));
        stop.cancel();
        let told = text(tasks.join(Duration::from_millis(50)).await);
        assert_eq!(told, "did not end within 50ms and were aborted: `also stuck`, `stuck`");
    }

    #[tokio::test]
    async fn a_failure_matters_more_than_what_did_not_end_after_it() {
        let (mut tasks, stop) = tasks();
        tasks.spawn("stuck", pending());
        tasks.spawn("reader", async { Err(anyhow!("cut off")) });
        let later = stop.clone();
        tasks.spawn("later", async move {
            later.cancelled().await;
            Err(anyhow!("too"))
        });
        assert_eq!(text(tasks.join(Duration::from_millis(50)).await), "task `reader` failed: cut off");
    }
}
