//! What the tests of the transport have in common: a node that listens on real sockets, and waiting for events.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::future::poll_fn;
use std::time::Duration;

use paxoskv_core::Transport;
use paxoskv_core::transport::{Event, LinkId};
use paxoskv_transport_libp2p::{Libp2pConfig, Libp2pTransport, Secret};
use tokio::time::timeout;

/// Nothing here takes this long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
pub const WS: &str = "/ip4/127.0.0.1/tcp/0/ws";

pub fn secret(text: &str) -> Option<Secret> {
    Some(Secret::new(text.as_bytes()).unwrap())
}

/// Quick retries, so that tests need not wait.
pub fn quick() -> Libp2pConfig {
    Libp2pConfig {
        cluster: Some("test".into()),
        secret: secret("secret"),
        mdns: false,
        backoff_start: Duration::from_millis(10),
        backoff_cap: Duration::from_millis(100),
        refused_pause: Duration::from_millis(100),
        ..Libp2pConfig::default()
    }
}

pub struct Node {
    pub transport: Libp2pTransport,
}

impl Node {
    /// Listens on a free port of 127.0.0.1.
    pub async fn listening(on: &str, config: Libp2pConfig) -> Self {
        Self::dialing(Libp2pConfig { listen: vec![on.into()], ..config }).await
    }

    /// Only dials, unless its settings say otherwise.
    pub async fn dialing(config: Libp2pConfig) -> Self {
        Self { transport: Libp2pTransport::new(config).await.unwrap() }
    }

    /// With its name at its end.
    pub async fn address(&self) -> String {
        timeout(PATIENCE, async {
            loop {
                if let Some(address) = self.transport.addresses().into_iter().next() {
                    return address;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("it listens")
    }

    /// Without its name.
    pub async fn way(&self) -> String {
        let address = self.address().await;
        address.split_once("/p2p/").unwrap().0.to_owned()
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

    /// Address and reason of the next that was not reached.
    pub async fn unreachable(&mut self) -> (String, String) {
        self.until(|event| match event {
            Event::Unreachable { address, reason, refused: false } => Some((address.clone(), reason.clone())),
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
    dialer.transport.dial(&[listener.address().await]);
    (dialer.up().await, listener.up().await)
}

/// Contains, with a message that helps.
pub fn assert_says(text: &str, words: &str) {
    assert!(text.contains(words), "{text:?} does not say {words:?}");
}
