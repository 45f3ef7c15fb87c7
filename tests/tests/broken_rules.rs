//! For each safety rule: without it, the simulation finds something within a few thousand schedules. So the rule is
//! needed, and the simulation would notice if it were lost.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed

use paxoskv_core::Rule;
use paxoskv_tests::model::broken::BROKEN;
use paxoskv_tests::sim;
use paxoskv_tests::sim::plan::{LATE_ANSWERS, LEASES, LOCKS, TAKE_OVERS};

/// How many schedules a broken rule may survive.
const SEEDS: u64 = 20_000;

/// Rules about leases, which runs with owners are for.
const OF_LEASES: &[&str] = &[
    "finish_ends",
    "suspicion_of_quorum",
    "relayed_heartbeats",
    "later_boot_ends",
    "check_owner_of_accepted",
    "grace_from_quorum",
    "suspended_is_final",
];

/// Rules that the model check finds missing at once, and this only after long, if at all.
const BY_MODEL: &[&str] = &["flags_from_knowers", "win_must_be_in_force"];

/// And those that tests of stepped replicas show: `core/tests/node.rs` and `core/tests/suspicion.rs`. The simulation finds
/// the second only by luck: an answer has to be on its way while its owner comes back and is suspected once more.
const BY_STEPS: &[&str] = &["heartbeats_from_sending", "suspicion_is_fresh"];

/// The first schedule that notices.
fn first_find(rule: &str) -> Option<(u64, String)> {
    let rules = sim::broken(rule).unwrap_or_else(|why| panic!("{why}"));
    // The kinds of runs that are about it, in turn.
    let of_leases = OF_LEASES.contains(&rule);
    let kinds: &[u64] = if of_leases { &[LEASES, LOCKS] } else { &[0, LATE_ANSWERS, TAKE_OVERS] };
    let seeds = (0..SEEDS).flat_map(|seed| kinds.iter().map(move |kind| kind + seed));
    seeds.into_iter().find_map(|seed| sim::run(seed, rules).err().map(|what| (seed, what)))
}

macro_rules! found {
    ($($rule:ident),* $(,)?) => {
        $(#[test]
        fn $rule() {
            let (seed, what) = first_find(stringify!($rule)).expect("the simulation does not miss this rule");
            println!("{}: seed {seed}: {}", stringify!($rule), what.lines().next().unwrap_or_default());
        })*

        #[test]
        fn every_rule_is_here() {
            assert!(BY_MODEL.iter().all(|rule| BROKEN.iter().any(|(found, _)| found == rule)));
            let elsewhere = |name: &&str| !BY_MODEL.contains(name) && !BY_STEPS.contains(name);
            let here = [$(stringify!($rule)),*];
            let all: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).filter(elsewhere).collect();
            assert_eq!(here.as_slice(), all);
        }
    };
}

found!(
    persist_before_answer,
    durable_reads,
    durable_before_accept,
    persist_promises,
    keep_promises,
    highest_accepted_wins,
    count_openings,
    check_opening,
    assert_with_answers,
    home_once,
    home_only,
    finish_minority,
    match_queries,
    count_by_ballot,
    quorum_of_size,
    one_store_a_seat,
    one_bootstrap,
    stale_generations,
    put_checks_flags,
    get_checks_flags,
    flag_when_accepted,
    read_after_end,
    own_leases_first,
    match_requests,
    bind_to_generation,
    finish_ends,
    suspicion_of_quorum,
    relayed_heartbeats,
    later_boot_ends,
    check_owner_of_accepted,
    grace_from_quorum,
    suspended_is_final,
    erase_what_was_seen,
);
