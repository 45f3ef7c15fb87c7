//! A node that is asked to stop says goodbye: the others know at once, rather than after the peer timeout, and nothing
//! is lost.
#![cfg(unix)]

use paxoskv_tests::processes::{Cluster, Signal};

#[test]
fn a_node_that_is_stopped_leaves() {
    // Nobody is taken for lost for being silent, in the time that this test has.
    let mut cluster = Cluster::up(&["--peer-timeout", "10m", "--log", "warn,paxoskv=debug"]);
    cluster.run(3, &["put", "leader", "anna"]).done();
    for (signal, seat) in [(Signal::SIGTERM, 3), (Signal::SIGINT, 2)] {
        let left = cluster.stop(seat, signal);
        assert_eq!(left.status, Some(0), "{left:?}");
        assert!(left.err.iter().any(|line| line.contains("leaving")), "{left:?}");
        for other in (1..=3).filter(|other| *other != seat) {
            let node = cluster.node(other);
            node.logs("the peer has left");
            node.seats(true, 2);
            let states = cluster.json(other, &["status"]);
            assert_eq!(states["seats"][usize::from(seat) - 1]["state"], "lost", "{states}");
        }
        assert_eq!(cluster.json(1, &["put", &format!("without {seat}"), "yes"])["won"], true);
        cluster.start_all();
        for key in ["leader", &format!("without {seat}")] {
            cluster.run(seat, &["get", key]).done();
        }
    }
}

#[test]
fn what_was_acknowledged_just_before_is_not_lost() {
    let mut cluster = Cluster::up(&[]);
    for round in 0..3 {
        let key = format!("round-{round}");
        cluster.run(1, &["put", &key, "kept"]).done();
        for seat in 1..=3 {
            assert_eq!(cluster.stop(seat, Signal::SIGTERM).status, Some(0));
        }
        cluster.start_all();
        for seat in 1..=3 {
            for earlier in 0..=round {
                assert_eq!(cluster.run(seat, &["get", &format!("round-{earlier}")]).done().line(), "kept");
            }
        }
    }
}
