//! A ticket is all that a node needs to come in, and to come back.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(unix)]

use paxoskv_tests::processes::{Cluster, Process, free_port, run};

/// Seats 1 and 2 of a cluster with a secret, and the secret's file.
fn two_of_three() -> (Cluster, [Process; 2], String) {
    let cluster = Cluster::default();
    let file = cluster.folder().join("secret");
    std::fs::write(&file, "what nobody else knows\n").unwrap();
    let file = file.display().to_string();
    let nodes = [1, 2].map(|seat| cluster.arguments(seat).with("--secret-file", &file).start());
    nodes.iter().for_each(|node| node.seats(true, 2));
    (cluster, nodes, file)
}

/// Starts a node that is given nothing but a ticket; the address is another only because tests share a machine.
fn newcomer(cluster: &Cluster, ticket: &str, home: &str) -> Process {
    let home = format!("XDG_DATA_HOME={}", cluster.folder().join(home).display());
    let at = format!("127.0.0.1:{}", free_port());
    Process::start_by(&["env".into(), home], &["node", "--ticket", ticket, "--listen", &at], b"")
}

#[test]
fn a_node_comes_in_by_a_ticket_and_back_into_its_seat() {
    let (cluster, nodes, file) = two_of_three();
    let printed = cluster.run(1, &["ticket", "--secret-file", &file]).done();
    let ticket = printed.line();
    let third = newcomer(&cluster, ticket, "home");
    third.logs("3 of 3 in cluster");
    nodes.iter().chain([&third]).for_each(|node| node.seats(true, 3));
    assert_eq!(cluster.run(1, &["put", "k", "v", "--secret-file", &file]).done().line(), "v");
    // It is there before it is decided that it holds the seat.
    nodes.iter().for_each(|node| drop(node.logs("a seat that was empty is filled")));
    drop(third);
    nodes[0].seats(true, 2);

    // All seats are held now: another machine gets none, and its own machine gets its own.
    let late = newcomer(&cluster, &ticket.to_lowercase(), "elsewhere").end();
    assert!(late.ended_by_error().contains("all 3 seats of cluster"), "{late:?}");
    let back = newcomer(&cluster, ticket, "home");
    back.logs("3 of 3 in cluster");
    nodes.iter().chain([&back]).for_each(|node| node.seats(true, 3));
}

#[test]
fn what_is_no_ticket_is_a_usage_error() {
    let (cluster, _nodes, file) = two_of_three();
    let printed = cluster.run(1, &["ticket", "--secret-file", &file]).done();
    let ticket = printed.line();
    for wrong in ["", "hello", &ticket[..ticket.len() - 1], &ticket.replacen(':', ":A", 1)] {
        let failed = run(&["node", "--ticket", wrong]);
        assert!(failed.failed(2).contains("copy all of the line"), "{failed:?}");
    }
    let both = run(&["node", "--ticket", ticket, "--cluster", "other"]);
    both.failed(2);
    // Who has not the secret gets no ticket.
    let refused = cluster.run(1, &["ticket"]);
    assert!(refused.failed(1).contains("secret"), "{refused:?}");
    let nobody = run(&["ticket", "--at", "127.0.0.1:1", "--timeout", "1s"]);
    assert!(nobody.failed(4).contains("no node answered"), "{nobody:?}");
}
