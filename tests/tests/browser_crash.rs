//! Tabs that crash, are closed or reloaded, as seats, observers and holders of locks.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(unix)]

use paxoskv_tests::browser::{Browser, Kind, Site, Tab};
use paxoskv_tests::in_both_browsers;
use serde_json::json;

in_both_browsers!(
    a_lock_passes_on_with_a_higher_token,
    a_seat_that_crashes_is_taken_over,
    a_waiting_put_survives_the_crash_of_others,
    a_tab_that_has_left_leaves_nothing_behind,
);

/// How a tab ends.
#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Crash,
    Away,
}

const ENDS: [End; 3] = [End::Close, End::Crash, End::Away];

impl End {
    #[track_caller]
    fn of(self, tab: Tab) {
        match self {
            Self::Close => tab.close(),
            Self::Crash => tab.crash(),
            Self::Away => tab.go("about:blank"),
        }
    }
}

#[track_caller]
fn join(browser: &Browser, site: &Site) -> Tab {
    let tab = browser.tab(site);
    tab.join("demo", json!({}));
    tab
}

/// Three seats that are linked.
#[track_caller]
fn seats(browser: &Browser, site: &Site) -> Vec<Tab> {
    let tabs: Vec<Tab> = (0..3).map(|_| join(browser, site)).collect();
    tabs.iter().for_each(|tab| tab.up(3));
    tabs
}

fn a_lock_passes_on_with_a_higher_token(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let seats = seats(&browser, &site);
    let mut before = -1;
    for end in ENDS {
        // The holder and the next one are both observers, so no seat ends.
        let (holder, next_holder) = (join(&browser, &site), join(&browser, &site));
        holder.run(
            "await new Promise((got) => {
                 window.holding = cluster.lock('door', (held) => {
                     window.token = held.fencingToken;
                     got();
                     return new Promise(() => {});
                 });
                 window.holding.catch(() => {});
             })",
        );
        let token = holder.run("return window.token").as_i64().unwrap();
        assert!(token > before, "{token} after {before}");
        let next = next_holder.start("return cluster.lock('door', (held) => held.fencingToken)");
        assert_eq!(
            seats[0].run("return cluster.lock('door', { ifAvailable: true }, (held) => held)"),
            json!(null)
        );
        end.of(holder);
        before = next.end().as_i64().unwrap();
        assert!(before > token, "{end:?}: {before} after {token}");
        next_holder.close();
    }
    // The same where the holder has a seat.
    let mut seats = seats;
    let holder = seats.remove(0);
    holder.run(
        "await new Promise((got) => void cluster.lock('door', () => { got(); return new Promise(() => {}); }))",
    );
    let next = seats[0].start("return cluster.lock('door', (held) => held.fencingToken)");
    holder.crash();
    assert!(next.end().as_i64().unwrap() > before + 1);
}

fn a_tab_that_has_left_leaves_nothing_behind(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let [one, two, three]: [Tab; 3] = seats(&browser, &site).try_into().ok().unwrap();
    let mut third = Some(three);
    for (n, end) in ENDS.into_iter().enumerate() {
        for observer in [true, false] {
            let goes = if observer { join(&browser, &site) } else { third.take().unwrap() };
            let key = format!("key-{n}-{observer}");
            let session = goes.run_with(
                "const session = await cluster.session;
                 for (const n of [1, 2, 3]) await cluster.put(`${given}-${n}`, n, { session });
                 return session.id",
                json!(key),
            );
            assert_eq!(one.run_with("return cluster.owner(given)", json!(format!("{key}-1"))), session);
            let ended = two.run_with("calls.set('ended', cluster.monitor(given))", session.clone());
            assert_eq!(ended, json!(null));
            end.of(goes);
            two.run("await calls.get('ended')");
            for n in 1..=3 {
                let key = format!("{key}-{n}");
                assert_eq!(two.get(&key), json!(null), "{end:?} {observer}");
                let anew = one.put(&key, json!("anew"));
                assert_eq!((&anew["won"], &anew["generation"]), (&json!(true), &json!(1)));
            }
            if !observer {
                let next = join(&browser, &site);
                next.up(3);
                one.up(3);
                third = Some(next);
            }
        }
    }
}

fn a_seat_that_crashes_is_taken_over(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let mut tabs = seats(&browser, &site);
    let observers = [join(&browser, &site), join(&browser, &site)];
    tabs.extend(observers);
    for round in 0..2 {
        let key = format!("round-{round}");
        assert_eq!(tabs[1].put(&key, json!(round))["won"], true);
        let gone = tabs.remove(0);
        let seat = gone.seat().unwrap();
        gone.crash();
        // The tab that has waited longest, in the browser's order.
        let mut heirs = tabs.iter().filter(|tab| tab.seat().is_none() || tab.seat() == Some(seat));
        tabs[0].up(3);
        assert!(heirs.any(|tab| tab.seat() == Some(seat)), "seat {seat} is taken again");
        for tab in &tabs {
            assert_eq!(tab.get(&key)["value"], round);
        }
        assert_eq!(tabs[round].put(&format!("{key}-after"), json!(1))["won"], true);
    }
}

fn a_waiting_put_survives_the_crash_of_others(kind: Kind) {
    let (browser, site) = (Browser::start(kind), Site::new());
    let [one, two, three]: [Tab; 3] = seats(&browser, &site).try_into().ok().unwrap();
    assert_eq!(one.put("before", json!(1))["won"], true);
    two.crash();
    three.crash();
    one.up(1);
    let late = one.throws("return cluster.put('late', 1, { timeout: 500 })");
    assert_eq!(late.code.as_deref(), Some("NoQuorum"), "{late}");
    let waits = one.start("return cluster.put('waits', 1)");
    let two = join(&browser, &site);
    assert_eq!(waits.end()["won"], true);
    assert_eq!(two.get("before")["value"], 1);
    assert_eq!(two.get("waits")["value"], 1);
}
