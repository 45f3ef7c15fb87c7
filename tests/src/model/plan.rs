//! Small worlds: who asks for what, and how far it is explored.

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wish {
    /// To put the entry of this number, without leases.
    Put(u8),
    /// To put the entry of this number, which hangs on the lease.
    PutLeased(u8),
    /// To know what is there.
    Get,
    /// To end the lease, on which the entry of this number hangs.
    End(u8),
}

use Wish::{End, Get, Put, PutLeased};

/// A small world.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What it is about.
    pub name: &'static str,
    /// What the client of each seat asks for, one thing after the other.
    pub clients: [&'static [Wish]; 3],
    /// An operation comes after others: its seat, its place there, and whose operations how many of which are over.
    pub after: &'static [(u8, u8, u8, u8)],
    /// The home of the key; none where it is never connected.
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
}

const PLAIN: Plan = Plan {
    name: "",
    clients: [&[], &[], &[]],
    after: &[],
    home: None,
    home_of_end: None,
    tries: 0,
    votes_to_all: false,
    give_up: &[],
    generations: 2,
};

/// Worlds in which all rules are kept, and nothing may be found.
pub const WORLDS: &[Plan] = &[
    Plan { name: "two puts, a get, home", clients: [&[Put(1)], &[Put(2)], &[Get]], home: Some(1), ..PLAIN },
    Plan { name: "two puts, a get, no home", clients: [&[Put(1)], &[Put(2)], &[Get]], ..PLAIN },
    Plan {
        name: "two puts, retried, all votes",
        votes_to_all: true,
        tries: 1,
        clients: [&[Put(1)], &[Put(2)], &[]],
        home: Some(1),
        ..PLAIN
    },
    Plan {
        name: "a put, two gets, given up",
        clients: [&[Put(1)], &[Get, Get], &[]],
        tries: 1,
        home: Some(1),
        give_up: &[2],
        ..PLAIN
    },
    Plan {
        name: "a leased put, a get, an end",
        clients: [&[PutLeased(1)], &[Get], &[End(1)]],
        home: Some(1),
        home_of_end: Some(3),
        ..PLAIN
    },
    Plan {
        name: "a leased put, a put, an end, home",
        clients: [&[PutLeased(1)], &[Put(2)], &[End(1)]],
        home: Some(1),
        home_of_end: Some(3),
        ..PLAIN
    },
    Plan {
        name: "a leased put, a put, an end, no home",
        clients: [&[PutLeased(1)], &[Put(2)], &[End(1)]],
        ..PLAIN
    },
    Plan {
        name: "a leased put, retried, gets, an end",
        clients: [&[PutLeased(1)], &[Get, Get], &[End(1)]],
        tries: 1,
        home: Some(1),
        home_of_end: Some(3),
        ..PLAIN
    },
    Plan {
        name: "a leased put, a put, an end and a get, retried",
        clients: [&[PutLeased(1)], &[Put(2)], &[End(1), Get]],
        tries: 1,
        home: Some(1),
        home_of_end: Some(2),
        ..PLAIN
    },
];

/// For each rule whose absence is found here within the limits, a world in which it shows. The others are left to the
/// simulation.
pub const BROKEN: &[(&str, Plan)] = &[
    ("keep_promises", Plan { clients: [&[Put(1)], &[Put(2)], &[]], ..PLAIN }),
    ("highest_accepted_wins", Plan { clients: [&[Put(1)], &[Put(2)], &[Put(3)]], ..PLAIN }),
    (
        "home_once",
        Plan {
            clients: [&[Put(1), Put(2)], &[], &[Get]],
            home: Some(1),
            give_up: &[1],
            votes_to_all: true,
            ..PLAIN
        },
    ),
    ("home_only", Plan { clients: [&[Put(1)], &[Put(2)], &[]], home: Some(1), ..PLAIN }),
    ("finish_minority", Plan { clients: [&[Put(1)], &[Get], &[Put(2)]], home: Some(1), ..PLAIN }),
    (
        "match_questions",
        Plan {
            clients: [&[Put(1)], &[Get, Get], &[]],
            after: &[(2, 1, 1, 1)],
            home: Some(1),
            give_up: &[2],
            ..PLAIN
        },
    ),
    ("count_by_ballot", Plan { clients: [&[Put(1)], &[Put(2)], &[]], votes_to_all: true, ..PLAIN }),
    ("quorum_of_size", Plan { clients: [&[Put(1)], &[Put(2)], &[]], ..PLAIN }),
    (
        "stale_generations",
        Plan {
            clients: [&[PutLeased(1)], &[Put(2)], &[End(1), Get]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1), (3, 1, 2, 1)],
            home: Some(1),
            home_of_end: Some(3),
            ..PLAIN
        },
    ),
    (
        "put_checks_flags",
        Plan {
            clients: [&[PutLeased(1)], &[Put(2)], &[End(1)]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1)],
            home: Some(1),
            home_of_end: Some(3),
            ..PLAIN
        },
    ),
    (
        "get_checks_flags",
        Plan {
            clients: [&[PutLeased(1)], &[Get], &[End(1)]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1)],
            home: Some(1),
            home_of_end: Some(3),
            ..PLAIN
        },
    ),
    (
        "flags_from_knowers",
        Plan {
            clients: [&[PutLeased(1)], &[Get], &[End(1)]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1)],
            home: Some(1),
            home_of_end: Some(3),
            ..PLAIN
        },
    ),
    (
        "flag_when_accepted",
        Plan {
            clients: [&[PutLeased(1)], &[Get], &[End(1)]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1)],
            home: Some(1),
            home_of_end: Some(3),
            ..PLAIN
        },
    ),
    (
        "read_after_end",
        Plan {
            clients: [&[PutLeased(1)], &[Get, Get], &[End(1), Put(2)]],
            after: &[(2, 0, 1, 1), (3, 0, 1, 1), (2, 1, 3, 2)],
            home: Some(1),
            home_of_end: Some(3),
            give_up: &[2],
            ..PLAIN
        },
    ),
    (
        "win_must_stand",
        Plan {
            clients: [&[PutLeased(1)], &[Get], &[End(1)]],
            after: &[(1, 0, 3, 1), (2, 0, 1, 1)],
            home: Some(1),
            home_of_end: Some(3),
            ..PLAIN
        },
    ),
];
