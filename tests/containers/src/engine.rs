//! The client of the engine.
//!
//! Knows: how to run `docker` and read its answer. Never: how an engine is installed.

use std::process::{Command, Output};

use anyhow::{Context, ensure};
use serde_json::Value;

/// An image that is here anyway and has the small tools of a shell.
const TOOLS: &str = "nats:2.12-alpine";

/// Whether the tests of this crate can run: an engine with Compose answers.
///
/// Where none does, a machine of the checks (`CI=true`) fails the test, and everybody else is told that it was skipped.
///
/// # Panics
/// In CI without an engine.
pub fn answers() -> bool {
    let answer = docker(&["compose", "version"]).and_then(|_| docker(&["version"]));
    let is_ci = std::env::vars_os().any(|(name, value)| name == "CI" && value == "true");
    match answer {
        Ok(_) => true,
        Err(error) => {
            assert!(!is_ci, "CI needs a Docker engine: {error:#}");
            eprintln!("!!! SKIPPED, no Docker engine with Compose answers: {error:#}");
            false
        }
    }
}

/// Runs `docker` with these arguments; what it printed.
///
/// # Errors
/// When it cannot be started or fails, with what it said.
pub fn docker(arguments: &[&str]) -> anyhow::Result<String> {
    told(arguments, &Command::new("docker").args(arguments).output().context("`docker` cannot be started")?)
}

/// What a run of `docker` printed.
///
/// # Errors
/// When it failed, with what it said.
pub fn told(arguments: &[&str], output: &Output) -> anyhow::Result<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`docker {}` failed: {}", arguments.join(" "), said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Everything the engine knows of a container.
///
/// # Errors
/// When there is no such container.
pub fn inspect(container: &str) -> anyhow::Result<Value> {
    let text = docker(&["inspect", container])?;
    let mut all: Vec<Value> = serde_json::from_str(&text).context("the engine's answer is no JSON")?;
    all.pop().context("the engine's answer is empty")
}

/// Kills the process of a container from outside, as the kernel would: unlike `docker kill`, it counts as a crash.
///
/// # Errors
/// When the container does not run, or the engine refuses.
pub fn crash(container: &str) -> anyhow::Result<()> {
    let pid = docker(&["inspect", "--format", "{{.State.Pid}}", container])?;
    ensure!(pid != "0", "{container} does not run");
    let run =
        ["run", "--rm", "--pid=host", "--network=none", "--user=0:0", "--entrypoint=kill", TOOLS, "-9", &pid];
    docker(&run).map(drop)
}

/// The text of a file in a volume.
///
/// # Errors
/// When there is no such volume or file.
pub fn file_in(volume: &str, file: &str) -> anyhow::Result<String> {
    docker(&["volume", "inspect", volume])?;
    let mount = format!("{volume}:/volume:ro");
    let path = format!("/volume/{file}");
    docker(&[
        "run",
        "--rm",
        "--network=none",
        "--user=65532:65532",
        "--entrypoint=cat",
        "-v",
        &mount,
        TOOLS,
        &path,
    ])
}
