//! Reads the options of methods.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use js_sys::{Array, Reflect};
use wasm_bindgen::prelude::*;
use web_sys::AbortSignal;

use super::error::{Thrown, invalid};
use super::value;
use crate::timer::milliseconds;

/// Options by name. One that is `undefined` or `null` counts as missing.
pub(crate) struct Options(JsValue);

impl Options {
    /// # Errors
    /// It is neither an object nor missing.
    pub(crate) fn new(options: JsValue) -> Result<Self, Thrown> {
        if options.is_object() && !options.is_function() || options.is_undefined() || options.is_null() {
            return Ok(Self(options));
        }
        Err(invalid("options: expected an object"))
    }

    pub(crate) fn get(&self, name: &str) -> Result<Option<JsValue>, Thrown> {
        if !self.0.is_object() {
            return Ok(None);
        }
        let value = Reflect::get(&self.0, &name.into())?;
        Ok(Some(value).filter(|value| !value.is_undefined() && !value.is_null()))
    }

    /// An option for which `undefined` and `null` are values, too.
    pub(crate) fn get_any(&self, name: &str) -> Result<Option<JsValue>, Thrown> {
        let there = self.0.is_object() && Reflect::has(&self.0, &name.into())?;
        Ok(if there { Some(Reflect::get(&self.0, &name.into())?) } else { None })
    }

    fn read<T>(
        &self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&JsValue) -> Option<T>,
    ) -> Result<Option<T>, Thrown> {
        match self.get(name)? {
            None => Ok(None),
            Some(value) => match read(&value) {
                Some(read) => Ok(Some(read)),
                None => Err(invalid(format!("options.{name}: expected {expected}"))),
            },
        }
    }

    pub(crate) fn string(&self, name: &str) -> Result<Option<String>, Thrown> {
        self.read(name, "a string", JsValue::as_string)
    }

    pub(crate) fn flag(&self, name: &str) -> Result<bool, Thrown> {
        Ok(self.read(name, "true or false", JsValue::as_bool)?.unwrap_or(false))
    }

    /// A string, or an array of strings.
    pub(crate) fn strings(&self, name: &str) -> Result<Option<Vec<String>>, Thrown> {
        self.read(name, "a string or an array of strings", |value| many(value, |value| value.as_string()))
    }

    /// An integer from 0 to `most`.
    pub(crate) fn integer(&self, name: &str, most: u32) -> Result<Option<u32>, Thrown> {
        self.read(name, &format!("an integer from 0 to {most}"), |value| integer(value, most))
    }

    /// A small integer, or an array of such.
    pub(crate) fn small_integers(&self, name: &str) -> Result<Option<Vec<u8>>, Thrown> {
        self.read(name, "a seat's number or an array of such", |value| {
            many(value, |value| integer(&value, 255).map(|n| n as u8))
        })
    }

    /// How long a call may take. Where nothing is said, as long as it takes.
    pub(crate) fn timeout(&self) -> Result<Duration, Thrown> {
        Ok(self.duration("timeout")?.unwrap_or(Duration::MAX))
    }

    /// The name of a bucket. Where nothing is said, it is the one without a name.
    pub(crate) fn bucket(&self) -> Result<String, Thrown> {
        Ok(self.string("bucket")?.unwrap_or_default())
    }

    /// A time in milliseconds; `Infinity` counts as missing.
    pub(crate) fn duration(&self, name: &str) -> Result<Option<Duration>, Thrown> {
        let read = self.read(name, "a number of milliseconds that is not negative", |value| {
            value.as_f64().filter(|ms| *ms >= 0.0)
        })?;
        Ok(read.and_then(milliseconds))
    }

    /// A moment: a `Date`, or milliseconds since 1970.
    pub(crate) fn moment(&self, name: &str) -> Result<Option<SystemTime>, Thrown> {
        self.read(name, "a Date, or a number of milliseconds since 1970", |value| {
            let ms = value.as_f64().or_else(|| value::milliseconds(value).ok())?;
            // A moment before 1970 is over all the same.
            let since = milliseconds(if ms < 0.0 { 0.0 } else { ms })?;
            UNIX_EPOCH.checked_add(since)
        })
    }

    pub(crate) fn signal(&self) -> Result<Option<AbortSignal>, Thrown> {
        self.read("signal", "an AbortSignal", |value| value.dyn_ref::<AbortSignal>().cloned())
    }
}

/// An argument that must be a string. Without this check, bindings would take any value for a string, and write anywhere.
///
/// # Errors
/// It is something else.
pub(crate) fn text(value: &JsValue, what: &str) -> Result<String, Thrown> {
    value.as_string().ok_or_else(|| invalid(format!("{what}: expected a string")))
}

/// An argument that must be a string, or missing.
pub(crate) fn optional_text(value: &JsValue, what: &str) -> Result<String, Thrown> {
    if value.is_undefined() || value.is_null() { Ok(String::new()) } else { text(value, what) }
}

pub(crate) fn integer(value: &JsValue, most: u32) -> Option<u32> {
    value.as_f64().filter(|n| n.fract() == 0.0 && (0.0..=f64::from(most)).contains(n)).map(|n| n as u32)
}

fn many<T>(value: &JsValue, one: impl Fn(JsValue) -> Option<T>) -> Option<Vec<T>> {
    match value.dyn_ref::<Array>() {
        Some(array) => array.iter().map(one).collect(),
        None => Some(vec![one(value.clone())?]),
    }
}
