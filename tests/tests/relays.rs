//! A node that carries what two others say to one another cannot read it: it is not in the node's memory.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(target_os = "linux")]

use std::fs::File;
use std::future::poll_fn;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join;
use paxoskv_core::transport::{Event, LinkId};
use paxoskv_core::wire::{Message, Op, read_frame, write_frame};
use paxoskv_core::{Bucket, Entry, Key, KeyId, NodeId, RequestId, Transport, Value};
use paxoskv_tests::messages::greeting;
use paxoskv_tests::processes::{Cluster, PATIENCE, Process};
use paxoskv_transport_libp2p::{Libp2pConfig, Libp2pTransport, LinkSettings, Secret};
use tokio::time::timeout;

/// How often the process holds this in its memory.
fn count(process: &Process, wanted: &[u8]) -> usize {
    let maps = std::fs::read_to_string(format!("/proc/{}/maps", process.id())).unwrap();
    let memory = File::open(format!("/proc/{}/mem", process.id())).unwrap();
    let mut found = 0;
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [from, to] = [from, to].map(|at| u64::from_str_radix(at, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        // A mapping may have gone meanwhile.
        if memory.read_exact_at(&mut bytes, from).is_ok() {
            found += bytes.windows(wanted.len()).filter(|bytes| *bytes == wanted).count();
        }
    }
    found
}

struct Member {
    transport: Libp2pTransport,
    node: NodeId,
    cluster: String,
}

impl Member {
    async fn new(number: u8, cluster: &Cluster, secret: &str) -> Self {
        let name = cluster.name().to_owned();
        let config = Libp2pConfig {
            cluster: Some(name.clone()),
            secret: Some(Secret::new(secret.as_bytes()).unwrap()),
            mdns: false,
            link: LinkSettings { backoff_cap: Duration::from_millis(100), ..LinkSettings::default() },
            ..Libp2pConfig::default()
        };
        let transport = Libp2pTransport::new(config).await.unwrap();
        Self { transport, node: NodeId([number; 16]), cluster: name }
    }

    async fn event(&mut self) -> Event {
        timeout(PATIENCE, poll_fn(|cx| self.transport.poll_event(cx))).await.expect("an event was to come")
    }

    /// A link to the node at this address, which has been greeted.
    async fn link(&mut self, address: &str) -> LinkId {
        self.transport.dial(&[address.to_owned()]);
        loop {
            if let Event::Up { link, .. } = self.event().await {
                self.transport.send(link, greeting(&self.cluster, self.node, None));
                return link;
            }
        }
    }

    async fn receives(&mut self, wanted: &[u8]) {
        while !matches!(self.event().await, Event::Frame { bytes, .. } if bytes == wanted) {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_cannot_read_what_it_carries() {
    // Behind it there are tasks of libp2p's, of which nobody asks how they ended.
    let panicked = Arc::new(AtomicBool::new(false));
    std::panic::set_hook(Box::new({
        let (panicked, say) = (Arc::clone(&panicked), std::panic::take_hook());
        move |info| {
            panicked.store(true, Ordering::Relaxed);
            say(info);
        }
    }));
    let cluster = Cluster::default();
    let file = cluster.folder().join("secret");
    let secret = "what nobody else knows";
    std::fs::write(&file, secret).unwrap();
    let at = cluster.multiaddr(1);
    let relay = cluster.arguments(1).with("--transport", "libp2p").with("--libp2p-listen", &at);
    let relay =
        relay.with("--join", cluster.multiaddr(2)).with("--secret-file", file.display().to_string()).start();
    relay.logs("listening");

    let mut a = Member::new(1, &cluster, secret).await;
    let mut b = Member::new(2, &cluster, secret).await;
    let to_relay = a.link(&at).await;
    b.link(&at).await;
    // Where nobody listens, so that the only way is through the relay.
    let nowhere = |member: &Member| format!("/ip4/127.0.0.1/tcp/1/p2p/{}", member.transport.peer_id());
    let (to_a, to_b) = (nowhere(&a), nowhere(&b));
    let (at_a, _) = join(a.link(&to_b), b.link(&to_a)).await;

    let private = format!("a says to b alone: {}", cluster.name()).into_bytes();
    for _ in 0..100 {
        a.transport.send(at_a, private.clone());
        b.receives(&private).await;
    }
    assert_eq!(count(&relay, &private), 0);

    // What is said to the node itself is there, so it would have been found: a put, which waits for a quorum.
    let open = format!("a says to the relay: {}", cluster.name());
    let id = KeyId::new(Bucket::default(), Key::new("key").unwrap());
    let value = Value::new(&open).unwrap();
    let entry = Entry { value, leases: Vec::new(), request: RequestId([1; 16]) };
    let op = Op::Put { id, entry, within: None, wait: false };
    let put = Message::Request { number: 1, op, patience: None };
    let ping = Message::Ping { number: 7, learned: 0 };
    a.transport.send(to_relay, write_frame(&[put, ping]));
    loop {
        let Event::Frame { bytes, .. } = a.event().await else { continue };
        if read_frame(&bytes).unwrap_or_default().contains(&Message::Pong { number: 7 }) {
            break;
        }
    }
    assert!(count(&relay, open.as_bytes()) > 0);
    assert!(!panicked.load(Ordering::Relaxed));
}
