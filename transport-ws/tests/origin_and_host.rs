//! Web pages of others, and names that only seem to be this machine's, are turned away with a reason.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod help;
use help::*;

use paxoskv_transport_ws::WsConfig;
use tokio::io::AsyncReadExt;

async fn node() -> Node {
    Node::listening(WsConfig {
        allow_origins: vec!["https://app.example".into()],
        allow_hosts: vec!["node.example".into()],
        ..quick()
    })
    .await
}

async fn comes_in(node: &Node, host: &str, headers: &str) {
    let (_, answer) = upgraded(node.at, host, headers).await;
    assert_says(&answer, "101 Switching Protocols");
    assert_says(&answer, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="); // RFC 6455 §1.3
}

async fn is_turned_away(node: &Node, host: &str, headers: &str, reason: &str) {
    let (mut tcp, answer) = upgraded(node.at, host, headers).await;
    assert_says(&answer, "403 Forbidden");
    let mut body = [0; 300];
    let length = tcp.read(&mut body).await.unwrap();
    let body = String::from_utf8_lossy(&body[..length]);
    assert_says(&body, reason);
    assert!(!body.contains('\n'), "one line");
}

#[tokio::test]
async fn programs_and_own_pages_and_allowed_pages_come_in() {
    let node = node().await;
    let at = node.at.to_string();
    comes_in(&node, &at, "").await;
    comes_in(&node, &at, &format!("Origin: http://{at}\r\n")).await;
    comes_in(&node, &at, "Origin: https://app.example\r\n").await;
    comes_in(&node, "node.example", "").await;
    comes_in(&node, "localhost:1", "Origin: http://localhost:1\r\n").await;
}

#[tokio::test]
async fn pages_of_others_are_turned_away() {
    let node = node().await;
    let at = node.at.to_string();
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1", "http://app.example"] {
        is_turned_away(&node, &at, &format!("Origin: {origin}\r\n"), "is not allowed here").await;
    }
}

#[tokio::test]
async fn a_name_that_was_rebound_to_this_machine_is_turned_away() {
    let node = node().await;
    let port = node.at.port();
    let host = format!("evil.example:{port}");
    // The page and the host agree: that is what rebinding looks like.
    is_turned_away(&node, &host, &format!("Origin: http://{host}\r\n"), "is not known here").await;
    is_turned_away(&node, &host, "", "is not known here").await;
}

#[tokio::test]
async fn a_request_that_is_no_upgrade_gets_an_answer_that_says_so() {
    use tokio::io::AsyncWriteExt;
    let node = node().await;
    let mut tcp = raw(node.at).await;
    tcp.write_all(b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).await.unwrap();
    assert_says(&answer, "426 Upgrade Required");
}
