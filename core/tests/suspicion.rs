//! Testimony that comes late, at a seat that is fed by hand: it says of then that a node was lost, and not of now.
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
/// The link to whoever owns the session. A link to a seat has the seat's number.
const OWNER: LinkId = LinkId(9);

/// Three seats, of which the first knows of a key that hangs on the owner's session.
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
        seats.owner_comes();
        let lease = Lease::Session { node: NodeId([9; 16]), boot: 1, n: 0 };
        let entry =
            Entry { value: Value::new(&1).unwrap(), leases: vec![lease], request: RequestId([1; 16]) };
        let id = KeyId::new(Bucket::default(), Key::new("key").unwrap());
        let op = Op::Put { id, entry, within: None, wait: false };
        let said = seats.settle([(1, Input::Call { call: CallId(1), op, timeout: None })]);
        assert!(said.iter().any(|output| matches!(output, Output::Reply { .. })), "{said:?}");
        seats
    }

    /// What one seat has to say to something.
    fn turn(&mut self, seat: u8, input: Input) -> Vec<Output> {
        let node = &mut self.nodes[usize::from(seat) - 1];
        node.handle(Moment { steady: self.now, unix: self.now }, input);
        node.end_turn();
        std::iter::from_fn(|| node.next_output()).collect()
    }

    /// Lets everybody hear everything that comes of it.
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

    fn owner_comes(&mut self) {
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

    /// Time passes at the first seat, and no frame arrives anywhere. What it said.
    fn pass(&mut self, time: Duration) -> Vec<Output> {
        let end = self.now + time;
        let mut all = Vec::new();
        while self.now < end {
            self.now += Duration::from_millis(100);
            all.extend(self.turn(1, Input::Tick));
        }
        all
    }

    /// The owner's link breaks. The first seat asks the others about it, as soon as it has lost it.
    fn owner_is_lost(&mut self) -> QueryId {
        self.turn(1, Input::LinkDown { link: OWNER, gone: false });
        let mut all = Vec::new();
        while self.now < Duration::from_secs(60) {
            all.extend(self.pass(Duration::from_millis(100)));
            let frames = all.drain(..).filter_map(|output| match output {
                Output::Send { link: LinkId(2), frame } => Some(read_frame(&frame).unwrap()),
                _ => None,
            });
            let ask = frames.flatten().find_map(|message| match message {
                Message::SuspicionQuery { query, .. } => Some(query),
                _ => None,
            });
            if let Some(query) = ask {
                return query;
            }
        }
        panic!("it never asks");
    }

    /// The second seat's answer comes, which it gave when it had just lost the owner. Whether that ends the session.
    fn ends(&mut self, query: QueryId) -> bool {
        let lost_for = u64::try_from(GRACE.as_millis()).unwrap();
        let bytes = write_frame(&[Message::SuspicionReply { query, lost_for }]);
        let said = self.turn(1, Input::Frame { link: LinkId(2), bytes });
        said.iter().any(|output| matches!(output, Output::Lost { .. }))
    }
}

fn up(link: LinkId, dialed: bool) -> Input {
    Input::LinkUp { link, dialed, attested: false, addresses: Vec::new() }
}

fn stale() -> Rules {
    Rules::without(Rule::SuspicionIsFresh)
}

/// Lost, back, and lost again: the other seat said of the first time only that it has lost the owner as well.
#[test]
fn testimony_is_of_the_ask_that_it_answers() {
    let ends = |rules| {
        let mut seats = Seats::new(rules);
        let first = seats.owner_is_lost();
        seats.owner_comes();
        seats.pass(GRACE);
        let second = seats.owner_is_lost();
        assert_ne!(first, second);
        [seats.ends(first), seats.ends(second)]
    };
    assert_eq!(ends(Rules::default()), [false, true]);
    assert!(ends(stale())[0]);
}

/// The owner was suspended, and then lost; an answer that was on its way for longer than from the one to the other says
/// nothing any more, for the owner may have been heard since.
#[test]
fn testimony_counts_for_as_long_as_the_owner_was_suspended() {
    let ends = |rules, late| {
        let mut seats = Seats::new(rules);
        let query = seats.owner_is_lost();
        seats.pass(late);
        seats.ends(query)
    };
    let (soon, late) = (GRACE - SUSPENDED, GRACE - SUSPENDED + Duration::from_millis(100));
    assert!(ends(Rules::default(), soon));
    assert!(!ends(Rules::default(), late));
    assert!(ends(stale(), late));
}

/// The others have lost an owner that this seat hears again.
#[test]
fn who_hears_of_the_owner_ends_nothing() {
    let ends = |rules| {
        let mut seats = Seats::new(rules);
        let query = seats.owner_is_lost();
        seats.owner_comes();
        seats.ends(query)
    };
    assert!(!ends(Rules::default()));
    assert!(ends(stale()));
}

/// The others know that the owner is gone, and end its session. The ask of this seat, which nobody has heard, is not kept
/// for ever.
#[test]
fn what_has_ended_is_asked_about_no_longer() {
    let mut seats = Seats::new(Rules::default());
    let query = seats.owner_is_lost();
    let incarnation = Incarnation { node: NodeId([9; 16]), boot: 1 };
    let bytes = write_frame(&[Message::Left { incarnation }]);
    let gone = |from| Input::Frame { link: LinkId(from), bytes: bytes.clone() };
    let said = seats.settle([(2, gone(3)), (3, gone(2))]);
    assert!(said.iter().any(|output| matches!(output, Output::Lost { .. })));
    seats.pass(Duration::from_millis(500));
    assert!(!seats.ends(query));
}

/// Else they do not know what to answer, and each has to ask the others itself.
#[test]
fn that_the_owner_is_gone_is_said_before_it_is_asked() {
    let mut seats = Seats::new(Rules::default());
    let goodbye = write_frame(&[Message::Goodbye {}]);
    let said = seats.turn(1, Input::Frame { link: OWNER, bytes: goodbye });
    let frames = said.into_iter().filter_map(|output| match output {
        Output::Send { link: LinkId(2), frame } => Some(read_frame(&frame).unwrap()),
        _ => None,
    });
    let said: Vec<Message> = frames.flatten().collect();
    assert!(matches!(said[..], [Message::Left { .. }, Message::SuspicionQuery { .. }]), "{said:?}");
}
