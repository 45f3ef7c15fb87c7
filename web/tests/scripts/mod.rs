//! Runs a script that uses the package.

#![allow(clippy::expect_used)] // a test that cannot go on has failed

use js_sys::{Function, Promise};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Functions for comparing in scripts: values of all types but functions, including the order of their parts.
const HELP: &str = r#"
const show = (value) => {
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null || value instanceof Date) return String(value) + typeof value;
  if (Array.isArray(value)) return `[${value.map(show)}]`;
  return `{${Object.entries(value).map(([name, part]) => `${name}: ${show(part)}`)}}`;
};
const equal = (left, right) => {
  if (show(left) !== show(right)) throw new Error(`${show(left)} is not ${show(right)}`);
};
const fails = async (promise) => {
  let value;
  try { value = await promise; } catch (error) { return error; }
  throw new Error(`should have failed, but came to ${show(value)}`);
};
"#;

/// Runs the body of an asynchronous function, for which `join`, `equal` and `fails` are there.
pub(crate) async fn run(script: &str) {
    let join = Closure::<dyn Fn(JsValue, JsValue) -> Promise>::new(paxoskv_web::join);
    let body = format!("{HELP} return (async () => {{ {script} \n}})()");
    let started =
        Function::new_with_args("join", &body).call1(&JsValue::UNDEFINED, join.as_ref().unchecked_ref());
    let finished =
        JsFuture::from(started.expect("a script that can be read").unchecked_into::<Promise>()).await;
    if let Err(error) = finished {
        panic!("{:?}", error);
    }
}
