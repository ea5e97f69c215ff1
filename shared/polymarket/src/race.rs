//! Which of a host's addresses answers first (RFC 8305, "Happy Eyeballs").
//!
//! Knows: addresses and the pause between two attempts. Never: what is said to who answers.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;

/// The next address is tried too when the last one has not answered for so long; source: RFC 8305, section 5.
const NEXT_AFTER: Duration = Duration::from_millis(250);

/// Connects to a host by the first of its addresses that answers.
///
/// It may take as long as the system's own attempts do: the caller sets the limit.
pub(crate) async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    // A name is asked for without the brackets of an IPv6 address.
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    first_of(alternating(lookup_host((host, port)).await?)).await
}

/// Connects to the first of these addresses that answers; each gets a little time before the next is tried beside it.
async fn first_of(mut addresses: VecDeque<SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = FuturesUnordered::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        match addresses.pop_front() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => return Err(failure),
            None => {}
        }
        tokio::select! {
            Some(ended) = attempts.next() => match ended {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            },
            () = sleep(NEXT_AFTER), if !addresses.is_empty() => {}
        }
    }
}

/// The families by turns, that of the first address first: so no family that leads nowhere is tried to its end.
fn alternating(addresses: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut addresses = addresses.peekable();
    let first_is_v6 = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (VecDeque<_>, VecDeque<_>) =
        addresses.partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut turns = VecDeque::new();
    loop {
        let pair = [first.next(), second.next()];
        if pair == [None, None] {
            return turns;
        }
        turns.extend(pair.into_iter().flatten());
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    use super::*;

    /// An address whose SYNs are dropped, as long as what comes with it is kept: its queue is full.
    async fn black_hole() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queued = Vec::new();
        while let Ok(Ok(stream)) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            queued.push(stream);
        }
        (address, listener, queued)
    }

    fn addresses(texts: &[&str]) -> VecDeque<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[tokio::test]
    async fn an_address_that_swallows_everything_costs_a_quarter_of_a_second() {
        let (hole, _listener, _queued) = black_hole().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let begun = std::time::Instant::now();
        let stream = timeout(Duration::from_secs(5), first_of([hole, good].into())).await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        assert!(begun.elapsed() >= NEXT_AFTER, "the first address had its time");
    }

    #[tokio::test]
    async fn an_address_that_refuses_costs_nothing_and_the_last_refusal_is_told() {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let stream = first_of([gone, good].into()).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), good);
        let refused = first_of([gone, gone].into()).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert_eq!(first_of(VecDeque::new()).await.unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn families_take_turns_and_the_resolvers_first_begins() {
        let (six, seven, eight) = ("[2001:db8::6]:1", "[2001:db8::7]:1", "[2001:db8::8]:1");
        let four = "192.0.2.4:1";
        let turns = |texts: &[&str]| alternating(addresses(texts).into_iter());
        assert_eq!(turns(&[six, seven, eight, four]), addresses(&[six, four, seven, eight]));
        assert_eq!(turns(&[four, six, seven]), addresses(&[four, six, seven]));
        assert_eq!(turns(&[]), addresses(&[]));
    }

    #[tokio::test]
    async fn an_address_in_brackets_is_one() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(connect("127.0.0.1", listener.local_addr().unwrap().port()).await.is_ok());
        let lacking = connect("[::1]", 1).await.unwrap_err();
        assert_ne!(lacking.kind(), io::ErrorKind::InvalidInput, "{lacking}");
    }
}
