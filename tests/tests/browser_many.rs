//! Many more tabs than seats.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(unix)]

use paxoskv_tests::browser::{Browser, Kind, Site, Tab};
use paxoskv_tests::in_both_browsers;
use serde_json::json;

in_both_browsers!(many_tabs_are_one_cluster);

fn many_tabs_are_one_cluster(kind: Kind) {
    let count = match kind {
        Kind::Chromium => 30,
        Kind::Firefox => 5,
    };
    let (browser, site) = (Browser::start(kind), Site::new());
    let tabs: Vec<Tab> = (0..count).map(|_| browser.tab(&site)).collect();
    for tab in &tabs {
        tab.join("demo", json!({}));
        tab.start("return cluster.put('first', cluster.seat ?? null)");
    }
    let first = tabs[0].run("return cluster.get('first', { wait: true })");
    for (n, tab) in tabs.iter().enumerate() {
        assert_eq!(tab.get("first"), first);
        assert_eq!(tab.put(&format!("key-{n}"), json!(n))["won"], true);
    }
    let mut seats: Vec<u64> = tabs.iter().filter_map(Tab::seat).collect();
    seats.sort_unstable();
    assert_eq!(seats, [1, 2, 3]);
    let (sitting, observing): (Vec<Tab>, Vec<Tab>) = tabs.into_iter().partition(|tab| tab.seat().is_some());
    sitting[0]
        .run_with("await until(cluster.statuses(), ({ observers }) => observers >= given)", json!(count - 3));

    // All at once: one wins, and all get the same answer.
    let puts: Vec<_> =
        observing.iter().map(|tab| tab.start("return cluster.put('race', String(Math.random()))")).collect();
    let puts: Vec<_> = puts.into_iter().map(|put| put.end()).collect();
    assert!(puts.iter().all(|put| put["value"] == puts[0]["value"]), "{puts:?}");
    assert_eq!(puts.iter().filter(|put| put["won"] == true).count(), 1, "{puts:?}");

    // When all seats leave at once, other tabs take the seats.
    if observing.len() >= 3 {
        sitting.into_iter().for_each(Tab::close);
        let last = observing.last().unwrap();
        last.run("await cluster.put('after', 1)");
        for (n, tab) in observing.iter().enumerate().step_by(7) {
            assert_eq!(tab.get("race")["value"], puts[0]["value"], "tab {n}");
        }
    }
}
