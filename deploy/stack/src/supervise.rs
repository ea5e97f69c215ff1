//! Keeps children running, and ends them in order.
//!
//! Knows: children, their exits, waits and stages. Never: which programs they are.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep, sleep_until};

use crate::backoff::Backoff;
use crate::fault::Fault;
use crate::launch::{Launch, Process};
use crate::log;
use crate::process_registry::{ProcessRegistry, Record};

/// News not yet told; more than this at a time are dropped, since the logs have them all.
const NEWS_MAX: usize = 256;
/// How often the size of a log is looked at.
const LOG_LOOK_EVERY: Duration = Duration::from_secs(2);

/// A child and its place in the order of stopping.
#[derive(Clone, Debug)]
pub struct Child {
    /// How to start it.
    pub launch: Launch,
    /// Children of the highest stage are stopped first, those of one stage together.
    pub stage: u8,
}

/// What happened to a child.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum News {
    /// It was started.
    Started {
        /// Its name.
        name: String,
        /// Its number.
        pid: u32,
    },
    /// It ended, or could not be started, without having been asked to.
    Ended {
        /// Its name.
        name: String,
        /// How, in words.
        how: String,
        /// When it is started again.
        again_in: Duration,
    },
    /// It ended again and again.
    CrashLoop {
        /// Its name.
        name: String,
        /// How it ended last, in words.
        how: String,
        /// Last line of its log.
        last_line: String,
    },
}

/// The children that are kept running.
#[derive(Debug)]
pub struct Supervisor {
    began: Instant,
    book: Arc<ProcessRegistry>,
    sender: mpsc::Sender<News>,
    news: mpsc::Receiver<News>,
    kept: Vec<Kept>,
}

#[derive(Debug)]
struct Kept {
    stage: u8,
    /// Once set, the child must be gone by then.
    gone_by: watch::Sender<Option<Instant>>,
    task: JoinHandle<()>,
}

/// One child's task.
struct Keeper {
    launch: Launch,
    began: Instant,
    book: Arc<ProcessRegistry>,
    news: mpsc::Sender<News>,
    gone_by: watch::Receiver<Option<Instant>>,
}

// === impl Supervisor ===

impl Supervisor {
    /// A supervisor without children that notes them in `book`.
    pub fn new(book: ProcessRegistry) -> Self {
        let (sender, news) = mpsc::channel(NEWS_MAX);
        Self { began: Instant::now(), book: Arc::new(book), sender, news, kept: Vec::new() }
    }

    /// Starts `child` and keeps it running. Its log of an earlier run is moved aside.
    ///
    /// # Errors
    /// When its log cannot be moved. A program that cannot be started is told as [`News`].
    pub fn start(&mut self, child: Child) -> Result<(), Fault> {
        log::rotate(&child.launch.log)?;
        let (gone_by, asked) = watch::channel(None);
        let keeper = Keeper {
            launch: child.launch,
            began: self.began,
            book: Arc::clone(&self.book),
            news: self.sender.clone(),
            gone_by: asked,
        };
        self.kept.push(Kept { stage: child.stage, gone_by, task: tokio::spawn(keeper.keep()) });
        Ok(())
    }

    /// The next news; waits for it.
    pub async fn news(&mut self) -> News {
        match self.news.recv().await {
            Some(news) => news,
            // Never so, since the supervisor itself holds a sender.
            None => std::future::pending().await,
        }
    }

    /// Stops every child, stage by stage from the highest, all within `budget`: each stage may use
    /// an even share of what is left, then it is killed. May be called again, also after it was
    /// cancelled, with a smaller budget; zero kills at once.
    pub async fn stop(&mut self, budget: Duration) {
        let deadline = Instant::now() + budget;
        while let Some(stage) = self.kept.iter().map(|kept| kept.stage).max() {
            let mut stages: Vec<u8> = self.kept.iter().map(|kept| kept.stage).collect();
            stages.sort_unstable();
            stages.dedup();
            let left = deadline.saturating_duration_since(Instant::now());
            let share = left / u32::try_from(stages.len()).unwrap_or(u32::MAX);
            let gone_by = Instant::now() + share;
            for kept in self.kept.iter().filter(|kept| kept.stage == stage || budget.is_zero()) {
                kept.gone_by.send_replace(Some(gone_by));
            }
            while let Some(at) = self.kept.iter().position(|kept| kept.stage == stage) {
                // Awaited in place, so that a cancelled stop finds the task again.
                let ended = (&mut self.kept[at].task).await;
                debug_assert!(ended.is_ok(), "a keeper panicked");
                self.kept.swap_remove(at);
            }
        }
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        // An aborted task drops its process, which stops it.
        for kept in &self.kept {
            kept.task.abort();
        }
    }
}

// === impl Keeper ===

impl Keeper {
    async fn keep(mut self) {
        let mut backoff = Backoff::default();
        while self.gone_by.borrow().is_none() {
            let started = Instant::now();
            let how = match self.launch.spawn() {
                Ok(process) => match self.attend(process).await {
                    Some(how) => how,
                    None => return,
                },
                Err(fault) => fault.chain(),
            };
            let outlook = backoff.after_exit(self.began.elapsed(), started.elapsed());
            let name = self.launch.name.clone();
            if outlook.looping {
                let last_line = log::last_line(&self.launch.log);
                self.tell(News::CrashLoop { name, how, last_line });
            } else {
                self.tell(News::Ended { name, how, again_in: outlook.wait });
            }
            tokio::select! {
                () = sleep(outlook.wait) => {}
                _ = self.gone_by.changed() => {}
            }
        }
    }

    /// Stays with a running process: how it ended by itself, or `None` once it was stopped.
    async fn attend(&mut self, mut process: Process) -> Option<String> {
        let pid = process.pid();
        if let Some(record) = Record::of(&self.launch.name, pid, self.launch.stop_by) {
            self.note(self.book.add(record));
        }
        self.tell(News::Started { name: self.launch.name.clone(), pid });
        let mut look = interval(LOG_LOOK_EVERY);
        let how = loop {
            tokio::select! {
                status = process.wait() => break Some(in_words(status)),
                changed = self.gone_by.changed() => {
                    if changed.is_ok() {
                        self.end(&mut process).await;
                    }
                    break None;
                }
                _ = look.tick() => self.note(log::cap(&self.launch.log, log::SIZE_MAX_BYTES)),
            }
        };
        process.sweep();
        self.note(self.book.strike(pid));
        how
    }

    /// Asks the process to stop and kills it at the time set, which may be moved meanwhile.
    async fn end(&mut self, process: &mut Process) {
        process.ask();
        loop {
            let gone_by = self.gone_by.borrow().unwrap_or_else(Instant::now);
            tokio::select! {
                _ = process.wait() => return,
                () = sleep_until(gone_by) => {
                    process.kill().await;
                    return;
                }
                changed = self.gone_by.changed() => {
                    if changed.is_err() {
                        process.kill().await;
                        return;
                    }
                }
            }
        }
    }

    /// What the bookkeeping could not do is told like an exit would be, but stops nothing.
    fn note(&self, done: Result<(), Fault>) {
        if let Err(fault) = done {
            let (name, how) = (self.launch.name.clone(), fault.chain());
            self.tell(News::Ended { name, how, again_in: Duration::ZERO });
        }
    }

    fn tell(&self, news: News) {
        // A full queue means that nobody listens at the moment; the logs have it all.
        drop(self.news.try_send(news));
    }
}

fn in_words(status: Option<ExitStatus>) -> String {
    status.map_or_else(|| "ended".to_owned(), |status| status.to_string())
}
