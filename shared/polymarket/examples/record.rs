//! `record`: writes the venue's frames with their receive times into a file that `venue-sim --replay` plays.
//!
//! Knows: flags, one socket, the line format. Never: what a frame says.

use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use contract::ids::TokenId;
use contract::time::Timestamp;
use polymarket::rest::{MARKETS_ROWS_MAX, Rest, RestConfig};
use polymarket::session::{Frame, OPENING_BYTES_MAX, Session, SessionError};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

const HELP: &str = "\
record [--top N | --tokens ID,ID,…] [--seconds N] [--out FILE] [--ws URL] [--gamma URL]

Records what the venue sends, one JSON object a line: {\"recv_ts\":<ms>,\"frame\":\"<raw text>\"}.
`venue-sim --replay FILE` plays it. Ctrl-C ends early; the file is whole then too.

  --top N      the N open markets with the highest volume of 24 h, all their tokens; 1 to 100 (5)
  --tokens …   these tokens instead, at most 500
  --seconds N  length, 1 to 86400 (60)
  --out FILE   file, replaced if it exists (recording.jsonl); ends at 256 MiB, as much as venue-sim plays
  --ws URL     market channel (wss://ws-subscriptions-clob.polymarket.com/ws/market)
  --gamma URL  catalogue, only asked for --top (https://gamma-api.polymarket.com)
";

/// Exit code of a command line that makes no sense.
const USAGE: u8 = 64;
/// The venue closes a socket that sends no `PING`; all clients send one every 10 s.
const PING_EVERY: Duration = Duration::from_secs(10);
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Pause before a socket is opened again.
const REOPEN_AFTER: Duration = Duration::from_secs(1);
/// The largest file that `venue-sim` plays.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Above about 500 tokens a connection, opening books may silently not come.
const TOKENS_MAX: usize = 500;

/// What was asked for.
struct Options {
    top: u32,
    /// Empty: those of the top markets.
    tokens: Vec<TokenId>,
    length: Duration,
    out: PathBuf,
    ws: String,
    gamma: Option<String>,
}

/// One line of the file.
#[derive(Serialize)]
struct Line<'a> {
    recv_ts: i64,
    frame: &'a str,
}

/// A file under way.
struct Recorder {
    ws: String,
    tokens: Vec<TokenId>,
    path: PathBuf,
    file: BufWriter<File>,
    session: Option<Session>,
    begun_at: Instant,
    frames: u64,
    bytes: u64,
}

/// Why a recording ends.
enum End {
    /// The time is up, somebody wants it, or the file is as large as it may be.
    Enough,
    /// A fault, told to the end.
    Fault(String),
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match read(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            // Whether the help could be shown makes no difference to anything.
            let _shown = std::io::stdout().lock().write_all(HELP.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(fault) => {
            eprintln!("record: {fault}\n\n{HELP}");
            return ExitCode::from(USAGE);
        }
    };
    match record(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("record: {fault}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the command line; none when help is wanted.
fn read(mut words: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options {
        top: 5,
        tokens: Vec::new(),
        length: Duration::from_mins(1),
        out: "recording.jsonl".into(),
        ws: "wss://ws-subscriptions-clob.polymarket.com/ws/market".to_owned(),
        gamma: None,
    };
    let mut top = None;
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag.to_owned(), Some(value.to_owned())),
            None => (word, None),
        };
        if flag == "-h" || flag == "--help" {
            return Ok(None);
        }
        if !["--top", "--tokens", "--seconds", "--out", "--ws", "--gamma"].contains(&flag.as_str()) {
            return Err(format!("`{flag}` is no flag"));
        }
        let value = value.or_else(|| words.next()).ok_or_else(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--top" => top = Some(number(&flag, &value, MARKETS_ROWS_MAX)?),
            "--tokens" => options.tokens = tokens(&value)?,
            "--seconds" => options.length = Duration::from_secs(number(&flag, &value, 86_400)?.into()),
            "--out" => options.out = value.into(),
            "--ws" => options.ws = value,
            _ => options.gamma = Some(value),
        }
    }
    if top.is_some() && !options.tokens.is_empty() {
        return Err("--top and --tokens exclude each other".to_owned());
    }
    options.top = top.unwrap_or(options.top);
    Ok(Some(options))
}

fn number(flag: &str, text: &str, most: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| format!("{flag} wants a whole number of 1 to {most}, not `{text}`"))
}

fn tokens(list: &str) -> Result<Vec<TokenId>, String> {
    let named =
        list.split(',').map(|id| TokenId::try_from(id.trim()).map_err(|odd| format!("--tokens: {odd}")));
    let tokens = named.collect::<Result<Vec<_>, _>>()?;
    if tokens.len() > TOKENS_MAX {
        return Err(format!("--tokens: {} of them; one socket carries at most {TOKENS_MAX}", tokens.len()));
    }
    Ok(tokens)
}

/// Records until the time is up, a signal comes, or the file is full.
async fn record(options: Options) -> Result<(), String> {
    let file = File::create(&options.out)
        .map_err(|error| format!("could not write `{}`: {error}", options.out.display()))?;
    polymarket::install_tls();
    let tokens = if options.tokens.is_empty() {
        top_tokens(options.gamma, options.top).await?
    } else {
        options.tokens
    };
    eprintln!(
        "record: {} tokens for {} s into `{}`",
        tokens.len(),
        options.length.as_secs(),
        options.out.display()
    );
    let mut recorder = Recorder {
        ws: options.ws,
        tokens,
        path: options.out,
        file: BufWriter::new(file),
        session: None,
        begun_at: Instant::now(),
        frames: 0,
        bytes: 0,
    };
    // A line is written without a pause in between: whatever ends this leaves whole lines.
    let ended = tokio::select! {
        ended = recorder.run() => ended,
        () = tokio::time::sleep(options.length) => End::Enough,
        interrupted = tokio::signal::ctrl_c() => match interrupted {
            Ok(()) => End::Enough,
            Err(error) => End::Fault(format!("could not listen for Ctrl-C: {error}")),
        },
    };
    let flushed = recorder.flush();
    if let Some(session) = recorder.session.take() {
        session.close().await;
    }
    if recorder.frames > 0 {
        recorder.tell();
    }
    if let End::Fault(fault) = ended {
        return Err(fault);
    }
    flushed?;
    if recorder.frames == 0 { Err("not one frame came".to_owned()) } else { Ok(()) }
}

/// All tokens of the busiest open markets.
async fn top_tokens(gamma: Option<String>, top: u32) -> Result<Vec<TokenId>, String> {
    let mut config = RestConfig::of_venue(now);
    config.gamma_url = gamma.unwrap_or(config.gamma_url);
    let address = config.gamma_url.clone();
    let told = |error: &dyn Error| format!("could not ask the catalogue at {address}: {}", chain(error));
    let rest = Rest::new(config).map_err(|error| told(&error))?;
    let page = rest.markets_page(None, top).await.map_err(|error| told(&error))?;
    let mut tokens: Vec<_> =
        page.markets.into_iter().flat_map(|market| market.tokens).map(|outcome| outcome.token_id).collect();
    tokens.truncate(TOKENS_MAX);
    if tokens.is_empty() {
        Err(format!("the catalogue at {address} names no open market"))
    } else {
        Ok(tokens)
    }
}

// === impl Recorder ===

impl Recorder {
    /// Opens a socket, and another whenever one ends. Only the very first must open.
    async fn run(&mut self) -> End {
        let mut has_opened = false;
        loop {
            let lost = match Session::open(&self.ws, &self.tokens).await {
                Ok(session) => {
                    has_opened = true;
                    self.session = Some(session);
                    match self.listen().await {
                        Ok(lost) => lost,
                        Err(end) => return end,
                    }
                }
                Err(error) if !has_opened => {
                    return End::Fault(format!("could not open {}: {}", self.ws, chain(&error)));
                }
                Err(error) => error,
            };
            self.session = None;
            let pause = lost.retry_after().unwrap_or_default().max(REOPEN_AFTER);
            eprintln!("record: {}; again in {} s", chain(&lost), pause.as_secs());
            tokio::time::sleep(pause).await;
        }
    }

    /// Writes down what the socket brings, until it ends.
    async fn listen(&mut self) -> Result<SessionError, End> {
        let every = |period| {
            let mut interval = interval_at(Instant::now() + period, period);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        let (mut ping, mut tell) = (every(PING_EVERY), every(TELL_EVERY));
        while let Some(session) = &mut self.session {
            tokio::select! {
                frame = session.next(OPENING_BYTES_MAX) => match frame {
                    // Answers to our own `PING` are no data; venue-sim gives its own.
                    Ok(Frame::Text(text)) if text.eq_ignore_ascii_case("pong") => {}
                    Ok(Frame::Text(text)) => self.write(&text)?,
                    Ok(Frame::Binary(bytes)) => eprintln!("record: left out a binary frame of {} bytes", bytes.len()),
                    Err(lost) => return Ok(lost),
                },
                _ = ping.tick() => {
                    if let Err(lost) = session.ping().await {
                        return Ok(lost);
                    }
                }
                _ = tell.tick() => {
                    self.flush().map_err(End::Fault)?;
                    self.tell();
                }
            }
        }
        Err(End::Fault("the socket is gone".to_owned()))
    }

    fn write(&mut self, frame: &str) -> Result<(), End> {
        let line = Line { recv_ts: now().millis(), frame };
        let mut text = serde_json::to_vec(&line).map_err(|error| End::Fault(error.to_string()))?;
        text.push(b'\n');
        let bytes = self.bytes + text.len() as u64;
        if bytes > FILE_BYTES_MAX {
            return Err(End::Enough);
        }
        self.file.write_all(&text).map_err(|error| End::Fault(self.unwritable(&error)))?;
        (self.frames, self.bytes) = (self.frames + 1, bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), String> {
        self.file.flush().map_err(|error| self.unwritable(&error))
    }

    fn unwritable(&self, error: &std::io::Error) -> String {
        format!("could not write `{}`: {error}", self.path.display())
    }

    fn tell(&self) {
        let seconds = self.begun_at.elapsed().as_secs();
        eprintln!("record: {seconds} s, {} frames, {} kB", self.frames, self.bytes / 1_000);
    }
}

/// An error and all its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // Some errors already end with their cause.
        if !text.ends_with(&cause.to_string()) {
            write!(text, ": {cause}").expect("a string takes whatever is written to it");
        }
        source = cause.source();
    }
    text
}

/// The wall clock. Only `chassis::clock` reads it in the services; this tool stands alone.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
