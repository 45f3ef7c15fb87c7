//! A node that does not belong is refused with a reason, ends with status 1, and does the cluster no harm.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(unix)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use paxoskv_tests::processes::{Cluster, Printed, Process};

fn secret(cluster: &Cluster, text: &str) -> PathBuf {
    let file = cluster.folder().join(text);
    std::fs::write(&file, text).expect("written");
    file
}

fn all(cluster: &Cluster) -> String {
    cluster.joins(2, 1..=3)
}

#[track_caller]
fn reports(printed: &Printed, words: &str) {
    let error = printed.ended_by_error();
    assert!(error.contains(words), "{error:?} does not say {words:?}");
}

#[test]
fn a_second_process_for_a_taken_seat() {
    let cluster = Cluster::up(&[]);
    let again = cluster.arguments(2);
    reports(&again.start().end(), &format!("{} is in use", cluster.address(2)));

    let same_folder = again.clone().elsewhere();
    let in_use = format!("the store {} is in use by another process", cluster.data(2).display());
    reports(&same_folder.start().end(), &in_use);
    cluster.unharmed();

    let other_folder =
        same_folder.with("--data", cluster.folder().join("other").display()).with("--join", all(&cluster));
    reports(&other_folder.start().end(), "seat 2 is held by store");
    // With nothing but memory it is a store of its own as well.
    let mut in_memory = other_folder.list();
    let data = in_memory.iter().position(|argument| argument == "--data").expect("a folder");
    in_memory.splice(data..data + 2, ["--memory".to_owned()]);
    reports(&Process::start(&in_memory, b"").end(), "seat 2 is held by store");
    cluster.unharmed();
}

#[test]
fn an_older_copy_of_a_seats_folder() {
    let mut cluster = Cluster::up(&[]);
    cluster.kill(2);
    let copy = cluster.folder().join("copy");
    std::fs::create_dir(&copy).expect("a folder");
    for file in std::fs::read_dir(cluster.data(2)).expect("a folder") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), copy.join(file.file_name())).expect("a copy");
    }
    cluster.start_all();
    cluster.kill(2);
    cluster.start_all();
    // The store has been opened twice since, its copy once: only the later opening counts.
    let copied =
        cluster.arguments(2).with("--data", copy.display()).elsewhere().with("--join", all(&cluster)).start();
    copied.logs("its data folder was copied");
    copied.seats(false, 1);
    cluster.unharmed();
    // It was a member once, so it goes on trying.
    assert!(copied.is_running());
    drop(copied);
    cluster.unharmed();
}

#[test]
fn another_name_or_size() {
    let cluster = Cluster::up(&[]);
    let other = |n: u8| {
        // A store, too, knows which cluster it is of.
        let data = cluster.folder().join(format!("other-{n}")).display().to_string();
        cluster.arguments(2).with("--data", data).elsewhere().with("--join", all(&cluster))
    };
    reports(&other(1).with("--cluster", "another").start().end(), "cluster names differ");
    reports(&other(2).with("--cluster-size", 5).start().end(), "cluster sizes differ");
    reports(&other(3).with("--cluster-size", 2).start().end(), "cluster sizes differ");
    for option in [["--cluster", "another"], ["--cluster-size", "5"]] {
        let failed = cluster.run(1, &[&["get", "k"], option.as_slice()].concat());
        assert!(failed.failed(1).contains("differ"), "{failed:?}");
    }
    cluster.run(1, &["put", "k", "v", "--cluster", cluster.name(), "--cluster-size", "3"]).done();
    cluster.unharmed();
}

#[test]
fn a_wrong_secret_or_none() {
    let mut cluster = Cluster::default();
    let (right, wrong) = (secret(&cluster, "the right secret"), secret(&cluster, "another secret"));
    let (right, wrong) = (right.display().to_string(), wrong.display().to_string());
    let nodes: Vec<Process> =
        (1..=3).map(|seat| cluster.arguments(seat).with("--secret-file", &right).start()).collect();
    nodes.iter().for_each(|node| node.seats(true, 3));

    let outsider = cluster
        .arguments(2)
        .with("--data", cluster.folder().join("outsider").display())
        .elsewhere()
        .with("--join", all(&cluster));
    reports(&outsider.clone().with("--secret-file", &wrong).start().end(), "secret");
    reports(&outsider.start().end(), "the other side's cluster has a secret, this node has none");
    for option in [&[] as &[_], &["--secret-file", &wrong]] {
        for command in [&["put", "k", "v"] as &[_], &["get", "k"], &["status"], &["bench", "--seconds", "1"]]
        {
            let failed = cluster.run(1, &[command, option].concat());
            assert!(failed.failed(1).contains("secret"), "{command:?} {option:?}: {failed:?}");
        }
    }
    let with_secret =
        |command: &[&str]| cluster.run(3, &[command, &["--secret-file", &right]].concat()).done();
    assert_eq!(with_secret(&["put", "k", "v"]).line(), "v");
    assert_eq!(with_secret(&["get", "k"]).line(), "v");
    assert!(nodes.iter().all(Process::is_running));
    drop(nodes);

    // And the other way round: a node with a secret does not talk to nodes without one.
    cluster = Cluster::up(&[]);
    let file = secret(&cluster, "the right secret").display().to_string();
    let failed = cluster.run(1, &["get", "k", "--secret-file", &file]);
    assert!(failed.failed(1).contains("secret"), "{failed:?}");
    cluster.unharmed();
}

/// Longer than a young node heeds refusals.
const YOUTH: Duration = Duration::from_millis(3500);

#[test]
fn an_unauthenticated_peer_that_is_turned_away_does_not_stop_a_lone_node() {
    let cluster = Cluster::default();
    let file = secret(&cluster, "the right secret").display().to_string();
    let node = |seat| cluster.arguments(seat).with("--secret-file", &file).start();
    let first = node(1);
    first.logs("listening on");
    let started = Instant::now();
    while started.elapsed() < YOUTH {
        assert!(cluster.run(1, &["status"]).failed(1).contains("secret"));
    }
    let others = [node(2), node(3)];
    for node in others.iter().chain([&first]) {
        node.seats(true, 3);
    }
}

#[test]
fn another_cluster_on_the_usual_ports_does_not_stop_a_node_that_has_its_own_addresses() {
    let mut cluster = Cluster::default();
    // It takes the usual ports, if nobody else has them; and it stays while its input does.
    let (_keep, demo) = Process::interactive(&["demo"]);
    demo.logs("seat 3 listens on");
    cluster.start(1).stays(YOUTH);
    cluster.start_all();
}
