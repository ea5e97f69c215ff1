//! The bus of a world: one server or a cluster, its logins, who leads a stream, who has caught up.
//!
//! Knows: servers, passwords, the servers' monitoring pages. Never: what travels on the bus.

use std::path::Path;
use std::time::Duration;

use bus::Limits;
use serde_json::Value;
use stack::fault::Fault;
use stack::nats_logins::Logins;
use stack::{http, nats, ports};

use super::World;
use crate::eventually::eventually;

/// Longest wait for a vote among nodes, for ticks to go on after it, or for a node to catch up.
const SETTLED_WITHIN: Duration = Duration::from_mins(1);

/// The bus with its files in `folder`: one server and its peers, none or two.
pub(super) async fn start(
    program: &Path,
    folder: &Path,
    logins: &Logins,
    clustered: bool,
) -> Result<(nats::Server, Vec<nats::Server>), Fault> {
    let access = nats::Access::Accounts(logins.clone());
    if clustered {
        let [one, two, three] = nats::cluster::start(program, folder, &access).await?;
        return Ok((one, vec![two, three]));
    }
    let alone = nats::Settings::in_folder(&folder.join("nats"));
    let settings = nats::Settings { log: folder.join("nats.log"), access, ..alone };
    Ok((nats::Server::start(program, settings).await?, Vec::new()))
}

impl World {
    /// The bus for one of its logins.
    pub fn bus_as(&self, login: &str) -> bus::Config {
        bus::Config {
            url: self.bus_url(),
            user: Some(login.to_owned()),
            password: Some(self.logins.password(login).to_owned()),
            creds: None,
            ca_file: None,
            service: None,
            name: "e2e".to_owned(),
            limits: Limits::default(),
        }
    }

    /// The bus's address with the login of those who look, as `./just tap` gets it.
    pub fn viewer_url(&self) -> String {
        let viewer = self.logins.password("viewer");
        self.bus_url().replace("nats://", &format!("nats://viewer:{viewer}@"))
    }

    /// Where services find the bus: every node, with commas.
    pub fn bus_url(&self) -> String {
        self.nodes().map(nats::Server::url).collect::<Vec<_>>().join(",")
    }

    /// The nodes of the bus, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &nats::Server> {
        std::iter::once(&self.nats).chain(&self.peers)
    }

    /// One node, to be broken or mended.
    pub fn node(&mut self, number: usize) -> &mut nats::Server {
        if number == 0 { &mut self.nats } else { &mut self.peers[number - 1] }
    }

    /// How many rows are stored.
    ///
    /// # Panics
    /// When the database cannot be asked.
    pub async fn stored(&self) -> u64 {
        self.query("select coalesce(sum(rows), 0) from api.totals").await[0][0].parse().expect("a number")
    }

    /// Waits until more is stored than now.
    ///
    /// # Panics
    /// When that takes longer than a minute.
    pub async fn flowing(&self) {
        let before = self.stored().await;
        eventually("ticks reach the database", SETTLED_WITHIN, async || {
            let now = self.stored().await;
            if now > before { Ok(()) } else { Err(format!("still {now}\n{}", self.logs())) }
        })
        .await;
    }

    /// The node that leads `stream`.
    ///
    /// # Panics
    /// When nobody does within a minute.
    pub async fn leader_of(&self, stream: &str) -> usize {
        let mut found = None;
        eventually("the stream has a leader", SETTLED_WITHIN, async || {
            for (number, node) in self.nodes().enumerate() {
                let name = ask(node, "/varz").await["server_name"].take();
                let streams = streams(node).await;
                let led = |detail: &&Value| detail["name"] == stream && detail["cluster"]["leader"] == name;
                if name.is_string() && streams.iter().any(|detail| led(&detail)) {
                    found = Some(number);
                    return Ok(());
                }
            }
            Err(format!("nobody leads {stream}"))
        })
        .await;
        found.expect("it was just found")
    }

    /// Waits until every stream has as many copies as there are nodes, and none of them lags.
    ///
    /// # Panics
    /// When one still lags after a minute, by name.
    pub async fn copies_are_current(&self) {
        eventually("every copy of every stream is current", SETTLED_WITHIN, async || {
            let (mut led, mut behind) = (0, Vec::new());
            for node in self.nodes() {
                let name = ask(node, "/varz").await["server_name"].take();
                for detail in streams(node).await {
                    let (stream, cluster) = (&detail["name"], &detail["cluster"]);
                    if cluster["leader"] != name {
                        continue;
                    }
                    led += 1;
                    let others = cluster["replicas"].as_array().map(Vec::as_slice).unwrap_or_default();
                    let current =
                        others.iter().filter(|copy| copy["current"] == true && copy["offline"] != true);
                    if current.count() != self.peers.len() {
                        behind.push(format!("{stream}: {others:?}"));
                    }
                }
            }
            // Five of ticks, markets, gaps and dead letters, and the feed's bucket.
            if led == 6 && behind.is_empty() {
                Ok(())
            } else {
                Err(format!("{led} streams have a leader; {behind:?}"))
            }
        })
        .await;
    }
}

/// Every stream that `node` has a copy of, as it sees it; none where it does not answer.
async fn streams(node: &nats::Server) -> Vec<Value> {
    let mut page = ask(node, "/jsz?streams=true").await;
    let accounts = page["account_details"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let details = accounts.into_iter().filter_map(|mut account| match account["stream_detail"].take() {
        Value::Array(details) => Some(details),
        _ => None,
    });
    details.flatten().collect()
}

async fn ask(node: &nats::Server, path: &str) -> Value {
    let answer = http::get(ports::loopback(node.monitor_port()), path).await;
    answer.and_then(|(_, body)| serde_json::from_str(&body).ok()).unwrap_or(Value::Null)
}
