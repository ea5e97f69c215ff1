//! Three nats-servers of this machine as one cluster.
//!
//! Knows: routes and the password between nodes. Never: a stream, or who leads it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::fault::Fault;
use crate::nats::{Access, Prepared, Server, Settings, launch, prepare};
use crate::{ports, secret};

/// Nodes of a cluster: two of three are a majority, so that one may be away.
pub const NODES: usize = 3;

/// One node before its start.
struct Node {
    settings: Settings,
    prepared: Prepared,
    route_port: u16,
}

/// Starts a cluster with its files and logs in `folder` (`nats-1`, `nats-1.log`, …) and waits until every node
/// answers and has met the others.
///
/// # Errors
/// When a node cannot be started or does not answer in time; the last line of its log is in the text.
pub async fn start(program: &Path, folder: &Path, access: &Access) -> Result<[Server; NODES], Fault> {
    let mut taken = BTreeSet::new();
    let nodes = [
        Node::prepare(program, folder, 1, access, &mut taken)?,
        Node::prepare(program, folder, 2, access, &mut taken)?,
        Node::prepare(program, folder, 3, access, &mut taken)?,
    ];
    let password = secret::generate()?;
    let routes = nodes.each_ref().map(|node| node.route_port);
    for node in &nodes {
        node.join(&routes, &password)?;
    }
    let [one, two, three] = nodes.map(|node| node.prepared);
    // None is healthy before it has met another, so that they must start together.
    let (first, second, third) = tokio::try_join!(launch(&one), launch(&two), launch(&three))?;
    Ok([
        Server { prepared: one, process: first },
        Server { prepared: two, process: second },
        Server { prepared: three, process: third },
    ])
}

/// What makes a server one of a cluster, as its configuration says it.
fn configuration(route_port: u16, routes: &[u16], password: &str) -> String {
    let others = routes.iter().filter(|port| **port != route_port);
    let routes: Vec<String> =
        others.map(|port| format!("    \"nats-route://route:{password}@127.0.0.1:{port}\"\n")).collect();
    let routes = routes.concat();
    format!(
        "cluster {{\n\
         \x20 name: polyfeed\n\
         \x20 host: \"127.0.0.1\"\n\
         \x20 port: {route_port}\n\
         \x20 authorization {{ user: route, password: \"{password}\", timeout: 2 }}\n\
         \x20 routes: [\n{routes}\x20 ]\n\
         }}\n"
    )
}

// === impl Node ===

impl Node {
    /// A server with ports that no node in `taken` was given: none of them listens yet.
    fn prepare(
        program: &Path,
        folder: &Path,
        number: usize,
        access: &Access,
        taken: &mut BTreeSet<u16>,
    ) -> Result<Self, Fault> {
        let settings = Settings {
            log: folder.join(format!("nats-{number}.log")),
            access: access.clone(),
            ..Settings::in_folder(&folder.join(format!("nats-{number}")))
        };
        loop {
            let prepared = prepare(program, &settings)?;
            let route_port = ports::free()?;
            let picked = BTreeSet::from([prepared.port, prepared.monitor_port, route_port]);
            if picked.len() == 3 && picked.is_disjoint(taken) {
                taken.extend(picked);
                return Ok(Self { settings, prepared, route_port });
            }
        }
    }

    /// Adds the cluster to the configuration that was written for the server alone.
    fn join(&self, routes: &[u16], password: &str) -> Result<(), Fault> {
        let file = self.settings.data.join("nats.conf");
        let failed = |source| Fault::io(format!("could not write `{}`", file.display()), source);
        let alone = fs::read_to_string(&file).map_err(failed)?;
        fs::write(&file, alone + &configuration(self.route_port, routes, password)).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_routes_to_the_others_and_lets_nobody_in_without_the_password() {
        let text = configuration(7001, &[7001, 7002, 7003], "secret");
        assert!(text.contains("port: 7001\n") && text.contains("password: \"secret\""), "{text}");
        assert!(!text.contains("@127.0.0.1:7001"), "{text}");
        for other in [7002, 7003] {
            assert!(text.contains(&format!("nats-route://route:secret@127.0.0.1:{other}\"")), "{text}");
        }
    }
}
