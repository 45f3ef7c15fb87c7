//! Whole clusters, simulated: the real [`Replica`](paxoskv_core::replica::Replica) on a simulated clock, network and disk.
//!
//! One seed is one schedule: how many seats, which faults, what the clients do, how long every frame and every write
//! takes. Frames are lost, repeated, delayed and reordered; links break in one direction or both; nodes crash and
//! lose what was not persisted, freeze, are taken over, lose their disks, and come back; clocks jump. Every step is
//! watched by the [`oracle`]; in the end the faults stop, all that is pending has to complete, and each key's history
//! has to be linearizable.
//!
//! | module | subject |
//! |---|---|
//! | [`plan`] | what a seed makes of a run |
//! | `world` | hosts, disks, and the queue of what happens next |
//! | `links` | links between hosts, and what passes on them |
//! | `faults` | what goes wrong |
//! | `clients` | who wants what, and the history of it |
//! | `owners` | who owns sessions and holds locks |
//! | [`oracle`] | what must never happen |

mod clients;
mod faults;
mod links;
pub mod oracle;
mod owners;
pub mod plan;
mod world;

use paxoskv_core::Rules;

use plan::Plan;
use world::World;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// The same every time for one seed.
    pub digest: u64,
    /// Inputs that nodes have handled.
    pub steps: u64,
    /// Operations that returned an answer.
    pub answered: usize,
    /// Operations in all.
    pub operations: usize,
    /// Virtual seconds.
    pub seconds: u64,
}

/// Runs one seed with the rules given.
///
/// # Errors
/// What must never happen and did, for people.
pub fn run(seed: u64, rules: Rules) -> Result<Report, String> {
    run_told(seed, rules, false)
}

/// Runs one seed; with `trace`, prints all that nodes take in and what callers are told.
///
/// # Errors
/// As [`run`].
pub fn run_told(seed: u64, rules: Rules, trace: bool) -> Result<Report, String> {
    let plan = Plan::new(seed);
    let mut world = World::new(plan, rules);
    world.trace = trace;
    let result = world.run();
    result.map_err(|what| format!("seed {seed}: {what}\nplan: {:?}", world.plan))
}

/// A safety rule's name, and how to take it out.
pub type Switch = (&'static str, fn(&mut Rules));

/// Every safety rule.
pub const SWITCHES: &[Switch] = &[
    ("persist_before_answer", |rules| rules.persist_before_answer = false),
    ("durable_reads", |rules| rules.durable_reads = false),
    ("durable_before_accept", |rules| rules.durable_before_accept = false),
    ("persist_promises", |rules| rules.persist_promises = false),
    ("keep_promises", |rules| rules.keep_promises = false),
    ("highest_accepted_wins", |rules| rules.highest_accepted_wins = false),
    ("count_openings", |rules| rules.count_openings = false),
    ("check_opening", |rules| rules.check_opening = false),
    ("assert_with_answers", |rules| rules.assert_with_answers = false),
    ("home_once", |rules| rules.home_once = false),
    ("home_only", |rules| rules.home_only = false),
    ("finish_minority", |rules| rules.finish_minority = false),
    ("match_questions", |rules| rules.match_questions = false),
    ("count_by_ballot", |rules| rules.count_by_ballot = false),
    ("quorum_of_size", |rules| rules.quorum_of_size = false),
    ("one_store_a_seat", |rules| rules.one_store_a_seat = false),
    ("one_founding", |rules| rules.one_founding = false),
    ("stale_generations", |rules| rules.stale_generations = false),
    ("put_checks_flags", |rules| rules.put_checks_flags = false),
    ("get_checks_flags", |rules| rules.get_checks_flags = false),
    ("flags_from_knowers", |rules| rules.flags_from_knowers = false),
    ("flag_when_accepted", |rules| rules.flag_when_accepted = false),
    ("read_after_end", |rules| rules.read_after_end = false),
    ("own_leases_first", |rules| rules.own_leases_first = false),
    ("match_requests", |rules| rules.match_requests = false),
    ("bind_to_generation", |rules| rules.bind_to_generation = false),
    ("win_must_stand", |rules| rules.win_must_stand = false),
    ("finish_ends", |rules| rules.finish_ends = false),
    ("testimony_of_quorum", |rules| rules.testimony_of_quorum = false),
    ("testimony_is_fresh", |rules| rules.testimony_is_fresh = false),
    ("vouching", |rules| rules.vouching = false),
    ("later_boot_ends", |rules| rules.later_boot_ends = false),
    ("look_at_accepted", |rules| rules.look_at_accepted = false),
    ("count_from_quorum", |rules| rules.count_from_quorum = false),
    ("suspended_is_final", |rules| rules.suspended_is_final = false),
    ("erase_what_was_seen", |rules| rules.erase_what_was_seen = false),
    ("beats_from_sending", |rules| rules.beats_from_sending = false),
];

/// All rules but one.
///
/// # Errors
/// Where there is no rule of that name.
pub fn broken(name: &str) -> Result<Rules, String> {
    let switch = SWITCHES.iter().find(|(known, _)| *known == name);
    let names: Vec<&str> = SWITCHES.iter().map(|(name, _)| *name).collect();
    let (_, take_out) = switch.ok_or_else(|| format!("no rule {name:?}; there are: {}", names.join(", ")))?;
    let mut rules = Rules::default();
    take_out(&mut rules);
    Ok(rules)
}
