//! The shell on a pipe: a script of commands, whose end ends the node.
#![cfg(unix)]

use paxoskv_tests::processes::{Cluster, Process};

#[test]
fn the_demo_runs_a_script() {
    let script = "# a cluster of three in one process\nput leader anna\nput leader bert --json\nget leader --json\n\
                  get nobody --default none\nput point '{\"x\":1}' --erasable\nerase point\nkeys\n";
    let demo = Process::start(&["demo"], script.as_bytes()).end();
    assert_eq!(demo.status, Some(0), "{demo:?}");
    let expected = "anna\n{\"value\":\"anna\",\"generation\":0,\"won\":false}\n{\"value\":\"anna\",\"generation\":0}\n\
                    none\n{\"x\":1}\nleader\n";
    assert_eq!(demo.text(), expected, "{demo:?}");
}

#[test]
fn the_scripts_status_is_that_of_its_last_failure() {
    let demo = Process::start(&["demo"], b"get nobody\nput a b\n").end();
    assert_eq!((demo.status, demo.text().as_str()), (Some(3), "b\n"), "{demo:?}");
    let demo = Process::start(&["demo"], b"get nobody\nfrobnicate\nput a b\n").end();
    assert_eq!((demo.status, demo.text().as_str()), (Some(2), "b\n"), "{demo:?}");
}

#[test]
fn a_seat_runs_a_script_and_leaves() {
    let mut cluster = Cluster::default();
    cluster.start(1);
    cluster.start(2);
    // The put waits until there is a quorum.
    let script = b"put leader anna\nget leader\nstatus\n";
    let third = Process::start(&cluster.arguments(3).and(&["--shell"]).list(), script).end();
    assert_eq!(third.status, Some(0), "{third:?}");
    assert_eq!(third.out[..2], ["anna", "anna"], "{third:?}");
    assert!(third.out[2].starts_with("[quorum:yes]"), "{third:?}");
    assert_eq!(cluster.run(1, &["get", "leader"]).done().line(), "anna");
}
