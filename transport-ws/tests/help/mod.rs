//! What the tests of the transport have in common: a node that listens on a real socket, and waiting for events.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use paxoskv_core::Transport;
use paxoskv_core::transport::{Event, LinkId};
use paxoskv_transport_ws::{Secret, WsConfig, WsTransport, serve};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Nothing here takes this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(20);

pub fn secret(text: &str) -> Option<Secret> {
    Some(Secret::new(text.as_bytes()).unwrap())
}

/// Quick retries, so that tests need not wait.
pub fn quick() -> WsConfig {
    WsConfig {
        backoff_start: Duration::from_millis(10),
        backoff_cap: Duration::from_millis(100),
        refused_pause: Duration::from_millis(100),
        ..WsConfig::default()
    }
}

pub struct Node {
    pub transport: WsTransport,
    pub at: SocketAddr,
    server: Option<JoinHandle<()>>,
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
        Self { transport, at, server: Some(tokio::spawn(serve(listener, route))) }
    }

    /// Only dials.
    pub fn dialing(config: WsConfig) -> Self {
        let (transport, _) = WsTransport::new(config).unwrap();
        Self { transport, at: "0.0.0.0:0".parse().unwrap(), server: None }
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

    pub async fn event(&mut self) -> Event {
        let next = poll_fn(|cx| self.transport.poll_event(cx));
        timeout(PATIENCE, next).await.expect("an event was to come")
    }

    /// The first event that `wanted` makes something of; those before it are passed over.
    pub async fn until<T>(&mut self, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
        loop {
            let event = self.event().await;
            if let Some(found) = wanted(&event) {
                return found;
            }
        }
    }

    pub async fn up(&mut self) -> LinkId {
        self.until(|event| match event {
            Event::Up { link, .. } => Some(*link),
            _ => None,
        })
        .await
    }

    /// Why the link went down.
    pub async fn down(&mut self, of: LinkId) -> String {
        self.until(|event| match event {
            Event::Down { link, reason, .. } if *link == of => Some(reason.clone()),
            _ => None,
        })
        .await
    }

    pub async fn frame(&mut self) -> (LinkId, Vec<u8>) {
        self.until(|event| match event {
            Event::Frame { link, bytes } => Some((*link, bytes.clone())),
            _ => None,
        })
        .await
    }

    /// Address and reason of the next refusal.
    pub async fn refusal(&mut self) -> (String, String) {
        self.until(|event| match event {
            Event::Unreachable { address, reason, refused: true } => Some((address.clone(), reason.clone())),
            _ => None,
        })
        .await
    }

    pub async fn flush(&mut self) {
        timeout(PATIENCE, poll_fn(|cx| self.transport.poll_flush(cx))).await.expect("flushing is bounded");
    }

    /// Fails if something happens within the time. For what must *not* happen, there is no event to await.
    pub async fn nothing_for(&mut self, time: Duration) {
        let next = poll_fn(|cx| self.transport.poll_event(cx));
        if let Ok(event) = timeout(time, next).await {
            panic!("nothing was to happen, but {event:?} did");
        }
    }
}

/// Links `dialer` to `listener`; each side's name of the link.
pub async fn link(dialer: &mut Node, listener: &mut Node) -> (LinkId, LinkId) {
    dialer.transport.dial(&[listener.address()]);
    (dialer.up().await, listener.up().await)
}

/// Contains, with a message that helps.
pub fn assert_says(text: &str, words: &str) {
    assert!(text.contains(words), "{text:?} does not say {words:?}");
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
