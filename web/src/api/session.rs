//! Sessions.

use std::rc::Rc;

use futures::{Stream, StreamExt};
use js_sys::Promise;
use paxoskv_core::{SessionId, SessionState};
use wasm_bindgen::prelude::*;

use super::error::Thrown;
use super::iterate::iterate;
use super::objects::{promise, work};
use super::options::Options;
use super::tab::Tab;

/// A session of this node. The tab owns it until it has ended.
#[wasm_bindgen(skip_typescript)]
pub struct Session {
    tab: Rc<Tab>,
    id: SessionId,
    ended: Promise,
}

impl Session {
    pub(crate) fn new(tab: Rc<Tab>, session: paxoskv_core::Session) -> Self {
        let id = session.id();
        let (mut states, owner) = (session.states(), tab.clone());
        let ended = tab.keep_session(session, || {
            promise(Ok(work(async move {
                while states.next().await.is_some() {}
                owner.take_session(id);
                Ok(JsValue::UNDEFINED)
            })))
        });
        Self { tab, id, ended }
    }
}

fn name(state: SessionState) -> JsValue {
    match state {
        SessionState { ended: true, .. } => "ended",
        SessionState { suspended: true, .. } => "suspended",
        _ => "active",
    }
    .into()
}

#[wasm_bindgen]
impl Session {
    /// Its id, for `session`, `monitor` and comparing with `owner`.
    #[wasm_bindgen(getter)]
    pub fn id(&self) -> String {
        self.id.to_string()
    }

    /// Its state, as far as this node knows.
    #[wasm_bindgen(getter)]
    pub fn state(&self) -> JsValue {
        self.tab.with_session(self.id, |session| name(session.state())).unwrap_or_else(|| "ended".into())
    }

    /// Its states, now and as they change.
    pub fn states(&self, options: JsValue) -> Result<JsValue, Thrown> {
        let signal = Options::new(options)?.signal()?;
        let states = self.tab.with_session(self.id, |session| session.states());
        let ended = || futures::stream::once(async { "ended".into() });
        let names: std::pin::Pin<Box<dyn Stream<Item = JsValue>>> = match states {
            Some(states) => Box::pin(states.map(name)),
            None => Box::pin(ended()),
        };
        Ok(iterate(names.map(Ok), signal.as_ref()))
    }

    /// Resolves once it has ended.
    #[wasm_bindgen(getter)]
    pub fn ended(&self) -> Promise {
        self.ended.clone()
    }

    /// Ends it; resolves once that is decided.
    pub fn close(&self) -> Promise {
        let (tab, id) = (self.tab.clone(), self.id);
        promise(Ok(work(async move {
            if let Some(session) = tab.take_session(id) {
                tab.answer(session.close().await)?;
            }
            Ok(JsValue::UNDEFINED)
        })))
    }

    /// Its id.
    #[wasm_bindgen(js_name = "toString")]
    pub fn text(&self) -> String {
        self.id.to_string()
    }

    /// Its id.
    #[wasm_bindgen(js_name = "toJSON")]
    pub fn json(&self) -> String {
        self.id.to_string()
    }
}
