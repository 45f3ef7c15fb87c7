//! Small worlds: who asks for what, and how far it is explored.

use paxoskv_core::Entry;

use super::entry;
use super::seat::said::On;

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// To put into this key the entry of this number, without leases.
    Put(u8, u8),
    /// To put into this key the entry of this number, which hangs on the lease.
    PutLeased(u8, u8),
    /// To know what this key has.
    Get(u8),
    /// To end the lease.
    End,
}

use Wish::{End, Get, Put, PutLeased};

impl Wish {
    /// What has to be decided for it.
    pub(super) fn on(self) -> On {
        match self {
            Self::Put(key, _) | Self::PutLeased(key, _) | Self::Get(key) => On::Key(key),
            Self::End => On::End,
        }
    }

    /// What it wants to put into a key.
    pub(super) fn entry(self) -> Option<Entry> {
        match self {
            Self::Put(_, n) => Some(entry(n, false)),
            Self::PutLeased(_, n) => Some(entry(n, true)),
            Self::Get(_) | Self::End => None,
        }
    }
}

/// A step of what has happened before a world is explored.
#[derive(Clone, Copy, Debug)]
pub enum Before {
    /// The client of a seat calls its next operation.
    Call(u8),
    /// It does, and its seat and another one talk until they have nothing more to say to each other.
    Ask(u8, u8),
    /// All that is on its way from one seat to another arrives.
    Pass(u8, u8),
    /// All that is on its way is lost.
    Lose,
}

use Before::{Ask, Call, Lose, Pass};

/// A small world.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What it is about.
    pub name: &'static str,
    /// How many keys there are.
    pub keys: u8,
    /// What the client of each seat asks for, one thing after the other.
    pub clients: [&'static [Wish]; 3],
    /// An operation comes after others: its seat, its place there, and whose operations how many of which are over.
    pub after: &'static [(u8, u8, u8, u8)],
    /// What has happened already, step by step as the seats do it: so the world starts where it gets interesting, and in
    /// a state that can come about.
    pub before: &'static [Before],
    /// The home of the keys; none where it is never connected.
    pub home: Option<u8>,
    /// The home of the end register.
    pub home_of_end: Option<u8>,
    /// How often an attempt may be late or outbid.
    pub tries: u8,
    /// Whether votes are told to every seat; else only to the proposer, as if the others were lost.
    pub votes_to_all: bool,
    /// Clients that may lose interest.
    pub give_up: &'static [u8],
    /// No generation above this is explored.
    pub generations: u64,
    /// Whether it is small enough to be explored to its last state.
    pub whole: bool,
}

impl Plan {
    pub(super) fn keys(&self) -> impl Iterator<Item = On> + use<> {
        (0..self.keys).map(On::Key)
    }

    pub(super) fn home_of(&self, on: On) -> Option<u8> {
        match on {
            On::Key(_) => self.home,
            On::End => self.home_of_end,
        }
    }
}

/// The first key, and another where there is one.
const A: u8 = 0;
const B: u8 = 1;

const PLAIN: Plan = Plan {
    name: "",
    keys: 1,
    clients: [&[], &[], &[]],
    after: &[],
    before: &[],
    home: None,
    home_of_end: None,
    tries: 0,
    votes_to_all: false,
    give_up: &[],
    generations: 2,
    whole: false,
};

/// Two keys hang on the lease, and all seats have learned them. Seat 3 ends the lease, while seat 2 puts into one key
/// and then looks at the other: it must not find room in the one, and the old entry still in the other.
///
/// How the entries get there is the subject of other worlds. What the seats hold once they have learned them does not
/// depend on it, apart from promises, which matter to nobody where an entry is learned. So one way is enough.
const TWO_KEYS: Plan = Plan {
    name: "two keys of one lease, a put and a get, an end",
    keys: 2,
    clients: [
        &[PutLeased(A, 1), PutLeased(B, 2)],
        &[Get(A), Get(B), Put(A, 3), Get(B)],
        &[Get(A), Get(B), End],
    ],
    before: &[Ask(1, 2), Ask(1, 2), Ask(2, 1), Ask(2, 1), Ask(3, 1), Ask(3, 1), Lose],
    home: Some(1),
    home_of_end: Some(3),
    whole: true,
    ..PLAIN
};

/// Seat 3's entry is accepted by seats 3 and 2, and so chosen, but the vote is lost: seat 3 does not know. Seat 2 sees
/// the entry, ends the lease, and puts its own. Seat 3, still at it, must not report that one: its own had its time.
///
/// Besides the vote, the Accept for seat 1 is lost. Had the vote come, the put would have won, and be over; had the
/// Accept come, seat 1 would say what seat 2 says anyway. The same world with nothing lost is `OWN_SUCCESS_FREE`.
const OWN_SUCCESS: Plan = Plan {
    name: "a leased put that does not know of its success, and one who ends it and puts",
    clients: [&[], &[Get(A), End, Put(A, 2)], &[PutLeased(A, 1)]],
    before: &[Call(3), Pass(3, 2), Lose],
    home: Some(3),
    home_of_end: Some(2),
    whole: true,
    ..PLAIN
};

/// The same from the start, in which everything may be late and nothing is lost: more than is explored.
const OWN_SUCCESS_FREE: Plan =
    Plan { name: "a leased put, one who gets, ends and puts", before: &[], whole: false, ..OWN_SUCCESS };

/// And where what is late is tried again.
const OWN_SUCCESS_RETRIED: Plan = Plan {
    name: "a leased put that does not know of its success, all retried",
    tries: 1,
    whole: false,
    ..OWN_SUCCESS
};

/// Worlds in which all rules are kept, and nothing may be found.
pub const WORLDS: &[Plan] = &[
    Plan {
        name: "two puts, a get, home",
        clients: [&[Put(A, 1)], &[Put(A, 2)], &[Get(A)]],
        home: Some(1),
        ..PLAIN
    },
    Plan { name: "two puts, a get, no home", clients: [&[Put(A, 1)], &[Put(A, 2)], &[Get(A)]], ..PLAIN },
    Plan {
        name: "two puts, retried, all votes",
        votes_to_all: true,
        tries: 1,
        clients: [&[Put(A, 1)], &[Put(A, 2)], &[]],
        home: Some(1),
        ..PLAIN
    },
    Plan {
        name: "a put, two gets, given up",
        clients: [&[Put(A, 1)], &[Get(A), Get(A)], &[]],
        tries: 1,
        home: Some(1),
        give_up: &[2],
        ..PLAIN
    },
    Plan {
        name: "a leased put, a get, an end",
        clients: [&[PutLeased(A, 1)], &[Get(A)], &[End]],
        home: Some(1),
        home_of_end: Some(3),
        ..PLAIN
    },
    Plan {
        name: "a leased put, a put, an end, home",
        clients: [&[PutLeased(A, 1)], &[Put(A, 2)], &[End]],
        home: Some(1),
        home_of_end: Some(3),
        ..PLAIN
    },
    Plan {
        name: "a leased put, a put, an end, no home",
        clients: [&[PutLeased(A, 1)], &[Put(A, 2)], &[End]],
        ..PLAIN
    },
    Plan {
        name: "a leased put, retried, gets, an end",
        clients: [&[PutLeased(A, 1)], &[Get(A), Get(A)], &[End]],
        tries: 1,
        home: Some(1),
        home_of_end: Some(3),
        ..PLAIN
    },
    Plan {
        name: "a leased put, a put, an end and a get, retried",
        clients: [&[PutLeased(A, 1)], &[Put(A, 2)], &[End, Get(A)]],
        tries: 1,
        home: Some(1),
        home_of_end: Some(2),
        ..PLAIN
    },
    TWO_KEYS,
    OWN_SUCCESS,
    OWN_SUCCESS_FREE,
    OWN_SUCCESS_RETRIED,
];

/// For each rule whose absence is found here within the limits, a world in which it shows. The others are left to the
/// simulation. What has happened before, and what is lost of it, is chosen to come to the point soon: that may hide
/// finds, but makes none.
pub const BROKEN: &[(&str, Plan)] = &[
    ("keep_promises", Plan { clients: [&[Put(A, 1)], &[Put(A, 2)], &[]], ..PLAIN }),
    (
        "highest_accepted_wins",
        Plan {
            clients: [&[Put(A, 1)], &[Put(A, 2)], &[Put(A, 3)]],
            before: &[Call(1), Pass(1, 2), Pass(2, 1), Lose],
            ..PLAIN
        },
    ),
    (
        "home_once",
        Plan {
            clients: [&[Put(A, 1), Put(A, 2)], &[], &[Get(A)]],
            home: Some(1),
            give_up: &[1],
            votes_to_all: true,
            ..PLAIN
        },
    ),
    ("home_only", Plan { clients: [&[Put(A, 1)], &[Put(A, 2)], &[]], home: Some(1), ..PLAIN }),
    ("finish_minority", Plan { clients: [&[Put(A, 1)], &[Get(A)], &[Put(A, 2)]], home: Some(1), ..PLAIN }),
    (
        "match_questions",
        Plan {
            clients: [&[Put(A, 1)], &[Get(A), Get(A)], &[]],
            after: &[(2, 1, 1, 1)],
            home: Some(1),
            give_up: &[2],
            ..PLAIN
        },
    ),
    ("count_by_ballot", Plan { clients: [&[Put(A, 1)], &[Put(A, 2)], &[]], votes_to_all: true, ..PLAIN }),
    ("quorum_of_size", Plan { clients: [&[Put(A, 1)], &[Put(A, 2)], &[]], ..PLAIN }),
    (
        "stale_generations",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Put(A, 2)], &[End, Get(A)]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1), (3, 1, 2, 1)],
            home: Some(1),
            home_of_end: Some(3),
            ..PLAIN
        },
    ),
    (
        "put_checks_flags",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Put(A, 2)], &[End]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1)],
            home: Some(1),
            home_of_end: Some(3),
            ..PLAIN
        },
    ),
    (
        "get_checks_flags",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Get(A)], &[End]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1)],
            home: Some(1),
            home_of_end: Some(3),
            ..PLAIN
        },
    ),
    (
        "flags_from_knowers",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Get(A)], &[End]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1)],
            home: Some(1),
            home_of_end: Some(3),
            ..PLAIN
        },
    ),
    (
        "flag_when_accepted",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Get(A)], &[End]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1)],
            home: Some(1),
            home_of_end: Some(3),
            ..PLAIN
        },
    ),
    (
        "read_after_end",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Get(A), Get(A)], &[End, Put(A, 2)]],
            after: &[(2, 0, 1, 1), (3, 0, 1, 1), (2, 1, 3, 2)],
            before: &[Ask(1, 3), Lose],
            home: Some(1),
            home_of_end: Some(3),
            give_up: &[2],
            ..PLAIN
        },
    ),
    (
        "win_must_stand",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Get(A)], &[End]],
            after: &[(1, 0, 3, 1), (2, 0, 1, 1)],
            home: Some(1),
            home_of_end: Some(3),
            ..PLAIN
        },
    ),
    ("own_leases_first", OWN_SUCCESS),
    ("finish_ends", TWO_KEYS),
];
