//! Methods that are one call of the core.

use std::rc::Rc;

use futures::future::{BoxFuture, LocalBoxFuture};
use js_sys::Promise;
use paxoskv_core::Error;
use wasm_bindgen::JsValue;

use super::cancel::abortable;
use super::error::Thrown;
use super::objects::{Work, promise};
use super::options::Options;
use super::tab::Tab;

/// A call of the core, whose answer is JavaScript's already.
pub(super) type Call = LocalBoxFuture<'static, Result<JsValue, Error>>;

/// A call, and what JavaScript gets for its answer.
pub(super) fn call<T: 'static>(
    call: BoxFuture<'static, Result<T, Error>>,
    show: impl FnOnce(T) -> Result<JsValue, Error> + 'static,
) -> Call {
    Box::pin(async move { show(call.await?) })
}

/// A method: `begin` reads its arguments at once, and its call is done later.
pub(super) fn method(
    tab: &Rc<Tab>,
    options: JsValue,
    begin: impl FnOnce(&Options) -> Result<Call, Thrown>,
) -> Promise {
    promise(Options::new(options).and_then(|options| answered(tab, begin(&options)?, &options)))
}

fn answered(tab: &Rc<Tab>, call: Call, options: &Options) -> Result<Work, Thrown> {
    let tab = tab.clone();
    Ok(abortable(options.signal()?, async move { tab.answer(call.await) }))
}
