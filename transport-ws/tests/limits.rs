//! What is over a limit costs its sender the link or is dropped, and nothing waits without bounds.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod help;
use help::*;

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use paxoskv_core::Transport;
use paxoskv_core::transport::{CloseReason, Event};
use paxoskv_transport_ws::WsConfig;
use tokio::io::AsyncWriteExt;
use tokio_tungstenite::tungstenite::{Bytes, Message};

async fn over_the_limit(limit: usize, secret: Option<paxoskv_transport_ws::Secret>) {
    let strict = WsConfig { secret: secret.clone(), ..limited(|link| link.max_frame = limit) };
    let mut a = Node::dialing(WsConfig { secret, ..quick() });
    let mut b = Node::listening(strict).await;
    let (a_link, b_link) = link(&mut a, &mut b).await;
    a.transport.send(a_link, vec![1; limit]);
    a.transport.send(a_link, vec![2; limit + 1]);
    assert_eq!(b.frame().await.1.len(), limit, "at the limit it is still good");
    assert_says(&b.down(b_link).await, "over the limit");
    assert_says(&a.down(a_link).await, "over the limit");
}

#[tokio::test]
async fn a_frame_over_the_limit_costs_the_link() {
    over_the_limit(100_000, None).await;
    over_the_limit(10, None).await;
}

#[tokio::test]
async fn an_encrypted_frame_over_the_limit_costs_the_link() {
    over_the_limit(100_000, secret("a secret")).await;
    over_the_limit(10, secret("a secret")).await;
}

#[tokio::test]
async fn a_frame_over_the_own_limit_is_not_sent() {
    let mut a = Node::dialing(limited(|link| link.max_frame = 10));
    let mut b = Node::listening(quick()).await;
    let (a_link, _) = link(&mut a, &mut b).await;
    a.transport.send(a_link, vec![0; 11]);
    a.transport.send(a_link, vec![1; 10]);
    assert_eq!(b.frame().await.1, vec![1; 10]);
    assert_eq!(a.transport.dropped(), 1);
}

#[tokio::test]
async fn a_slow_peers_queue_drops_and_its_link_recovers() {
    let mut a = Node::dialing(limited(|link| link.queue_bytes = 1 << 20));
    // The listener's core does not look, so the socket fills up.
    let mut b = Node::listening(limited(|link| link.inbound_bytes = 1 << 16)).await;
    let (a_link, b_link) = link(&mut a, &mut b).await;
    let frame = |n: u32| [n.to_be_bytes().to_vec(), vec![0; 60_000]].concat();
    let mut sent = 0;
    while a.transport.dropped() < 100 {
        a.transport.send(a_link, frame(sent));
        sent += 1;
        assert!(sent < 10_000, "600 MB wait somewhere");
        if sent % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    // Now it looks again: what was not dropped comes, in order, and later frames as well.
    let dropped = a.transport.dropped();
    let mut last = None;
    for _ in 0..u64::from(sent) - dropped {
        let (_, bytes) = b.frame().await;
        let n = u32::from_be_bytes(*bytes.first_chunk().unwrap());
        assert!(last < Some(n));
        last = Some(n);
    }
    a.transport.send(a_link, b"later".to_vec());
    assert_eq!(b.frame().await, (b_link, b"later".to_vec()));
}

#[tokio::test]
async fn the_number_of_frames_that_wait_is_bounded_too() {
    let mut a = Node::dialing(limited(|link| link.queue_frames = 10));
    let mut b = Node::listening(quick()).await;
    let (a_link, _) = link(&mut a, &mut b).await;
    for _ in 0..30 {
        a.transport.send(a_link, Vec::new()); // Without letting the link's task run.
    }
    assert_eq!(a.transport.dropped(), 20);
}

#[tokio::test]
async fn closing_and_flushing_take_bounded_time_where_the_peer_does_not_read() {
    let mut a = Node::dialing(limited(|link| link.flush_timeout = Duration::from_millis(200)));
    let (mut peer, address) = mute_peer().await;
    a.transport.dial(&[address]);
    let link = a.up().await;
    for _ in 0..8 {
        a.transport.send(link, vec![0; 2 << 20]);
    }
    let before = std::time::Instant::now();
    a.transport.close(link, CloseReason::Leaving);
    a.flush().await;
    assert_says(&a.down(link).await, "closed here");
    assert!(before.elapsed() < Duration::from_secs(5), "{:?}", before.elapsed());
    peer.close();
}

/// Upgrades, says its preface, and reads no more.
async fn mute_peer() -> (tokio::sync::mpsc::Receiver<()>, String) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (open, rest) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        let (tcp, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(tcp).await.unwrap();
        let preface = socket.next().await.unwrap().unwrap();
        socket.send(preface).await.unwrap();
        open.closed().await;
    });
    (rest, address)
}

#[tokio::test]
async fn there_are_only_so_many_handshakes_at_a_time_and_each_ends() {
    let config = limited(|link| {
        link.max_handshakes = 3;
        link.handshake_timeout = Duration::from_millis(400);
    });
    let mut b = Node::listening(config).await;
    let mut silent = Vec::new();
    for _ in 0..3 {
        let (tcp, answer) = upgraded(b.at, "127.0.0.1", "").await;
        assert_says(&answer, "101 Switching Protocols");
        silent.push(tcp);
    }
    let (_, answer) = upgraded(b.at, "127.0.0.1", "").await;
    assert_says(&answer, "503 Service Unavailable");
    // A node that retries comes in once the silent ones were cut off.
    let mut a = Node::dialing(quick());
    link(&mut a, &mut b).await;
}

#[tokio::test]
async fn a_client_that_sends_requests_and_reads_no_answer_is_cut_off() {
    let b = Node::listening(quick()).await;
    let mut tcp = raw(b.at).await;
    let requests = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(1000);
    let sending = async { while tcp.write_all(requests.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, sending).await.expect("the node was to close the connection");
}

#[tokio::test]
async fn there_are_only_so_many_links() {
    let mut b = Node::listening(limited(|link| link.max_links = 2)).await;
    let mut nodes = [Node::dialing(quick()), Node::dialing(quick())];
    for a in &mut nodes {
        link(a, &mut b).await;
    }
    let mut third = Node::dialing(quick());
    third.transport.dial(&[b.address()]);
    let reason = third
        .until(|event| match event {
            Event::Unreachable { reason, refused: false, .. } => Some(reason.clone()),
            _ => None,
        })
        .await;
    assert_says(&reason, "as many links as it may have");
    drop(nodes);
    third.up().await;
}

#[tokio::test]
async fn an_unauthenticated_peer_cannot_send_much() {
    // Pings are part of no handshake, and each is answered: only their bytes count.
    let patient = limited(|link| link.handshake_timeout = PATIENCE * 10);
    let b = Node::listening(patient).await;
    let (tcp, _) = upgraded(b.at, "127.0.0.1", "").await;
    let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
    let mut socket = tokio_tungstenite::WebSocketStream::from_raw_socket(tcp, role, None).await;
    for _ in 0..200 {
        let _ = socket.send(Message::Ping(Bytes::from(vec![0; 125]))).await;
    }
    let ended = async { while let Some(Ok(_)) = socket.next().await {} };
    tokio::time::timeout(PATIENCE, ended).await.expect("the peer was to be cut off");
}
