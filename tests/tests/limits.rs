//! Keys and values up to the limit are taken, and those over it are named by what they are.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(unix)]

use paxoskv_tests::processes::{Cluster, Process};

/// The encodings of these texts have a head of three and five bytes.
const KEY: usize = (4 << 10) - 3;
const VALUE: usize = (1 << 20) - 5;

#[test]
fn a_value_may_be_as_long_as_the_limit_and_no_longer() {
    let cluster = Cluster::up(&[]);
    let put = |key: &str, value: &[u8]| {
        Process::start(&["put", key, "-", "--at", &cluster.address(1), "--json"], value).end()
    };
    let longest = "v".repeat(VALUE);
    assert_eq!(put("longest", longest.as_bytes()).done().json()["won"], true);
    for seat in 1..=3 {
        assert_eq!(cluster.run(seat, &["get", "longest"]).done().line(), longest);
    }
    let over = put("over", "v".repeat(VALUE + 1).as_bytes());
    assert!(over.failed(2).contains("value of 1048577 bytes is over the limit of 1048576"), "{:?}", over.err);
    assert!(over.out.is_empty());
    put("far over", "v".repeat(20 << 20).as_bytes()).failed(2);

    let file = cluster.folder().join("value");
    std::fs::write(&file, &longest).expect("written");
    assert_eq!(cluster.json(2, &["put", "from a file", &format!("@{}", file.display())])["won"], true);
    assert_eq!(cluster.run(3, &["get", "from a file"]).done().line().len(), VALUE);

    assert_eq!(cluster.run(1, &["keys"]).done().text(), "longest\nfrom a file\n");
    cluster.unharmed();
}

#[test]
fn a_key_may_be_as_long_as_the_limit_and_no_longer() {
    let cluster = Cluster::up(&[]);
    let (longest, over) = ("k".repeat(KEY), "k".repeat(KEY + 1));
    cluster.run(1, &["put", &longest, "1"]).done();
    assert_eq!(cluster.run(2, &["get", &longest]).done().line(), "1");
    for command in [&["put", &over, "1"] as &[_], &["get", &over], &["erase", &over]] {
        let failed = cluster.run(3, command);
        assert!(failed.failed(2).contains("key of 4097 bytes is over the limit of 4096"), "{:?}", failed.err);
    }
    cluster.unharmed();
}

#[test]
fn many_long_values_at_once() {
    let cluster = Cluster::up(&[]);
    let value = "v".repeat(VALUE);
    let puts: Vec<Process> = (0..12)
        .map(|n| {
            let at = cluster.address(n % 3 + 1);
            Process::start(
                &["put", &format!("k{n}"), "-", "--at", &at, "--json", "--timeout", "50s"],
                value.as_bytes(),
            )
        })
        .collect();
    for put in &puts {
        assert_eq!(put.end().done().json()["won"], true);
    }
    cluster.unharmed();
}
