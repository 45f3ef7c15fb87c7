//! Nodes that cannot listen, and reach each other through one that can.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use futures::future::join3;
use paxoskv_core::Transport;
use paxoskv_core::transport::{Event, LinkId};
use paxoskv_transport_libp2p::{Identity, Libp2pConfig, Libp2pTransport, Secret};
use tokio::time::timeout;

/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

struct Node {
    name: &'static str,
    transport: Libp2pTransport,
    links: BTreeSet<LinkId>,
}

impl Node {
    async fn new(name: &'static str, config: Libp2pConfig) -> Self {
        let secret = Some(Secret::new(b"a secret of sixteen bytes").unwrap());
        let config = Libp2pConfig { secret, mdns: false, ..config };
        Self { name, transport: Libp2pTransport::new(config).await.unwrap(), links: BTreeSet::new() }
    }

    /// Resolves when it has so many links.
    async fn links(&mut self, wanted: usize) {
        while self.links.len() != wanted {
            let next = poll_fn(|cx| self.transport.poll_event(cx));
            match timeout(PATIENCE, next)
                .await
                .unwrap_or_else(|_| panic!("{} has {:?}", self.name, self.links))
            {
                Event::Up { link, .. } => assert!(self.links.insert(link)),
                Event::Down { link, .. } => assert!(self.links.remove(&link)),
                Event::Frame { .. } | Event::Unreachable { .. } => {}
            }
        }
    }

    /// A frame goes from here to the other, on whichever of their links.
    async fn speaks_to(&mut self, other: &mut Self) {
        for link in &self.links {
            self.transport.send(*link, self.name.into());
        }
        let answered = poll_fn(|cx| {
            while self.transport.poll_event(cx).is_ready() {}
            match other.transport.poll_event(cx) {
                Poll::Ready(Event::Frame { bytes, .. }) if bytes == self.name.as_bytes() => Poll::Ready(()),
                Poll::Ready(_) => {
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
                Poll::Pending => Poll::Pending,
            }
        });
        timeout(PATIENCE, answered).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nodes_that_cannot_listen_reach_each_other_and_do_so_again_when_the_relay_comes_back() {
    let identity = Identity::generate();
    let relay = |listen: &str| Libp2pConfig {
        identity: identity.clone(),
        listen: vec![listen.to_owned()],
        ..Libp2pConfig::default()
    };
    let mut one = Node::new("relay", relay("/ip4/127.0.0.1/tcp/0/ws")).await;
    let way = one.transport.addresses().remove(0);
    let hidden = || Libp2pConfig { wait_at_relays: true, relay: false, ..Libp2pConfig::default() };
    let (mut two, mut three) = (Node::new("two", hidden()).await, Node::new("three", hidden()).await);
    for node in [&mut two, &mut three] {
        node.transport.dial(std::slice::from_ref(&way));
    }
    join3(one.links(2), two.links(1), three.links(1)).await;
    let way_to_two = two.transport.addresses();
    assert!(way_to_two[0].contains("p2p-circuit"), "{way_to_two:?}");
    three.transport.dial(&way_to_two);
    two.transport.dial(&three.transport.addresses());
    join3(one.links(2), two.links(2), three.links(2)).await;
    two.speaks_to(&mut three).await;

    drop(one);
    tokio::join!(two.links(0), three.links(0));
    let listen = way.split("/p2p/").next().unwrap();
    let mut one = Node::new("relay", relay(listen)).await;
    join3(one.links(2), two.links(2), three.links(2)).await;
    three.speaks_to(&mut two).await;
}
