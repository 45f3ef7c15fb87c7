//! What the program does where its input keeps it waiting, and where nobody reads what it says.
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed
#![cfg(unix)]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use paxoskv_tests::processes::{Cluster, Process, Shell, Signal};

/// A pipe with a name, in the cluster's folder.
fn pipe(cluster: &Cluster) -> PathBuf {
    let path = cluster.folder().join("pipe");
    assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    path
}

/// Starts the program from a shell script, whose `$@` it is.
fn by(script: &str) -> Vec<String> {
    ["sh", "-c", script, "sh"].map(str::to_owned).to_vec()
}

/// A seat whose log nobody reads; a pipe holds 64 KiB.
fn unread(cluster: &Cluster, seat: u8) -> Process {
    let script = format!("exec 2<>'{}'; head -c 65536 /dev/zero >&2; exec \"$@\"", pipe(cluster).display());
    Process::start_by(&by(&script), &cluster.arguments(seat).list(), b"")
}

#[test]
fn a_seat_whose_log_is_not_read_votes_and_can_be_stopped() {
    let mut cluster = Cluster::default();
    let first = unread(&cluster, 1);
    cluster.start(2);
    cluster.start(3);
    cluster.node(2).seats(true, 3);
    cluster.kill(3);
    cluster.node(2).seats(true, 2);
    // Its vote is needed.
    assert_eq!(cluster.run(2, &["put", "k", "v"]).done().line(), "v");
    assert_eq!(cluster.run(1, &["get", "k"]).done().line(), "v");
    first.signal(Signal::SIGTERM);
    assert_eq!(first.end().status, Some(0));
}

#[test]
fn a_value_that_takes_its_time_on_standard_input_is_no_slow_call() {
    let cluster = Cluster::up(&[]);
    let at = cluster.address(1);
    let (mut input, put) = Process::interactive(&["put", "k", "-", "--timeout", "1s", "--at", &at]);
    put.stays(Duration::from_secs(3));
    input.write_all(b"late\n").unwrap();
    drop(input);
    assert_eq!(put.end().done().line(), "late");
}

#[test]
fn a_shell_that_reads_a_value_can_be_stopped() {
    let mut cluster = Cluster::default();
    let path = pipe(&cluster);
    let mut shell = cluster.shell(1);
    cluster.start(2);
    shell.ask("put before 1");
    shell.enter(&format!("put k @{}", path.display()));
    // Opened for writing, it has a reader: the shell.
    let _writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    shell.signal(Signal::SIGTERM);
    assert_eq!(shell.end().status, Some(0));
}

#[test]
fn a_watch_whose_output_is_not_read_can_be_stopped() {
    let cluster = Cluster::up(&[]);
    let file = cluster.folder().join("long");
    std::fs::write(&file, "x".repeat(200_000)).unwrap();
    cluster.run(1, &["put", "k", &format!("@{}", file.display())]).done();
    let path = pipe(&cluster);
    let script = format!("exec \"$@\" >'{}'", path.display());
    let watch = Process::start_by(&by(&script), &["watch", "k", "--at", &cluster.address(1)], b"");
    let mut reader = std::fs::File::open(&path).unwrap();
    // It has begun to print what does not fit into the pipe.
    reader.read_exact(&mut [0]).unwrap();
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.end().status, Some(0));
}

#[test]
fn output_that_is_not_read_is_no_error_and_errors_that_are_not_read_do_not_change_the_status() {
    let cluster = Cluster::up(&[]);
    let at = cluster.address(1);
    cluster.run(1, &["put", "k", "v"]).done();
    for command in [&["keys", "--at", &at] as &[_], &["ticket", "--at", &at]] {
        let printed = Process::start_by(&by("{ \"$@\"; echo $? >&2; } | true"), command, b"").end();
        assert_eq!(printed.err, ["0"], "{command:?}");
    }
    let full = Process::start_by(&by("exec \"$@\" 2>/dev/full"), &["get", "nobody", "--at", &at], b"");
    assert_eq!(full.end().status, Some(3));
    let full = Process::start_by(&by("exec \"$@\" >/dev/full"), &["ticket", "--at", &at], b"");
    assert!(full.end().failed(1).contains("cannot write to standard output"));
}

#[test]
fn a_watch_of_nobody_says_so() {
    let nowhere = Cluster::default().address(1);
    let watch = ["watch", "k", "--at", &nowhere];
    let failed = paxoskv_tests::processes::run(&[&watch[..], &["--timeout", "1s"]].concat());
    assert!(failed.failed(4).contains(&format!("no node answered at {nowhere}")), "{failed:?}");
    let watch = Process::start(&watch, b"");
    watch.logs(&format!("no node answered at {nowhere}"));
    watch.signal(Signal::SIGTERM);
    assert_eq!(watch.end().status, Some(0));
}

#[test]
fn a_variable_that_is_empty_is_unset_and_a_switchs_can_be_a_number() {
    let cluster = Cluster::up(&[]);
    let (at, data) = (cluster.address(1), cluster.data(4).display().to_string());
    let with = |variables: &[&str], arguments: &[&str]| {
        let by: Vec<String> = std::iter::once(&"env").chain(variables).map(ToString::to_string).collect();
        Process::start_by(&by, arguments, b"").end()
    };
    let put = |variables: &[&str]| with(variables, &["put", "k", "v", "--at", &at]);
    let empty = ["PAXOSKV_SECRET_FILE=", "PAXOSKV_TIMEOUT=", "PAXOSKV_CLUSTER=", "PAXOSKV_JSON="];
    assert_eq!(put(&empty).done().line(), "v");
    for yes in ["PAXOSKV_JSON=1", "PAXOSKV_JSON=yes", "PAXOSKV_JSON=true"] {
        assert_eq!(put(&[yes]).done().json()["value"], "v", "{yes}");
    }
    for no in ["PAXOSKV_JSON=0", "PAXOSKV_JSON=false"] {
        assert_eq!(put(&[no]).done().line(), "v", "{no}");
    }
    assert!(put(&["PAXOSKV_JSON=perhaps"]).failed(2).contains("--json"));
    // A switch that is off is in the way of nothing. It ends by the last option.
    let node = ["node", "1", "--data", &data, "--listen", "nowhere"];
    assert!(with(&["PAXOSKV_MEMORY=0"], &node).failed(1).contains("nowhere"));
}

#[test]
fn times_that_are_too_short_are_named_as_options() {
    for option in ["--peer-timeout", "--session-grace"] {
        let printed = paxoskv_tests::processes::run(&[
            "node",
            "1",
            "--memory",
            "--listen",
            "127.0.0.1:0",
            option,
            "0s",
        ]);
        assert!(printed.failed(2).contains(&format!("{option} must be at least")), "{printed:?}");
    }
}

#[test]
fn an_integer_that_would_lose_digits_is_refused() {
    let mut demo = Shell::start(&["demo"]);
    assert_eq!(demo.ask("put 18446744073709551615 a"), "a");
    demo.enter("put 100000000000000000001 b");
    demo.logs("100000000000000000001 has more than 64 bits: quote it");
    assert_eq!(demo.ask("put '\"100000000000000000001\"' c"), "c");
    assert_eq!(demo.close().status, Some(2));
}
