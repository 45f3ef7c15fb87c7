//! For each rule that is taken out, a small world in which that shows.

use super::plan::Before::{Ask, Call, CutOff, Late, Lose, Pass, Written};
use super::plan::Goal::{End, Get, Put, PutLeased};
use super::plan::Plan;
use super::worlds::{A, OWN_SUCCESS, PLAIN, TWO_KEYS};

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
            home: 1,
            give_up: &[1],
            votes_to_all: true,
            ..PLAIN
        },
    ),
    ("home_only", Plan { clients: [&[Put(A, 1)], &[Put(A, 2)], &[]], home: 1, ..PLAIN }),
    ("finish_minority", Plan { clients: [&[Put(A, 1)], &[Get(A)], &[Put(A, 2)]], home: 1, ..PLAIN }),
    (
        "match_queries",
        Plan {
            clients: [&[Put(A, 1)], &[Get(A), Get(A)], &[]],
            after: &[(2, 1, 1, 1)],
            home: 1,
            give_up: &[2],
            ..PLAIN
        },
    ),
    ("count_by_ballot", Plan { clients: [&[Put(A, 1)], &[Put(A, 2)], &[]], votes_to_all: true, ..PLAIN }),
    ("quorum_of_size", Plan { clients: [&[Put(A, 1)], &[Put(A, 2)], &[]], before: &[CutOff(1)], ..PLAIN }),
    (
        "stale_generations",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Put(A, 2)], &[End, Get(A)]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1), (3, 1, 2, 1)],
            home: 1,
            home_of_end: 3,
            ..PLAIN
        },
    ),
    (
        "put_checks_flags",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Put(A, 2)], &[End]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1)],
            home: 1,
            home_of_end: 3,
            ..PLAIN
        },
    ),
    (
        "get_checks_flags",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Get(A)], &[End]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1)],
            home: 1,
            home_of_end: 3,
            ..PLAIN
        },
    ),
    (
        "flags_from_knowers",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Get(A)], &[End]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1)],
            home: 1,
            home_of_end: 3,
            ..PLAIN
        },
    ),
    (
        "flag_when_accepted",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Get(A)], &[End]],
            after: &[(3, 0, 1, 1), (2, 0, 3, 1)],
            home: 1,
            home_of_end: 3,
            ..PLAIN
        },
    ),
    (
        "read_after_end",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Get(A), Get(A)], &[End, Put(A, 2)]],
            after: &[(2, 0, 1, 1), (3, 0, 1, 1), (2, 1, 3, 2)],
            before: &[Ask(1, 3), Lose, Call(3), Call(2), Pass(2, 3), Pass(2, 1), Pass(1, 2), Pass(3, 2)],
            home: 1,
            home_of_end: 3,
            give_up: &[2],
            ..PLAIN
        },
    ),
    (
        "win_must_be_in_force",
        Plan {
            clients: [&[PutLeased(A, 1)], &[Get(A)], &[End]],
            after: &[(1, 0, 3, 1), (2, 0, 1, 1)],
            home: 1,
            home_of_end: 3,
            ..PLAIN
        },
    ),
    (
        "bind_to_generation",
        Plan {
            clients: [&[Get(A)], &[Put(A, 2)], &[PutLeased(A, 1), End]],
            after: &[(1, 0, 3, 2), (3, 1, 2, 1)],
            before: &[
                Call(3),
                Late(3),
                Pass(3, 2),
                Pass(2, 3),
                Pass(3, 2),
                Pass(2, 3),
                Lose,
                Call(2),
                Late(2),
                Pass(2, 3),
                Pass(3, 2),
                Pass(2, 3),
                Pass(3, 2),
                Call(3),
                Pass(3, 2),
                Pass(2, 3),
            ],
            forwards: true,
            home: 1,
            ..PLAIN
        },
    ),
    (
        "persist_before_answer",
        Plan { clients: [&[Put(A, 1)], &[], &[Get(A), Get(A)]], crashes: [0, 1, 0], home: 1, ..PLAIN },
    ),
    (
        "durable_reads",
        Plan {
            clients: [&[Put(A, 1)], &[], &[Get(A), Put(A, 2)]],
            before: &[Call(1), Pass(1, 2), Call(3), Pass(3, 1), Pass(3, 2), Pass(1, 3), Pass(2, 3)],
            crashes: [0, 1, 1],
            home: 1,
            ..PLAIN
        },
    ),
    (
        "durable_before_accept",
        Plan {
            clients: [&[Put(A, 1)], &[Put(A, 2)], &[]],
            before: &[Call(2), Pass(2, 3), Pass(3, 2)],
            crashes: [0, 1, 0],
            ..PLAIN
        },
    ),
    (
        "persist_promises",
        Plan {
            clients: [&[Put(A, 1)], &[], &[Put(A, 2)]],
            before: &[Call(1), Call(3), Pass(3, 2), Written(2), Pass(2, 3), Pass(1, 3)],
            tries: [1, 0, 0],
            crashes: [0, 1, 0],
            home: 1,
            ..PLAIN
        },
    ),
    ("own_leases_first", OWN_SUCCESS),
    ("finish_ends", TWO_KEYS),
];
