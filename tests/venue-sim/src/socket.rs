//! One client's WebSocket on the market channel.
//!
//! Knows: the handshake, PING and PONG, closing, writing in batches. Never: what the frames say.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::{Message, WebSocket};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::Manners;
use crate::clock;
use crate::hub::Outgoing;
use crate::ledger::Marks;
use crate::opening::{Books, Opening, Wish};
use crate::shared::Shared;

/// Close code of the venue for a client that breaks the rules.
const POLICY: u16 = 1008;
/// The answer to a first message that is repeated (protocol reference 7, finding 7).
const NOT_UNDERSTOOD: &str = "INVALID OPERATION";
/// Close code of a server that met an error of its own.
const INTERNAL: u16 = 1011;
/// What the venue says to a first message that is no subscription, and to any it cannot read.
const INVALID: &str = "invalid subscription payload";
/// What the venue says to a client that stopped its PING.
const NO_PING: &str = "no ping received";
/// Frames written between two flushes: enough to fill several network packets.
const BATCH: usize = 256;
/// A client that takes nothing for so long is gone.
const WRITE_LIMIT: Duration = Duration::from_secs(10);
/// How long a client may take to answer a close frame.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// What was written so shortly before a socket broke may never have been read.
const DOUBT: Duration = Duration::from_secs(2);
/// Batches remembered for that doubt; at one batch per flush far more than two seconds hold.
const DOUBTED_MAX: usize = 20_000;

/// A message of a client.
#[derive(Debug, Deserialize)]
struct Request {
    #[serde(rename = "type")]
    kind: Option<String>,
    operation: Option<String>,
    assets_ids: Option<Vec<String>>,
    custom_feature_enabled: Option<bool>,
    initial_dump: Option<bool>,
}

/// How reading a socket ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Ending {
    /// It must be closed with this code and reason.
    Fault(u16, &'static str),
    /// A close frame came, of the client's own accord or as an answer to ours.
    Closed,
    /// It broke, or was cut.
    Broken,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Obeyed {
    /// The first message once more.
    Repeated,
    /// What it asked.
    Done,
    /// It asks for nothing known.
    Invalid,
    /// It names a token at which this venue breaks.
    Poisoned,
}

/// Serves one client until either side ends it.
pub(crate) async fn serve(socket: WebSocket, shared: Arc<Shared>) {
    let (sink, mut stream) = socket.split();
    let (queue, waiting) = mpsc::channel(shared.limits.queue_frames);
    let cut = shared.stop.child_token();
    let id = shared.venue().hub.enter(queue, cut.clone());
    shared.alive.send_modify(|alive| {
        alive.insert(id);
    });
    let writer = tokio::spawn(write(sink, waiting, cut.clone(), Arc::clone(&shared)));
    let mut ending = read(&mut stream, id, &shared, &cut).await;
    if let Ending::Fault(code, reason) = ending {
        shared.venue().hub.close(id, code, reason);
        let answered = timeout(CLOSE_LIMIT, answered(&mut stream)).await;
        ending = if answered == Ok(true) { Ending::Closed } else { Ending::Broken };
    }
    shared.venue().hub.leave(id);
    cut.cancel();
    let written = writer.await.unwrap_or_default();
    // Whoever answers our close frame has read all that was written before it.
    if !(ending == Ending::Closed && written.closed) {
        shared.ledger.mark_doubtful(written.recent.into_iter().map(|(_, marks)| marks));
    }
    shared.alive.send_modify(|alive| {
        alive.remove(&id);
    });
}

async fn read(
    stream: &mut SplitStream<WebSocket>,
    id: u64,
    shared: &Arc<Shared>,
    cut: &CancellationToken,
) -> Ending {
    let mut subscribed = false;
    let mut heard_at = Instant::now();
    loop {
        let left = match shared.limits.manners {
            Manners::Lenient => Duration::MAX,
            Manners::Strict => shared.limits.ping_timeout.saturating_sub(heard_at.elapsed()),
        };
        let next = tokio::select! {
            () = cut.cancelled() => return Ending::Broken,
            next = timeout(left, stream.next()) => next,
        };
        let text = match next {
            Err(_) => return Ending::Fault(POLICY, NO_PING),
            Ok(None | Some(Err(_))) => return Ending::Broken,
            Ok(Some(Ok(Message::Close(_)))) => return Ending::Closed,
            // A ping of the WebSocket layer does not count, and binary frames are not understood.
            Ok(Some(Ok(Message::Ping(_) | Message::Pong(_)))) => continue,
            Ok(Some(Ok(Message::Binary(_)))) => return Ending::Fault(POLICY, INVALID),
            Ok(Some(Ok(Message::Text(text)))) => text,
        };
        if text.as_str() == "PING" {
            if !subscribed {
                return Ending::Fault(POLICY, INVALID);
            }
            heard_at = Instant::now();
            shared.venue().hub.answer(id, Message::text("PONG"), Marks::default(), false);
            continue;
        }
        match obey(&text, id, shared, subscribed) {
            Obeyed::Done => subscribed = true,
            Obeyed::Repeated if shared.limits.manners == Manners::Strict => {
                return Ending::Fault(POLICY, INVALID);
            }
            Obeyed::Repeated => {
                shared.venue().hub.answer(id, Message::text(NOT_UNDERSTOOD), Marks::default(), false);
            }
            Obeyed::Invalid => return Ending::Fault(POLICY, INVALID),
            Obeyed::Poisoned => return Ending::Fault(INTERNAL, ""),
        }
    }
}

/// Does what a message asks.
fn obey(text: &str, id: u64, shared: &Arc<Shared>, subscribed: bool) -> Obeyed {
    let Ok(request) = serde_json::from_str::<Request>(text) else { return Obeyed::Invalid };
    let Some(tokens) = request.assets_ids else { return Obeyed::Invalid };
    let mut venue = shared.venue();
    match (request.kind.as_deref(), request.operation.as_deref(), subscribed) {
        (Some("market"), None, false) | (None, Some("subscribe"), true) => {
            if venue.ailments.is_poisoned(&tokens) {
                return Obeyed::Poisoned;
            }
            venue.hub.set_custom(id, request.custom_feature_enabled);
            let wish = Wish { tokens, opening_books: request.initial_dump.unwrap_or(true) };
            match venue.subscribe(id, &wish, shared.limits.books_max, clock::now_ms()) {
                Opening::Queued => {}
                // Nothing will be written that could tell that this client is ready.
                Opening::Nothing => drop(shared.opened.send_replace(true)),
                Opening::Late(books) => {
                    // What happens from here on must overtake the books.
                    shared.opened.send_replace(true);
                    bring_later(shared, id, books, Duration::from_millis(venue.dump_lag_ms));
                }
            }
        }
        (None, Some("unsubscribe"), true) => venue.unsubscribe(id, &tokens),
        (Some("market"), None, true) => return Obeyed::Repeated,
        _ => return Obeyed::Invalid,
    }
    Obeyed::Done
}

/// Queues opening books after their lag, unless everything ends before.
fn bring_later(shared: &Arc<Shared>, id: u64, books: Books, lag: Duration) {
    let later = Arc::clone(shared);
    shared.tasks.spawn(async move {
        tokio::select! {
            () = later.stop.cancelled() => {}
            () = tokio::time::sleep(lag) => later.venue().bring(id, books, clock::now_ms()),
        }
    });
}

/// Whether the client answers our close frame before it goes.
async fn answered(stream: &mut SplitStream<WebSocket>) -> bool {
    while let Some(Ok(message)) = stream.next().await {
        if matches!(message, Message::Close(_)) {
            return true;
        }
    }
    false
}

/// What a writer leaves behind.
#[derive(Debug, Default)]
struct Written {
    /// What was written in the last moments.
    recent: VecDeque<(Instant, Marks)>,
    /// A close frame was written last.
    closed: bool,
}

async fn write(
    mut sink: SplitSink<WebSocket, Message>,
    mut waiting: mpsc::Receiver<Outgoing>,
    cut: CancellationToken,
    shared: Arc<Shared>,
) -> Written {
    let mut written = Written::default();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let got = tokio::select! {
            biased;
            () = cut.cancelled() => 0,
            got = waiting.recv_many(&mut batch, BATCH) => got,
        };
        if got == 0 {
            return written;
        }
        let sending = timeout(WRITE_LIMIT, send(&mut sink, &batch));
        let sent = tokio::select! {
            () = cut.cancelled() => false,
            sent = sending => matches!(sent, Ok(Ok(()))),
        };
        if !sent {
            // Part of the batch may have left this machine: delivered perhaps, hence both marks.
            remember(&mut written.recent, &batch, &shared);
            cut.cancel();
            return written;
        }
        remember(&mut written.recent, &batch, &shared);
        if batch.iter().any(|outgoing| outgoing.opening) {
            shared.opened.send_replace(true);
        }
        if batch.iter().any(|outgoing| matches!(outgoing.message, Message::Close(_))) {
            written.closed = true;
            // The reader ends when the client answers, or is told here that it never will.
            drop(batch);
            if timeout(CLOSE_LIMIT, cut.cancelled()).await.is_err() {
                cut.cancel();
            }
            return written;
        }
        batch.clear();
    }
}

async fn send(sink: &mut SplitSink<WebSocket, Message>, batch: &[Outgoing]) -> Result<(), axum::Error> {
    for outgoing in batch {
        sink.feed(outgoing.message.clone()).await?;
    }
    sink.flush().await
}

fn remember(recent: &mut VecDeque<(Instant, Marks)>, batch: &[Outgoing], shared: &Shared) {
    let now = Instant::now();
    let marks: Vec<Marks> =
        batch.iter().map(|outgoing| outgoing.marks).filter(|marks| marks.count > 0).collect();
    shared.ledger.mark_written(&marks);
    recent.extend(marks.into_iter().map(|marks| (now, marks)));
    while recent.front().is_some_and(|(at, _)| now.duration_since(*at) > DOUBT) || recent.len() > DOUBTED_MAX
    {
        recent.pop_front();
    }
}
