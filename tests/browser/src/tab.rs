//! One tab: goes, looks, waits, presses keys, and keeps what the browser had to complain of.
//!
//! Knows: the browser's protocol. Never: a click that no person could make.

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use chromiumoxide::Page;
use chromiumoxide::cdp::browser_protocol::emulation::{
    MediaFeature, SetDeviceMetricsOverrideParams, SetEmulatedMediaParams,
};
use chromiumoxide::cdp::browser_protocol::input::{DispatchKeyEventParams, DispatchKeyEventType};
use chromiumoxide::cdp::browser_protocol::log::EventEntryAdded;
use chromiumoxide::cdp::browser_protocol::network::{
    EventRequestWillBeSent, EventWebSocketCreated, EventWebSocketFrameReceived,
};
use chromiumoxide::cdp::browser_protocol::page::CaptureScreenshotFormat;
use chromiumoxide::cdp::js_protocol::runtime::{EvaluateParams, EventConsoleApiCalled, EventExceptionThrown};
use chromiumoxide::cdp::{IntoEventKind, js_protocol};
use chromiumoxide::keys::get_key_definition;
use chromiumoxide::page::ScreenshotParams;
use e2e::eventually;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Longest wait for the page to show something.
pub const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// Longest part of an expression that is repeated where it fails, in letters.
const SAID_MAX: usize = 400;

/// Bit of the Shift key in the protocol.
const SHIFT: i64 = 8;

/// Dark or light.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Theme {
    /// Dark letters on light ground.
    Light,
    /// Light letters on dark ground.
    Dark,
}

/// A tab of the browser.
#[derive(Debug)]
pub struct Tab {
    page: Page,
    complaints: Notes,
    requests: Notes,
    frames: Notes,
}

type Notes = Arc<Mutex<Vec<String>>>;

impl Tab {
    pub(crate) async fn of(page: Page) -> anyhow::Result<Self> {
        let tab =
            Self { complaints: Notes::default(), requests: Notes::default(), frames: Notes::default(), page };
        tab.page.enable_log().await?;
        tab.page.enable_runtime().await?;
        tab.page.execute(chromiumoxide::cdp::browser_protocol::network::EnableParams::default()).await?;
        let complaints = &tab.complaints;
        tab.note(complaints, |event: &EventExceptionThrown| Some(format!("{:?}", event.exception_details)))
            .await?;
        tab.note(complaints, |event: &EventConsoleApiCalled| {
            use js_protocol::runtime::ConsoleApiCalledType::{Assert, Error, Warning};
            let is_bad = matches!(event.r#type, Error | Warning | Assert);
            is_bad.then(|| format!("console: {:?}", event.args))
        })
        .await?;
        tab.note(complaints, |event: &EventEntryAdded| {
            Some(format!("{:?}: {} {:?}", event.entry.level, event.entry.text, event.entry.url))
        })
        .await?;
        tab.note(&tab.requests, |event: &EventRequestWillBeSent| Some(event.request.url.clone())).await?;
        tab.note(&tab.requests, |event: &EventWebSocketCreated| Some(event.url.clone())).await?;
        tab.note(&tab.frames, |event: &EventWebSocketFrameReceived| {
            Some(event.timestamp.inner().to_string())
        })
        .await?;
        tab.size(1280, 800).await?;
        Ok(tab)
    }

    /// Goes to an address, and waits until it is loaded.
    ///
    /// # Errors
    /// When nobody answers there.
    pub async fn open(&self, address: &str) -> anyhow::Result<()> {
        self.page.goto(address).await.with_context(|| format!("{address} does not open"))?;
        Ok(())
    }

    /// Loads the page anew.
    ///
    /// # Errors
    /// When that cannot be done.
    pub async fn reload(&self) -> anyhow::Result<()> {
        self.page.reload().await?;
        Ok(())
    }

    /// What an expression comes to; a promise is waited for. It runs as by hand in the console, so the policy of
    /// the page is not in its way.
    ///
    /// # Panics
    /// When it throws, or comes to something else than was expected.
    pub async fn ask<T: DeserializeOwned>(&self, expression: &str) -> T {
        let params = EvaluateParams::builder()
            .expression(expression)
            .await_promise(true)
            .return_by_value(true)
            .build()
            .expect("an expression is all it needs");
        let short: String = expression.chars().take(SAID_MAX).collect();
        let told = self.page.evaluate(params).await.unwrap_or_else(|error| panic!("{short}: {error}"));
        let value = told.value().cloned().unwrap_or(Value::Null);
        serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{short}: {error}: {value}"))
    }

    /// Waits until an expression is true.
    ///
    /// # Panics
    /// When it is still not after half a minute.
    pub async fn until(&self, expression: &str) {
        self.within(SHOWN_WITHIN, expression).await;
    }

    /// Waits until an expression is true.
    ///
    /// # Panics
    /// When it is still not after `limit`.
    pub async fn within(&self, limit: Duration, expression: &str) {
        eventually(expression, limit, async || {
            if self.ask::<bool>(&format!("Boolean({expression})")).await {
                return Ok(());
            }
            let where_now: String = self.ask("location.href + ' ' + document.body.innerText").await;
            Err(where_now)
        })
        .await;
    }

    /// Waits until there is an element.
    ///
    /// # Panics
    /// When there is none after half a minute.
    pub async fn sees(&self, selector: &str) {
        self.until(&format!("document.querySelector({})", quoted(selector))).await;
    }

    /// An attribute of the first such element; empty where there is none.
    pub async fn attribute(&self, selector: &str, name: &str) -> String {
        let (selector, name) = (quoted(selector), quoted(name));
        self.ask(&format!("document.querySelector({selector})?.getAttribute({name}) ?? ''")).await
    }

    /// The words of the first such element; empty where there is none.
    pub async fn words(&self, selector: &str) -> String {
        self.ask(&format!("document.querySelector({})?.innerText ?? ''", quoted(selector))).await
    }

    /// How many such elements there are.
    pub async fn count(&self, selector: &str) -> usize {
        self.ask(&format!("document.querySelectorAll({}).length", quoted(selector))).await
    }

    /// Clicks on the middle of an element, once it is there.
    ///
    /// # Errors
    /// When it cannot be clicked on.
    pub async fn click(&self, selector: &str) -> anyhow::Result<()> {
        self.sees(selector).await;
        let element = self.page.find_element(selector).await.with_context(|| selector.to_owned())?;
        element.click().await.with_context(|| selector.to_owned())?;
        Ok(())
    }

    /// Chooses in a list of words as by keyboard: the focus, then the word's letters.
    ///
    /// # Errors
    /// When the word has a letter that no key has.
    pub async fn choose(&self, selector: &str, word: &str) -> anyhow::Result<()> {
        self.sees(selector).await;
        let () = self.ask(&format!("document.querySelector({}).focus()", quoted(selector))).await;
        self.write(word).await
    }

    /// Presses a key, as `Tab`, `Shift+Tab`, `PageDown` or `a`, wherever the focus is.
    ///
    /// # Errors
    /// When there is no such key.
    pub async fn press(&self, key: &str) -> anyhow::Result<()> {
        let (modifiers, name) = key.strip_prefix("Shift+").map_or((0, key), |name| (SHIFT, name));
        let known = get_key_definition(name).ok_or_else(|| anyhow!("no key `{name}`"))?;
        let text = known.text.or((known.key.len() == 1).then_some(known.key));
        let event = |kind: DispatchKeyEventType, text: Option<&str>| {
            let mut event = DispatchKeyEventParams::builder()
                .r#type(kind)
                .key(known.key)
                .code(known.code)
                .windows_virtual_key_code(known.key_code)
                .native_virtual_key_code(known.key_code)
                .modifiers(modifiers);
            if let Some(text) = text {
                event = event.text(text);
            }
            event.build().map_err(|why| anyhow!(why))
        };
        let down =
            if text.is_some() { DispatchKeyEventType::KeyDown } else { DispatchKeyEventType::RawKeyDown };
        self.page.execute(event(down, text)?).await?;
        self.page.execute(event(DispatchKeyEventType::KeyUp, None)?).await?;
        Ok(())
    }

    /// Presses the keys of a text one after the other.
    ///
    /// # Errors
    /// When there is no such key.
    pub async fn write(&self, text: &str) -> anyhow::Result<()> {
        for letter in text.chars() {
            self.press(&letter.to_string()).await?;
        }
        Ok(())
    }

    /// Presses Tab until the focus is on such an element.
    ///
    /// # Errors
    /// When it is not within 80 steps.
    pub async fn tab_to(&self, selector: &str) -> anyhow::Result<()> {
        for _ in 0..80 {
            if self.has_focus(selector).await {
                return Ok(());
            }
            self.press("Tab").await?;
        }
        let at: String = self.ask("document.activeElement?.outerHTML.slice(0, 200) ?? ''").await;
        Err(anyhow!("Tab does not reach `{selector}`; it stands at {at}"))
    }

    /// Whether the focus is on such an element.
    pub async fn has_focus(&self, selector: &str) -> bool {
        self.ask(&format!("document.activeElement?.matches({}) ?? false", quoted(selector))).await
    }

    /// Gives the tab another size; narrower than 600 it is a phone.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn size(&self, width: i64, height: i64) -> anyhow::Result<()> {
        let metrics = SetDeviceMetricsOverrideParams::new(width, height, 1.0, width < 600);
        self.page.execute(metrics).await?;
        Ok(())
    }

    /// What the system of the reader prefers.
    ///
    /// # Errors
    /// When the browser refuses.
    pub async fn theme(&self, theme: Theme) -> anyhow::Result<()> {
        let feature = MediaFeature::new(
            "prefers-color-scheme",
            match theme {
                Theme::Light => "light",
                Theme::Dark => "dark",
            },
        );
        self.page.execute(SetEmulatedMediaParams::builder().feature(feature).build()).await?;
        Ok(())
    }

    /// Writes what is to be seen to where the pictures of a run lie: `.local/screenshots`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn picture(&self, name: &str) -> anyhow::Result<()> {
        let folder = pictures();
        std::fs::create_dir_all(&folder)?;
        let params = ScreenshotParams::builder().format(CaptureScreenshotFormat::Png).build();
        self.page.save_screenshot(params, folder.join(format!("{name}.png"))).await?;
        Ok(())
    }

    /// The protocol itself, for what only one place needs.
    pub fn page(&self) -> &Page {
        &self.page
    }

    /// Errors, warnings and exceptions so far.
    pub fn complaints(&self) -> Vec<String> {
        read(&self.complaints)
    }

    /// Every address that was asked so far.
    pub fn requests(&self) -> Vec<String> {
        read(&self.requests)
    }

    /// When each message of the WebSocket came, by the clock of the browser.
    pub fn frames(&self) -> Vec<Duration> {
        let seconds = |at: &String| Duration::try_from_secs_f64(at.parse().ok()?).ok();
        read(&self.frames).iter().filter_map(seconds).collect()
    }

    async fn note<E: IntoEventKind + Debug + Unpin>(
        &self,
        notes: &Notes,
        word: fn(&E) -> Option<String>,
    ) -> anyhow::Result<()> {
        let mut events = self.page.event_listener::<E>().await?;
        let notes = Arc::clone(notes);
        tokio::spawn(async move {
            while let Some(event) = events.next().await {
                notes.lock().unwrap_or_else(PoisonError::into_inner).extend(word(&event));
            }
        });
        Ok(())
    }
}

fn read(notes: &Notes) -> Vec<String> {
    notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

/// A text as JavaScript writes it.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Where the pictures of a run lie.
fn pictures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.local/screenshots")
}
