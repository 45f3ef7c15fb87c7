//! One stepped node: what its outputs may be, and when.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::time::Duration;

use paxoskv_core::replica::{Input, Output, Replica, Setup};
use paxoskv_core::storage::Loaded;
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Claim, Hello, Message, PROTOCOL, read_frame, write_frame};
use paxoskv_core::{CallId, ClusterId, Epoch, Moment, NodeId, Opening, Rule, Rules, Seat, Settings, StoreId};

const NOW: Moment = Moment { steady: Duration::ZERO, unix: Duration::ZERO };

fn fresh(seat: u8) -> Replica {
    let setup = Setup {
        cluster: Some("test".into()),
        cluster_size: Some(3),
        seat: Seat::new(seat),
        settings: Settings::default(),
        entropy: [seat; 32],
    };
    Replica::new(setup, Loaded { opening: Opening(1), records: Vec::new() }).unwrap()
}

fn outputs(node: &mut Replica, input: Input) -> Vec<Output> {
    node.handle(NOW, input);
    node.end_turn();
    std::iter::from_fn(|| node.next_output()).collect()
}

fn hello(seat: u8) -> Vec<u8> {
    write_frame(&[hello_from(seat)])
}

fn hello_from(seat: u8) -> Message {
    let claim = Claim { seat: Seat::new(seat).unwrap(), store: StoreId([seat; 16]), opening: Opening(1) };
    Message::Hello {
        hello: Hello {
            protocol: PROTOCOL,
            cluster: Some("test".into()),
            cluster_size: Some(3),
            cluster_id: None,
            node: NodeId([seat; 16]),
            boot: 1,
            claim: Some(claim),
            epoch: Epoch(0),
        },
    }
}

/// Whether an observer opens a session whose first heartbeat is answered late.
fn opens_on_a_late_answer(rules: Rules) -> bool {
    let at = |ms| Moment { steady: Duration::from_millis(ms), ..Moment::default() };
    let setup = Setup {
        cluster: Some("test".into()),
        cluster_size: Some(3),
        seat: None,
        settings: Settings::default(),
        entropy: [9; 32],
    };
    let mut node = Replica::with_rules(setup, Loaded::default(), rules).unwrap();
    let mut outputs_at = |now, input| {
        node.handle(now, input);
        node.end_turn();
        std::iter::from_fn(|| node.next_output()).collect::<Vec<_>>()
    };
    for (link, seat) in [(1, 1), (2, 2)] {
        outputs_at(
            at(0),
            Input::LinkUp { link: LinkId(link), dialed: true, attested: false, addresses: Vec::new() },
        );
        let Message::Hello { hello } = hello_from(seat) else { unreachable!() };
        let hello = Hello { cluster_id: Some(ClusterId([7; 16])), ..hello };
        let bytes = write_frame(&[Message::Hello { hello }]);
        outputs_at(at(0), Input::Frame { link: LinkId(link), bytes });
    }
    let opening = outputs_at(at(1), Input::OpenSession { call: CallId(1), timeout: None });
    let sent = opening.into_iter().filter_map(|output| match output {
        Output::Send { frame, .. } => Some(read_frame(&frame).unwrap()),
        _ => None,
    });
    let heartbeat = sent.flatten().find_map(|message| match message {
        Message::Heartbeat { number, .. } => Some(number),
        _ => None,
    });
    let number = heartbeat.unwrap();
    let mut outputs = Vec::new();
    // A heartbeat that is answered more than 500 ms after it was sent does not count.
    for (link, seat) in [(1, 1), (2, 2)] {
        let ack = Message::HeartbeatAck { number, seat: Seat::new(seat).unwrap(), suspend_after: 500 };
        let bytes = write_frame(&[ack]);
        outputs.extend(outputs_at(at(600), Input::Frame { link: LinkId(link), bytes }));
    }
    outputs.iter().any(|output| matches!(output, Output::Opened { result: Ok(_), .. }))
}

#[test]
fn a_session_counts_from_when_its_heartbeat_was_sent() {
    assert!(!opens_on_a_late_answer(Rules::default()));
    assert!(opens_on_a_late_answer(Rules::without(Rule::HeartbeatsFromSending)));
}

/// Whether a link is closed that was silent for 10 s.
fn closes_in_silence(attested: bool) -> bool {
    let mut node = fresh(1);
    outputs(&mut node, Input::Tick);
    outputs(&mut node, Input::Persisted);
    outputs(&mut node, Input::LinkUp { link: LinkId(1), dialed: false, attested, addresses: Vec::new() });
    outputs(&mut node, Input::Frame { link: LinkId(1), bytes: hello(2) });
    let mut closed = false;
    for ms in (0..10_000).step_by(500) {
        let steady = Duration::from_millis(ms);
        node.handle(Moment { steady, ..Moment::default() }, Input::Tick);
        node.end_turn();
        while let Some(output) = node.next_output() {
            closed |= matches!(output, Output::Close { .. });
        }
    }
    closed
}

/// The links that a seat pings, every 600 ms, where it is linked to a seat and an observer.
fn pinged(observer_pings: bool) -> [Vec<LinkId>; 3] {
    let mut node = fresh(1);
    outputs(&mut node, Input::Tick);
    outputs(&mut node, Input::Persisted);
    let observer = NodeId([9; 16]);
    let Message::Hello { hello: seated } = hello_from(2) else { unreachable!() };
    let observer = write_frame(&[Message::Hello { hello: Hello { claim: None, node: observer, ..seated } }]);
    for (link, bytes) in [(LinkId(2), hello(2)), (LinkId(9), observer)] {
        outputs(&mut node, Input::LinkUp { link, dialed: false, attested: false, addresses: Vec::new() });
        outputs(&mut node, Input::Frame { link, bytes });
    }
    let mut pinged_at = |ms| {
        let ping = write_frame(&[Message::Ping { number: 7, learned: 0 }]);
        let input = if observer_pings { Input::Frame { link: LinkId(9), bytes: ping } } else { Input::Tick };
        node.handle(Moment { steady: Duration::from_millis(ms), ..Moment::default() }, input);
        node.end_turn();
        let pings = std::iter::from_fn(|| node.next_output()).filter_map(|output| match output {
            Output::Send { link, frame } => {
                let is_ping = |message: &Message| matches!(message, Message::Ping { .. });
                read_frame(&frame).unwrap().iter().any(is_ping).then_some(link)
            }
            _ => None,
        });
        pings.collect()
    };
    [600, 1200, 1800].map(&mut pinged_at)
}

/// Of thousands of observers each costs a seat an answer a heartbeat, and no question.
#[test]
fn a_seat_pings_seats_and_of_observers_those_that_are_silent() {
    let (seat, both) = (vec![LinkId(2)], vec![LinkId(2), LinkId(9)]);
    assert_eq!(pinged(true), [seat.clone(), seat.clone(), seat.clone()]);
    assert_eq!(pinged(false), [seat, both.clone(), both]);
}

#[test]
fn silence_closes_only_links_that_the_transport_does_not_attest_to() {
    assert!(closes_in_silence(false));
    assert!(!closes_in_silence(true));
}

/// The store's name is random, and may never be on disk: were it sent, a seat could be given to it for ever.
#[test]
fn nothing_is_sent_before_the_boot_is_durable() {
    let mut node = fresh(3);
    let sends = |outputs: &[Output]| outputs.iter().any(|output| matches!(output, Output::Send { .. }));
    let first = outputs(&mut node, Input::Tick);
    assert!(first.iter().any(|output| matches!(output, Output::Persist(_))) && !sends(&first));
    // Two links to one peer, of which one is closed, and a peer that is refused.
    for (link, dialed) in [(1, true), (2, false), (3, true)] {
        let up = Input::LinkUp { link: LinkId(link), dialed, attested: false, addresses: Vec::new() };
        assert!(!sends(&outputs(&mut node, up)));
    }
    for link in [1, 2] {
        assert!(!sends(&outputs(&mut node, Input::Frame { link: LinkId(link), bytes: hello(1) })));
    }
    let bytes = vec![0xff];
    assert!(!sends(&outputs(&mut node, Input::Frame { link: LinkId(3), bytes })));

    assert!(sends(&outputs(&mut node, Input::Persisted)));
}

#[test]
fn another_version_is_refused_for_what_it_is() {
    let mut node = fresh(1);
    outputs(&mut node, Input::Tick);
    outputs(&mut node, Input::Persisted);
    outputs(
        &mut node,
        Input::LinkUp { link: LinkId(1), dialed: false, attested: false, addresses: Vec::new() },
    );
    // A Hello of version 9, of a shape that this version does not know.
    let bytes = vec![0x81, 0x82, 0x00, 0x82, 0x09, 0x61, 0x78];
    let sent = outputs(&mut node, Input::Frame { link: LinkId(1), bytes });
    let refusal = sent.iter().find_map(|output| match output {
        Output::Send { frame, .. } => {
            read_frame(frame).unwrap().into_iter().find_map(|message| match message {
                Message::Refuse { reason } => Some(reason),
                _ => None,
            })
        }
        _ => None,
    });
    assert_eq!(refusal.unwrap(), "protocol versions differ: 9 and 1");
}
