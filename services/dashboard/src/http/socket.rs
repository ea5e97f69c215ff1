//! `/ws/live`: one client of the live stream.
//!
//! Knows: its connection, from the greeting to the last word. Never: another client.

use std::time::Duration;

use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade, close_code};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use chassis::clock;
use contract::time::Timestamp;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tracing::debug;

use super::App;
use super::answer::ApiError;
use super::limited_listener::ConnectionActivity;
use super::query_params::QueryParams;
use super::shares::Share;
use crate::live::{Subscriber, SubscriptionFilter};
use crate::view::event::Event;
use crate::view::json;
use crate::view::metrics::Metrics;
use crate::view::status::Status;

/// Longest message of a client, in bytes; it has nothing to say.
const MESSAGE_MAX: usize = 4 * 1024;
/// Most messages of a client in a second, pings and pongs among them.
const MESSAGES_MAX: u32 = 10;
/// How long a client may take for one message.
const SEND_MAX: Duration = Duration::from_secs(5);
/// How often a client is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// How long a client may be silent, pongs counted.
const SILENCE_MAX: Duration = Duration::from_secs(40);
/// Events shown at first.
const FIRST_EVENTS: usize = 50;
/// Events looked through for them, where several kinds are wanted.
const FIRST_LOOKED_AT: usize = 500;

/// Why a stream ends, as the client is told.
struct Farewell {
    code: u16,
    reason: &'static str,
}

#[derive(Serialize)]
struct Snapshot<'a> {
    r#type: &'static str,
    at: Timestamp,
    events: Vec<Event<'a>>,
    metrics: Metrics,
    status: Status,
}

/// Opens a live stream.
pub(crate) async fn live(
    State(app): State<App>,
    ConnectInfo(visit): ConnectInfo<ConnectionActivity>,
    uri: Uri,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    if !is_own_page(&headers) {
        return Err(ApiError::new(StatusCode::FORBIDDEN, "this page may not listen here: foreign Origin"));
    }
    let mut wish = wish(&uri)?;
    if let Some(token_id) = &wish.token_id {
        wish.market_of_token = app.board.with(|fold| fold.market_of(token_id));
    }
    let upgrade = upgrade.map_err(|odd| {
        let status = odd.into_response().status();
        ApiError::new(status, "this is a WebSocket: open it with one")
    })?;
    let share = app.shares.take(visit.address).ok_or_else(|| too_many(app.shares.most()))?;
    let full =
        || ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "all live streams are taken; try again later");
    let place = app.places.clone().try_acquire_owned().map_err(|_| full())?;
    let upgrade = upgrade.max_message_size(MESSAGE_MAX).max_frame_size(MESSAGE_MAX);
    let streams = app.streams.clone();
    let held = (place, share);
    Ok(upgrade.on_upgrade(move |socket| streams.track_future(attend(app, socket, wish, held))))
}

fn too_many(most: usize) -> ApiError {
    let error = format!(
        "this address holds its share of {most} live streams: close some, or raise DASHBOARD_STREAMS_PER_ADDRESS"
    );
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, error)
}

/// A browser says which page opens a socket: only our own may. Programs say nothing, and may.
fn is_own_page(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let of_origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    // Behind a proxy that speaks TLS for us the page has `https`; nothing else serves our page.
    let is_web = |scheme: &str| scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https");
    let of_origin = of_origin.filter(|(scheme, _)| is_web(scheme)).map(|(_, host)| host);
    of_origin.zip(host).is_some_and(|(ours, theirs)| ours.eq_ignore_ascii_case(theirs))
}

fn wish(uri: &Uri) -> Result<SubscriptionFilter, ApiError> {
    let asked = QueryParams::of(uri, &["kinds", "token_id", "condition_id", "token"])?;
    let mut wish = SubscriptionFilter::default();
    if let Some(words) = asked.text("kinds") {
        let told = || format!("`kinds` must be some of {}, joined by commas", crate::live::KINDS);
        wish = wish.of_kinds(words).ok_or_else(|| ApiError::bad(told()))?;
    }
    wish.token_id = asked.token_id()?;
    wish.condition_id = asked.condition_id("condition_id")?;
    Ok(wish)
}

/// Serves one client until it goes, is too slow, or the process stops.
async fn attend(
    app: App,
    mut socket: WebSocket,
    wish: SubscriptionFilter,
    held: (OwnedSemaphorePermit, Share),
) {
    app.metrics.clients.inc();
    let farewell = stream(&app, &mut socket, wish).await;
    if let Some(Farewell { code, reason }) = farewell {
        let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
        // The client may be gone already; then nobody waits for a last word.
        let _ = timeout(SEND_MAX, socket.send(close)).await;
        debug!(code, "a live stream ended: {reason}");
    }
    app.metrics.clients.dec();
    drop(held);
}

/// Sends what comes; gives the last word, or none when the client went by itself.
async fn stream(app: &App, socket: &mut WebSocket, wish: SubscriptionFilter) -> Option<Farewell> {
    // Listening begins before the first picture is taken, so that nothing falls between the two.
    let mut frames = app.board.hub().listen();
    let (snapshot, mut watcher) = first(app, wish);
    if let Err(farewell) = send(socket, Message::Text(snapshot)).await {
        return farewell;
    }
    let mut pings = interval(PING_EVERY);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut manners = Manners { heard_at: Instant::now(), second: Instant::now(), messages: 0 };
    loop {
        let texts = tokio::select! {
            frame = frames.recv() => match frame {
                Ok(frame) => watcher.texts(&frame),
                // What was lost is counted by the numbers of the events that do come.
                Err(RecvError::Lagged(_)) => Vec::new(),
                Err(RecvError::Closed) => return Some(GOING_AWAY),
            },
            message = socket.recv() => match manners.judge(message.as_ref()) {
                Ok(()) => Vec::new(),
                Err(farewell) => return farewell,
            },
            _ = pings.tick() => {
                if manners.heard_at.elapsed() > SILENCE_MAX {
                    return Some(Farewell { code: close_code::POLICY, reason: "no pong for 40 s" });
                }
                if let Err(farewell) = send(socket, Message::Ping("".into())).await {
                    return farewell;
                }
                Vec::new()
            }
            () = app.stop.cancelled() => return Some(GOING_AWAY),
        };
        app.metrics.lagged.inc_by(watcher.take_missed());
        for text in texts {
            if let Err(farewell) = send(socket, Message::Text(text)).await {
                return farewell;
            }
        }
    }
}

const GOING_AWAY: Farewell = Farewell { code: close_code::AWAY, reason: "the dashboard stops" };

/// The first picture, and the place in the stream behind it.
fn first(app: &App, wish: SubscriptionFilter) -> (Utf8Bytes, Subscriber) {
    let now: Timestamp = clock::now().into();
    let mut first = app.board.first(&wish.filter(), FIRST_LOOKED_AT);
    first.page.events.retain(|event| wish.takes_kind(event.kind));
    first.page.events.truncate(FIRST_EVENTS);
    let (metrics, status) =
        app.board.with(|fold| (Metrics::of(fold, now), Status::of(fold, app.durability, now)));
    let events = Event::all(&first.page.events);
    let text = json(&Snapshot { r#type: "snapshot", at: now, events, metrics, status });
    (text.into(), Subscriber::new(wish, first.cut))
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), Option<Farewell>> {
    match timeout(SEND_MAX, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(None),
        Err(_) => Err(Some(Farewell { code: close_code::AGAIN, reason: "too slow: nothing taken for 5 s" })),
    }
}

/// How a client behaves.
struct Manners {
    heard_at: Instant,
    second: Instant,
    messages: u32,
}

impl Manners {
    /// Judges what a client said: it may say little, and nothing of what it says matters.
    fn judge(&mut self, message: Option<&Result<Message, axum::Error>>) -> Result<(), Option<Farewell>> {
        match message {
            Some(Ok(Message::Close(_))) | None => return Err(None),
            Some(Ok(_)) => {}
            Some(Err(_)) => {
                let reason = "messages have at most 4 kB of correct WebSocket";
                return Err(Some(Farewell { code: close_code::SIZE, reason }));
            }
        }
        let now = Instant::now();
        self.heard_at = now;
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.messages) = (now, 0);
        }
        self.messages += 1;
        if self.messages > MESSAGES_MAX {
            return Err(Some(Farewell {
                code: close_code::POLICY,
                reason: "more than 10 messages a second",
            }));
        }
        Ok(())
    }
}
