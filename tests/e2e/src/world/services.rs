//! The services of a world: how each is started, and with which settings.
//!
//! Knows: programs, addresses, settings. Never: what a service does.

use stack::launch::Launch;
use std::collections::BTreeMap;

use super::{Settings, World};
use crate::database;
use crate::programs::launch as plain;

impl World {
    /// An address as the services get it.
    fn through_proxies(&self, address: &str) -> String {
        let Some(proxies) = &self.proxies else { return address.to_owned() };
        let ways = [
            (self.nats.port(), proxies.nats.port()),
            (self.postgres.port(), proxies.postgres.port()),
            (self.sim.port(), proxies.venue.port()),
        ];
        let at = |port: u16| format!("127.0.0.1:{port}/");
        // Some addresses end with the port, others go on behind it.
        let open = format!("{address}/");
        for (server, proxy) in ways {
            if open.contains(&at(server)) {
                let found = open.replace(&at(server), &at(proxy));
                return found.strip_suffix('/').unwrap_or(&found).to_owned();
            }
        }
        address.to_owned()
    }

    /// How each service is started.
    pub(super) fn launches(&self, settings: &Settings) -> BTreeMap<String, Launch> {
        let mut names = vec![("feed".to_owned(), "feed"), ("dashboard".to_owned(), "dashboard")];
        names.extend((1..=settings.processors).map(|n| (format!("processor-{n}"), "processor")));
        names.extend((1..=settings.writers).map(|n| (format!("writer-{n}"), "writer")));
        let urls = self.sim.urls();
        let launch = |(name, program): (String, &str)| {
            let mut env = vec![
                ("NATS_URL", self.bus_url()),
                ("BUS_REPLICAS", (1 + self.peers.len()).to_string()),
                ("NATS_USER", program.to_owned()),
                ("NATS_PASSWORD", self.logins.password(program).to_owned()),
                ("INSTANCE", name.clone()),
                ("LOG_FORMAT", "json".to_owned()),
            ];
            match program {
                "feed" => env.extend([
                    ("POLYMARKET_WS_URL", urls.ws.clone()),
                    ("POLYMARKET_GAMMA_URL", urls.gamma.clone()),
                    ("FEED_UNIVERSE", "all".to_owned()),
                    ("FEED_RECONNECT_MAX_S", "2".to_owned()),
                    // The simulator settles after 2 s.
                    ("FEED_SETTLEMENT_S", "3".to_owned()),
                    // The ledger knows of no book that the venue did not send.
                    ("FEED_BOOK_EVERY_S", "0".to_owned()),
                ]),
                "writer" => {
                    env.push((
                        "DATABASE_URL",
                        self.postgres.url("polyfeed_writer", database::PASSWORD, "polyfeed"),
                    ));
                }
                "dashboard" => env.extend([
                    ("DATABASE_URL", self.postgres.url("polyfeed_reader", database::PASSWORD, "polyfeed")),
                    ("DASHBOARD_ADDR", format!("127.0.0.1:{}", self.page)),
                ]),
                _ => {}
            }
            if program == "feed" || program == "processor" {
                env.extend([
                    ("POLYMARKET_CLOB_URL", urls.clob.clone()),
                    ("POLYMARKET_DATA_URL", urls.data.clone()),
                ]);
            }
            if program != "dashboard" {
                env.push(("ADMIN_ADDR", "127.0.0.1:0".to_owned()));
            }
            for (_, value) in &mut env {
                *value = self.through_proxies(value);
            }
            for (key, value) in &settings.env {
                if belongs(key, program) {
                    env.retain(|(there, _)| there != key);
                    env.push((key, value.clone()));
                }
            }
            (name.clone(), plain(&name, program, env, self.folder.path()))
        };
        names.into_iter().map(launch).collect()
    }
}

/// Whether a setting is one of this program's.
fn belongs(key: &str, program: &str) -> bool {
    let prefixes: &[&str] = match program {
        "feed" => &["FEED_", "REST_", "BUS_"],
        "processor" => &["GATE_", "REST_", "BUS_"],
        "writer" => &["WRITER_", "RETENTION_", "BUS_"],
        _ => &["DASHBOARD_", "BUS_"],
    };
    let asks_rest = matches!(program, "feed" | "processor");
    prefixes.iter().any(|prefix| key.starts_with(prefix))
        || key == "RUST_LOG"
        || key.starts_with("OTEL_")
        || (key == "POLYMARKET_DATA_VERSION" && asks_rest)
}
