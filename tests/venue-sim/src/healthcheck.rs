//! Whether a running simulator answers, asked from beside it: its image holds nothing else that could ask.
//!
//! Knows: one HTTP question. Never: what the answer says.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// Shorter than the 3 s that container engines commonly wait.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// Whether the simulator that listens on `address` answers 200 within two seconds.
pub fn answers(address: SocketAddr) -> bool {
    let ip = if address.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { address.ip() };
    ask(SocketAddr::new(ip, address.port())).is_ok_and(|line| line.starts_with(b"HTTP/1.1 200"))
}

fn ask(address: SocketAddr) -> std::io::Result<[u8; 12]> {
    let mut stream = TcpStream::connect_timeout(&address, ANSWER_WAIT)?;
    stream.set_read_timeout(Some(ANSWER_WAIT))?;
    write!(stream, "GET /sim/status HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut line = [0; 12];
    stream.read_exact(&mut line)?;
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::Scenario;
    use crate::{Options, Simulator};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_running_simulator_answers_and_one_that_ended_does_not() {
        let mut options = Options::of(Scenario::named("calm").unwrap());
        options.address = "127.0.0.1:0".parse().unwrap();
        let simulator = Simulator::start(options).await.unwrap();
        let address = simulator.address;
        assert!(answers(address));
        simulator.shutdown().await;
        assert!(!answers(address));
    }
}
