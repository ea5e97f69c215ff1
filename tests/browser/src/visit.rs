//! A visit: a running world, a browser, and the page of the one open in the other.
//!
//! Knows: where the page is served, and that it was built. Never: a page without a system behind it.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::ensure;
use e2e::{Settings, World, eventually};
use serde_json::Value;

use crate::chromium::Chromium;
use crate::tab::{Tab, quoted};

/// A world and who looks at it.
#[derive(Debug)]
pub struct Visit {
    /// What is looked at.
    pub world: World,
    /// Where it is looked at.
    pub tab: Tab,
    address: SocketAddr,
    chromium: Chromium,
}

impl Visit {
    /// Starts both, and opens the page; the venue is silent yet.
    ///
    /// # Errors
    /// When the dashboard carries no page, or the browser does not start.
    pub async fn begin(settings: Settings) -> anyhow::Result<Self> {
        let chromium = Chromium::start().await?;
        let world = World::start(settings).await;
        let address = world.metrics_address("dashboard");
        let tab = chromium.tab().await?;
        let visit = Self { world, tab, address, chromium };
        visit.open("").await?;
        let is_built: bool = visit.tab.ask("document.getElementById('page') !== null").await;
        ensure!(
            is_built,
            "the dashboard serves its plain page: run services/dashboard/web/build.sh, then build anew"
        );
        visit.tab.sees("body[data-link=live] #verdict[data-state=trustworthy]").await;
        Ok(visit)
    }

    /// Opens a place of the page, as `#/markets?q=x`, from nothing.
    ///
    /// # Errors
    /// When the page does not load.
    pub async fn open(&self, place: &str) -> anyhow::Result<()> {
        // The same address with another place behind `#` would not be loaded.
        self.tab.open("about:blank").await?;
        self.tab.open(&format!("http://{}/{place}", self.address)).await
    }

    /// Goes to a view by its link.
    ///
    /// # Errors
    /// When it cannot be clicked on.
    pub async fn go(&self, view: &str) -> anyhow::Result<()> {
        self.tab.click(&format!("nav a[data-view={view}]")).await?;
        self.tab.sees(&format!("main[data-view={view}] [data-panel]")).await;
        Ok(())
    }

    /// Bytes that went over the line for the page as it stands, without what the API answered.
    pub async fn first_load(&self) -> u64 {
        self.tab
            .ask(
                "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]\
                 .filter(({ name }) => !new URL(name).pathname.startsWith('/api/'))\
                 .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0)",
            )
            .await
    }

    /// What the API answers this browser.
    pub async fn api(&self, path: &str) -> Value {
        self.tab.ask(&format!("fetch({}).then((answer) => answer.json())", quoted(path))).await
    }

    /// Waits until the page shows what it is to show. Both are read until they agree: between two looks either may
    /// have gone on.
    ///
    /// # Panics
    /// When they still differ after half a minute, with what differs.
    pub async fn agrees(&self, what: &str, mut differs: impl AsyncFnMut(&Self) -> Vec<String>) {
        eventually(what, crate::tab::SHOWN_WITHIN, async || {
            let all = differs(self).await;
            if all.is_empty() { Ok(()) } else { Err(all.join("\n")) }
        })
        .await;
    }

    /// Waits until everything that the venue sent is stored.
    ///
    /// # Panics
    /// When it is not after a minute and a half.
    pub async fn at_rest(&self) {
        eventually("everything sent is stored", Duration::from_secs(90), async || {
            self.world.account().await.balanced().map_err(|word| format!("{word}\n{}", self.world.logs()))
        })
        .await;
    }

    /// Every address that the browser asked for beside those of the dashboard.
    pub fn strangers(&self) -> Vec<String> {
        let ours = [format!("http://{}/", self.address), format!("ws://{}/", self.address)];
        let is_ours = |url: &String| {
            url.starts_with("data:")
                || url == "about:blank"
                || ours.iter().any(|start| url.starts_with(start.as_str()))
        };
        self.tab.requests().into_iter().filter(|url| !is_ours(url)).collect()
    }

    /// Ends the browser, then the world.
    ///
    /// # Errors
    /// When the browser does not end.
    pub async fn end(self) -> anyhow::Result<()> {
        self.chromium.close().await
    }
}
