//! How fast three tabs are, and how soon others know that a tab has crashed: `cargo xtask bench browser`.
//!
//! The figures are for comparing on one machine. No figure is asserted.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a benchmark that cannot go on says why, and stops

#[cfg(unix)]
fn main() {
    measure::all();
}

#[cfg(not(unix))]
fn main() {
    eprintln!("browsers are driven on Unix only");
}

#[cfg(unix)]
mod measure {
    use std::time::{SystemTime, UNIX_EPOCH};

    use paxoskv_tests::browser::{Browser, Kind, Site, Tab};
    use serde_json::{Value as Json, json};

    /// The duration of each load.
    const SECONDS: f64 = 4.0;

    /// How often a tab ends.
    const ENDS: usize = 7;

    pub(super) fn all() {
        for kind in [Kind::Chromium, Kind::Firefox] {
            for memory in [false, true] {
                let kept = if memory { "in memory" } else { "in IndexedDB, strict durability" };
                println!("{kind:?}: three tabs, each seat's votes {kept}; values of 64 bytes, fresh keys");
                let (browser, site) = (Browser::start(kind), Site::new());
                let tabs = browser.tabs::<3>(&site);
                for tab in &tabs {
                    tab.join("bench", json!({ "memory": memory }));
                }
                tabs[2].up(3);
                for (tabs, clients) in [(&tabs[..1], 1), (&tabs[..1], 64), (&tabs[..1], 512), (&tabs[..], 64)]
                {
                    load(tabs, clients);
                }
            }
            let (browser, site) = (Browser::start(kind), Site::new());
            let tabs = browser.tabs::<3>(&site);
            tabs.iter().for_each(|tab| tab.join("bench", json!({})));
            tabs[2].up(3);
            ends(&browser, &site, &tabs[0], "crash", Tab::crash);
            ends(&browser, &site, &tabs[0], "close", Tab::close);
        }
    }

    /// The calls per second of so many callers at once in each of these tabs.
    fn load(tabs: &[Tab], clients: usize) {
        let script = format!(
            "const value = 'v'.repeat(64), all = [], prefix = crypto.randomUUID().slice(0, 8);
             const start = performance.now(), end = start + {SECONDS} * 1000;
             let next = 0;
             const client = async () => {{
                 for (let now = performance.now(); now < end; ) {{
                     await cluster.put(prefix + next++, value);
                     const then = now;
                     all.push((now = performance.now()) - then);
                 }}
             }};
             await Promise.all(Array.from({{ length: {clients} }}, client));
             const rate = all.length / (performance.now() - start) * 1000;
             const at = (part) => all.sort((a, b) => a - b)[Math.floor(all.length * part)];
             return {{ rate, p50: at(0.5), p99: at(0.99) }};"
        );
        let calls: Vec<_> = tabs.iter().map(|tab| tab.start(&script)).collect();
        let done: Vec<Json> = calls.into_iter().map(|call| call.end()).collect();
        let figure = |name: &'static str| done.iter().map(move |done| done[name].as_f64().unwrap());
        println!(
            "  {} tab(s), {clients:3} callers each: {:6.0} puts/s, p50 {:6.1} ms, p99 {:6.1} ms",
            tabs.len(),
            figure("rate").sum::<f64>(),
            figure("p50").fold(0.0, f64::max),
            figure("p99").fold(0.0, f64::max),
        );
    }

    /// How long after its tab's end another tab finds a key vacant.
    fn ends(browser: &Browser, site: &Site, watcher: &Tab, name: &str, end: fn(Tab)) {
        let mut all: Vec<f64> = (0..ENDS)
            .map(|n| {
                let tab = browser.tab(site);
                tab.join("bench", json!({}));
                let key = format!("{name}-{n}");
                tab.run_with("await cluster.put(given, 1, { session: cluster.session })", json!(key));
                let vacant = watcher.start(&format!(
                    "await until(cluster.watch('{key}'), (state) => state.vacant); return Date.now()"
                ));
                // The command has gone to the tab by then.
                tab.show();
                let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64() * 1000.0;
                end(tab);
                vacant.end().as_f64().unwrap() - start
            })
            .collect();
        all.sort_by(f64::total_cmp);
        println!(
            "  from a tab's {name} to its keys vacant: median {:.0} ms, at most {:.0} ms",
            all[ENDS / 2],
            all[ENDS - 1]
        );
    }
}
