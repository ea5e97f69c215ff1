//! Headless Chromium: found on this machine, started with an empty profile, ended with the test.
//!
//! Knows: its program and its switches. Never: a profile of a person.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow};
use chromiumoxide::{Browser, BrowserConfig};
use futures_util::StreamExt;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::tab::Tab;

/// Names of its program, the first that is on PATH is taken.
const PROGRAMS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// Longest wait for it to start, and for one answer: the machine may be building beside it.
const ANSWER_WAIT: Duration = Duration::from_mins(1);

/// A running browser. Dropped, it ends.
#[derive(Debug)]
pub struct Chromium {
    browser: Browser,
    events: JoinHandle<()>,
    _profile: TempDir,
}

impl Chromium {
    /// Starts the browser of this machine.
    ///
    /// # Errors
    /// When there is none, or it does not start.
    pub async fn start() -> anyhow::Result<Self> {
        let program = program().ok_or_else(|| {
            anyhow!(
                "no browser on PATH ({}); on Debian: `apt-get install chromium`, or pass these tests over with \
                 `-E 'not package(browser)'`, as `./just test` does where there is none",
                PROGRAMS.join(", ")
            )
        })?;
        let profile = tempfile::tempdir()?;
        let config = BrowserConfig::builder()
            .chrome_executable(program)
            // Containers and root have no sandbox; the page is our own.
            .no_sandbox()
            .user_data_dir(profile.path())
            .window_size(1280, 800)
            .viewport(None)
            .launch_timeout(ANSWER_WAIT)
            .request_timeout(ANSWER_WAIT)
            .args(["disable-gpu", "disable-quic", "disable-component-update", "disable-domain-reliability"])
            .build()
            .map_err(|why| anyhow!(why))?;
        let (browser, mut handler) = Browser::launch(config).await.context("the browser does not start")?;
        let events = tokio::spawn(async move { while handler.next().await.is_some() {} });
        Ok(Self { browser, events, _profile: profile })
    }

    /// An empty tab of the size of a small screen, which remembers what it is complained of.
    ///
    /// # Errors
    /// When the browser does not open one.
    pub async fn tab(&self) -> anyhow::Result<Tab> {
        Tab::of(self.browser.new_page("about:blank").await?).await
    }

    /// Ends the browser and waits for its end.
    ///
    /// # Errors
    /// When it does not end.
    pub async fn close(mut self) -> anyhow::Result<()> {
        self.browser.close().await?;
        self.browser.wait().await?;
        self.events.await?;
        Ok(())
    }
}

/// The program of a browser, where there is one.
fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let all = PROGRAMS.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    all.into_iter().find(|file| file.is_file())
}
