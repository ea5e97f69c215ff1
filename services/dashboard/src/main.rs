//! The dashboard as a program.
//!
//! Knows: how a process begins and ends. Never: what it does in between.

use std::process::ExitCode;

use chassis::settings::Settings;
use chassis::telemetry;
use chassis::{exit, stop};
use dashboard::config::Config;

#[tokio::main]
async fn main() -> ExitCode {
    let vars = Settings::of_process("dashboard", "Shows the pipeline: the page, JSON and a live stream.");
    let config = match Config::read(vars) {
        Ok(config) => config,
        Err(stop) => return exit::unusable(stop),
    };
    if config.healthcheck {
        return if dashboard::is_ready(&config).await { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let telemetry = telemetry::start("dashboard", &config.instance);
    let outcome = dashboard::run(config, telemetry.clone(), stop::on_signal()).await;
    telemetry.finish().await;
    exit::of(outcome)
}
