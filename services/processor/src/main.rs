//! The processor as a program.
//!
//! Knows: how a process begins and ends. Never: what it does in between.

use std::process::ExitCode;

use chassis::admin::healthcheck;
use chassis::settings::Settings;
use chassis::{exit, stop, telemetry};
use processor::config::Config;

#[tokio::main]
async fn main() -> ExitCode {
    let vars = Settings::of_process("processor", "Judges each tick and publishes it with its verdict.");
    let config = match Config::read(vars) {
        Ok(config) => config,
        Err(stop) => return exit::unusable(stop),
    };
    if config.healthcheck {
        return if healthcheck(config.admin).await { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let telemetry = telemetry::start("processor", &config.instance);
    let outcome = processor::run(config, telemetry.clone(), stop::on_signal()).await;
    telemetry.finish().await;
    exit::of(outcome)
}
