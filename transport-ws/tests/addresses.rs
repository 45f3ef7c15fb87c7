//! The addresses of a node are those at which others can reach it, and a node does not dial itself.

mod help;
use help::*;

use paxoskv_core::Transport;
use paxoskv_transport_ws::WsConfig;

#[tokio::test]
async fn a_listener_on_one_address_has_that() {
    let node = Node::listening(quick()).await;
    assert_eq!(node.transport.addresses(), [format!("ws://127.0.0.1:{}", node.at.port())]);
}

#[tokio::test]
async fn a_node_that_does_not_listen_has_no_addresses() {
    assert!(Node::dialing(quick()).transport.addresses().is_empty());
}

#[tokio::test]
async fn a_listener_on_all_addresses_has_those_that_were_used() {
    let mut everywhere = Node::listening_at("0.0.0.0:0".parse().unwrap(), quick()).await;
    assert!(everywhere.transport.addresses().is_empty(), "nothing is known before the first link");
    let port = everywhere.at.port();
    let mut a = Node::dialing(quick());
    a.transport.dial(&[format!("127.0.0.1:{port}")]);
    everywhere.up().await;
    assert_eq!(everywhere.transport.addresses(), [format!("ws://127.0.0.1:{port}")]);

    // The other end of this machine's loopback network, from a link that this side dials.
    let mut there = Node::listening_at("127.0.0.2:0".parse().unwrap(), quick()).await;
    link(&mut everywhere, &mut there).await;
    assert_eq!(everywhere.transport.addresses().len(), 1, "Linux dials 127.0.0.2 from 127.0.0.1");
}

#[tokio::test]
async fn a_node_does_not_dial_itself() {
    let mut node = Node::listening(quick()).await;
    let port = node.at.port();
    let address = node.address();
    node.transport.dial(&[address, format!("localhost:{port}")]);
    let mut everywhere = Node::listening_at("0.0.0.0:0".parse().unwrap(), quick()).await;
    let port = everywhere.at.port();
    everywhere.transport.dial(&[format!("127.0.0.1:{port}"), format!("localhost:{port}")]);
    node.nothing_for(LONGEST_PAUSE * 2).await;
    everywhere.nothing_for(LONGEST_PAUSE).await;
}

#[test]
fn without_a_runtime_there_is_an_error_and_no_panic() {
    let error = paxoskv_transport_ws::WsTransport::new(WsConfig::default()).unwrap_err();
    assert_says(&error.to_string(), "needs a tokio runtime");
}
