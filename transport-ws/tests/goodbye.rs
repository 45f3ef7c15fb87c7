//! What was sent before a link was closed still arrives, then the goodbye; Down comes once on each side.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod help;
use help::*;

use paxoskv_core::Transport;
use paxoskv_core::transport::{CloseReason, Event};
use paxoskv_transport_ws::WsConfig;

#[tokio::test]
async fn the_last_frames_arrive_before_the_goodbye() {
    let config = WsConfig { secret: secret("a secret"), ..quick() };
    let mut a = Node::dialing(config.clone());
    let mut b = Node::listening(config).await;
    let (a_link, b_link) = link(&mut a, &mut b).await;
    // More than sockets hold by themselves.
    for n in 0..100_u8 {
        a.transport.send(a_link, vec![n; 150_000]);
    }
    a.transport.close(a_link, CloseReason::Leaving);
    a.transport.send(a_link, b"too late".to_vec());
    a.flush().await;
    drop(a); // The process ends.
    for n in 0..100_u8 {
        assert_eq!(b.event().await, Event::Frame { link: b_link, bytes: vec![n; 150_000] });
    }
    let Event::Down { link, reason, .. } = b.event().await else { panic!("the link was to go down next") };
    assert_eq!(link, b_link);
    assert_says(&reason, "the node is leaving");
}

#[tokio::test]
async fn down_comes_once_and_nothing_follows() {
    let mut a = Node::dialing(quick());
    let mut b = Node::listening(quick()).await;
    let (a_link, b_link) = link(&mut a, &mut b).await;
    a.transport.close(a_link, CloseReason::Leaving);
    a.transport.close(a_link, CloseReason::Faulty("again".into()));
    b.transport.close(b_link, CloseReason::Leaving);
    for _ in 0..50 {
        b.transport.send(b_link, b"late".to_vec());
    }
    assert_says(&a.down(a_link).await, "leaving");
    b.down(b_link).await;
    a.transport.send(a_link, b"later".to_vec());
    a.transport.close(a_link, CloseReason::Leaving);
    a.nothing_for(LONGEST_PAUSE * 3).await;
    b.nothing_for(LONGEST_PAUSE).await;
}

#[tokio::test]
async fn flushing_with_nothing_to_send_is_done_at_once() {
    let mut a = Node::dialing(quick());
    let before = std::time::Instant::now();
    a.flush().await;
    assert!(before.elapsed() < quick().link.flush_timeout / 2);
}

#[tokio::test]
async fn a_dropped_transport_is_noticed_and_answers_no_more() {
    let mut a = Node::dialing(quick());
    let b = Node::listening(quick()).await;
    let (transport, route) = paxoskv_transport_ws::WsTransport::new(quick()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let server = tokio::spawn(paxoskv_transport_ws::serve(listener, route));
    a.transport.dial(&[at.to_string()]);
    let link = a.up().await;
    drop(transport);
    a.down(link).await;
    let reason = a
        .until(|event| match event {
            Event::Unreachable { reason, .. } => Some(reason.clone()),
            _ => None,
        })
        .await;
    assert_says(&reason, "this node is leaving");
    server.abort();
    drop(b);
}
