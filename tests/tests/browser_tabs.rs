//! Tabs of one browser form a cluster, with a server for files alone.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(unix)]

use paxoskv_tests::browser::{Browser, Kind, Site, Tab};
use paxoskv_tests::in_both_browsers;
use serde_json::json;
use tempfile::TempDir;

in_both_browsers!(
    a_fourth_tab_takes_a_seat_that_becomes_free,
    hidden_tabs_answer_and_keep_their_locks,
    tabs_may_keep_their_votes_in_memory,
    tabs_that_are_reloaded_take_seats_again,
    three_tabs_agree,
    values_outlive_all_tabs,
    values_outlive_the_browser,
    a_tab_that_navigates_away_has_left,
);

/// Tabs that have joined, each with three seats in its status.
#[track_caller]
fn cluster<const N: usize>(browser: &Browser, site: &Site) -> [Tab; N] {
    let tabs = browser.tabs::<N>(site);
    for tab in &tabs {
        tab.join("demo", json!({}));
    }
    for tab in &tabs[..3] {
        tab.up(3);
    }
    tabs
}

fn three_tabs_agree(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let tabs = cluster::<3>(&browser, &site);
    let mut seats: Vec<_> = tabs.iter().map(Tab::seat).collect();
    seats.sort_unstable();
    assert_eq!(seats, [Some(1), Some(2), Some(3)]);

    let watch = tabs[2].start("return until(cluster.watch('leader'), (state) => !state.vacant)");
    let first = tabs[0].put("leader", json!({ "name": "anna", "n": [1, 2.5, null] }));
    assert_eq!((&first["won"], &first["generation"]), (&json!(true), &json!(0)));
    for tab in &tabs {
        let later = tab.put("leader", json!("bert"));
        assert_eq!((&later["won"], &later["value"]), (&json!(false), &first["value"]));
        assert_eq!(tab.get("leader")["value"], first["value"]);
        assert_eq!(tab.get("nobody"), json!(null));
    }
    let seen = watch.end();
    assert_eq!((&seen["vacant"], &seen["value"]), (&json!(false), &first["value"]));

    // All at once, for the same fifty keys.
    let race = |n: usize| {
        let keys = "Array.from({ length: 50 }, (_, n) => `race-${n}`)";
        tabs[n].start(&format!("return Promise.all({keys}.map((key) => cluster.put(key, {n})))"))
    };
    let [one, two, three] = [race(0), race(1), race(2)].map(|call| call.end());
    for n in 0..50 {
        let chosen = [&one[n], &two[n], &three[n]];
        assert!(chosen.iter().all(|put| put["value"] == chosen[0]["value"]), "{chosen:?}");
        assert_eq!(chosen.iter().filter(|put| put["won"] == true).count(), 1, "{chosen:?}");
    }
}

fn a_fourth_tab_takes_a_seat_that_becomes_free(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let [one, two, three, fourth] = cluster::<4>(&browser, &site);
    assert_eq!(fourth.seat(), None);
    assert_eq!(fourth.put("before", json!(1))["won"], true);
    // The observer still owns its keys when it gets a seat.
    fourth.run("await cluster.put('mine', 'fourth', { session: cluster.session })");
    let seat = two.seat().unwrap();
    two.close();
    fourth.sits(seat);
    fourth.up(3);
    for tab in [&one, &three, &fourth] {
        assert_eq!(tab.get("before")["value"], 1);
        assert_eq!(tab.get("mine")["value"], "fourth");
    }
    assert_eq!(fourth.put("after", json!(2))["won"], true);
    // It votes, too: when one of the others leaves, there still is a quorum.
    one.close();
    assert_eq!(three.put("with two", json!(3))["won"], true);
    assert_eq!(fourth.get("with two")["value"], 3);
}

fn tabs_may_keep_their_votes_in_memory(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let tabs = browser.tabs::<3>(&site);
    for tab in &tabs {
        tab.join("demo", json!({ "memory": true }));
    }
    tabs[2].up(3);
    // Many calls at once share batches, and each one is answered.
    tabs[0].run("await Promise.all(Array.from({ length: 200 }, (_, n) => cluster.put(n, n)))");
    for n in [0, 99, 199] {
        assert_eq!(tabs[1].run(&format!("return (await cluster.get({n})).value")), n);
    }
    assert_eq!(tabs[2].put("again", json!(1))["won"], true);
}

fn values_outlive_all_tabs(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let tabs = cluster::<3>(&browser, &site);
    for n in 0..20 {
        assert_eq!(tabs[n % 3].put(&format!("key-{n}"), json!(n))["won"], true);
    }
    tabs.into_iter().for_each(Tab::close);
    let tabs = cluster::<3>(&browser, &site);
    for n in 0..20 {
        assert_eq!(tabs[n % 3].get(&format!("key-{n}"))["value"], n);
        assert_eq!(tabs[n % 3].put(&format!("key-{n}"), json!("other"))["won"], false);
    }
}

fn values_outlive_the_browser(kind: Kind) {
    let (site, profile) = (Site::new(), TempDir::new().unwrap());
    let folder = profile.path().display().to_string();
    let start = || match kind {
        Kind::Chromium => Browser::with(kind, &[&format!("--user-data-dir={folder}")]),
        Kind::Firefox => Browser::with(kind, &["-profile", &folder]),
    };
    let browser = start();
    let tabs = cluster::<3>(&browser, &site);
    assert_eq!(tabs[0].put("key", json!("value"))["won"], true);
    drop(tabs);
    browser.quit();
    let browser = start();
    let tabs = cluster::<3>(&browser, &site);
    assert_eq!(tabs[2].get("key")["value"], "value");
}

fn tabs_that_are_reloaded_take_seats_again(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    // Before there is a quorum, with a put that waits for one.
    let [one, two, three, fourth] = browser.tabs::<4>(&site);
    one.join("demo", json!({}));
    one.start("return cluster.put('early', 1)");
    one.reload();
    for tab in [&one, &two, &three, &fourth] {
        tab.join("demo", json!({}));
    }
    for tab in [&one, &two, &three] {
        tab.up(3);
    }
    assert_eq!(one.put("key", json!("value"))["won"], true);
    // An observer waits while the holder of a seat is reloaded: one of the two gets the seat, the other none.
    for tab in [&fourth, &one, &two, &three] {
        tab.run("await cluster.put('ephemeral', 1, { session: cluster.session })");
        let vacant = two.start("return until(cluster.watch('ephemeral'), (state) => state.vacant)");
        tab.reload();
        tab.join("demo", json!({}));
        if !std::ptr::eq(tab, &two) {
            vacant.end();
        }
        assert_eq!(tab.get("key")["value"], "value");
        tab.run("await until(cluster.watch('ephemeral'), (state) => state.vacant)");
    }
    let mut seats: Vec<_> = [&one, &two, &three, &fourth].map(Tab::seat).into();
    seats.sort_unstable();
    assert_eq!(seats, [None, Some(1), Some(2), Some(3)]);
}

fn a_tab_that_navigates_away_has_left(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let [one, two, three] = cluster::<3>(&browser, &site);
    three.run("await cluster.put('here', 3, { session: cluster.session })");
    let vacant = one.start("return until(cluster.watch('here'), (state) => state.vacant)");
    three.run("window.same = true");
    three.go("about:blank");
    assert_eq!(vacant.end()["generation"], 1);
    two.up(2);
    assert_eq!(one.put("without three", json!(1))["won"], true);
    three.back();
    // Whether or not the browser has kept the page, it has left the cluster, and can join again.
    if three.run("return window.same").is_boolean() {
        assert_eq!(three.throws("await cluster.get('without three')").code.as_deref(), Some("Closed"));
    }
    three.join("demo", json!({}));
    three.up(3);
    assert_eq!(three.get("without three")["value"], 1);
}

fn hidden_tabs_answer_and_keep_their_locks(kind: Kind) {
    // The timers of a tab that has been hidden for a second fire once a minute.
    let throttled = "--enable-features=IntensiveWakeUpThrottling:grace_period_seconds/1";
    let arguments: &[&str] = if kind == Kind::Chromium { &[throttled] } else { &[] };
    let browser = Browser::with(kind, arguments);
    let site = Site::new();
    let [one, two, three] = browser.tabs::<3>(&site);
    for tab in [&one, &two, &three] {
        // Times that are short enough to wait for.
        tab.join("demo", json!({ "suspendAfter": 2000, "sessionGrace": 3000 }));
    }
    two.up(3);
    let lock = one.start(
        "return cluster.lock('door', async (held) => {
             await cluster.get('please', { wait: true });
             const { visibilityState } = document;
             await cluster.put('reply', { visibilityState, held: !held.signal.aborted });
             await cluster.get('thanks', { wait: true });
             return held.fencingToken;
         })",
    );
    three.start(
        "await cluster.get('please', { wait: true }); await cluster.put('third', document.visibilityState)",
    );
    // This is longer than a session may be without a quorum. There is no event for something that must not happen.
    two.run("await new Promise((done) => setTimeout(done, 8000))");
    let reply = two.run(
        "await cluster.put('please', 1);
         return [await cluster.get('reply', { wait: true }), await cluster.get('third', { wait: true })]",
    );
    assert_eq!(reply[0]["value"], json!({ "visibilityState": "hidden", "held": true }));
    assert_eq!(reply[1]["value"], "hidden");
    // The same with all tabs hidden.
    two.start("await new Promise((done) => setTimeout(done, 4000)); await cluster.put('thanks', 1)");
    browser.hide_all();
    let [still] = browser.tabs::<1>(&site);
    still.join("demo", json!({ "suspendAfter": 2000, "sessionGrace": 3000 }));
    still.run("await cluster.get('thanks', { wait: true })");
    assert_eq!(lock.end(), 0);
}
