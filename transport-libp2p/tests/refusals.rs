//! Nodes with different secrets, of which only one has a secret, or of different clusters turn each other away; both
//! sides get the reason.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod help;
use help::*;

use paxoskv_core::Transport;
use paxoskv_transport_libp2p::{Libp2pConfig, Secret};

/// The reasons that the dialer and the listener get.
async fn refused(dialer: Libp2pConfig, listener: Libp2pConfig) -> (String, String) {
    let mut a = Node::dialing(dialer).await;
    let mut b = Node::listening(TCP, listener).await;
    let at = b.address().await;
    a.transport.dial(std::slice::from_ref(&at));
    let (address, at_dialer) = a.refusal().await;
    assert_eq!(address, at);
    let (address, at_listener) = b.refusal().await;
    assert_eq!(address, "", "the listener does not know where the dialer listens");
    // It is tried again.
    assert_eq!(a.refusal().await.0, at);
    (at_dialer, at_listener)
}

fn with(secret: Option<Secret>) -> Libp2pConfig {
    Libp2pConfig { secret, ..quick() }
}

#[tokio::test]
async fn a_wrong_secret() {
    let (dialer, listener) = refused(with(secret("one")), with(secret("another"))).await;
    assert_says(&dialer, "turned away by the other side: wrong secret");
    assert_says(&listener, "wrong secret");
}

#[tokio::test]
async fn only_the_listener_has_a_secret() {
    let (dialer, listener) = refused(with(None), with(secret("one"))).await;
    assert_says(&dialer, "the other side's cluster has a secret, this node has none");
    assert_says(&listener, "the other side has no secret, this cluster has one");
}

#[tokio::test]
async fn only_the_dialer_has_a_secret() {
    let (dialer, listener) = refused(with(secret("one")), with(None)).await;
    assert_says(&dialer, "the other side has no secret, this cluster has one");
    assert_says(&listener, "the other side's cluster has a secret, this node has none");
}

#[tokio::test]
async fn another_cluster_with_the_same_secret() {
    let other = Libp2pConfig { cluster: Some("other".into()), ..quick() };
    let (dialer, listener) = refused(quick(), other).await;
    assert_says(&dialer, "cluster names differ: the other side's is not \"other\"");
    assert_says(&listener, "cluster names differ");
}

#[tokio::test]
async fn a_node_that_leaves_the_name_open_is_of_any_cluster() {
    let mut a = Node::dialing(Libp2pConfig { cluster: None, ..quick() }).await;
    let mut b = Node::listening(TCP, quick()).await;
    link(&mut a, &mut b).await;
}

#[tokio::test]
async fn without_a_secret_the_core_tells_clusters_apart() {
    let mut a = Node::dialing(Libp2pConfig { cluster: Some("other".into()), ..with(None) }).await;
    let mut b = Node::listening(TCP, with(None)).await;
    link(&mut a, &mut b).await;
}
