//! `tap SUBJECT`: what passes on the bus, decoded, one JSON object a line.
//!
//! Knows: subjects and payloads. Never: a stream; it listens and takes nothing from anybody.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use bus::{Bus, BusError, Config, CoreMessage, Limits};
use contract::codec::{decode, decode_tick};
use contract::dead_letter::DeadLetter;
use contract::gap::Gap;
use contract::market::Market;
use contract::stats::Stats;
use contract::subject;
use contract::verdict::JudgedTrade;
use serde_json::{Value, json};

/// How often it is looked whether the bus refuses us.
const LOOK_EVERY: Duration = Duration::from_millis(200);

const HELP: &str = "\
tap SUBJECT [--count N]

Prints what passes on the bus from now on, decoded, one JSON object a line.

  SUBJECT    for example 'ticks.clean.trade.>', 'gaps.>', 'stats.>' (default 'ticks.>')
  --count N  ends after N messages

Environment: NATS_URL (nats://127.0.0.1:4222), NATS_USER, NATS_PASSWORD or NATS_PASSWORD_FILE,
NATS_CREDS, NATS_CA_FILE
";

#[tokio::main]
async fn main() -> ExitCode {
    if let Err(error) = chassis::core_dump::forbid() {
        eprintln!("tap: core files cannot be forbidden: {error}");
    }
    let (mut pattern, mut left, mut words) = ("ticks.>".to_owned(), u64::MAX, std::env::args().skip(1));
    while let Some(word) = words.next() {
        match word.as_str() {
            "-h" | "--help" => return say(HELP).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
            "--count" => match words.next().and_then(|n| n.parse().ok()) {
                Some(number) => left = number,
                None => return unusable("--count wants a number"),
            },
            flag if flag.starts_with('-') => return unusable(&format!("unknown flag `{flag}`")),
            subject => subject.clone_into(&mut pattern),
        }
    }
    match listen(&pattern, left).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tap: {error}{}", error.source().map(|s| format!(": {s}")).unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

async fn listen(pattern: &str, mut left: u64) -> Result<(), Box<dyn std::error::Error>> {
    let config = Config {
        url: setting("NATS_URL").unwrap_or_else(|| "nats://127.0.0.1:4222".to_owned()),
        user: setting("NATS_USER"),
        password: password()?,
        creds: setting("NATS_CREDS").map(Into::into),
        ca_file: setting("NATS_CA_FILE").map(Into::into),
        service: None,
        name: "tap".to_owned(),
        limits: Limits::default(),
    };
    let bus = Bus::connect_read_only(&config).await?;
    let mut listener = bus.listen(pattern).await?;
    while left > 0 {
        let heard = tokio::select! {
            heard = listener.next() => heard,
            refused = refusal(&bus) => return Err(refused.into()),
            _ = tokio::signal::ctrl_c() => None,
        };
        let Some(heard) = heard else { break };
        left -= 1;
        if say(&format!("{}\n", line(&heard))).is_err() {
            break; // The reader has gone: `tap | head`.
        }
    }
    Ok(())
}

/// Waits until the bus refuses us something: a subscription without a right is silent otherwise.
async fn refusal(bus: &Bus) -> BusError {
    loop {
        match bus.check() {
            Err(error @ (BusError::Refused { .. } | BusError::Closed)) => return error,
            Ok(()) | Err(_) => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

fn line(heard: &CoreMessage) -> Value {
    let payload = decoded(&heard.subject, &heard.payload);
    json!({ "subject": heard.subject, "correlation_id": heard.correlation_id, "payload": payload })
}

fn decoded(subject: &str, payload: &[u8]) -> Value {
    let shown = match (subject::of_tick(subject), subject.split('.').next()) {
        (Some(tick), _) if tick.verdict.is_some() && tick.kind == contract::tick::Kind::Trade => {
            decode::<JudgedTrade>(payload).map(|trade| json!(trade))
        }
        (Some(tick), _) => decode_tick(tick.kind, payload).map(|tick| match tick {
            contract::tick::Tick::Book(inner) => json!(inner),
            contract::tick::Tick::Price(inner) => json!(inner),
            contract::tick::Tick::Trade(inner) => json!(inner),
            contract::tick::Tick::Quote(inner) => json!(inner),
            contract::tick::Tick::TickSize(inner) => json!(inner),
        }),
        (None, Some("markets")) => decode::<Market>(payload).map(|market| json!(market)),
        (None, Some("gaps")) => decode::<Gap>(payload).map(|gap| json!(gap)),
        (None, Some("stats")) => decode::<Stats>(payload).map(|stats| json!(stats)),
        (None, Some("dead")) => decode::<DeadLetter>(payload).map(|letter| {
            let text = String::from_utf8_lossy(&letter.payload).into_owned();
            let mut shown = json!(letter);
            shown["payload"] = json!(text);
            shown
        }),
        _ => return json!({ "bytes": payload.len(), "text": String::from_utf8_lossy(payload) }),
    };
    shown.unwrap_or_else(|error| json!({ "undecodable": error.to_string(), "bytes": payload.len() }))
}

fn say(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

fn unusable(fault: &str) -> ExitCode {
    eprintln!("tap: {fault}\n\n{HELP}");
    ExitCode::from(64)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a few variables; the frame of the services is not for this tool"
)]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// From `NATS_PASSWORD`, or from the file that `NATS_PASSWORD_FILE` names.
fn password() -> Result<Option<String>, String> {
    let Some(path) = setting("NATS_PASSWORD_FILE") else { return Ok(setting("NATS_PASSWORD")) };
    let text = std::fs::read_to_string(&path)
        .map_err(|error| format!("NATS_PASSWORD_FILE names `{path}`, which cannot be read: {error}"))?;
    Ok(Some(text.trim().to_owned()))
}
