//! Real headless browsers with several tabs, driven by WebDriver, and the files that they are served.
//!
//! A test gives each tab JavaScript to run, and waits for its result. Everything that a test starts ends with it.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod driver;
mod site;
mod tab;

use std::cell::RefCell;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use hyper::Method;
use serde_json::{Value as Json, json};
use thirtyfour::common::command::FormatRequestData;
use thirtyfour::{
    Capabilities, RequestData, SessionId, TimeoutConfiguration, WebDriver, WebDriverBuilder, WindowHandle,
};
use tokio::runtime::Runtime;
use xtask::tools;

use driver::Driver;
pub use site::Site;
pub use tab::{Call, Tab, Thrown};

use crate::processes::PATIENCE;

/// Makes a test for each browser of a function that takes the [`Kind`].
#[macro_export]
macro_rules! in_both_browsers {
    ($($test:ident),+ $(,)?) => {
        mod chromium {
            $(#[test]
            fn $test() {
                super::$test($crate::browser::Kind::Chromium);
            })+
        }
        mod firefox {
            $(#[test]
            fn $test() {
                super::$test($crate::browser::Kind::Firefox);
            })+
        }
    };
}

/// The kind of a browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Chromium.
    Chromium,
    /// Firefox.
    Firefox,
}

/// A browser, with an empty profile of its own. Clones are the same browser.
#[derive(Clone)]
pub struct Browser(Rc<Inner>);

struct Inner {
    kind: Kind,
    runtime: Runtime,
    session: RefCell<Option<WebDriver>>,
    /// The tab that commands go to.
    current: RefCell<Option<WindowHandle>>,
    /// A tab that stays to the end, since a browser without tabs ends.
    keeper: WindowHandle,
    _driver: Driver,
}

impl Browser {
    /// Starts a browser.
    #[track_caller]
    pub fn start(kind: Kind) -> Self {
        Self::with(kind, &[])
    }

    /// Starts a browser with further arguments.
    #[track_caller]
    pub fn with(kind: Kind, arguments: &[&str]) -> Self {
        let need = |tool: tools::Tool| tool.need().unwrap_or_else(|missing| panic!("{missing}"));
        let (program, driver) = match kind {
            Kind::Chromium => (tools::CHROMIUM, tools::CHROMEDRIVER),
            Kind::Firefox => (tools::FIREFOX, tools::GECKODRIVER),
        };
        let (program, driver) = (need(program), Driver::start(kind, &need(driver)));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let capabilities = capabilities(kind, &program, arguments);
        let (session, keeper) = runtime.block_on(async {
            let builder: WebDriverBuilder = WebDriver::builder(driver.url(), capabilities);
            let session = builder.request_timeout(PATIENCE * 2).await.expect("a session");
            let timeouts = TimeoutConfiguration::new(Some(PATIENCE), Some(PATIENCE), Some(Duration::ZERO));
            session.update_timeouts(timeouts).await.unwrap();
            let keeper = session.window().await.unwrap();
            (session, keeper)
        });
        let (session, current) = (RefCell::new(Some(session)), RefCell::new(Some(keeper.clone())));
        Self(Rc::new(Inner { kind, runtime, session, current, keeper, _driver: driver }))
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Opens a tab with a page, and waits until that is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) -> Tab {
        let window = self.drive(async |session| session.new_tab().await);
        let tab = Tab::new(self.clone(), window, url);
        tab.go(&tab.url());
        tab
    }

    /// Opens a tab with the bare page.
    #[track_caller]
    pub fn tab(&self, site: &Site) -> Tab {
        self.open(&site.url())
    }

    /// Opens several tabs with the bare page.
    #[track_caller]
    pub fn tabs<const N: usize>(&self, site: &Site) -> [Tab; N] {
        std::array::from_fn(|_| self.tab(site))
    }

    /// Shows a tab without a page of ours, so that all others are hidden.
    #[track_caller]
    pub fn hide_all(&self) {
        self.switch(&self.0.keeper);
    }

    /// Carries out a command of WebDriver.
    #[track_caller]
    fn drive<T>(&self, command: impl AsyncFnOnce(&WebDriver) -> thirtyfour::error::WebDriverResult<T>) -> T {
        let session = self.0.session.borrow();
        let done = self.0.runtime.block_on(command(session.as_ref().expect("the browser runs")));
        match done {
            Ok(done) => done,
            Err(error) => panic!("{:?}: {error}", self.0.kind),
        }
    }

    #[track_caller]
    fn switch(&self, window: &WindowHandle) {
        if self.0.current.borrow().as_ref() != Some(window) {
            // If that fails, no tab is current.
            self.0.current.replace(None);
            self.drive(async |session| session.switch_to_window(window.clone()).await);
            self.0.current.replace(Some(window.clone()));
        }
    }

    /// Closes a tab.
    #[track_caller]
    fn close(&self, window: &WindowHandle) {
        self.switch(window);
        self.drive(async |session| session.close_window().await);
        self.0.current.replace(None);
        self.hide_all();
    }

    /// Makes the process of a tab crash. The page's address must end with `mark`.
    #[track_caller]
    fn crash(&self, window: &WindowHandle, mark: &str) {
        self.switch(window);
        match self.0.kind {
            Kind::Chromium => {
                let crashed =
                    self.drive(async |session| Ok(session.cdp().send_raw("Page.crash", json!({})).await));
                let error = crashed.expect_err("nobody is left to answer").to_string();
                assert!(error.contains("tab crashed"), "{error}");
                self.hide_all();
                // After a crashed tab, the driver treats the next error of another tab as a broken browser.
                let target = json!({ "targetId": window.to_string() });
                self.drive(async |session| session.cdp().send_raw("Target.closeTarget", target).await);
            }
            Kind::Firefox => {
                let script = r#"
                    // Otherwise the driver ends the whole browser with the tab.
                    Services.env.set("MOZ_CRASHREPORTER_SHUTDOWN", "");
                    const pids = gBrowser.browsers.map((tab) => [
                        tab.currentURI.spec.endsWith(arguments[0]),
                        tab.browsingContext.currentWindowGlobal?.osPid,
                    ]);
                    return [pids.filter(([its]) => its), pids.filter(([its]) => !its)]
                        .map((pids) => pids.map(([, pid]) => pid));
                "#;
                let [its, others]: [Vec<i32>; 2] = self.drive(async |session| {
                    session.cmd(Context("chrome")).await?;
                    let pids = session.execute(script, vec![json!(mark)]).await;
                    session.cmd(Context("content")).await?;
                    pids?.convert()
                });
                assert!(
                    its.len() == 1 && !others.contains(&its[0]),
                    "a process of its own: {its:?} {others:?}"
                );
                nix::sys::signal::kill(nix::unistd::Pid::from_raw(its[0]), nix::sys::signal::SIGKILL)
                    .unwrap();
                self.0.current.replace(None);
                self.hide_all();
            }
        }
    }

    /// Ends the browser as users do, with all its tabs.
    pub fn quit(self) {
        drop(self);
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            let quit = self.runtime.block_on(session.quit());
            if let (Err(error), false) = (quit, std::thread::panicking()) {
                panic!("{:?} did not quit: {error}", self.kind);
            }
        }
    }
}

fn capabilities(kind: Kind, program: &Path, arguments: &[&str]) -> Capabilities {
    let program = program.display().to_string();
    let map = match kind {
        Kind::Chromium => {
            let mut all = vec!["--headless=new", "--disable-dev-shm-usage", "--disable-gpu"];
            if nix::unistd::geteuid().is_root() {
                // Chromium refuses its sandbox to root.
                all.push("--no-sandbox");
            }
            all.extend(arguments);
            json!({ "goog:chromeOptions": { "binary": program, "args": all } })
        }
        Kind::Firefox => {
            let all = [&["-headless"], arguments].concat();
            let preferences = json!({
                // A process for each tab, so that they crash one by one.
                "dom.ipc.processCount.webIsolated": 40,
                "dom.ipc.processPrelaunch.enabled": false,
            });
            json!({ "moz:firefoxOptions": { "binary": program, "args": all, "prefs": preferences } })
        }
    };
    match map {
        Json::Object(map) => map.into(),
        _ => unreachable!("it is an object"),
    }
}

/// Whether scripts are the page's or Firefox's own.
#[derive(Debug)]
struct Context(&'static str);

impl FormatRequestData for Context {
    fn format_request(&self, session: &SessionId) -> RequestData {
        RequestData::new(Method::POST, format!("/session/{session}/moz/context"))
            .add_body(json!({ "context": self.0 }))
    }
}
