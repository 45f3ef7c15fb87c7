//! Three processes are one store: what is put at one of them, all of them answer, on the command line.
#![cfg(unix)]

use paxoskv_tests::processes::Cluster;
use serde_json::json;

#[test]
fn what_was_put_at_one_seat_is_read_at_all() {
    let cluster = Cluster::up(&[]);
    for (key, value, raw) in [
        ("leader", "anna", "anna"),
        ("answer", "42", "42"),
        ("point", r#"{"x":1,"y":[true,null,"z"]}"#, r#"{"x":1,"y":[true,null,"z"]}"#),
        (r#"["a","key"]"#, "\"quoted\"", "quoted"),
        ("-1", "-2.5", "-2.5"),
    ] {
        assert_eq!(cluster.run(1, &["put", key, value]).done().line(), raw);
        for seat in 1..=3 {
            assert_eq!(cluster.run(seat, &["get", key]).done().line(), raw, "{key} at seat {seat}");
        }
    }
    for seat in 1..=3 {
        assert_eq!(
            cluster.run(seat, &["get", "leader", "--json"]).done().line(),
            r#"{"value":"anna","generation":0}"#
        );
    }
}

#[test]
fn a_key_keeps_its_first_value() {
    let cluster = Cluster::up(&[]);
    let first = cluster.run(1, &["put", "leader", "anna", "--json"]).done();
    assert_eq!(first.line(), r#"{"value":"anna","generation":0,"won":true}"#);
    for seat in 1..=3 {
        let again = cluster.run(seat, &["put", "leader", "bert", "--json"]).done();
        assert_eq!(again.line(), r#"{"value":"anna","generation":0,"won":false}"#);
        assert_eq!(cluster.run(seat, &["put", "leader", "bert"]).done().line(), "anna");
    }
    // Not even the same value is put twice.
    assert_eq!(cluster.json(2, &["put", "leader", "anna"])["won"], false);
}

#[test]
fn of_puts_at_the_same_time_one_wins() {
    let cluster = Cluster::up(&[]);
    for round in 0..5 {
        let key = format!("race-{round}");
        let puts: Vec<_> = (0..9)
            .map(|n: u8| cluster.command(n % 3 + 1, &["put", &key, &n.to_string(), "--json"]))
            .collect();
        let answers: Vec<_> = puts.iter().map(|put| put.end().done().json()).collect();
        assert!(answers.iter().all(|answer| answer["value"] == answers[0]["value"]), "{answers:?}");
        let winners: Vec<_> = (0..9).filter(|n| answers[*n]["won"] == true).collect();
        assert_eq!(winners.len(), 1, "{answers:?}");
        assert_eq!(answers[0]["value"], winners[0], "{answers:?}");
    }
}

#[test]
fn a_key_without_a_value_is_status_3() {
    let cluster = Cluster::up(&[]);
    let absent = cluster.run(2, &["get", "nobody"]);
    assert!(absent.failed(3).contains("nobody has no value"), "{absent:?}");
    assert!(absent.out.is_empty());
    let as_json = cluster.run(2, &["get", "nobody", "--json"]);
    as_json.failed(3);
    assert_eq!(as_json.line(), "null");
    assert_eq!(cluster.run(3, &["get", "nobody", "--default", "somebody"]).done().line(), "somebody");
    cluster.run(1, &["get", "nobody", "--local"]).failed(3);
    // To have asked is not to have put.
    assert_eq!(
        cluster.json(1, &["put", "nobody", "me"]),
        json!({"value": "me", "generation": 0, "won": true})
    );
    assert_eq!(cluster.run(3, &["get", "nobody", "--default", "somebody"]).done().line(), "me");
}

#[test]
fn an_erased_key_can_be_put_anew_in_the_next_generation() {
    let cluster = Cluster::up(&[]);
    cluster.run(1, &["put", "lock", "anna", "--erasable"]).done();
    assert_eq!(cluster.run(2, &["erase", "lock"]).done().out.len(), 0);
    for seat in 1..=3 {
        cluster.run(seat, &["get", "lock"]).failed(3);
    }
    cluster.run(3, &["erase", "lock"]).failed(3);
    assert_eq!(
        cluster.run(3, &["put", "lock", "bert", "--json"]).done().line(),
        r#"{"value":"bert","generation":1,"won":true}"#
    );
    // Bert's was not put to be erased.
    cluster.run(1, &["erase", "lock"]).failed(1);
    assert_eq!(cluster.run(1, &["get", "lock"]).done().line(), "bert");
}

#[test]
fn keys_are_listed_in_their_bucket() {
    let cluster = Cluster::up(&[]);
    for key in ["b", "a", "ab"] {
        cluster.run(1, &["put", key, "1"]).done();
    }
    cluster.run(1, &["put", "other", "2", "--bucket", "second"]).done();
    assert_eq!(cluster.run(1, &["keys"]).done().text(), "a\nb\nab\n");
    assert_eq!(cluster.run(1, &["keys", "a"]).done().text(), "a\nab\n");
    assert_eq!(cluster.run(1, &["keys", "none"]).done().text(), "");
    assert_eq!(
        cluster.run(1, &["keys", "--bucket", "second", "--json"]).done().line(),
        r#"{"key":"other","value":2,"generation":0}"#
    );
    cluster.run(1, &["get", "other"]).failed(3);
}

#[test]
fn the_status_names_every_seat() {
    let cluster = Cluster::up(&[]);
    for seat in 1..=3_u8 {
        let state = |of| if of == seat { "self" } else { "connected" };
        let mut status = cluster.json(seat, &["status"]);
        // The command itself is an observer, and the last one may not have gone yet.
        assert!(status["observers"].take().as_u64().is_some_and(|observers| observers >= 1));
        let seats = [1, 2, 3].map(|of| json!({ "seat": of, "state": state(of) }));
        let expected = json!({
            "cluster": cluster.name(), "cluster_size": 3, "quorum": true, "epoch": 0, "observers": null,
            "seats": seats,
        });
        assert_eq!(status, expected);
    }
    let text = cluster.run(1, &["status"]).done().text();
    assert!(text.starts_with("[quorum:yes] 3 of 3 seats"), "{text}");
}
