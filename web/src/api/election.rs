//! Elections.

use std::cell::RefCell;
use std::rc::Rc;

use futures::StreamExt;
use js_sys::Promise;
use wasm_bindgen::prelude::*;

use super::call::{call, method};
use super::error::Thrown;
use super::held::{Held, grant};
use super::iterate::iterate;
use super::objects::{found, promise, state, work};
use super::options::Options;
use super::tab::Tab;
use super::value;

/// An election, as JavaScript holds it.
#[wasm_bindgen(skip_typescript)]
pub struct Election {
    tab: Rc<Tab>,
    inner: paxoskv_core::recipes::Election,
    /// The offices that this object has won.
    offices: Rc<RefCell<Vec<Held>>>,
}

impl Election {
    pub(crate) fn new(tab: Rc<Tab>, name: String) -> Self {
        let inner = tab.core().election(name);
        Self { tab, inner, offices: Rc::default() }
    }
}

#[wasm_bindgen]
impl Election {
    /// Campaigns, and waits until elected.
    pub fn campaign(&self, value: JsValue, options: JsValue) -> Promise {
        let (tab, inner, offices) = (self.tab.clone(), self.inner.clone(), self.offices.clone());
        promise((|| {
            let value = value::value(&value)?;
            let options = Options::new(options)?;
            let campaign = inner.campaign(value).timeout(options.timeout()?);
            let signal = options.signal()?;
            let campaign = grant(signal, async move { Ok(Some(tab.answer(campaign.await)?.into())) });
            Ok(work(async move {
                let held = campaign.await?;
                offices.borrow_mut().extend(held.clone());
                Ok(held.into())
            }))
        })())
    }

    /// Resigns from the offices that this object has won; resolves when that is decided.
    pub fn resign(&self) -> Promise {
        let offices = self.offices.take();
        promise(Ok(work(async move {
            for office in offices {
                office.give_up().await?;
            }
            Ok(JsValue::UNDEFINED)
        })))
    }

    /// The leader's value.
    pub fn leader(&self, options: JsValue) -> Promise {
        method(&self.tab, options, |options| {
            let leader = self.inner.leader().timeout(options.timeout()?);
            Ok(call(leader.into_future(), found))
        })
    }

    /// The leader's value, now and as it changes.
    pub fn observe(&self, options: JsValue) -> Result<JsValue, Thrown> {
        let signal = Options::new(options)?.signal()?;
        let tab = self.tab.clone();
        let states = self.inner.observe().map(move |next| tab.answer(next.and_then(|at| state(None, &at))));
        Ok(iterate(states, signal.as_ref()))
    }
}
