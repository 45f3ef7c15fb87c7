//! Two sides of a stream over libp2p come to a link, or not, with an attacker in the middle: prefaces, and with a secret the
//! proofs of both. No message makes a side panic; with a secret no link comes up but with what the other side sent, and
//! none of two secrets or two clusters. Then any bytes are what comes over a link: frames and a goodbye, of which none
//! takes more memory than has come.

#![no_main]
// The transport's files bring their own tests along, which need more of libp2p than is here.
#![cfg(not(test))]

use futures::executor::block_on;
use libfuzzer_sys::fuzz_target;
use libp2p::PeerId;
use paxoskv_fuzz::bytes::Bytes;
use paxoskv_fuzz::handshake::meet;
use paxoskv_fuzz::heap;
use paxoskv_links::frames::{FrameReader, FrameWriter, Incoming};
use paxoskv_links::{Handshake, Secret};

// The transport's own files, without the swarm.
#[allow(dead_code, missing_docs, unreachable_pub)]
#[path = "../../transport-libp2p/src/frames.rs"]
mod frames;
#[allow(dead_code, missing_docs, unreachable_pub)]
#[path = "../../transport-libp2p/src/proofs.rs"]
mod proofs;

use frames::Frames;
use proofs::{Proving, Side};

/// The longest frame.
const MAX_FRAME: usize = 1 << 20;

/// What a stream may take beside what has come over it.
const HEAP: usize = 256 << 10;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes::new(bytes);
    let kind = bytes.byte();
    if kind & 1 == 0 {
        come_together(kind >> 1, &mut bytes);
    } else {
        let stream = bytes.rest();
        let ((), most) = heap::most(|| read_all(stream));
        assert!(most <= HEAP + 8 * stream.len(), "{} bytes take {most}", stream.len());
    }
});

fn come_together(kind: u8, bytes: &mut Bytes<'_>) {
    let own = Secret::new(b"0123456789abcdef").ok();
    let other = Secret::new(b"another secret  ").ok();
    let dialers = own.as_ref().filter(|_| kind & 1 == 0);
    let listeners = if kind & 4 == 0 { &own } else { &other }.as_ref().filter(|_| kind & 2 == 0);
    let names =
        [[Some("demo"), None], [Some("demo"), Some("other")], [Some("demo"), Some("demo")], [None, None]];
    let [dialers_name, listeners_name] = names[usize::from(kind >> 3 & 3)];
    let peers =
        [PeerId::from_bytes(&id(1)), PeerId::from_bytes(&id(2))].map(|id| id.expect("it is a peer id"));
    let proven: fn() = || {};
    let side = |dialed: bool, secret, cluster: Option<&'static str>| {
        let peers = if dialed { (peers[0], peers[1]) } else { (peers[1], peers[0]) };
        let side = Side { secret, cluster, peers, proven };
        let secret = side.secret.is_some();
        Handshake::new(dialed, secret, cluster.is_some(), Proving::Prefaces(side))
            .expect("there are random numbers")
    };
    let (dialer, listener) = (side(true, dialers, dialers_name), side(false, listeners, listeners_name));
    let have_secrets = dialers.is_some() && listeners.is_some();
    let met = meet(bytes, dialer, listener, have_secrets);
    let up = met.established.map(|side| side.is_some());
    let differ = matches!((dialers_name, listeners_name), (Some(one), Some(other)) if one != other);
    if dialers == listeners && met.untouched && !(have_secrets && differ) {
        assert_eq!(up, [true, true], "two that agree come to a link");
    }
    if have_secrets && (dialers != listeners || differ) {
        assert_eq!(up, [false, false], "two that do not agree come to none");
    }
}

/// A peer id is a multihash: here of no more than its bytes.
fn id(n: u8) -> Vec<u8> {
    [vec![0, 36, 8, 1, 18, 32], vec![n; 32]].concat()
}

/// Reads all that comes, and writes it again.
fn read_all(stream: &[u8]) {
    let mut reader = Frames::new(stream, MAX_FRAME);
    let mut written = Frames::new(futures::io::Cursor::new(Vec::new()), MAX_FRAME);
    loop {
        match block_on(reader.read()) {
            Incoming::Frame(frame) => block_on(written.write(frame)).expect("memory is written to"),
            Incoming::Invalid(goodbye) => return assert!(!goodbye.reason.is_empty()),
            Incoming::Closed(..) | Incoming::Broken(_) => return,
        }
    }
}
