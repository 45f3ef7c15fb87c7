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
//! | `world::links` | links between hosts, and what passes on them |
//! | `world::faults` | what goes wrong |
//! | `world::clients` | operations of clients, and their history |
//! | `world::owners` | sessions of clients, and locks that they hold |
//! | [`oracle`] | what must never happen |

pub mod oracle;
pub mod plan;
mod world;

use paxoskv_core::{Rule, Rules};

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
    run_traced(seed, rules, false)
}

/// Runs one seed; with `trace`, prints the inputs of nodes and the answers of calls.
///
/// # Errors
/// As [`run`].
pub fn run_traced(seed: u64, rules: Rules, trace: bool) -> Result<Report, String> {
    let plan = Plan::new(seed);
    let mut world = World::new(plan, rules);
    world.trace = trace;
    let result = world.run();
    result.map_err(|what| format!("seed {seed}: {what}\nplan: {:?}", world.plan))
}

/// All rules but the one of that name.
///
/// # Errors
/// If there is no rule of that name.
pub fn broken(name: &str) -> Result<Rules, String> {
    let rule = Rule::ALL.iter().find(|rule| rule.name() == name).copied();
    let names = || Rule::ALL.iter().map(|rule| rule.name()).collect::<Vec<_>>().join(", ");
    rule.map(Rules::without).ok_or_else(|| format!("no rule {name:?}; there are: {}", names()))
}
