//! Any bytes are taken for a frame: what is read is written and read again as the same. A node takes them from a peer that
//! has not sent Hello, and from a member; each costs bounded memory, and malformed ones the link.

#![no_main]

use libfuzzer_sys::fuzz_target;
use paxoskv_core::Settings;
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Message, read_frame, write_frame};
use paxoskv_fuzz::node::Node;
use paxoskv_fuzz::wire;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(messages) = read_frame(bytes) {
        let written = write_frame(&messages);
        assert!(written.len() <= bytes.len(), "its own encoding is no longer");
        assert_eq!(read_frame(&written).as_ref(), Ok(&messages));
    }
    let mut node = Node::new(true, Settings::default());
    let (unauthenticated, member) = (LinkId(1), LinkId(2));
    node.link(unauthenticated, false, false);
    node.frame(unauthenticated, bytes);
    node.link(member, false, false);
    node.frame(member, &wire::frame(&Message::Hello { hello: wire::hello(2, 1, None) }));
    assert!(node.has(member), "a member is welcome after that");
    node.frame(member, bytes);
});
