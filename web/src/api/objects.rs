//! Plain JavaScript objects and promises for what the core answers.

use std::future::Future;

use futures::future::LocalBoxFuture;
use js_sys::{Array, Object, Promise, Reflect};
use paxoskv_core::{Chosen, Error, Found, Generation, Key, Listed, SeatState, SessionId, State, Status};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::future_to_promise;

use super::error::Thrown;
use super::value;

/// A method's work, after it has read its arguments.
pub(crate) type Work = LocalBoxFuture<'static, Result<JsValue, Thrown>>;

/// Boxes some work, so that all promises share their code.
pub(crate) fn work(future: impl Future<Output = Result<JsValue, Thrown>> + 'static) -> Work {
    Box::pin(future)
}

/// A promise for some work; rejected where an argument was wrong.
pub(crate) fn promise(start: Result<Work, Thrown>) -> Promise {
    match start {
        Ok(work) => future_to_promise(async move { Ok(work.await?) }),
        Err(Thrown(reason)) => Promise::reject(&reason),
    }
}

/// An object with these properties, also those that are `undefined`.
pub(crate) fn object(properties: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in properties {
        // A new object takes every property.
        Reflect::set(&object, &(*name).into(), value).ok();
    }
    object.into()
}

pub(crate) fn flag(flag: bool) -> Result<JsValue, Error> {
    Ok(flag.into())
}

pub(crate) fn number(generation: Generation) -> JsValue {
    // The number is exact below 2^53, which no generation reaches.
    (generation.0 as f64).into()
}

pub(crate) fn session(id: Option<SessionId>) -> JsValue {
    id.map_or(JsValue::UNDEFINED, |id| id.to_string().into())
}

pub(crate) fn chosen(chosen: &Chosen) -> Result<JsValue, Error> {
    let found = chosen.found();
    Ok(object(&[
        ("value", value::to_js(found.cbor())?),
        ("generation", number(found.generation())),
        ("won", chosen.won().into()),
    ]))
}

pub(crate) fn found(found: Option<Found>) -> Result<JsValue, Error> {
    let Some(found) = found else { return Ok(JsValue::UNDEFINED) };
    Ok(object(&[("value", value::to_js(found.cbor())?), ("generation", number(found.generation()))]))
}

/// A key's state, with the key where several are watched.
pub(crate) fn state(key: Option<&Key>, state: &State) -> Result<JsValue, Error> {
    let mut properties = Vec::new();
    if let Some(key) = key {
        properties.push(("key", value::to_js(key.cbor())?));
    }
    properties.push(("generation", number(state.generation)));
    properties.push(("vacant", state.found.is_none().into()));
    if let Some(found) = &state.found {
        properties.push(("value", value::to_js(found.cbor())?));
    }
    Ok(object(&properties))
}

pub(crate) fn listed(listed: &Listed) -> Result<JsValue, Error> {
    Ok(object(&[
        ("key", value::to_js(listed.key.cbor())?),
        ("generation", number(listed.found.generation())),
        ("value", value::to_js(listed.found.cbor())?),
        ("owner", session(listed.found.owner())),
    ]))
}

pub(crate) fn status(status: &Status) -> JsValue {
    let seats = Array::new();
    for seat in &status.seats {
        let state = match seat.state {
            SeatState::Own => "self",
            SeatState::Connected => "connected",
            SeatState::Lost => "lost",
            SeatState::Empty => "empty",
        };
        seats.push(&object(&[("seat", seat.seat.get().into()), ("state", state.into())]));
    }
    object(&[
        ("cluster", status.cluster.as_str().into()),
        ("clusterSize", status.cluster_size.into()),
        ("quorum", status.quorum.into()),
        ("epoch", (status.epoch.0 as f64).into()),
        ("seats", seats.into()),
        ("observers", status.observers.into()),
    ])
}
