//! A key that is bound to a node's session is vacant once the node has left or crashed, and not before.
#![cfg(unix)]

use paxoskv_tests::processes::{Cluster, Process, Shell, Signal, until};

/// Times that are short enough to wait for.
const SOON: &[&str] = &["--peer-timeout", "1s", "--session-grace", "1s"];

/// Seats 1 and 2, a shell at seat 3 that owns the key `here`, and seat 1's watch of it.
fn owned(options: &[&str]) -> (Cluster, Shell, Process) {
    let mut cluster = Cluster::new(options);
    cluster.start(1);
    cluster.start(2);
    let mut shell = cluster.shell(3);
    // Answered once the cluster is bootstrapped. A client that asks for a session before that may wait for a third of half the grace.
    assert_eq!(shell.ask("get here --default nobody"), "nobody");
    let put = shell.json("put here me --ephemeral");
    assert_eq!(put, serde_json::json!({ "value": "me", "generation": 0, "won": true }));
    let watch = cluster.command(1, &["watch", "here"]);
    assert_eq!(watch.prints(0), r#"{"generation":0,"value":"me"}"#);
    (cluster, shell, watch)
}

/// The key is vacant, and another takes it.
#[track_caller]
fn succeeded(cluster: &Cluster, watch: &Process) {
    assert_eq!(watch.prints(1), r#"{"generation":1,"vacant":true}"#);
    let put = cluster.run(2, &["put", "here", "you", "--json"]).done();
    assert_eq!(put.line(), r#"{"value":"you","generation":1,"won":true}"#);
    assert_eq!(watch.prints(2), r#"{"generation":1,"value":"you"}"#);
}

#[test]
fn a_killed_owner_is_succeeded() {
    let (cluster, shell, watch) = owned(SOON);
    assert_eq!(cluster.run(2, &["put", "here", "you"]).done().line(), "me");
    shell.signal(Signal::SIGKILL);
    succeeded(&cluster, &watch);
    assert_eq!(shell.end().status, Some(-9));
}

#[test]
fn an_owner_that_leaves_is_succeeded_at_once() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        // No node is suspected for being silent, in the time that this test has.
        let (cluster, shell, watch) = owned(&["--peer-timeout", "10m", "--session-grace", "10m"]);
        shell.signal(signal);
        succeeded(&cluster, &watch);
        assert_eq!(shell.end().status, Some(0));
    }
}

#[test]
fn an_owner_that_stood_still_finds_its_session_over() {
    let (cluster, mut shell, watch) = owned(SOON);
    let before = shell.json("session");
    assert_eq!(shell.json("owner here"), before);
    shell.signal(Signal::SIGSTOP);
    succeeded(&cluster, &watch);
    shell.signal(Signal::SIGCONT);
    until("a new session", || (shell.json("session") != before).then_some(()));
    // Its successor's is bound to none.
    assert_eq!(shell.ask("owner here --json"), "null");
    assert_eq!(shell.json("get here")["generation"], 1);
    // And with its new session it is an owner like any other.
    assert_eq!(shell.json("put there me --ephemeral")["won"], true);
    assert_eq!(shell.json("owner there"), shell.json("session"));
}

#[test]
fn an_owner_outlives_every_seat() {
    let mut cluster = Cluster::up(SOON);
    let mut lock = cluster.lock(&[1, 2, 3], "printer");
    let token = lock.prints(0);
    for seat in 1..=3 {
        cluster.observers(seat, 1);
    }
    for seat in 1..=3 {
        cluster.kill(seat);
        for other in (1..=3).filter(|other| *other != seat) {
            cluster.node(other).seats(true, 2);
        }
        cluster.start(seat);
        cluster.complete();
        cluster.observers(seat, 1);
        assert!(lock.is_running(), "{:?}", lock.printed());
    }
    let address = cluster.address(1);
    let second = ["lock", "printer", "--at", &address, "--timeout", "500ms", "--", "true"];
    Process::start(&second, b"").end().failed(4);
    // The same command all the time.
    assert_eq!(lock.close().done().out, [token]);
    Process::start(&second, b"").end().done();
}
