//! Explores a world, and reports what was found.

use std::fmt;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use super::messages::Shown;
use super::{Event, Small};

/// What an exploration came to.
#[derive(Clone, Debug)]
pub struct Explored {
    /// How many different states there were.
    pub unique: usize,
    /// Whether there was nothing left to explore.
    pub whole: bool,
    /// Whether all operations returned in some schedule.
    pub completes: bool,
    /// What went wrong, and all that led there.
    pub wrong: Option<(String, Vec<String>)>,
}

impl fmt::Display for Explored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All means: all within what the plan bounds.
        let left = if self.whole { "all" } else { "not all" };
        write!(f, "{} unique states, {left}", self.unique)
    }
}

/// How to look.
#[derive(Clone, Copy, Debug)]
pub enum Search {
    /// Shortest schedules first.
    Breadth,
    /// Down each schedule to its end.
    Depth,
    /// Schedules drawn at random.
    Random(u64),
}

/// Explores a world until something is found, nothing is left, or the limit is reached.
pub fn explore(model: Small, search: Search, states: usize, time: Duration) -> Explored {
    let started = Instant::now();
    let builder = model
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .target_state_count(states)
        .timeout(time);
    let mut found = match search {
        Search::Breadth => explored(&builder.spawn_bfs().join(), states),
        Search::Depth => explored(&builder.spawn_dfs().join(), states),
        Search::Random(seed) => {
            let random = builder.threads(1).spawn_simulation(seed, stateright::UniformChooser);
            explored(&random.join(), states)
        }
    };
    // A search that ran out of time has left something, and one that found something has stopped there.
    found.whole &= started.elapsed() < time && found.wrong.is_none();
    found
}

fn explored(checker: &impl Checker<Small>, states: usize) -> Explored {
    let discoveries = checker.discoveries();
    let wrong = discoveries.get("answers are right").map(|path| {
        let what = path.last_state().wrong.clone().unwrap_or_default();
        let mut steps = Vec::new();
        for (world, event) in path.clone().into_vec() {
            let Some(event) = event else { continue };
            steps.push(match &event {
                Event::Arrive(print) => {
                    let arrived = world.flying.iter().find(|flying| flying.print == *print);
                    arrived.map_or_else(String::new, |envelope| {
                        format!("{} -> {}: {}", envelope.from, envelope.to, Shown(&envelope.message))
                    })
                }
                other => format!("{other:?}"),
            });
        }
        (what, steps)
    });
    Explored {
        unique: checker.unique_state_count(),
        whole: checker.is_done() && checker.state_count() < states,
        completes: discoveries.contains_key("all that was called returns"),
        wrong,
    }
}
