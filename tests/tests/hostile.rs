//! Hostile peers at a node's port: random bytes, and frames that are almost right, neither stop a node nor fill its
//! memory nor touch what was put. There is no secret here, so that they get as far as the core.
#![cfg(unix)]
#![allow(clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;

use paxoskv_core::wire::{Claim, write_frame};
use paxoskv_core::{NodeId, Opening, Seat, StoreId};
use paxoskv_links::Preface;
use paxoskv_tests::messages::{greeting, messages};
use paxoskv_tests::processes::{Cluster, PATIENCE};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, RngSeed, TestRng, TestRunner};
use tokio_tungstenite::tungstenite::{self, WebSocket, client};

/// How many connections of each kind.
const CONNECTIONS: u64 = 60;
/// How many frames on each.
const FRAMES: usize = 40;

/// By how much a node's memory may grow, in KiB. It holds some thousand small messages at most.
const GROWTH: u64 = 64 << 10;

struct Hostile {
    runner: TestRunner,
}

impl Hostile {
    /// The same every time.
    fn new(seed: u64) -> Self {
        let config = Config { rng_seed: RngSeed::Fixed(seed), ..Config::default() };
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self { runner: TestRunner::new_with_rng(config, rng) }
    }

    fn any<S: Strategy>(&mut self, strategy: S) -> S::Value {
        strategy.new_tree(&mut self.runner).expect("a value").current()
    }

    fn bytes(&mut self, most: usize) -> Vec<u8> {
        self.any(proptest::collection::vec(proptest::arbitrary::any::<u8>(), 0..most))
    }

    /// Messages that are whole, but mean nothing, or too much.
    fn frame(&mut self) -> Vec<u8> {
        let mut frame = write_frame(&self.any(messages()));
        // Some speak of the cluster's own registers, for which the library gives nobody a name.
        if self.any(0..3_u8) == 0 {
            for at in 0..frame.len().saturating_sub(9) {
                if frame[at] == 0x69 && frame[at + 1].is_ascii_lowercase() {
                    frame[at + 1..at + 10].copy_from_slice(b"$founding");
                }
            }
        }
        frame
    }

    /// A frame with a few bytes changed, added or taken away.
    fn mutated(&mut self) -> Vec<u8> {
        let mut frame = self.frame();
        for _ in 0..self.any(1..4_u8) {
            let at = self.any(0..frame.len());
            let byte = self.any(proptest::arbitrary::any::<u8>());
            match self.any(0..4_u8) {
                0 => frame[at] = byte,
                1 => frame[at] ^= 1 << (byte % 8),
                2 => frame.insert(at, byte),
                _ if frame.len() > 1 => drop(frame.remove(at)),
                _ => {}
            }
        }
        frame
    }

    fn node(&mut self) -> NodeId {
        NodeId(self.any(proptest::arbitrary::any::<[u8; 16]>()))
    }
}

fn tcp(cluster: &Cluster) -> TcpStream {
    let tcp = TcpStream::connect(cluster.address(1)).expect("the node listens");
    tcp.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    tcp.set_write_timeout(Some(PATIENCE)).expect("a timeout");
    tcp
}

/// A link to a node, up to the first frame.
fn link(cluster: &Cluster) -> WebSocket<TcpStream> {
    let url = format!("ws://{}/ws", cluster.address(1));
    let (mut socket, _) = client(url, tcp(cluster)).expect("an upgrade");
    socket.send(binary(Preface::new(false, false, rand()).encode().to_vec())).expect("sent");
    let theirs = socket.read().expect("the node's preface").into_data();
    assert!(Preface::decode(&theirs).is_ok());
    socket
}

/// Names a connection; all are different.
fn rand() -> [u8; 32] {
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
    let n = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let mut nonce = [7; 32];
    nonce[..8].copy_from_slice(&n.to_le_bytes());
    nonce
}

fn binary(bytes: Vec<u8>) -> tungstenite::Message {
    tungstenite::Message::Binary(bytes.into())
}

/// Sends until the node has enough of it; whether it took them all.
fn send(socket: &mut WebSocket<TcpStream>, frames: impl IntoIterator<Item = Vec<u8>>) -> bool {
    let sent = frames.into_iter().all(|frame| socket.send(binary(frame)).is_ok());
    if !sent {
        return false;
    }
    // The node answers each ping if it still reads: then it has read what came before.
    if socket.send(tungstenite::Message::Ping(b"there?".to_vec().into())).is_err() {
        return false;
    }
    loop {
        match socket.read() {
            Ok(tungstenite::Message::Pong(_)) => return true,
            Ok(tungstenite::Message::Close(_)) => return false,
            Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                panic!("the node neither answers nor closes")
            }
            Err(_) => return false,
            Ok(_) => {}
        }
    }
}

/// Waits until the node has closed the link; false where it keeps it.
fn ended(mut socket: WebSocket<TcpStream>) -> bool {
    loop {
        match socket.read() {
            Ok(message) if !message.is_close() => {}
            Err(tungstenite::Error::Io(error)) if error.kind() == std::io::ErrorKind::WouldBlock => {
                return false;
            }
            _ => return true,
        }
    }
}

/// A cluster that keeps what it has through all that `attack` does to its first seat.
#[track_caller]
fn withstands(attack: impl FnOnce(&Cluster)) {
    let cluster = Cluster::up(&[]);
    cluster.run(1, &["put", "leader", "anna"]).done();
    let before = cluster.node(1).memory("VmRSS");
    attack(&cluster);
    let after = cluster.node(1).memory("VmRSS");
    assert!(after <= before + GROWTH, "memory has grown from {before} to {after} KiB");
    cluster.unharmed();
    for seat in 1..=3 {
        assert_eq!(
            cluster.run(seat, &["get", "leader", "--json"]).done().line(),
            r#"{"value":"anna","generation":0}"#
        );
        let log = cluster.node(seat).printed().err;
        assert!(!log.iter().any(|line| line.contains("panicked")), "{log:#?}");
    }
}

#[test]
fn random_bytes_instead_of_http() {
    withstands(|cluster| {
        let mut hostile = Hostile::new(1);
        for n in 0..CONNECTIONS {
            let mut tcp = tcp(cluster);
            let mut bytes = hostile.bytes(20_000);
            if n % 3 == 0 {
                bytes.splice(0..0, *b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n");
            }
            // The node may close at any byte.
            let _ = tcp.write_all(&bytes).and_then(|()| tcp.shutdown(std::net::Shutdown::Write));
            let _ = tcp.read_to_end(&mut Vec::new());
        }
    });
}

#[test]
fn random_bytes_instead_of_frames() {
    withstands(|cluster| {
        let mut hostile = Hostile::new(2);
        for n in 0..CONNECTIONS {
            let mut socket = link(cluster);
            let id = hostile.node();
            let greeting = (n % 2 == 0).then(|| greeting(cluster.name(), id, None));
            assert!(send(&mut socket, greeting));
            let mut garbage = hostile.bytes(5000);
            garbage.insert(0, 0xff);
            send(&mut socket, [garbage]);
            assert!(ended(socket), "it is no frame, and ends the link");
        }
    });
}

#[test]
fn mutated_frames_from_an_observer() {
    withstands(|cluster| {
        let mut hostile = Hostile::new(3);
        let mut survived = 0;
        for _ in 0..CONNECTIONS {
            let mut socket = link(cluster);
            let greeting = greeting(cluster.name(), hostile.node(), None);
            assert!(send(&mut socket, [greeting]), "a Hello is taken");
            survived += u32::from(send(&mut socket, (0..FRAMES).map(|_| hostile.mutated())));
        }
        assert!(survived < 60, "some of them were no frames");
    });
}

#[test]
fn whole_frames_that_make_no_sense_from_an_observer() {
    withstands(|cluster| {
        let mut hostile = Hostile::new(4);
        for _ in 0..CONNECTIONS {
            let mut socket = link(cluster);
            let greeting = greeting(cluster.name(), hostile.node(), None);
            assert!(send(&mut socket, [greeting]), "a Hello is taken");
            // They say Refuse and Goodbye in between, which end the link.
            send(&mut socket, (0..FRAMES).map(|_| hostile.frame()));
        }
    });
}

#[test]
fn whole_frames_that_make_no_sense_from_a_store_that_claims_a_seat() {
    withstands(|cluster| {
        let mut hostile = Hostile::new(5);
        for n in 0..CONNECTIONS {
            let mut socket = link(cluster);
            let claim = Claim {
                seat: Seat::new((n % 3) as u8 + 1).expect("a seat"),
                store: StoreId(hostile.any(proptest::arbitrary::any::<[u8; 16]>())),
                opening: Opening(u64::MAX),
            };
            let greeting = greeting(cluster.name(), hostile.node(), Some(claim));
            send(&mut socket, std::iter::once(greeting).chain((0..FRAMES).map(|_| hostile.frame())));
        }
    });
}

#[test]
fn frames_before_any_hello_and_a_silent_link() {
    withstands(|cluster| {
        let mut hostile = Hostile::new(6);
        let silent = [link(cluster), link(cluster)];
        for _ in 0..CONNECTIONS {
            let mut socket = link(cluster);
            send(&mut socket, (0..FRAMES).map(|_| hostile.frame()));
        }
        assert!(silent.into_iter().all(ended), "a link without a word is closed after the peer timeout");
    });
}
