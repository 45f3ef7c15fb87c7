//! Two members that cannot reach one another meet at a third.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod help;
use help::*;

use paxoskv_core::Transport;
use paxoskv_core::transport::Event;
use paxoskv_transport_libp2p::Libp2pConfig;

#[tokio::test]
async fn a_third_node_carries_frames_of_two_that_cannot_reach_one_another() {
    let mut relay = Node::listening(TCP, quick()).await;
    let mut a = Node::dialing(quick()).await;
    let mut b = Node::dialing(quick()).await;
    link(&mut a, &mut relay).await;
    link(&mut b, &mut relay).await;
    // Where no node listens.
    a.transport.dial(&[format!("/ip4/127.0.0.1/tcp/1/p2p/{}", b.transport.peer_id())]);
    b.transport.dial(&[format!("/ip4/127.0.0.1/tcp/1/p2p/{}", a.transport.peer_id())]);
    let (at_a, at_b) = (a.up().await, b.up().await);
    a.transport.send(at_a, vec![1; 1 << 20]);
    b.transport.send(at_b, vec![2; 100]);
    assert_eq!(b.frame().await.1, vec![1; 1 << 20]);
    assert_eq!(a.frame().await.1, vec![2; 100]);
    drop(relay);
    a.until(|event| matches!(event, Event::Down { link, .. } if *link == at_a).then_some(())).await;
}

#[tokio::test]
async fn a_node_that_is_no_relay_carries_nothing() {
    let mut relay = Node::listening(TCP, Libp2pConfig { relay: false, ..quick() }).await;
    let mut a = Node::dialing(quick()).await;
    let mut b = Node::dialing(quick()).await;
    link(&mut a, &mut relay).await;
    link(&mut b, &mut relay).await;
    a.transport.dial(&[format!("/ip4/127.0.0.1/tcp/1/p2p/{}", b.transport.peer_id())]);
    b.transport.dial(&[format!("/ip4/127.0.0.1/tcp/1/p2p/{}", a.transport.peer_id())]);
    for _ in 0..10 {
        a.unreachable().await;
    }
}
