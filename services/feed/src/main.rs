//! The feed as a program.
//!
//! Knows: how a process begins and ends. Never: what it does in between.

use std::process::ExitCode;

use chassis::admin::healthcheck;
use chassis::settings::Settings;
use chassis::telemetry;
use chassis::{exit, stop};
use feed::config::Config;

#[tokio::main]
async fn main() -> ExitCode {
    let vars =
        Settings::of_process("feed", "Reads Polymarket's market channel and publishes ticks to the bus.");
    let config = match Config::read(vars) {
        Ok(config) => config,
        Err(stop) => return exit::unusable(stop),
    };
    if config.healthcheck {
        return if healthcheck(config.admin).await { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let telemetry = telemetry::start("feed", &config.instance);
    let outcome = feed::run(config, telemetry.clone(), stop::on_signal()).await;
    telemetry.finish().await;
    exit::of(outcome)
}
