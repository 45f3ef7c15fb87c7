//! Two of three seats down: puts wait, and say so in time if they are given any; one seat back, and all goes on.
#![cfg(unix)]

use paxoskv_tests::processes::Cluster;

#[test]
fn puts_wait_for_a_quorum_and_nothing_is_lost() {
    let mut cluster = Cluster::up(&[]);
    cluster.run(1, &["put", "before", "1"]).done();
    cluster.kill(2);
    cluster.run(1, &["put", "with-two", "2"]).done();
    cluster.kill(3);
    cluster.node(1).seats(false, 1);

    for command in [&["put", "never", "x"] as &[_], &["get", "never"], &["erase", "never"]] {
        let failed = cluster.run(1, &[command, &["--timeout", "1s"]].concat());
        let line = failed.failed(4);
        assert!(line.contains("no quorum: 1 of 3 seats are up, 2 are needed"), "{command:?}: {line}");
        assert!(failed.out.is_empty(), "{failed:?}");
    }
    let status = cluster.json(1, &["status"]);
    assert_eq!((&status["quorum"], &status["cluster_size"]), (&false.into(), &3.into()), "{status}");
    let states: Vec<_> = (0..3).map(|at| status["seats"][at]["state"].clone()).collect();
    assert_eq!(states, ["self", "lost", "lost"]);
    // A seat answers from what it has learned for ever without the others.
    for command in [&["get", "before"] as &[_], &["get", "before", "--local"], &["put", "before", "x"]] {
        assert_eq!(cluster.run(1, command).done().line(), "1");
    }

    let pending = cluster.command(1, &["put", "pending", "3", "--json", "--timeout", "55s"]);
    // The seat counts it once it is there.
    paxoskv_tests::processes::until("the observer with the pending put", || {
        (cluster.json(1, &["status"])["observers"].as_u64()? >= 2).then_some(())
    });
    assert!(pending.is_running());
    cluster.start(3);
    assert_eq!(pending.end().done().line(), r#"{"value":3,"generation":0,"won":true}"#);

    cluster.start(2);
    cluster.complete();
    for seat in 1..=3 {
        for (key, value) in [("before", "1"), ("with-two", "2"), ("pending", "3")] {
            assert_eq!(cluster.run(seat, &["get", key]).done().line(), value, "{key} at seat {seat}");
        }
    }
}

#[test]
fn a_cluster_that_was_killed_whole_comes_back_whole() {
    let mut cluster = Cluster::up(&[]);
    cluster.run(2, &["put", "kept", "value", "--erasable"]).done();
    cluster.run(2, &["erase", "kept"]).done();
    cluster.run(2, &["put", "kept", "second"]).done();
    for seat in 1..=3 {
        cluster.kill(seat);
    }
    cluster.start_all();
    for seat in 1..=3 {
        assert_eq!(
            cluster.run(seat, &["get", "kept", "--json"]).done().line(),
            r#"{"value":"second","generation":1}"#
        );
    }
    assert_eq!(cluster.json(3, &["put", "kept", "third"])["value"], "second");
}
