//! Ports of this machine: which are free, and who said which one must be used.
//!
//! Knows: loopback sockets. Never: what listens on a port.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use crate::fault::Fault;

/// Below the range from which Linux (32768) and macOS (49152) take ports for outgoing
/// connections, so that a server restarted on its port does not find a client there.
const PICK_FROM: std::ops::Range<u16> = 20_000..32_000;
/// How often a random port is tried before giving up; a laptop holds a few hundred at most.
const PICKS_MAX: usize = 1_000;

/// Whether nobody listens on `address`.
pub fn is_free(address: SocketAddr) -> bool {
    TcpListener::bind(address).is_ok()
}

/// A port of 127.0.0.1 on which nobody listens now.
///
/// # Errors
/// When none of many random ones is free.
pub fn free() -> Result<u16, Fault> {
    (0..PICKS_MAX)
        .map(|_| fastrand::u16(PICK_FROM))
        .find(|port| is_free(loopback(*port)))
        .ok_or_else(|| Fault::new("no free port between 20000 and 32000: stop what holds them"))
}

/// `127.0.0.1:port`.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// The port for `what`: the one that was `asked` for by `variable`, which must be free, or the
/// `usual` one, or any free one when the usual one is taken.
///
/// # Errors
/// When the asked port is taken, with the remedy.
pub fn choose(what: &str, variable: &str, asked: Option<u16>, usual: u16) -> Result<u16, Fault> {
    match asked {
        Some(0) => free(),
        Some(port) if is_free(loopback(port)) => Ok(port),
        Some(port) => Err(Fault::new(format!(
            "port {port} for {what} is taken: stop what listens there, or set {variable} to another port \
             (0 picks a free one)"
        ))),
        None if is_free(loopback(usual)) => Ok(usual),
        None => free(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn picked_port_is_free_and_outside_the_outgoing_range() {
        let port = free().unwrap();
        assert!(PICK_FROM.contains(&port));
        assert!(is_free(loopback(port)));
    }

    #[test]
    fn usual_port_that_is_taken_is_replaced_in_silence() {
        let held = TcpListener::bind(loopback(0)).unwrap();
        let taken = held.local_addr().unwrap().port();
        assert_ne!(choose("NATS", "NATS_PORT", None, taken).unwrap(), taken);
        assert_ne!(choose("NATS", "NATS_PORT", Some(0), taken).unwrap(), 0);
    }

    #[test]
    fn asked_port_that_is_taken_is_refused_by_name_with_the_remedy() {
        let held = TcpListener::bind(loopback(0)).unwrap();
        let taken = held.local_addr().unwrap().port();
        let fault = choose("NATS", "NATS_PORT", Some(taken), 4222).unwrap_err().to_string();
        assert!(fault.contains(&taken.to_string()) && fault.contains("set NATS_PORT"), "{fault}");
        let port = free().unwrap();
        assert_eq!(choose("NATS", "NATS_PORT", Some(port), 1).unwrap(), port);
    }
}
