//! NATS and Postgres on this machine without containers, and the services as supervised children.
//!
//! Knows: programs, processes, ports and folders. Never: a market, a tick, a subject or a table.
//!
//! `./just demo` and `./just up` are the binary of this crate; the end-to-end tests use the same
//! servers through [`nats::Server`] and [`postgres::Server`].

pub mod backoff;
pub mod cli;
pub mod fault;
pub mod http;
pub mod launch;
pub mod log;
pub mod nats;
pub mod nats_logins;
pub mod os_user;
pub mod paths;
pub mod plan;
pub mod ports;
pub mod postgres;
pub mod process_registry;
pub mod requirement;
pub mod run;
pub mod secret;
pub mod secrets;
pub mod settings;
pub mod supervise;
pub mod table;
pub mod tls;
pub mod verbs;
pub mod version;
pub mod wheels;
