//! A seat opens a store of any records: it says clearly what is wrong with them, or it starts. Where it starts, it takes
//! any messages from a peer, and what it has made durable by then opens again.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use paxoskv_core::Error;
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::Message;
use paxoskv_fuzz::bytes::Bytes;
use paxoskv_fuzz::node::Node;
use paxoskv_fuzz::{records, wire};

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes::new(bytes);
    let mut stored = Vec::new();
    let (with_meta, count) = (!bytes.byte().is_multiple_of(8), bytes.below(8));
    if with_meta {
        stored.push(records::meta(&mut bytes));
    }
    stored.extend((0..count).map(|_| records::record(&mut bytes)));
    let mut node = match Node::open(stored) {
        Ok(node) => node,
        Err(Error::Storage { why }) => return assert!(!why.is_empty()),
        Err(other) => panic!("of a store it says {other:?}"),
    };
    let link = LinkId(1);
    node.link(link, true, false);
    node.frame(link, &wire::frame(&Message::Hello { hello: wire::hello(2, 1, None) }));
    while !bytes.is_empty() {
        match wire::message(&mut bytes) {
            Some(message) => node.frame(link, &wire::frame(&message)),
            None => node.pass(Duration::from_millis(100)),
        }
    }
    node.pass(Duration::from_secs(1));
    if let Err(why) = node.start() {
        panic!("what it wrote does not open: {why}");
    }
});
