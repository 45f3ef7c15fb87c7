//! A tab, and the commands to it.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value as Json, json};
use thirtyfour::prelude::By;
use thirtyfour::{TypingData, WindowHandle};

use super::Browser;

/// A tab of a browser. It stays open until it is closed, or the browser ends.
pub struct Tab {
    browser: Browser,
    window: WindowHandle,
    url: String,
    calls: Cell<u32>,
}

/// The error that a script has thrown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thrown {
    /// Its code, if it has one.
    pub code: Option<String>,
    /// Its message.
    pub message: String,
}

impl fmt::Display for Thrown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code.as_deref().unwrap_or("no code"))
    }
}

/// Runs the body of an asynchronous function, and gives its result. It runs in the page's own realm, since a driver's scripts
/// may have another one, with an `Object` and a `Uint8Array` of its own.
const PERFORM: &str = r#"
    const [body, given, done] = arguments;
    const AsyncFunction = window.eval("(async () => {}).constructor");
    const perform = new AsyncFunction("given", "given = JSON.parse(given);" + body);
    perform(JSON.stringify(given)).then(
        (value) => done({ value: value ?? null }),
        (error) => done({ code: error?.code ?? null, message: `${error?.name}: ${error?.message ?? error}` }),
    );
"#;

impl Tab {
    pub(super) fn new(browser: Browser, window: WindowHandle, url: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let url = format!("{url}#tab-{}-", NEXT.fetch_add(1, Ordering::Relaxed));
        Self { browser, window, url, calls: Cell::new(0) }
    }

    /// Its address, whose end no other tab's address has.
    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Goes to an address, and waits until the page is loaded.
    #[track_caller]
    pub fn go(&self, url: &str) {
        self.browser.switch(&self.window);
        self.browser.drive(async |session| session.goto(url).await);
    }

    /// Reloads its page.
    #[track_caller]
    pub fn reload(&self) {
        self.browser.switch(&self.window);
        self.browser.drive(async |session| session.refresh().await);
    }

    /// Goes back to the page before.
    #[track_caller]
    pub fn back(&self) {
        self.browser.switch(&self.window);
        self.browser.drive(async |session| session.back().await);
    }

    /// Shows it, and so hides all others of the window.
    #[track_caller]
    pub fn show(&self) {
        self.browser.switch(&self.window);
    }

    /// Clicks on the element of a CSS selector, which must be clickable.
    #[track_caller]
    pub fn click(&self, what: &str) {
        self.browser.switch(&self.window);
        self.browser.drive(async |session| session.find(By::Css(what)).await?.click().await);
    }

    /// Replaces the text of a field, key by key.
    #[track_caller]
    pub fn fill(&self, field: &str, text: &str) {
        self.browser.switch(&self.window);
        self.browser.drive(async |session| {
            let field = session.find(By::Css(field)).await?;
            field.clear().await?;
            field.send_keys(text).await
        });
    }

    /// Presses keys where the focus is.
    #[track_caller]
    pub fn press(&self, keys: impl Into<TypingData>) {
        self.browser.switch(&self.window);
        let keys = keys.into();
        self.browser.drive(async |session| session.active_element().await?.send_keys(keys).await);
    }

    /// Waits until the element of a selector has a text that begins so.
    #[track_caller]
    pub fn shows(&self, what: &str, text: &str) {
        let given = json!({ "what": what, "text": text });
        let seen = self.attempt(
            "const read = () => document.querySelector(given.what)?.textContent.trim();
             const end = Date.now() + 30000;
             while (!read()?.startsWith(given.text)) {
                 if (Date.now() > end) throw new Error(read() ?? 'it is not there');
                 await new Promise((done) => setTimeout(done, 30));
             }",
            given,
        );
        if let Err(thrown) = seen {
            panic!("{what} was to show {text:?}: {thrown}");
        }
    }

    /// Closes it.
    #[track_caller]
    pub fn close(self) {
        self.browser.close(&self.window);
    }

    /// Makes its process crash, without a goodbye.
    #[track_caller]
    pub fn crash(self) {
        self.browser.crash(&self.window, &self.url);
    }

    /// Runs the body of an asynchronous function, which has `given`, and waits for its end.
    #[track_caller]
    pub fn attempt(&self, body: &str, given: Json) -> Result<Json, Thrown> {
        self.browser.switch(&self.window);
        let arguments = vec![json!(body), given];
        let ended: Json =
            self.browser.drive(async |session| session.execute_async(PERFORM, arguments).await?.convert());
        match ended.get("value") {
            Some(value) => Ok(value.clone()),
            None => Err(Thrown {
                code: ended["code"].as_str().map(str::to_owned),
                message: ended["message"].as_str().unwrap_or_default().to_owned(),
            }),
        }
    }

    /// Like [`attempt`](Self::attempt), for a body that must not throw.
    #[track_caller]
    pub fn run_with(&self, body: &str, given: Json) -> Json {
        match self.attempt(body, given) {
            Ok(value) => value,
            Err(thrown) => panic!("`{body}` threw {thrown}"),
        }
    }

    /// Like [`run_with`](Self::run_with), with nothing given.
    #[track_caller]
    pub fn run(&self, body: &str) -> Json {
        self.run_with(body, Json::Null)
    }

    /// The error that the body throws.
    #[track_caller]
    pub fn throws(&self, body: &str) -> Thrown {
        match self.attempt(body, Json::Null) {
            Ok(value) => panic!("`{body}` was to throw, and returned {value}"),
            Err(thrown) => thrown,
        }
    }

    /// Runs the body of an asynchronous function, and does not wait for its end.
    #[track_caller]
    pub fn start(&self, body: &str) -> Call<'_> {
        let id = self.calls.replace(self.calls.get() + 1);
        let script = format!(
            "const call = (async () => {{ {body}\n }})(); call.catch(() => {{}}); calls.set({id}, call);"
        );
        self.run(&script);
        Call { tab: self, id }
    }

    /// Joins a cluster, with options as they are in JavaScript.
    #[track_caller]
    pub fn join(&self, name: &str, options: Json) {
        self.run_with("await enter(given.name, given.options)", json!({ "name": name, "options": options }));
    }

    /// The code of the error with which joining, or the first call after it, fails.
    #[track_caller]
    pub fn thrown_by_joining(&self, name: &str, options: Json) -> Option<String> {
        let given = json!({ "name": name, "options": options });
        let body = "await enter(given.name, given.options); await cluster.get('anything')";
        self.attempt(body, given).expect_err("it was to be refused").code
    }

    /// Its seat, if it has one.
    #[track_caller]
    pub fn seat(&self) -> Option<u64> {
        self.run("return cluster.seat").as_u64()
    }

    /// Waits until its status shows so many seats that are up.
    #[track_caller]
    pub fn up(&self, seats: usize) {
        self.run_with(
            "await until(cluster.statuses(), ({ seats }) =>
                 seats.filter(({ state }) => state === 'self' || state === 'connected').length === given)",
            json!(seats),
        );
    }

    /// Waits until it has that seat.
    #[track_caller]
    pub fn sits(&self, seat: u64) {
        self.run_with(
            "if (cluster.seat !== given) await until(cluster.statuses(), () => cluster.seat === given)",
            json!(seat),
        );
    }

    /// Puts, and gives the value that was chosen.
    #[track_caller]
    pub fn put(&self, key: &str, value: Json) -> Json {
        self.run_with("return cluster.put(given.key, given.value)", json!({ "key": key, "value": value }))
    }

    /// The value that was chosen, or null.
    #[track_caller]
    pub fn get(&self, key: &str) -> Json {
        self.run_with("return cluster.get(given)", json!(key))
    }
}

/// A script that runs in a tab.
pub struct Call<'a> {
    tab: &'a Tab,
    id: u32,
}

impl Call<'_> {
    /// Waits for its end.
    #[track_caller]
    pub fn attempt(self) -> Result<Json, Thrown> {
        self.tab.attempt("return calls.get(given)", json!(self.id))
    }

    /// Waits for its end, which must not be an error.
    #[track_caller]
    pub fn end(self) -> Json {
        match self.attempt() {
            Ok(value) => value,
            Err(thrown) => panic!("what was started threw {thrown}"),
        }
    }
}
