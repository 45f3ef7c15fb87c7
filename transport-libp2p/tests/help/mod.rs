//! What the tests of the transport have in common: a node that listens on real sockets, and waiting for events.
#![allow(dead_code, unused_imports, unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use paxoskv_core::Transport;
use paxoskv_core::transport::LinkId;
use paxoskv_links::LinkSettings;
use paxoskv_links::testing::{Observed, quick_retries};
pub use paxoskv_links::testing::{PATIENCE, assert_says, secret};
use paxoskv_transport_libp2p::{Libp2pConfig, Libp2pTransport};
use tokio::time::timeout;

pub const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
pub const WS: &str = "/ip4/127.0.0.1/tcp/0/ws";

/// Quick retries, so that tests need not wait.
pub fn quick() -> Libp2pConfig {
    limited(|_| ())
}

/// Quick retries, and what else the test sets.
pub fn limited(set: impl FnOnce(&mut LinkSettings)) -> Libp2pConfig {
    let mut link = quick_retries();
    set(&mut link);
    Libp2pConfig {
        cluster: Some("test".into()),
        secret: secret("secret"),
        mdns: false,
        link,
        ..Libp2pConfig::default()
    }
}

/// A node of the transport, and its events.
pub struct Node {
    observed: Observed<Libp2pTransport>,
}

impl Deref for Node {
    type Target = Observed<Libp2pTransport>;

    fn deref(&self) -> &Self::Target {
        &self.observed
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.observed
    }
}

impl Node {
    /// Listens on a free port of 127.0.0.1.
    pub async fn listening(on: &str, config: Libp2pConfig) -> Self {
        Self::dialing(Libp2pConfig { listen: vec![on.into()], ..config }).await
    }

    /// Only dials, unless its settings say otherwise.
    pub async fn dialing(config: Libp2pConfig) -> Self {
        Self { observed: Observed { transport: Libp2pTransport::new(config).await.unwrap() } }
    }

    /// With its peer id at its end.
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

    /// Without its peer id.
    pub async fn way(&self) -> String {
        let address = self.address().await;
        address.split_once("/p2p/").unwrap().0.to_owned()
    }
}

/// Links `dialer` to `listener`; each side's name of the link.
pub async fn link(dialer: &mut Node, listener: &mut Node) -> (LinkId, LinkId) {
    dialer.transport.dial(&[listener.address().await]);
    (dialer.up().await, listener.up().await)
}
