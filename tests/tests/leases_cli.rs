//! What the command line says of leases: deadlines, keys bound to keys and sessions, buckets, watches, waiting.
#![cfg(unix)]

use paxoskv_tests::processes::{Cluster, Signal};

#[test]
fn a_deadline_makes_a_key_vacant() {
    let cluster = Cluster::up(&[]);
    let put = cluster.run(1, &["put", "code", "1234", "--until", "1500ms", "--json"]).done();
    assert_eq!(put.line(), r#"{"value":1234,"generation":0,"won":true}"#);
    assert_eq!(cluster.run(2, &["get", "code"]).done().line(), "1234");
    let watch = cluster.command(2, &["watch", "code"]);
    assert_eq!(watch.prints(1), r#"{"generation":1,"vacant":true}"#);
    cluster.run(3, &["get", "code"]).failed(3);
    let put = cluster.run(3, &["put", "code", "5678", "--until", "1h", "--json"]).done();
    assert_eq!(put.line(), r#"{"value":5678,"generation":1,"won":true}"#);
}

#[test]
fn a_key_lives_as_long_as_the_key_that_it_is_bound_to() {
    let cluster = Cluster::up(&[]);
    cluster.run(1, &["put", "parent", "1", "--erasable"]).done();
    cluster.run(2, &["put", "child", "2", "--bound-to", "parent"]).done();
    cluster.run(3, &["put", "grandchild", "3", "--bound-to", "child", "--bucket", "b"]).done();
    let arguments = ["put", "great", "4", "--bound-to", "grandchild", "--bound-to-bucket", "b"];
    cluster.run(1, &arguments).done();
    // What is bound to another is not for everyone to erase.
    assert!(cluster.run(1, &["erase", "child"]).failed(1).contains("not erasable"));
    cluster.run(3, &["erase", "parent"]).done();
    for seat in 1..=3 {
        cluster.run(seat, &["get", "child"]).failed(3);
        cluster.run(seat, &["get", "grandchild", "--bucket", "b"]).failed(3);
        cluster.run(seat, &["get", "great"]).failed(3);
    }
    let late = cluster.run(2, &["put", "child", "2", "--bound-to", "parent"]);
    assert!(late.failed(5).contains("has ended"), "{late:?}");
    cluster.run(1, &["put", "parent", "1"]).done();
    let put = cluster.run(2, &["put", "child", "5", "--bound-to", "parent", "--json"]).done();
    assert_eq!(put.line(), r#"{"value":5,"generation":1,"won":true}"#);
}

#[test]
fn a_key_is_bound_to_the_session_of_another() {
    let mut cluster = Cluster::new(&[]);
    cluster.start(1);
    cluster.start(2);
    let mut shell = cluster.shell(3);
    let session = shell.ask("session");
    cluster.run(1, &["put", "plain", "0"]).done();
    cluster.run(1, &["put", "here", "1", "--bound-to-session", &session]).done();
    assert_eq!(cluster.run(2, &["owner", "here"]).done().line(), session);
    let owner = cluster.run(2, &["owner", "here", "--json"]).done();
    assert_eq!(owner.line(), format!(r#"{{"session":"{session}"}}"#));
    assert_eq!(
        cluster.run(1, &["keys", "--json"]).done().out,
        [
            format!(r#"{{"key":"here","value":1,"generation":0,"owner":"{session}"}}"#),
            r#"{"key":"plain","value":0,"generation":0}"#.to_owned(),
        ]
    );
    assert!(cluster.run(1, &["owner", "plain"]).failed(3).contains("bound to no session"));
    let absent = cluster.run(1, &["owner", "nobody", "--json"]);
    assert!(absent.failed(3).contains("nobody has no value"), "{absent:?}");
    assert_eq!(absent.line(), "null");

    let watch = cluster.command(1, &["watch", "here"]);
    watch.prints(0);
    shell.close();
    assert_eq!(watch.prints(1), r#"{"generation":1,"vacant":true}"#);
    cluster.run(2, &["owner", "here"]).failed(3);
    cluster.run(2, &["put", "here", "2", "--bound-to-session", &session]).failed(5);
    cluster.run(2, &["put", "here", "2", "--bound-to-session", "me"]).failed(2);
}

#[test]
fn what_leaves_at_once_owns_nothing() {
    let cluster = Cluster::default();
    let refused = cluster.run(1, &["put", "here", "me", "--ephemeral"]);
    let line = refused.failed(2);
    for word in ["leaves at once", "shell", "--bound-to-session", "lock"] {
        assert!(line.contains(word), "{word}: {line}");
    }
}

#[test]
fn buckets_are_created_and_dropped() {
    let cluster = Cluster::up(&[]);
    assert_eq!(cluster.run(1, &["bucket", "create", "tmp", "--droppable"]).done().line(), "droppable");
    assert_eq!(cluster.run(2, &["bucket", "create", "tmp", "--droppable"]).done().line(), "droppable");
    assert!(cluster.run(2, &["bucket", "create", "tmp"]).failed(1).contains("is droppable"));
    for key in ["a", "b"] {
        cluster.run(2, &["put", key, "1", "--bucket", "tmp"]).done();
    }
    assert!(cluster.run(3, &["bucket", "drop", "tmp"]).done().out.is_empty());
    for key in ["a", "b"] {
        cluster.run(1, &["get", key, "--bucket", "tmp"]).failed(3);
    }
    assert!(cluster.run(1, &["bucket", "drop", "tmp"]).failed(3).contains("no bucket \"tmp\""));
    assert_eq!(cluster.json(3, &["bucket", "create", "tmp"])["bucket"], "plain");
    let put = cluster.run(2, &["put", "a", "2", "--bucket", "tmp", "--json"]).done();
    assert_eq!(put.line(), r#"{"value":2,"generation":1,"won":true}"#);
    assert!(cluster.run(1, &["bucket", "drop", "tmp"]).failed(1).contains("cannot be dropped"));
    cluster.run(1, &["bucket", "drop", ""]).failed(2);
    cluster.run(1, &["bucket", "create", ""]).failed(2);
}

#[test]
fn a_get_waits_for_a_value() {
    let cluster = Cluster::up(&[]);
    let late = cluster.run(2, &["get", "result", "--wait", "--timeout", "500ms"]);
    assert!(late.failed(4).contains("no value yet"), "{late:?}");
    let waiting = cluster.command(2, &["get", "result", "--wait", "--json", "--timeout", "55s"]);
    cluster.observers(2, 1);
    assert!(waiting.is_running());
    cluster.run(1, &["put", "result", "42"]).done();
    assert_eq!(waiting.end().done().line(), r#"{"value":42,"generation":0}"#);
    assert_eq!(cluster.run(3, &["get", "result", "--wait"]).done().line(), "42");
}

#[test]
fn a_watch_prints_all_states_in_their_order() {
    let cluster = Cluster::up(&[]);
    let one = cluster.command(1, &["watch", "leader"]);
    let later = cluster.command(3, &["watch", "leader", "--from", "1"]);
    let all = cluster.command(2, &["watch", "--prefix", "lea"]);
    assert_eq!(one.prints(0), r#"{"generation":0,"vacant":true}"#);
    cluster.run(2, &["put", "other", "no"]).done();
    cluster.run(1, &["put", "leader", "anna", "--erasable"]).done();
    one.prints(1);
    all.prints(0);
    cluster.run(1, &["erase", "leader"]).done();
    one.prints(2);
    all.prints(1);
    later.prints(0);
    cluster.run(3, &["put", "leader", "bert"]).done();
    assert_eq!(later.prints(1), r#"{"generation":1,"value":"bert"}"#);
    one.prints(3);
    all.prints(2);

    let states = [
        r#""generation":0,"vacant":true}"#,
        r#""generation":0,"value":"anna"}"#,
        r#""generation":1,"vacant":true}"#,
        r#""generation":1,"value":"bert"}"#,
    ];
    let lines = |before: &str, from: usize| {
        states[from..].iter().map(|state| format!("{before}{state}")).collect::<Vec<_>>()
    };
    for (watch, expected) in
        [(&one, lines("{", 0)), (&later, lines("{", 2)), (&all, lines(r#"{"key":"leader","#, 1))]
    {
        watch.signal(Signal::SIGINT);
        assert_eq!(watch.end().done().out, expected);
    }
    let short = cluster.run(1, &["watch", "leader", "--timeout", "1s", "--json"]).done();
    assert_eq!(short.line(), r#"{"generation":1,"value":"bert"}"#);
    cluster.run(1, &["watch"]).failed(2);
}
