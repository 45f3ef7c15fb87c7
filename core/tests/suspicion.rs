//! The failure detector of a stepped seat, where suspicion replies come late: a reply is about the time of its query.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::collections::VecDeque;
use std::time::Duration;

use paxoskv_core::paxos::QueryId;
use paxoskv_core::replica::{Input, Output, Replica, Setup};
use paxoskv_core::storage::Loaded;
use paxoskv_core::transport::LinkId;
use paxoskv_core::wire::{Hello, Message, Op, PROTOCOL, read_frame, write_frame};
use paxoskv_core::{
    Bucket, CallId, Entry, Epoch, Incarnation, Key, KeyId, Lease, Moment, NodeId, Opening, RequestId, Rule,
    Rules, Seat, Settings, Value,
};

const GRACE: Duration = Duration::from_secs(3);
const SUSPENDED: Duration = Duration::from_secs(2);
/// The link to the owner of the session. A link to a seat has the seat's number.
const OWNER: LinkId = LinkId(9);

/// Three seats, of which the first knows of a key that is bound to the owner's session.
struct Seats {
    nodes: Vec<Replica>,
    now: Duration,
}

impl Seats {
    fn new(rules: Rules) -> Self {
        let settings = Settings {
            session_grace: GRACE,
            suspend_after: SUSPENDED,
            peer_timeout: Duration::from_secs(3600),
            ..Settings::default()
        };
        let node = |seat| {
            let setup = Setup {
                cluster: Some("test".into()),
                cluster_size: Some(3),
                seat: Seat::new(seat),
                settings: settings.clone(),
                entropy: [seat; 32],
            };
            let loaded = Loaded { opening: Opening(1), records: Vec::new() };
            Replica::with_rules(setup, loaded, rules).unwrap()
        };
        let mut seats = Self { nodes: (1..=3).map(node).collect(), now: Duration::ZERO };
        for (one, other) in [(1, 2), (1, 3), (2, 3)] {
            seats.settle([(one, up(LinkId(other.into()), true)), (other, up(LinkId(one.into()), false))]);
        }
        seats.link_owner();
        let lease = Lease::Session { node: NodeId([9; 16]), boot: 1, n: 0 };
        let entry =
            Entry { value: Value::new(&1).unwrap(), leases: vec![lease], request: RequestId([1; 16]) };
        let id = KeyId::new(Bucket::default(), Key::new("key").unwrap());
        let op = Op::Put { id, entry, within: None, wait: false };
        let outputs = seats.settle([(1, Input::Call { call: CallId(1), op, timeout: None })]);
        assert!(outputs.iter().any(|output| matches!(output, Output::Reply { .. })), "{outputs:?}");
        seats
    }

    /// The outputs of one seat after an input.
    fn turn(&mut self, seat: u8, input: Input) -> Vec<Output> {
        let node = &mut self.nodes[usize::from(seat) - 1];
        node.handle(Moment { steady: self.now, unix: self.now }, input);
        node.end_turn();
        std::iter::from_fn(|| node.next_output()).collect()
    }

    /// Carries out inputs and all that comes of them: every frame arrives.
    fn settle<const N: usize>(&mut self, happens: [(u8, Input); N]) -> Vec<Output> {
        let mut all = Vec::new();
        let mut waiting = VecDeque::from(happens);
        while let Some((seat, input)) = waiting.pop_front() {
            for output in self.turn(seat, input) {
                match &output {
                    Output::Persist(_) => waiting.push_back((seat, Input::Persisted)),
                    Output::Send { link, frame } if *link != OWNER => {
                        let frame = Input::Frame { link: LinkId(seat.into()), bytes: frame.clone() };
                        waiting.push_back((u8::try_from(link.0).unwrap(), frame));
                    }
                    _ => {}
                }
                all.push(output);
            }
        }
        all
    }

    fn link_owner(&mut self) {
        let hello = Hello {
            protocol: PROTOCOL,
            cluster: Some("test".into()),
            cluster_size: Some(3),
            cluster_id: None,
            node: NodeId([9; 16]),
            boot: 1,
            claim: None,
            epoch: Epoch(0),
        };
        self.turn(1, up(OWNER, false));
        self.turn(1, Input::Frame { link: OWNER, bytes: write_frame(&[Message::Hello { hello }]) });
    }

    /// Time passes at the first seat, and no frame arrives anywhere. Returns its outputs.
    fn pass(&mut self, time: Duration) -> Vec<Output> {
        let end = self.now + time;
        let mut all = Vec::new();
        while self.now < end {
            self.now += Duration::from_millis(100);
            all.extend(self.turn(1, Input::Tick));
        }
        all
    }

    /// The owner's link goes down. The first seat sends the others a suspicion query, as soon as it suspects the owner.
    fn suspect_owner(&mut self) -> QueryId {
        self.turn(1, Input::LinkDown { link: OWNER, gone: false });
        let mut all = Vec::new();
        while self.now < Duration::from_secs(60) {
            all.extend(self.pass(Duration::from_millis(100)));
            let frames = all.drain(..).filter_map(|output| match output {
                Output::Send { link: LinkId(2), frame } => Some(read_frame(&frame).unwrap()),
                _ => None,
            });
            let sent = frames.flatten().find_map(|message| match message {
                Message::SuspicionQuery { query, .. } => Some(query),
                _ => None,
            });
            if let Some(query) = sent {
                return query;
            }
        }
        panic!("it never sends a query");
    }

    /// The second seat's reply arrives, which it sent when it had just begun to suspect the owner. Whether that ends the
    /// session.
    fn reply_ends(&mut self, query: QueryId) -> bool {
        let lost_for = u64::try_from(GRACE.as_millis()).unwrap();
        let bytes = write_frame(&[Message::SuspicionReply { query, lost_for }]);
        let outputs = self.turn(1, Input::Frame { link: LinkId(2), bytes });
        outputs.iter().any(|output| matches!(output, Output::Lost { .. }))
    }
}

fn up(link: LinkId, dialed: bool) -> Input {
    Input::LinkUp { link, dialed, attested: false, addresses: Vec::new() }
}

fn stale() -> Rules {
    Rules::without(Rule::SuspicionIsFresh)
}

/// The owner is suspected, comes back, and is suspected again: the other seat has replied to the first query only.
#[test]
fn a_suspicion_reply_counts_for_its_own_query_only() {
    let ends = |rules| {
        let mut seats = Seats::new(rules);
        let first = seats.suspect_owner();
        seats.link_owner();
        seats.pass(GRACE);
        let second = seats.suspect_owner();
        assert_ne!(first, second);
        [seats.reply_ends(first), seats.reply_ends(second)]
    };
    assert_eq!(ends(Rules::default()), [false, true]);
    assert!(ends(stale())[0]);
}

/// The owner was suspended, and then suspected. A reply that was on its way for longer than from the one to the other
/// does not count, for heartbeats of the owner may have arrived since.
#[test]
fn a_suspicion_reply_counts_for_as_long_as_the_owner_was_suspended() {
    let ends = |rules, late| {
        let mut seats = Seats::new(rules);
        let query = seats.suspect_owner();
        seats.pass(late);
        seats.reply_ends(query)
    };
    let (soon, late) = (GRACE - SUSPENDED, GRACE - SUSPENDED + Duration::from_millis(100));
    assert!(ends(Rules::default(), soon));
    assert!(!ends(Rules::default(), late));
    assert!(ends(stale(), late));
}

/// The others suspect an owner that is linked to this seat again.
#[test]
fn a_seat_that_does_not_suspect_the_owner_ends_nothing() {
    let ends = |rules| {
        let mut seats = Seats::new(rules);
        let query = seats.suspect_owner();
        seats.link_owner();
        seats.reply_ends(query)
    };
    assert!(!ends(Rules::default()));
    assert!(ends(stale()));
}

/// The others know that the owner has left, and end its session. The query of this seat, which has not arrived anywhere,
/// is not kept for ever.
#[test]
fn the_query_about_an_ended_session_is_dropped() {
    let mut seats = Seats::new(Rules::default());
    let query = seats.suspect_owner();
    let incarnation = Incarnation { node: NodeId([9; 16]), boot: 1 };
    let bytes = write_frame(&[Message::Left { incarnation }]);
    let left = |from| Input::Frame { link: LinkId(from), bytes: bytes.clone() };
    let outputs = seats.settle([(2, left(3)), (3, left(2))]);
    assert!(outputs.iter().any(|output| matches!(output, Output::Lost { .. })));
    seats.pass(Duration::from_millis(500));
    assert!(!seats.reply_ends(query));
}

/// Otherwise the other seats would not know what to reply, and each would have to query the others itself.
#[test]
fn left_is_sent_before_the_suspicion_query() {
    let mut seats = Seats::new(Rules::default());
    let goodbye = write_frame(&[Message::Goodbye {}]);
    let outputs = seats.turn(1, Input::Frame { link: OWNER, bytes: goodbye });
    let frames = outputs.into_iter().filter_map(|output| match output {
        Output::Send { link: LinkId(2), frame } => Some(read_frame(&frame).unwrap()),
        _ => None,
    });
    let sent: Vec<Message> = frames.flatten().collect();
    assert!(matches!(sent[..], [Message::Left { .. }, Message::SuspicionQuery { .. }]), "{sent:?}");
}
