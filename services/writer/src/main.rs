//! The program `writer`.
//!
//! Knows: the five steps of a main. Never: anything else.

use std::process::ExitCode;

use chassis::settings::Settings;
use chassis::{exit, stop, telemetry};
use writer::config::Config;

#[tokio::main]
async fn main() -> ExitCode {
    let config = match Config::read(Settings::of_process("writer", writer::ABOUT)) {
        Ok(config) => config,
        Err(stop) => return exit::unusable(stop),
    };
    let telemetry = telemetry::start("writer", &config.instance);
    let outcome = writer::run(config, telemetry.clone(), stop::on_signal()).await;
    telemetry.finish().await;
    exit::of(outcome)
}
