//! Tabs and processes in one cluster, over libp2p.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(unix)]

use paxoskv_tests::browser::{Browser, Kind, Site, Tab};
use paxoskv_tests::in_both_browsers;
use paxoskv_tests::processes::{Cluster, Process, free_port};
use serde_json::{Value as Json, json};
use tempfile::NamedTempFile;

in_both_browsers!(
    a_closed_tab_has_left_at_once,
    tabs_and_nodes_share_keys_and_notice_each_others_end,
    tabs_hold_seats_and_reach_each_other_through_a_node,
    a_tab_without_the_secret_stays_outside,
    a_ticket_is_all_that_a_tab_needs,
);

const SECRET: &str = "a secret of sixteen bytes";

/// Processes that are linked over libp2p, and have another port for browsers.
struct Nodes {
    cluster: Cluster,
    secret: NamedTempFile,
    /// The addresses for processes, and those for tabs.
    ports: Vec<(u16, u16)>,
}

impl Nodes {
    fn new() -> Self {
        Self::with(&[])
    }

    /// A cluster with further options.
    fn with(options: &[&str]) -> Self {
        let secret = NamedTempFile::new().unwrap();
        std::fs::write(&secret, SECRET).unwrap();
        let ports = (0..3).map(|_| (free_port(), free_port())).collect();
        Self { cluster: Cluster::new(options), secret, ports }
    }

    fn start(&self, seat: u8) -> Process {
        let (port, for_tabs) = self.ports[usize::from(seat) - 1];
        let others = (1..=3).filter(|other| *other != seat);
        let join: Vec<String> = others
            .map(|other| format!("/ip4/127.0.0.1/tcp/{}", self.ports[usize::from(other) - 1].0))
            .collect();
        let listen = format!("/ip4/127.0.0.1/tcp/{port},/ip4/127.0.0.1/tcp/{for_tabs}/ws");
        let arguments =
            self.cluster.arguments(seat).with("--transport", "libp2p").with("--join", join.join(","));
        let arguments = arguments.with("--libp2p-listen", listen);
        arguments.with("--secret-file", self.secret.path().display()).start()
    }

    fn three(&self) -> [Process; 3] {
        let nodes = [1, 2, 3].map(|seat| self.start(seat));
        nodes.iter().for_each(|node| node.seats(true, 3));
        nodes
    }

    /// The options of `join` that lead to these seats.
    fn at(&self, seats: &[u8], more: Json) -> Json {
        let ways: Vec<String> = seats
            .iter()
            .map(|seat| format!("/ip4/127.0.0.1/tcp/{}/ws", self.ports[usize::from(*seat) - 1].1))
            .collect();
        let mut options = json!({ "libp2p": ways, "secret": SECRET });
        options.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        options
    }

    #[track_caller]
    fn join(&self, browser: &Browser, site: &Site, seats: &[u8], more: Json) -> Tab {
        let tab = browser.open(&site.libp2p_url());
        tab.join(self.cluster.name(), self.at(seats, more));
        tab
    }

    fn command(&self, seat: u8, arguments: &[&str]) -> Process {
        let secret = self.secret.path().to_str().unwrap();
        self.cluster.command(seat, &[arguments, &["--secret-file", secret]].concat())
    }

    #[track_caller]
    fn json(&self, seat: u8, arguments: &[&str]) -> Json {
        self.command(seat, &[arguments, &["--json"]].concat()).end().done().json()
    }
}

fn tabs_and_nodes_share_keys_and_notice_each_others_end(kind: Kind) {
    let (browser, site, nodes) = (Browser::start(kind), Site::new(), Nodes::new());
    let [_one, two, _three] = nodes.three();
    let tab = nodes.join(&browser, &site, &[1, 2, 3], json!({}));
    tab.up(3);
    assert_eq!(nodes.json(1, &["put", "native", r#"{"from":"native"}"#])["won"], true);
    assert_eq!(tab.get("native")["value"], json!({ "from": "native" }));
    assert_eq!(tab.put("tab", json!([1, 2.5, true, null]))["won"], true);
    assert_eq!(nodes.json(3, &["get", "tab"])["value"], json!([1, 2.5, true, null]));
    // A value that is larger than the buffers on its way.
    let large = "x".repeat(900_000);
    assert_eq!(tab.put("large", json!(large))["won"], true);
    assert_eq!(nodes.json(2, &["get", "large"])["value"], large);
    // A node dies, and comes back.
    drop(two);
    tab.up(2);
    assert_eq!(tab.put("with two", json!(1))["won"], true);
    let two = nodes.start(2);
    two.seats(true, 3);
    tab.up(3);
    // The tab leaves.
    tab.run("await cluster.put('mine', 'me', { session: cluster.session })");
    let watch = nodes.command(1, &["watch", "mine"]);
    assert_eq!(watch.prints(0), r#"{"generation":0,"value":"me"}"#);
    tab.close();
    assert_eq!(watch.prints(1), r#"{"generation":1,"vacant":true}"#);
}

/// The grace is longer than this test: silence and lost links end no session.
fn a_closed_tab_has_left_at_once(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let nodes = Nodes::with(&["--peer-timeout", "10m", "--session-grace", "10m"]);
    let _nodes = nodes.three();
    let tab = nodes.join(&browser, &site, &[1, 2, 3], json!({}));
    tab.run("await cluster.put('mine', 'me', { session: cluster.session })");
    let watch = nodes.command(1, &["watch", "mine"]);
    assert_eq!(watch.prints(0), r#"{"generation":0,"value":"me"}"#);
    tab.close();
    assert_eq!(watch.prints(1), r#"{"generation":1,"vacant":true}"#);
}

/// Two seats in tabs of two browsers, which only the node in between links; that has the third seat.
fn tabs_hold_seats_and_reach_each_other_through_a_node(kind: Kind) {
    let (site, nodes) = (Site::new(), Nodes::new());
    let one = nodes.start(1);
    let (here, there) = (Browser::start(kind), Browser::start(Kind::Chromium));
    let two = nodes.join(&here, &site, &[1], json!({ "seat": 2, "clusterSize": 3 }));
    let three = nodes.join(&there, &site, &[1], json!({ "seat": 3, "clusterSize": 3 }));
    // Each one is linked to both others.
    two.up(3);
    three.up(3);
    one.seats(true, 3);
    assert_eq!(two.put("from", json!("two"))["won"], true);
    assert_eq!(three.get("from")["value"], "two");
    // The node that carried their link ends, and with it the link.
    drop(one);
    two.up(1);
    three.up(1);
    let one = nodes.start(1);
    one.seats(true, 3);
    two.up(3);
    three.up(3);
    assert_eq!(three.put("after", json!(3))["won"], true);
    assert_eq!(two.get("after")["value"], 3);
}

fn a_tab_without_the_secret_stays_outside(kind: Kind) {
    let (browser, site, nodes) = (Browser::start(kind), Site::new(), Nodes::new());
    let _nodes = nodes.three();
    for secret in [json!("another"), json!(null)] {
        let outsider = browser.open(&site.libp2p_url());
        let refused = outsider
            .thrown_by_joining(nodes.cluster.name(), nodes.at(&[1, 2, 3], json!({ "secret": secret })));
        assert_eq!(refused.as_deref(), Some("Refused"));
    }
    // The build without libp2p names the one with it.
    let small = browser.tab(&site);
    let refused = small.thrown_by_joining(nodes.cluster.name(), nodes.at(&[1], json!({})));
    assert_eq!(refused.as_deref(), Some("InvalidArgument"));
}

fn a_ticket_is_all_that_a_tab_needs(kind: Kind) {
    let (browser, site, nodes) = (Browser::start(kind), Site::new(), Nodes::new());
    let _nodes = nodes.three();
    let printed = nodes.command(2, &["ticket"]).end().done();
    let tab = browser.open(&site.libp2p_url());
    tab.run_with("window.cluster = await paxos.join({ ticket: given })", json!(printed.line()));
    tab.up(3);
    assert_eq!(tab.put("by", json!("ticket"))["won"], true);
    assert_eq!(nodes.json(3, &["get", "by"])["value"], "ticket");
    // A ticket that is cut off is an error, and so is a ticket in the build that cannot read it.
    let cut = &printed.line()[..30];
    let thrown = tab.attempt("await paxos.join({ ticket: given })", json!(cut)).unwrap_err();
    assert_eq!(thrown.code.as_deref(), Some("InvalidArgument"), "{thrown}");
    assert!(thrown.message.contains("copy all of the line"), "{thrown}");
    let small = browser.tab(&site);
    let thrown = small.attempt("await paxos.join({ ticket: given })", json!(printed.line())).unwrap_err();
    assert!(thrown.message.contains("paxoskv/libp2p"), "{thrown}");
}
