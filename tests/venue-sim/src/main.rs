//! The program: one simulator until a signal or the end of its run.
//!
//! Knows: signals, exit codes, the lines on stdout. Never: anything of the venue.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use venue_sim::settings::{self, Command};
use venue_sim::{Options, Simulator, healthcheck};

/// Exit code of a bad configuration.
const USAGE: u8 = 64;

#[tokio::main]
async fn main() -> ExitCode {
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    let ran = match settings::read(std::env::args().skip(1), &variables) {
        Ok(Command::Help(text)) => say(&text),
        Ok(Command::Healthcheck(address)) if healthcheck::answers(address) => Ok(()),
        Ok(Command::Healthcheck(address)) => Err(anyhow::anyhow!("no simulator answers at {address}")),
        Ok(Command::Run { options, ledger }) => run(*options, ledger).await,
        Err(faults) => {
            for fault in faults {
                eprintln!("venue-sim: {fault}");
            }
            return ExitCode::from(USAGE);
        }
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("venue-sim: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Simulates until a signal comes; a run that ends keeps answering REST until then.
async fn run(options: Options, ledger: Option<PathBuf>) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("could not listen for SIGTERM")?;
    let simulator = Simulator::start(options).await?;
    let urls = simulator.urls();
    say(&format!(
        "venue-sim ready ws={} clob={} gamma={} data={}\n",
        urls.ws, urls.clob, urls.gamma, urls.data
    ))?;
    if let Some(roots) = simulator.roots() {
        say(&format!(
            "roots ws={} clob={} gamma={} data={}\n",
            roots.ws, roots.clob, roots.gamma, roots.data
        ))?;
    }
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("could not listen for SIGINT")?,
        _ = terminate.recv() => {}
    }
    if let Err(still_queued) = simulator.stop_generating().await {
        eprintln!("venue-sim: {still_queued}");
    }
    let entries = simulator.ledger();
    simulator.shutdown().await;
    let Some(path) = ledger else { return Ok(()) };
    let mut text = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut text, &entry)?;
        text.push(b'\n');
    }
    std::fs::write(&path, text).with_context(|| format!("could not write the ledger to `{}`", path.display()))
}

fn say(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("could not write to stdout")
}
