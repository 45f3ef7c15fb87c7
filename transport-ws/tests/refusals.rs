//! Nodes with different secrets, or of which only one has a secret, turn each other away; both sides get the reason.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod help;
use help::*;

use paxoskv_core::Transport;
use paxoskv_core::transport::Event;
use paxoskv_transport_ws::{Secret, WsConfig};

/// The reasons that the dialer and the listener get.
async fn refused(dialers: Option<Secret>, listeners: Option<Secret>) -> (String, String) {
    let mut a = Node::dialing(WsConfig { secret: dialers, ..quick() });
    let mut b = Node::listening(WsConfig { secret: listeners, ..quick() }).await;
    a.transport.dial(&[b.address()]);
    let Event::Unreachable { address, reason: at_dialer, refused: true } = a.event().await else {
        panic!("the dialer was to be refused first")
    };
    assert_eq!(address, b.address());
    let Event::Unreachable { address, reason: at_listener, refused: true } = b.event().await else {
        panic!("the listener was to refuse first")
    };
    assert_eq!(address, "", "the listener does not know where the dialer listens");
    // It is tried again.
    assert_eq!(a.refusal().await.0, b.address());
    (at_dialer, at_listener)
}

#[tokio::test]
async fn a_wrong_secret() {
    let (dialer, listener) = refused(secret("one"), secret("another")).await;
    assert_says(&dialer, "wrong secret");
    assert_says(&listener, "wrong secret");
}

#[tokio::test]
async fn only_the_listener_has_a_secret() {
    let (dialer, listener) = refused(None, secret("one")).await;
    assert_says(&dialer, "secret");
    assert_says(&listener, "the other side has no secret, this cluster has one");
}

#[tokio::test]
async fn only_the_dialer_has_a_secret() {
    let (dialer, listener) = refused(secret("one"), None).await;
    assert_says(&dialer, "secret");
    assert_says(&listener, "the other side's cluster has a secret, this node has none");
}

#[tokio::test]
async fn the_link_comes_up_once_the_secret_is_right() {
    let at = Node::listening(quick()).await.stop().await;
    let mut a = Node::dialing(WsConfig { secret: secret("one"), ..quick() });
    let wrong = Node::listening_at(at, WsConfig { secret: secret("another"), ..quick() }).await;
    a.transport.dial(&[at.to_string()]);
    a.refusal().await;
    wrong.stop().await;
    let _right = Node::listening_at(at, WsConfig { secret: secret("one\n"), ..quick() }).await;
    a.up().await;
}
