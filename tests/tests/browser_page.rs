//! The page, used by mouse and keyboard, in several tabs.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(unix)]

use paxoskv_tests::browser::{Browser, Kind, Site, Tab};
use paxoskv_tests::in_both_browsers;
use serde_json::json;

in_both_browsers!(
    a_lock_and_an_office_pass_from_tab_to_tab,
    keys_are_put_read_erased_and_watched,
    keys_that_are_bound_to_a_tab_are_vacant_when_it_leaves,
    no_page_scrolls_sideways,
    puts_are_timed,
    errors_are_shown_with_advice,
    a_page_that_comes_back_joins_again,
);

/// The page in tabs that all have seats.
#[track_caller]
fn pages<const N: usize>(browser: &Browser, site: &Site) -> [Tab; N] {
    let tabs: [Tab; N] = std::array::from_fn(|_| browser.open(&site.page_url("by-hand")));
    for tab in &tabs {
        tab.shows("#quorum-text", "quorum: 3 of 3");
    }
    tabs
}

#[track_caller]
fn put(tab: &Tab, key: &str, value: &str) {
    tab.fill("#key", key);
    tab.fill("#value", value);
    tab.click("#put");
}

/// The row of a text key, and one of its cells.
fn cell(key: &str, cell: &str) -> String {
    format!("#keys-body tr[data-key='\"{key}\"'] {cell}")
}

fn keys_are_put_read_erased_and_watched(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let [one, two, three] = pages::<3>(&browser, &site);
    for (n, tab) in [&one, &two, &three].into_iter().enumerate() {
        tab.shows("#advice", "All seats are taken");
        assert_eq!(tab.run("return document.querySelectorAll('#seats [data-state=connected]').length"), 2);
        assert_eq!(tab.run("return document.querySelectorAll('#seats [data-state=self]').length"), 1, "{n}");
    }
    three.fill("#watch-key", "leader");
    three.click("#watch-start");
    // By keyboard alone.
    one.click("#key");
    one.fill("#key", "leader");
    one.fill("#value", "anna");
    one.click("#erasable");
    one.click("#value");
    one.press("\u{e007}");
    one.shows("#result", "Won: anna, generation 0");
    one.shows(&cell("leader", ".lease"), "until erased");
    two.shows(&cell("leader", ".shown"), "anna");
    put(&two, "leader", r#"{"name":"bert"}"#);
    two.shows("#result", "Too late: it is anna, generation 0");
    two.click("#get");
    two.shows("#result", "It is anna, generation 0");
    two.click("#erase");
    two.shows("#result", "leader is erased");
    one.shows(&cell("leader", ".shown"), "vacant");
    two.click("#put");
    two.shows("#result", "Won: {\"name\": \"bert\"}, generation 1");
    one.shows(&cell("leader", ".number"), "1");
    three.shows("#watch-states li", "1");
    three.shows("#timeline li[data-kind=key]", "");
    // Only the keys with a prefix.
    put(&two, "other", "7");
    two.shows("#result", "Won: 7");
    one.shows("#keys-count", "2 keys");
    one.fill("#prefix", "lea");
    one.shows("#keys-count", "1 key");
}

fn keys_that_are_bound_to_a_tab_are_vacant_when_it_leaves(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let [one, two, _three] = pages::<3>(&browser, &site);
    let owner = browser.open(&site.page_url("by-hand"));
    owner.shows("#quorum-text", "quorum: 3 of 3");
    owner.click("#bound");
    put(&owner, "mine", "here");
    owner.shows("#result", "Won: here");
    owner.shows(&cell("mine", ".lease"), "with this tab");
    one.shows(&cell("mine", ".shown"), "here");
    // It has no seat, but a name.
    two.shows("#gallery", "Without a seat: ");
    owner.close();
    one.shows(&cell("mine", ".shown"), "vacant");
    two.run(
        "while (document.querySelector('#gallery').textContent) await new Promise((d) => setTimeout(d, 30))",
    );
    put(&two, "mine", "again");
    two.shows("#result", "Won: again, generation 1");
}

fn no_page_scrolls_sideways(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let tab = browser.open(&site.page_url("by-hand"));
    let overhang = "
        const frame = document.createElement('iframe');
        frame.style.width = `${given.width}px`;
        frame.src = `${location.pathname}?cluster=${given.cluster}`;
        document.body.append(frame);
        await new Promise((loaded) => (frame.onload = loaded));
        const { documentElement: page } = frame.contentDocument;
        const joined = () => frame.contentDocument.querySelector('#me-is').hidden === false
            || frame.contentDocument.querySelector('#cluster-name').textContent === given.cluster;
        while (!joined()) await new Promise((later) => setTimeout(later, 30));
        const overhang = page.scrollWidth - page.clientWidth;
        frame.remove();
        return overhang";
    for width in [360, 560, 561, 900, 1280] {
        for cluster in ["demo".to_owned(), "w".repeat(100)] {
            let given = json!({ "width": width, "cluster": cluster });
            assert_eq!(tab.run_with(overhang, given), 0, "{width} px, {cluster}");
        }
    }
}

fn a_lock_and_an_office_pass_from_tab_to_tab(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let [one, two, three] = pages::<3>(&browser, &site);
    one.click("#lock-acquire");
    one.shows("#lock-state", "This tab holds printer");
    one.shows("#lock-token", "0");
    two.click("#lock-acquire");
    two.shows("#lock-state", "Waits for printer");
    three.click("#lock-acquire");
    three.shows("#lock-state", "Waits for printer");
    three.click("#lock-release");
    three.shows("#lock-state", "No longer waits");
    one.click("#lock-release");
    one.shows("#lock-state", "printer is released");
    two.shows("#lock-state", "This tab holds printer");
    two.shows("#lock-token", "1");

    three.fill("#election-value", "clara");
    three.click("#election-campaign");
    three.shows("#election-state", "This tab is in office, token 0");
    one.shows("#election-leader", "clara · 0");
    one.fill("#election-value", "anna");
    one.click("#election-campaign");
    one.shows("#election-state", "Campaigns for chair");
    // The holders of the lock and of the office crash, without a goodbye.
    two.crash();
    three.crash();
    one.shows("#quorum-text", "no quorum: 1 of 3");
    let four = browser.open(&site.page_url("by-hand"));
    one.shows("#election-state", "This tab is in office, token 1");
    four.shows("#election-leader", "anna · 1");
    four.click("#lock-acquire");
    four.shows("#lock-state", "This tab holds printer");
    four.shows("#lock-token", "2");
}

fn puts_are_timed(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let [one, _two, _three] = pages::<3>(&browser, &site);
    one.click("#put-100");
    one.run("while (!/\\d/.test(document.querySelector('#latency-p50').textContent)) await new Promise((d) => setTimeout(d, 30))");
    assert!(
        one.run("return document.querySelector('#latency-plot').childElementCount > 0").as_bool().unwrap()
    );
}

fn errors_are_shown_with_advice(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    // In a single tab a put waits, and can be given up.
    let alone = browser.open(&site.page_url("alone"));
    alone.shows("#quorum-text", "no quorum: 1 of 3");
    alone.shows("#advice", "Open this page in 1 more tab");
    put(&alone, "k", "v");
    alone.shows("#result", "Put waits for a quorum");
    alone.click("#give-up");
    alone.shows("#result", "Given up");
    put(&alone, "", "v");
    alone.shows("#result", "A key is needed");
    // A seat that does not exist.
    let wrong = browser.open(&format!("{}&seat=9", site.page_url("alone")));
    wrong.shows("#quorum-text", "not in the cluster");
    wrong.shows("#problems li[data-code=InvalidArgument] .why", "");
    // Another size than the other tabs' cluster.
    let other = browser.open(&format!("{}&size=5", site.page_url("alone")));
    other.shows("#problems li[data-code=Refused] .what", "Refused");
}

fn a_page_that_comes_back_joins_again(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let [one, two, three] = pages::<3>(&browser, &site);
    three.click("#bound");
    put(&three, "mine", "here");
    three.shows("#result", "Won");
    three.go("about:blank");
    one.shows(&cell("mine", ".shown"), "vacant");
    three.back();
    three.shows("#quorum-text", "quorum: 3 of 3");
    three.shows(&cell("mine", ".shown"), "vacant");
    put(&two, "mine", "two");
    three.shows(&cell("mine", ".shown"), "two");
    assert_eq!(three.run("return document.body.dataset.state"), json!("joined"));
}
