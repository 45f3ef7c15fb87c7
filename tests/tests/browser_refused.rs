//! A page that cannot join a cluster gets the reason.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(unix)]

use std::net::{IpAddr, UdpSocket};

use paxoskv_tests::browser::{Browser, Kind, Site, Tab};
use paxoskv_tests::in_both_browsers;
use serde_json::json;

in_both_browsers!(an_insecure_page_is_refused, loading_can_be_aborted, wrong_calls_are_errors_that_say_why,);

/// An address of this machine that is not loopback, as a phone in the same network would use. Nothing is sent.
fn outer_address() -> IpAddr {
    let socket = UdpSocket::bind(("0.0.0.0", 0)).unwrap();
    socket.connect(("192.0.2.1", 9)).expect("this machine has a network, or at least a route");
    socket.local_addr().unwrap().ip()
}

fn an_insecure_page_is_refused(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::at(outer_address()));
    let tab = browser.tab(&site);
    assert_eq!(tab.run("return isSecureContext"), json!(false));
    let refused = tab.throws("await enter('demo', {})");
    assert_eq!(refused.code.as_deref(), Some("Refused"), "{refused}");
    assert!(refused.message.contains("secure context"), "{refused}");
    // A cluster of one in memory needs nothing that the page lacks.
    assert_eq!(tab.run("return paxos.PaxosError.name"), json!("PaxosError"));
}

fn loading_can_be_aborted(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let tab = browser.tab(&site);
    // The network does not answer.
    let tired = "
        window.fetch = () => new Promise(() => {});
        const controller = new AbortController();
        setTimeout(() => controller.abort(new Error('tired')), 50);
        await paxos.join('demo', { signal: controller.signal })";
    assert_eq!(tab.throws(tired).message, "Error: tired");
}

fn wrong_calls_are_errors_that_say_why(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let tab = browser.tab(&site);
    #[track_caller]
    fn fails(tab: &Tab, body: &str, code: &str) {
        let thrown = tab.throws(body);
        assert_eq!(thrown.code.as_deref(), Some(code), "{body}: {thrown}");
    }
    fails(&tab, "await enter('demo', { clusterSize: 0 })", "InvalidArgument");
    tab.join("demo", json!({ "clusterSize": 1 }));
    fails(&tab, "await cluster.put('f', () => 1)", "InvalidArgument");
    fails(&tab, "await cluster.put('k'.repeat(5000), 1)", "TooLarge");
    fails(&tab, "await cluster.put('k', new Uint8Array(2 << 20))", "TooLarge");
    // A cluster size that is not that of the other tabs is refused.
    let other = browser.tab(&site);
    other.run("await enter('demo', { clusterSize: 3 }).catch((error) => (window.error = error))");
    let refused = other.run("return (window.error ?? (await cluster.closed)).code");
    assert!(["Refused", "Storage"].contains(&refused.as_str().unwrap()), "{refused}");
    tab.run("await cluster.leave()");
    fails(&tab, "await cluster.get('k')", "Closed");
}
