//! The model check: small worlds of real nodes, in every order.

use std::time::{Duration, Instant};

use paxoskv_core::Rules;
use paxoskv_tests::model::broken::BROKEN;
use paxoskv_tests::model::worlds::WORLDS;
use paxoskv_tests::model::{Explored, Search, Small, explore};
use paxoskv_tests::sim::broken;

/// How many steps of each world are taken, and for how long at most. Many lead to states that were seen before.
const STATES: usize = 160_000;
const TIME: Duration = Duration::from_secs(60);

/// And how many where only the nearest is looked at.
const FEW: usize = 20_000;

/// `ONLY=name` looks at one world, or one rule; `STEPS=1` prints what led to what was found.
fn wanted(name: &str) -> bool {
    std::env::var("ONLY").map_or(true, |only| name.contains(&only))
}

fn summary(name: &str, explored: &Explored, started: Instant) -> String {
    format!("{name}: {explored}, {:.1?}", started.elapsed())
}

#[test]
fn nothing_is_found_with_all_rules() {
    for plan in WORLDS.iter().filter(|plan| wanted(plan.name)) {
        // Breadth sees all that is near, depth sees operations through to their ends.
        let mut seen = Vec::new();
        for search in [Search::Breadth, Search::Depth] {
            let started = Instant::now();
            // What has to be seen whole may take its time, also on a machine that is busy.
            let (states, time) = if plan.whole { (10 * STATES, 5 * TIME) } else { (STATES, TIME) };
            let found = explore(Small::new(Rules::default(), *plan), search, states, time);
            println!("{}, {search:?}", summary(plan.name, &found, started));
            if let Some((what, steps)) = found.wrong {
                panic!("{}: {what}\n{}", plan.name, steps.join("\n"));
            }
            assert!(found.completes || matches!(search, Search::Breadth), "{}: nothing completes", plan.name);
            assert!(found.whole || !plan.whole, "{}: this is larger than it should be", plan.name);
            seen.push(found.unique);
        }
        // Two states that are taken for one and are not would lead to other states where the other is met first.
        assert!(
            !plan.whole || seen[0] == seen[1],
            "{}: the order of the search matters: {seen:?}",
            plan.name
        );
    }
}

/// Of how much of each world messages are tried that are taken for idle.
const TRIED: usize = 15_000;

#[test]
fn messages_that_are_taken_for_idle_change_nothing() {
    for plan in WORLDS.iter().filter(|plan| wanted(plan.name)) {
        for search in [Search::Breadth, Search::Depth] {
            let started = Instant::now();
            let found = explore(Small::new(Rules::default(), *plan).trying_idle(), search, TRIED, TIME);
            println!("tried: {}, {search:?}", summary(plan.name, &found, started));
            if let Some((what, steps)) = found.wrong {
                panic!("{}: {what}\n{}", plan.name, steps.join("\n"));
            }
        }
    }
}

#[test]
fn each_broken_rule_is_found() {
    let mut missed = Vec::new();
    for (rule, plan) in BROKEN.iter().filter(|(rule, _)| wanted(rule)) {
        let rules = broken(rule).unwrap_or_else(|why| panic!("{why}"));
        let mut found = false;
        for search in [Search::Breadth, Search::Depth] {
            let started = Instant::now();
            let explored = explore(Small::new(rules, *plan), search, 4 * STATES, TIME);
            print!("{}, {search:?}", summary(rule, &explored, started));
            let Some((what, steps)) = explored.wrong else {
                println!(": nothing");
                continue;
            };
            println!(": {} steps: {}", steps.len(), what.lines().next().unwrap_or_default());
            if std::env::var_os("STEPS").is_some() {
                println!("{what}\n  {}", steps.join("\n  "));
            }
            found = true;
            break;
        }
        // With the rule, the same world is in order: it is the rule that was missed.
        let kept = explore(Small::new(Rules::default(), *plan), Search::Breadth, FEW, TIME);
        if let Some((what, steps)) = kept.wrong {
            panic!("{rule} is kept: {what}\n{}", steps.join("\n"));
        }
        if !found {
            missed.push(*rule);
        }
    }
    assert!(missed.is_empty(), "not found: {missed:?}");
}
