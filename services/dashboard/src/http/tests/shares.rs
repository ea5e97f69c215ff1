//! What one address may hold.
//!
//! Knows: two loopback addresses as two visitors. Never: what they are told.

use tokio::net::TcpSocket;

use super::*;

/// A connection from 127.0.0.2.
async fn neighbour(world: &World) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    socket.connect(world.address).await.unwrap()
}

async fn answer_of(mut stream: TcpStream) -> String {
    stream.write_all(b"GET /live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("an answer").unwrap();
    answer
}

#[tokio::test]
async fn an_address_that_holds_its_share_of_connections_is_told_429_and_its_neighbour_is_served() {
    let world = World::shared(None, 2, 64).await;
    let held =
        [TcpStream::connect(world.address).await.unwrap(), TcpStream::connect(world.address).await.unwrap()];
    let refused = world.get("/live").await;
    assert_eq!(refused.status, 429);
    assert!(refused.error().contains("DASHBOARD_CONNECTIONS_PER_ADDRESS"), "{}", refused.error());
    assert!(refused.head.contains("Retry-After: 1"), "{}", refused.head);
    let served = answer_of(neighbour(&world).await).await;
    assert!(served.starts_with("HTTP/1.1 200 "), "{served}");
    drop(held);
    let again = async { while world.get("/live").await.status != 200 {} };
    timeout(PATIENCE, again).await.expect("a place that is left can be taken");
    world.end().await;
}

#[tokio::test]
async fn an_address_that_holds_its_share_of_live_streams_is_told_429() {
    let world = World::shared(None, 64, 1).await;
    let (first, one) = world.upgrade("/ws/live", "").await;
    assert_eq!(first, 101);
    assert_eq!(world.upgrade("/ws/live", "").await.0, 429);
    assert_eq!(world.get("/live").await.status, 200, "it may still ask");
    drop(one);
    let again = async { while world.upgrade("/ws/live", "").await.0 != 101 {} };
    timeout(PATIENCE, again).await.expect("a place that is left can be taken");
    world.end().await;
}
