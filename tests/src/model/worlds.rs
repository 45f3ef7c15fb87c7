//! Small worlds in which all rules are kept, and nothing may be found.

use super::plan::Before::{Ask, Call, Lose, Pass};
use super::plan::Goal::{End, Get, Put, PutLeased};
use super::plan::Plan;

/// The first key, and another where there is one.
pub(super) const A: u8 = 0;
const B: u8 = 1;

pub(super) const PLAIN: Plan = Plan {
    name: "",
    keys: 1,
    clients: [&[], &[], &[]],
    after: &[],
    before: &[],
    home: 3,
    home_of_end: 3,
    forwards: false,
    tries: [0; 3],
    rounds: 4,
    votes_to_all: false,
    session: false,
    crashes: [0; 3],
    give_up: &[],
    generations: 2,
    whole: false,
};

/// Two keys are bound to the lease, and all seats have learned them. Seat 3 ends the lease, while seat 2 puts into one key
/// and then looks at the other: it must not find room in the one, and the old entry still in the other.
///
/// How the entries get there is the subject of other worlds. What the seats hold once they have learned them does not
/// depend on it, apart from promises, which do not matter where an entry is learned. So one way is enough.
pub(super) const TWO_KEYS: Plan = Plan {
    name: "two keys of one lease, a put and a get, an end",
    keys: 2,
    clients: [
        &[PutLeased(A, 1), PutLeased(B, 2)],
        &[Get(A), Get(B), Put(A, 3), Get(B)],
        &[Get(A), Get(B), End],
    ],
    before: &[Ask(1, 2), Ask(1, 2), Ask(2, 1), Ask(2, 1), Ask(3, 1), Ask(3, 1), Lose],
    home: 1,
    home_of_end: 3,
    rounds: 2,
    whole: true,
    ..PLAIN
};

/// Seat 3's entry is accepted by seats 3 and 2, and so chosen, but the vote is lost: seat 3 does not know. Seat 2 sees
/// the entry, ends the lease, and puts its own. Seat 3, still at it, must not report that one: its own had its time.
///
/// Besides the vote, the Accept for seat 1 is lost. Had the vote come, the put would have won, and be over; had the
/// Accept come, seat 1 would say what seat 2 says anyway. The same world with nothing lost is `OWN_SUCCESS_FREE`.
pub(super) const OWN_SUCCESS: Plan = Plan {
    name: "a leased put that does not know of its success, and a client that ends its lease and puts",
    clients: [&[], &[Get(A), End, Put(A, 2)], &[PutLeased(A, 1)]],
    before: &[Call(3), Pass(3, 2), Lose],
    home: 3,
    home_of_end: 2,
    tries: [0, 0, 1],
    ..PLAIN
};

/// The same from the start, in which everything may be late and nothing is lost: more than is explored.
const OWN_SUCCESS_FREE: Plan =
    Plan { name: "a leased put, a client that gets, ends and puts", before: &[], ..OWN_SUCCESS };

/// And where what is late is tried again.
const OWN_SUCCESS_RETRIED: Plan = Plan {
    name: "a leased put that does not know of its success, all retried",
    tries: [1; 3],
    ..OWN_SUCCESS
};

/// Worlds in which all rules are kept, and nothing may be found.
pub const WORLDS: &[Plan] = &[
    Plan {
        name: "two puts, home",
        clients: [&[Put(A, 1)], &[Put(A, 2)], &[]],
        home: 1,
        whole: true,
        ..PLAIN
    },
    Plan {
        name: "two puts, no home",
        clients: [&[Put(A, 1)], &[Put(A, 2)], &[]],
        rounds: 2,
        whole: true,
        ..PLAIN
    },
    Plan {
        name: "a put that is forwarded, retried",
        clients: [&[], &[Put(A, 2)], &[]],
        forwards: true,
        tries: [0, 1, 0],
        home: 1,
        whole: true,
        ..PLAIN
    },
    Plan {
        name: "a leased put and an end",
        clients: [&[PutLeased(A, 1)], &[], &[End]],
        home: 1,
        whole: true,
        ..PLAIN
    },
    Plan {
        name: "a leased put, then an end and a get",
        clients: [&[PutLeased(A, 1)], &[Get(A)], &[End]],
        after: &[(3, 0, 1, 1), (2, 0, 1, 1)],
        home: 1,
        whole: true,
        ..PLAIN
    },
    Plan {
        name: "a leased put, then an end and a put",
        clients: [&[PutLeased(A, 1)], &[Put(A, 2)], &[End]],
        after: &[(3, 0, 1, 1), (2, 0, 1, 1)],
        home: 1,
        whole: true,
        ..PLAIN
    },
    Plan {
        name: "a put and a get, a seat with a slow disk that crashes",
        clients: [&[Put(A, 1)], &[], &[Get(A)]],
        crashes: [0, 1, 0],
        home: 1,
        whole: true,
        ..PLAIN
    },
    Plan {
        name: "two puts, a get, home",
        clients: [&[Put(A, 1)], &[Put(A, 2)], &[Get(A)]],
        home: 1,
        ..PLAIN
    },
    Plan { name: "two puts, a get, no home", clients: [&[Put(A, 1)], &[Put(A, 2)], &[Get(A)]], ..PLAIN },
    Plan {
        name: "two puts, retried, all votes",
        votes_to_all: true,
        tries: [1; 3],
        clients: [&[Put(A, 1)], &[Put(A, 2)], &[]],
        home: 1,
        ..PLAIN
    },
    Plan {
        name: "a put, two gets, given up",
        clients: [&[Put(A, 1)], &[Get(A), Get(A)], &[]],
        tries: [1; 3],
        home: 1,
        give_up: &[2],
        ..PLAIN
    },
    Plan {
        name: "a leased put, a get, an end",
        clients: [&[PutLeased(A, 1)], &[Get(A)], &[End]],
        home: 1,
        home_of_end: 3,
        ..PLAIN
    },
    Plan {
        name: "a leased put, a put, an end, home",
        clients: [&[PutLeased(A, 1)], &[Put(A, 2)], &[End]],
        home: 1,
        home_of_end: 3,
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
        tries: [1; 3],
        home: 1,
        home_of_end: 3,
        ..PLAIN
    },
    Plan {
        name: "a leased put, a put, an end and a get, retried",
        clients: [&[PutLeased(A, 1)], &[Put(A, 2)], &[End, Get(A)]],
        tries: [1; 3],
        home: 1,
        home_of_end: 2,
        ..PLAIN
    },
    Plan {
        name: "a put at home, one that is forwarded, a get, retried, all votes",
        clients: [&[Put(A, 1)], &[Put(A, 2)], &[Get(A)]],
        forwards: true,
        votes_to_all: true,
        tries: [1; 3],
        home: 1,
        ..PLAIN
    },
    Plan {
        name: "a leased put that is forwarded, a put, an end and a get, retried",
        clients: [&[Put(A, 2)], &[PutLeased(A, 1)], &[End, Get(A)]],
        forwards: true,
        tries: [0, 1, 1],
        home: 1,
        ..PLAIN
    },
    Plan {
        name: "a put that is bound to a session, its owner leaves, a put and a get",
        clients: [&[PutLeased(A, 1)], &[Put(A, 2)], &[Get(A)]],
        session: true,
        home: 1,
        ..PLAIN
    },
    Plan {
        name: "a put that is bound to a session, its owner leaves, a put and gets, retried",
        clients: [&[PutLeased(A, 1), Get(A)], &[Put(A, 2)], &[Get(A)]],
        session: true,
        tries: [1; 3],
        home: 1,
        home_of_end: 2,
        ..PLAIN
    },
    Plan {
        name: "two puts, a get, a seat with a slow disk that crashes",
        clients: [&[Put(A, 1)], &[Put(A, 2)], &[Get(A)]],
        crashes: [0, 1, 0],
        home: 1,
        ..PLAIN
    },
    Plan {
        name: "a leased put, an end, a get and a put, home has a slow disk and crashes",
        clients: [&[PutLeased(A, 1), Put(A, 2)], &[Get(A)], &[End]],
        crashes: [1, 0, 0],
        home: 1,
        ..PLAIN
    },
    TWO_KEYS,
    OWN_SUCCESS,
    OWN_SUCCESS_FREE,
    OWN_SUCCESS_RETRIED,
];
