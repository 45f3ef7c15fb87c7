//! Thousands of schedules of whole clusters: nothing that must not happen does, and in the end all is well.

use std::sync::atomic::{AtomicU64, Ordering};

use paxoskv_core::Rules;
use paxoskv_tests::sim;
use paxoskv_tests::sim::plan::{LATE_ANSWERS, LEASES, LOCKS, TAKE_OVERS};

/// How many schedules are run here; `cargo xtask sim` runs as many as there is time for.
const SEEDS: u64 = 10_000;

/// Seeds that once found something. They came from earlier shapes of the simulation and need not do so today, but
/// cost little.
const FOUND: &[u64] = &[3, 64, 419, 568, 994, 1049, 1976, 4971, 6395, 8284];

#[test]
fn no_schedule_breaks_a_promise() {
    let (next, answered, operations) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    let jobs = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= SEEDS {
                        return;
                    }
                    // Half are of the other kinds.
                    let seed = match seed % 10 {
                        8 => LATE_ANSWERS + seed,
                        9 => TAKE_OVERS + seed,
                        6 | 7 => LEASES + seed,
                        5 => LOCKS + seed,
                        _ => seed,
                    };
                    let report = sim::run(seed, Rules::default()).unwrap_or_else(|what| panic!("{what}"));
                    answered.fetch_add(report.answered as u64, Ordering::Relaxed);
                    operations.fetch_add(report.operations as u64, Ordering::Relaxed);
                }
            });
        }
    });
    // A simulation in which nothing gets done would find nothing.
    let (answered, operations) = (answered.into_inner(), operations.into_inner());
    println!("{SEEDS} schedules, {operations} operations, {answered} answered");
    assert!(answered * 2 > operations, "only {answered} of {operations} operations were answered");
}

#[test]
fn seeds_that_once_found_something_stay_quiet() {
    for seed in FOUND {
        sim::run(*seed, Rules::default()).unwrap_or_else(|what| panic!("{what}"));
    }
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    for seed in 0..20 {
        let [one, two] = [(); 2].map(|()| sim::run(seed, Rules::default()).map(|report| report.digest));
        assert_eq!(one, two, "seed {seed}");
    }
}
