//! Errors, as JavaScript gets them.

use std::cell::OnceCell;

use js_sys::{Array, Error as JsError, Function, Object, Reflect};
use paxoskv_core::Error;
use wasm_bindgen::prelude::*;

/// The class of this package's errors in JavaScript. It extends `Error` and has a `code`.
///
/// Bindings cannot derive a class from another one. So `Error` makes each instance, as a real error with a stack, for this
/// class, whose prototype is linked to that of `Error`.
#[wasm_bindgen(skip_typescript)]
#[derive(Debug)]
pub struct PaxosError;

thread_local! {
    static CLASS: OnceCell<Function> = const { OnceCell::new() };
}

/// The class itself, prepared when it is first needed.
fn class() -> Function {
    let make = || {
        let instance = JsValue::from(PaxosError);
        let class = Reflect::get(&instance, &"constructor".into()).unwrap_or_default();
        let prototype = Object::get_prototype_of(&instance);
        Object::set_prototype_of(&prototype, &Object::get_prototype_of(&JsError::new("")));
        // The bindings' method does not belong to errors.
        Reflect::delete_property(&prototype, &"free".into()).ok();
        class.unchecked_into()
    };
    CLASS.with(|known| known.get_or_init(make).clone())
}

/// An error's code and message, for JavaScript: of an error of the core, or of one of this crate.
#[derive(Clone, Debug)]
pub(crate) struct Reason {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

impl From<&Error> for Reason {
    fn from(error: &Error) -> Self {
        Self { code: error.code(), message: error.to_string() }
    }
}

impl Reason {
    /// The error itself.
    pub(crate) fn to_js(&self) -> JsValue {
        let class = class();
        let plain = Reflect::get(&js_sys::global(), &"Error".into()).unwrap_or_default();
        let arguments = Array::of1(&self.message.as_str().into());
        let made = Reflect::construct_with_new_target(plain.unchecked_ref(), &arguments, &class);
        let made = made.unwrap_or_default();
        for (name, value) in [("code", self.code), ("name", "PaxosError")] {
            Reflect::set(&made, &name.into(), &value.into()).ok();
        }
        made
    }
}

/// The reason of a rejected promise: an error of the core, or a value that JavaScript threw.
#[derive(Clone, Debug)]
pub struct Thrown(pub(crate) JsValue);

impl From<Error> for Thrown {
    fn from(error: Error) -> Self {
        Self(Reason::from(&error).to_js())
    }
}

impl From<JsValue> for Thrown {
    fn from(value: JsValue) -> Self {
        Self(value)
    }
}

impl From<Thrown> for JsValue {
    fn from(thrown: Thrown) -> Self {
        thrown.0
    }
}

/// An `InvalidArgument`, with a message.
pub(crate) fn invalid(why: impl Into<String>) -> Thrown {
    Error::invalid(why).into()
}
