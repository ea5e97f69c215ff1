//! The frame every service is bolted to: configuration, clock, logs, health, stop and exit.
//!
//! Knows: processes, signals, sockets for operators. Never: markets, the bus, the database.
//!
//! The life of a service, in the order its `main` uses these modules:
//! [`instance::name`], [`telemetry::start`], [`settings::Settings`], [`exit::unusable`] when the configuration
//! is at fault, [`stop::on_signal`], then inside `run` [`ready::Readiness`], [`admin::Admin`] and
//! [`tasks::Tasks`], and at last [`telemetry::Telemetry::finish`] and [`exit::of`].

pub mod clock;
pub mod core_dump;

pub mod future;
pub mod instance;
pub mod instance_name;
pub mod logline;
pub mod settings;
pub mod telemetry;
pub mod trace;

pub mod stop;
pub mod tasks;

pub mod admin;
pub mod exposition;
mod process;
pub mod ready;

pub mod backoff;
pub mod exit;
