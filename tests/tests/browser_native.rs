//! Tabs and processes in one cluster, over WebSocket.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(unix)]

use paxoskv_tests::browser::{Browser, Kind, Site, Tab};
use paxoskv_tests::in_both_browsers;
use paxoskv_tests::processes::{Cluster, Process};
use serde_json::json;

in_both_browsers!(
    a_closed_tab_has_left_at_once,
    a_crashed_tabs_session_ends_after_the_grace,
    a_tab_notices_that_a_node_has_ended,
    tabs_and_nodes_share_keys,
    tabs_hold_seats_and_reach_each_other_through_a_node,
);

/// Three processes that accept pages of this origin, with a grace that is longer than a test.
fn cluster(site: &Site, options: &[&str]) -> Cluster {
    Cluster::up(&[&["--allow-origin", &site.origin()], options].concat())
}

/// A tab that is linked to these seats.
#[track_caller]
fn join(browser: &Browser, site: &Site, cluster: &Cluster, seats: &[u8]) -> Tab {
    let tab = browser.tab(site);
    let ws: Vec<String> = seats.iter().map(|seat| format!("ws://{}", cluster.address(*seat))).collect();
    tab.join(cluster.name(), json!({ "ws": ws }));
    tab
}

fn tabs_and_nodes_share_keys(kind: Kind) {
    let site = Site::new();
    let cluster = cluster(&site, &[]);
    // Two browsers, which only the processes link.
    let (here, there) = (Browser::start(kind), Browser::start(Kind::Chromium));
    let one = join(&here, &site, &cluster, &[1, 2, 3]);
    let two = join(&there, &site, &cluster, &[2]);
    assert_eq!(cluster.json(1, &["put", "native", r#"{"from":"native"}"#])["won"], true);
    assert_eq!(one.get("native")["value"], json!({ "from": "native" }));
    assert_eq!(two.get("native")["value"], json!({ "from": "native" }));
    let put = one.put("tab", json!({ "from": "tab", "n": [1, 2.5, true, null] }));
    assert_eq!(put["won"], true);
    assert_eq!(cluster.json(3, &["get", "tab"])["value"], put["value"]);
    assert_eq!(two.put("tab", json!("other"))["value"], put["value"]);
    // Watches go both ways.
    let watch = cluster.command(2, &["watch", "seen"]);
    assert_eq!(watch.prints(0), r#"{"generation":0,"vacant":true}"#);
    let seen = two.start("return until(cluster.watch('seen'), (state) => !state.vacant)");
    one.put("seen", json!(7));
    assert_eq!(watch.prints(1), r#"{"generation":0,"value":7}"#);
    assert_eq!(seen.end()["value"], 7);
    // One lock for all.
    let lock = cluster.lock(&[1, 2, 3], "door");
    assert_eq!(lock.prints(0), "token 0");
    let next = two.start("return cluster.lock('door', (held) => held.fencingToken)");
    assert_eq!(one.run("return cluster.lock('door', { ifAvailable: true }, (held) => held)"), json!(null));
    drop(lock);
    assert_eq!(next.end(), 1);
}

fn a_closed_tab_has_left_at_once(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    // The grace is longer than this test: silence ends no session.
    let cluster = cluster(&site, &["--peer-timeout", "10m", "--session-grace", "10m"]);
    let tab = join(&browser, &site, &cluster, &[1, 2, 3]);
    let watch = owns(&tab, &cluster);
    tab.close();
    assert_eq!(watch.prints(1), r#"{"generation":1,"vacant":true}"#);
}

/// It sends no goodbye. Its links are closed, but might come back within the grace.
fn a_crashed_tabs_session_ends_after_the_grace(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let cluster = cluster(&site, &["--peer-timeout", "10m"]);
    let tab = join(&browser, &site, &cluster, &[1, 2, 3]);
    let watch = owns(&tab, &cluster);
    tab.crash();
    assert_eq!(watch.prints(1), r#"{"generation":1,"vacant":true}"#);
    assert_eq!(cluster.json(2, &["put", "here", "another"])["generation"], 1);
}

/// Puts a key that is bound to the tab's session; gives a process that watches it.
#[track_caller]
fn owns(tab: &Tab, cluster: &Cluster) -> Process {
    tab.run("await cluster.put('here', 'me', { session: cluster.session })");
    let watch = cluster.command(1, &["watch", "here"]);
    assert_eq!(watch.prints(0), r#"{"generation":0,"value":"me"}"#);
    watch
}

fn a_tab_notices_that_a_node_has_ended(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let mut cluster = cluster(&site, &[]);
    let tab = join(&browser, &site, &cluster, &[1, 2, 3]);
    tab.run("await cluster.put('mine', 1, { session: cluster.session })");
    tab.up(3);
    cluster.kill(2);
    tab.up(2);
    assert_eq!(tab.put("with two", json!(1))["won"], true);
    cluster.kill(3);
    tab.up(1);
    let late = tab.throws("return cluster.put('late', 1, { timeout: 500 })");
    assert_eq!(late.code.as_deref(), Some("NoQuorum"), "{late}");
    cluster.start(2);
    cluster.start(3);
    cluster.complete();
    tab.up(3);
    assert_eq!(tab.put("with three", json!(1))["won"], true);
}

/// Two seats in tabs of two browsers, which only the node in between links; that has the third seat.
fn tabs_hold_seats_and_reach_each_other_through_a_node(kind: Kind) {
    let site = Site::new();
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&secret, "a secret of sixteen bytes").unwrap();
    let mut cluster =
        Cluster::new(&["--allow-origin", &site.origin(), "--secret-file", secret.path().to_str().unwrap()]);
    cluster.start(1);
    let (here, there) = (Browser::start(kind), Browser::start(Kind::Chromium));
    let join = |browser: &Browser, seat: u8, secret: &str| {
        let tab = browser.tab(&site);
        let ws = format!("ws://{}", cluster.address(1));
        tab.join(cluster.name(), json!({ "ws": ws, "seat": seat, "clusterSize": 3, "secret": secret }));
        tab
    };
    let two = join(&here, 2, "a secret of sixteen bytes");
    let three = join(&there, 3, "a secret of sixteen bytes");
    // Each one is linked to both others.
    two.up(3);
    three.up(3);
    cluster.node(1).seats(true, 3);
    assert_eq!(two.put("from", json!("two"))["won"], true);
    assert_eq!(three.get("from")["value"], "two");
    // A node with another secret is refused.
    let outsider = here.tab(&site);
    let refused = outsider.thrown_by_joining(
        cluster.name(),
        json!({ "ws": format!("ws://{}", cluster.address(1)), "secret": "another" }),
    );
    assert_eq!(refused.as_deref(), Some("Refused"));
    // The node that carried their link ends, and with it the link.
    cluster.kill(1);
    two.up(1);
    three.up(1);
    cluster.start(1);
    two.up(3);
    three.up(3);
    assert_eq!(three.put("after", json!(3))["won"], true);
    assert_eq!(two.get("after")["value"], 3);
}
