//! `kill -9` of each seat in turn, under load: nothing that was acknowledged is lost, and what clients saw is what one
//! key in one place would have shown them.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(unix)]

use std::collections::BTreeMap;
use std::path::Path;

use paxoskv_tests::processes::{Cluster, Process, Signal, until};
use paxoskv_tests::{history, linear};
use serde_json::Value as Json;

/// How often each seat is killed.
const ROUNDS: usize = 2;

#[test]
fn nothing_is_lost_and_histories_are_linearizable() {
    let mut cluster = Cluster::up(&[]);
    let mut acknowledged = BTreeMap::new();
    let mut judged = 0;
    for round in 0..ROUNDS {
        for seat in 1..=3 {
            let few = cluster.folder().join(format!("few-{round}-{seat}"));
            let fresh = cluster.folder().join(format!("fresh-{round}-{seat}"));
            let loads = [
                load(&cluster, &few, "--keys 5 --gets 40 --erases 10 --clients 8"),
                load(&cluster, &fresh, "--gets 20 --clients 3"),
            ];
            let grown = |by: u64| {
                let before = [&few, &fresh].map(|file| length(file));
                until("load", || {
                    let now = [&few, &fresh].map(|file| length(file));
                    now.iter().zip(before).all(|(now, before)| *now >= before + by).then_some(())
                });
            };
            grown(1);
            cluster.kill(seat);
            for other in (1..=3).filter(|other| *other != seat) {
                cluster.node(other).seats(true, 2);
            }
            // Two seats go on, and the third comes back into the middle of it.
            grown(1);
            cluster.start(seat);
            cluster.complete();
            grown(1);
            for load in &loads {
                load.signal(Signal::SIGINT);
            }
            for load in &loads {
                load.end().done();
            }
            judged += judge(&few);
            for line in
                history::read(&fresh).iter().filter(|line| line["op"] == "put" && line["error"].is_null())
            {
                assert_eq!(line["ok"]["value"], line["value"], "nobody else puts there");
                acknowledged.insert(text(&line["key"]), line["ok"].clone());
            }
        }
    }
    assert!(judged > 100 && acknowledged.len() > 100, "{judged} calls, {} puts", acknowledged.len());
    everything_is_on_each_seat(&cluster, &acknowledged);
}

/// Each seat lists what was acknowledged, and a quorum says the same.
fn everything_is_on_each_seat(cluster: &Cluster, acknowledged: &BTreeMap<String, Json>) {
    for seat in 1..=3 {
        // A seat that was away learns what it missed in the background.
        until("all keys", || {
            let listed = cluster.run(seat, &["keys", "--json"]).done();
            let listed: BTreeMap<String, Json> = listed
                .out
                .iter()
                .map(|line| serde_json::from_str(line).expect("JSON"))
                .map(|line: Json| (text(&line["key"]), line))
                .collect();
            for (key, answer) in acknowledged {
                let now = listed.get(key)?;
                assert_eq!(
                    (&now["value"], &now["generation"]),
                    (&answer["value"], &answer["generation"]),
                    "{key}"
                );
            }
            Some(())
        });
        // A listing is what the seat has learned; a get asks a quorum.
        for (key, answer) in acknowledged.iter().step_by(acknowledged.len() / 5) {
            let now = cluster.json(seat, &["get", key]);
            assert_eq!(
                (&now["value"], &now["generation"]),
                (&answer["value"], &answer["generation"]),
                "{key}"
            );
        }
    }
}

/// A benchmark that goes on until it is interrupted, at all seats.
fn load(cluster: &Cluster, file: &Path, options: &str) -> Process {
    let file = file.display().to_string();
    let mut arguments = vec!["bench", "--seconds", "600", "--timeout", "30s", "--history", &file];
    arguments.extend(options.split(' '));
    let addresses = [1, 2, 3].map(|seat| cluster.address(seat));
    arguments.extend(addresses.iter().flat_map(|address| ["--at", address]));
    Process::start(&arguments, b"")
}

fn length(file: &Path) -> u64 {
    std::fs::metadata(file).map_or(0, |file| file.len())
}

fn text(json: &Json) -> String {
    json.as_str().expect("a text").to_owned()
}

/// Checks each key's history; how many calls there were.
fn judge(file: &Path) -> usize {
    let lines = history::read(file);
    // The search goes as deep as a history is long.
    let judging = std::thread::Builder::new().stack_size(1 << 30).spawn(move || {
        for (key, operations) in history::by_key(&lines) {
            linear::check(&operations).unwrap_or_else(|what| panic!("{key}: {what}"));
        }
        lines.len()
    });
    judging.expect("a thread").join().expect("linearizable")
}
