//! What comes before anything else: several peers say Hello in strange ways, or something else, in any order, to a seat
//! or an observer. A peer that has not been accepted is sent nothing but Hello and why not; when all of them are
//! gone, a member is welcome.

#![no_main]

use std::collections::BTreeSet;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use paxoskv_core::Settings;
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Message, write_frame};
use paxoskv_fuzz::bytes::Bytes;
use paxoskv_fuzz::node::Node;
use paxoskv_fuzz::wire;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes::new(bytes);
    let mut node = Node::new(!bytes.byte().is_multiple_of(4), Settings::default());
    // Links over which a frame with a Hello has come.
    let mut greeted = BTreeSet::new();
    let mut links = 0;
    while !bytes.is_empty() {
        let link = LinkId(1 + bytes.below(6) as u64);
        match bytes.below(8) {
            0 => {
                links += 1;
                node.link(LinkId(links), bytes.flag(), bytes.flag());
            }
            1 => node.unlink(link, bytes.flag()),
            2 => node.pass(Duration::from_millis(50 * u64::from(bytes.byte()))),
            3 => {
                greeted.insert(link);
                node.frame(link, bytes.string());
            }
            4 => {
                let message = wire::message(&mut bytes);
                if matches!(message, Some(Message::Hello { .. })) {
                    greeted.insert(link);
                }
                node.frame(link, &message.map(|message| wire::frame(&message)).unwrap_or_default());
            }
            5 => {
                greeted.insert(link);
                let mut frame = wire::frame(&Message::Hello { hello: wire::strange_hello(&mut bytes) });
                for _ in 0..1 + bytes.below(3) {
                    let at = bytes.below(frame.len());
                    frame[at] = bytes.byte();
                }
                node.frame(link, &frame);
            }
            _ => {
                greeted.insert(link);
                let mut messages = vec![Message::Hello { hello: wire::strange_hello(&mut bytes) }];
                messages.extend((0..bytes.below(3)).filter_map(|_| wire::message(&mut bytes)));
                node.frame(link, &write_frame(&messages));
            }
        }
        for (link, message) in std::mem::take(&mut node.sent) {
            let is_greeting = matches!(message, Message::Hello { .. } | Message::Refuse { .. });
            assert!(
                is_greeting || greeted.contains(&link),
                "a peer that has sent nothing is sent {message:?}"
            );
        }
    }
    node.links().into_iter().for_each(|link| node.unlink(link, false));
    if node.runs() {
        welcome(&mut node);
    }
});

/// A later start of a member says Hello.
fn welcome(node: &mut Node) {
    let link = LinkId(1_000);
    node.link(link, false, false);
    node.frame(link, &wire::frame(&Message::Hello { hello: wire::hello(3, 1 << 60, None) }));
    let sent = std::mem::take(&mut node.sent);
    let hello = |(to, message): &(LinkId, Message)| *to == link && matches!(message, Message::Hello { .. });
    assert!(node.has(link) && sent.iter().any(hello), "a member is welcome: {sent:?}");
}
