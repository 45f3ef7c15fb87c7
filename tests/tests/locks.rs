//! `paxoskv lock`: one command at a time, each with a higher token, whatever becomes of those who held it.
#![cfg(unix)]

use paxoskv_tests::processes::{Cluster, Printed, Process, Signal};

/// Times that are short enough to wait for.
const SOON: &[&str] = &["--peer-timeout", "1s", "--session-grace", "1s"];

/// Runs a command under a lock.
#[track_caller]
fn locked(cluster: &Cluster, options: &[&str], command: &[&str]) -> Printed {
    let at = cluster.address(1);
    Process::start(&[&["lock", "printer", "--at", &at], options, &["--"], command].concat(), b"").end()
}

/// The token that a command printed.
#[track_caller]
fn token(lock: &Process) -> u64 {
    let line = lock.prints(0);
    let number = line.strip_prefix("token ").and_then(|token| token.parse().ok());
    number.unwrap_or_else(|| panic!("a token: {line}"))
}

#[test]
fn a_command_has_a_token_and_its_status_is_the_locks() {
    let cluster = Cluster::up(&[]);
    let print = "echo $PAXOSKV_FENCING_TOKEN";
    let first = locked(&cluster, &[], &["sh", "-c", print]).done();
    let second = locked(&cluster, &[], &["sh", "-c", print]).done();
    assert_eq!((first.line(), second.line()), ("0", "1"));
    assert_eq!(locked(&cluster, &[], &["sh", "-c", "exit 7"]).status, Some(7));
    assert_eq!(locked(&cluster, &[], &["sh", "-c", "kill -9 $$"]).status, Some(128 + 9));
    let none = locked(&cluster, &[], &["/no/such/command"]);
    assert!(none.failed(1).contains("/no/such/command"), "{none:?}");

    // Signals go to the command, and the lock is free when that has ended.
    for (signal, status) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let lock = cluster.lock(&[1, 2, 3], "printer");
        lock.prints(0);
        lock.signal(signal);
        assert_eq!(lock.end().status, Some(status));
        locked(&cluster, &[], &["true"]).done();
    }
}

#[test]
fn a_lock_that_is_not_granted_in_time_is_status_4() {
    let mut cluster = Cluster::up(&[]);
    let mut lock = cluster.lock(&[1, 2, 3], "printer");
    lock.prints(0);
    let late = locked(&cluster, &["--timeout", "500ms"], &["echo", "ran"]);
    assert!(late.failed(4).contains("did not become free in time"), "{late:?}");
    // Another lock is another's affair.
    let mut other = cluster.lock(&[2], "scanner");
    other.prints(0);
    other.close().done();
    lock.close().done();

    cluster.kill(2);
    cluster.kill(3);
    cluster.node(1).seats(false, 1);
    let alone = locked(&cluster, &["--timeout", "500ms"], &["echo", "ran"]);
    assert!(alone.failed(4).contains("no quorum"), "{alone:?}");
    cluster.kill(1);
    let nobody = locked(&cluster, &["--timeout", "500ms"], &["echo", "ran"]);
    assert!(nobody.failed(4).contains("no node answered"), "{nobody:?}");
    assert!([late, alone, nobody].iter().all(|printed| printed.out.is_empty()));
}

#[test]
fn a_killed_holder_is_succeeded_with_a_higher_token() {
    let cluster = Cluster::up(SOON);
    let mut first = cluster.lock(&[1, 2, 3], "printer");
    let before = token(&first);
    let mut second = cluster.lock(&[1, 2, 3], "printer");
    cluster.observers(1, 2);
    assert!(second.printed().out.is_empty(), "{:?}", second.printed());
    first.signal(Signal::SIGKILL);
    assert!(token(&second) > before);
    // Its command is left alone, and may be at it still: that is what the token is for.
    assert_eq!(first.close().status, Some(-9));
    second.close().done();
}

#[test]
fn a_holder_that_stood_still_ends_its_command() {
    let cluster = Cluster::up(SOON);
    let first = cluster.lock(&[1, 2, 3], "printer");
    let before = token(&first);
    let mut second = cluster.lock(&[1, 2, 3], "printer");
    first.signal(Signal::SIGSTOP);
    assert!(token(&second) > before);
    first.signal(Signal::SIGCONT);
    let ended = first.end();
    assert!(ended.failed(1).contains("lost the lock \"printer\""), "{ended:?}");
    second.close().done();
}

#[test]
fn a_command_that_does_not_end_is_killed() {
    let mut cluster = Cluster::up(SOON);
    let at = [1, 2, 3].map(|seat| cluster.address(seat)).join(",");
    let script = "trap '' TERM; echo ready; while :; do sleep 0.1; done";
    let lock = Process::start(&["lock", "printer", "--at", &at, "--", "sh", "-c", script], b"");
    assert_eq!(lock.prints(0), "ready");
    cluster.kill(1);
    cluster.kill(2);
    let ended = lock.end();
    assert!(ended.failed(1).contains("no quorum of seats has answered"), "{ended:?}");
}
