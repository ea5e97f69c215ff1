//! Which names a request may ask for.
//!
//! Knows: requests as an attacker's page makes a browser send them. Never: what is answered to ours.

use super::{World, status_of};

async fn status(world: &World, request: &str) -> u16 {
    let answered = String::from_utf8(world.said(request).await).unwrap();
    status_of(answered.split("\r\n\r\n").next().unwrap())
}

#[tokio::test]
async fn a_name_that_is_not_ours_gets_nothing_whatever_its_origin_says() {
    let world = World::open(None).await;
    for host in ["evil.example", "evil.example:8080", "x.evil.example"] {
        for path in ["/", "/api/status", "/api/metrics", "/api/events", "/ws/live"] {
            let answered =
                status(&world, &format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"))
                    .await;
            assert_eq!(answered, 421, "{host}{path}");
        }
        let upgrade = format!(
            "GET /ws/live HTTP/1.1\r\nHost: {host}\r\nOrigin: http://{host}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        assert_eq!(status(&world, &upgrade).await, 421, "{host}");
        // Probes come by whatever address they know.
        let probe = format!("GET /live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(status(&world, &probe).await, 200, "{host}");
        let answered = String::from_utf8(world.said(&probe).await).unwrap();
        assert!(answered.contains("connect-src 'self'\r\n") && !answered.contains("evil"), "{answered}");
    }
    for ours in ["localhost:8080", "127.0.0.1", "[::1]:8080", "here:1"] {
        let answered =
            status(&world, &format!("GET / HTTP/1.1\r\nHost: {ours}\r\nConnection: close\r\n\r\n")).await;
        assert_eq!(answered, 200, "{ours}");
    }
    world.end().await;
}
