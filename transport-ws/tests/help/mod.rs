//! What the tests of the transport have in common: a node that listens on a real socket, and waiting for events.
#![allow(dead_code, unused_imports, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};
use std::time::Duration;

use paxoskv_core::Transport;
use paxoskv_core::transport::LinkId;
use paxoskv_links::LinkSettings;
use paxoskv_links::testing::{Observed, quick_retries};
pub use paxoskv_links::testing::{PATIENCE, assert_says, secret};
use paxoskv_transport_ws::{WsConfig, WsTransport, serve};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// What the pauses of [`quick`] grow to.
pub const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Quick retries, so that tests need not wait.
pub fn quick() -> WsConfig {
    limited(|_| ())
}

/// Quick retries, and what else the test sets.
pub fn limited(set: impl FnOnce(&mut LinkSettings)) -> WsConfig {
    let mut link = quick_retries();
    set(&mut link);
    WsConfig { link, ..WsConfig::default() }
}

/// A node of the transport, and its events.
pub struct Node {
    observed: Observed<WsTransport>,
    pub at: SocketAddr,
    server: Option<JoinHandle<()>>,
}

impl Deref for Node {
    type Target = Observed<WsTransport>;

    fn deref(&self) -> &Self::Target {
        &self.observed
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.observed
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

impl Node {
    /// Listens on a free port of 127.0.0.1.
    pub async fn listening(config: WsConfig) -> Self {
        Self::listening_at("127.0.0.1:0".parse().unwrap(), config).await
    }

    pub async fn listening_at(at: SocketAddr, config: WsConfig) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let at = listener.local_addr().unwrap();
        let (transport, route) = WsTransport::new(WsConfig { listen: Some(at), ..config }).unwrap();
        Self { observed: Observed { transport }, at, server: Some(tokio::spawn(serve(listener, route))) }
    }

    /// Only dials.
    pub fn dialing(config: WsConfig) -> Self {
        let (transport, _) = WsTransport::new(config).unwrap();
        Self { observed: Observed { transport }, at: "0.0.0.0:0".parse().unwrap(), server: None }
    }

    pub fn address(&self) -> String {
        format!("ws://{}", self.at)
    }

    /// Stops listening, and all links with it; returns when the port is free.
    pub async fn stop(mut self) -> SocketAddr {
        if let Some(server) = self.server.take() {
            server.abort();
            let _ = server.await;
        }
        self.at
    }
}

/// Links `dialer` to `listener`; each side's name of the link.
pub async fn link(dialer: &mut Node, listener: &mut Node) -> (LinkId, LinkId) {
    dialer.transport.dial(&[listener.address()]);
    (dialer.up().await, listener.up().await)
}

/// A raw connection to a node, after an upgrade request with these further header lines; what it answered.
pub async fn upgraded(at: SocketAddr, host: &str, headers: &str) -> (TcpStream, String) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut tcp = raw(at).await;
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(timeout(PATIENCE, tcp.read_u8()).await.expect("an answer").unwrap());
    }
    (tcp, String::from_utf8(answer).unwrap())
}

pub async fn raw(at: SocketAddr) -> TcpStream {
    TcpSocket::new_v4().unwrap().connect(at).await.unwrap()
}
