//! A store that is damaged is named and left as it is, and its seat stays out; the other two go on.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(unix)]

use paxoskv_tests::processes::{Cluster, Signal};

#[test]
fn a_damaged_store_is_named_and_left_alone() {
    let mut cluster = Cluster::up(&[]);
    cluster.run(1, &["put", "leader", "anna"]).done();
    assert_eq!(cluster.stop(2, Signal::SIGTERM).status, Some(0));
    let file = cluster.data(2).join("store-000001-000001.log");
    let good = std::fs::read(&file).expect("the store");
    assert!(good.len() > 4096);

    let mut changed = good.clone();
    changed[512..].iter_mut().for_each(|byte| *byte ^= 0x55);
    let garbage: Vec<u8> =
        (0..good.len() as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let cases: [(&str, Vec<u8>); 6] = [
        ("half of it is missing", good[..good.len() / 2].to_vec()),
        ("all but its head is missing", good[..100].to_vec()),
        ("it is empty", Vec::new()),
        ("it is garbage", garbage),
        ("it is a text", b"no store, but a letter to a friend\n".repeat(1000)),
        ("its batches are changed", changed),
    ];
    for (what, bytes) in cases {
        std::fs::write(&file, &bytes).expect("written");
        let ended = cluster.arguments(2).start().end();
        let error = ended.ended_by_error();
        assert!(error.contains("is damaged or not a PaxosKV store"), "{what}: {error}");
        assert!(error.contains(&file.display().to_string()), "{what}: {error}");
        assert_eq!(std::fs::read(&file).expect("the file"), bytes, "{what}: the file was changed");
    }
    assert_eq!(cluster.json(1, &["put", "two seats", "go on"])["won"], true);
    assert_eq!(cluster.run(3, &["get", "leader"]).done().line(), "anna");

    // The seat has not voted since, so its store may come back.
    std::fs::write(&file, &good).expect("written");
    cluster.start_all();
    assert_eq!(cluster.run(2, &["get", "leader"]).done().line(), "anna");
    cluster.unharmed();
}

#[test]
fn a_seat_without_its_store_is_no_member() {
    let mut cluster = Cluster::up(&[]);
    cluster.run(1, &["put", "leader", "anna"]).done();
    cluster.kill(2);
    let (data, away) = (cluster.data(2), cluster.folder().join("away"));
    std::fs::rename(&data, &away).expect("moved away");
    let ended = cluster.arguments(2).start().end();
    let error = ended.ended_by_error();
    assert!(error.contains("seat 2 is held by store"), "{error}");
    std::fs::remove_dir_all(&data).expect("removed");
    std::fs::rename(&away, &data).expect("moved back");
    cluster.start_all();
    cluster.unharmed();
}
