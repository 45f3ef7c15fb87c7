//! Values from JavaScript and back, in JavaScript: the golden vectors that `tests/golden.rs` reads natively, and what
//! is refused.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed

use js_sys::{Function, JSON, Reflect};
use paxoskv_core::codec::Hex;
use wasm_bindgen::JsValue;
use wasm_bindgen_test::wasm_bindgen_test;

use super::{key, to_js, value};

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

const GOLDEN: &str = include_str!("../../../tests/golden/values.tsv");

fn eval(expression: &str) -> JsValue {
    Function::new_no_args(&format!("return ({expression})")).call0(&JsValue::UNDEFINED).expect(expression)
}

fn hex(bytes: &[u8]) -> String {
    Hex(bytes).to_string()
}

fn unhex(text: &str) -> Vec<u8> {
    Hex::decode(text).unwrap()
}

/// A text that says all there is to say about a value, its class and the order of its parts included.
fn shown(value: &JsValue) -> String {
    let show = Function::new_with_args(
        "value",
        r#"
        const show = (value) => {
            if (Object.is(value, -0)) return "-0";
            if (typeof value === "bigint") return `${value}n`;
            if (typeof value === "string") return JSON.stringify(value);
            if (typeof value !== "object" || value === null) return String(value);
            const name = value.constructor.name;
            if (value instanceof Date) return `Date(${value.getTime()})`;
            const parts = Array.isArray(value) || ArrayBuffer.isView(value)
                ? Array.from(value, show)
                : [...(value instanceof Map || value instanceof Set ? value : Object.entries(value))].map(show);
            return `${name}(${parts.join(", ")})`;
        };
        return show(value);
        "#,
    );
    show.call1(&JsValue::UNDEFINED, value).unwrap().as_string().unwrap()
}

#[wasm_bindgen_test]
fn javascript_writes_what_rust_writes_and_reads_it_again() {
    for line in GOLDEN.lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (kind, cbor, javascript) = (columns[0], columns[1], columns[2]);
        let expected = eval(javascript);
        let written = match kind {
            "key" => Some(hex(key(&expected).unwrap().cbor())),
            "value" | "lossy" => Some(hex(value(&expected).unwrap().cbor())),
            _ => None,
        };
        assert_eq!(written.as_deref().unwrap_or(cbor), cbor, "{line}");
        let read = to_js(&unhex(cbor)).unwrap();
        match kind {
            // A key is read in the one order that its encoding has, and small BigInts as numbers.
            "key" => assert_eq!(hex(key(&read).unwrap().cbor()), cbor, "{line}"),
            "lossy" => assert_eq!(hex(value(&read).unwrap().cbor()), cbor, "{line}"),
            _ => assert_eq!(shown(&read), shown(&expected), "{line}"),
        }
    }
}

#[wasm_bindgen_test]
fn what_cannot_be_put_is_named_with_the_path_to_it() {
    for (expression, expected) in [
        ("() => 1", "value: a function cannot be put"),
        ("Symbol('s')", "value: a symbol cannot be put"),
        ("({ user: { tags: [1, () => 1] } })", "value.user.tags[1]: a function cannot be put"),
        (
            "[new (class Dog {})()]",
            "value[0]: an instance of Dog cannot be put: put an object of its properties",
        ),
        (
            "new Map([[1, /x/]])",
            "value.values()[0]: an instance of RegExp cannot be put: put an object of its properties",
        ),
        ("new Map([[Symbol(), 1]])", "value.keys()[0]: a symbol cannot be put"),
        ("({ get broken() { throw 1 } })", "value.broken: it cannot be read: unknown error"),
        ("'\\ud800'", "value: a string with half of a surrogate pair cannot be put"),
        ("({ '\\udfff': 1 })", "value.\u{fffd}: a string with half of a surrogate pair cannot be put"),
        ("new DataView(new ArrayBuffer(1))", "value: a DataView cannot be put"),
        (
            "(() => { const a = {}; a.self = a; return a })()",
            "value.self.self.self.self.self.self.self.self…: it contains itself",
        ),
        (
            "(() => { let a = 1; for (let i = 0; i < 64; i++) a = [a]; return a })()",
            "value[0][0][0][0][0][0][0][0]…: nested deeper than 64 levels",
        ),
    ] {
        assert_eq!(value(&eval(expression)).unwrap_err().to_string(), expected, "{expression}");
    }
    assert!(value(&eval("(() => { let a = 1; for (let i = 0; i < 63; i++) a = [a]; return a })()")).is_ok());
    // One key twice, once it is an integer.
    assert_eq!(key(&eval("new Map([[1, 0], [1n, 0]])")).unwrap_err().code(), "InvalidArgument");
}

/// An exception that flies past Rust leaves the stack of WebAssembly where it was; a thousand of them would be its end.
#[wasm_bindgen_test]
fn what_throws_while_it_is_read_is_refused_and_does_no_harm() {
    for expression in [
        "Object.defineProperty([1], 0, { get() { throw new Error('no') } })",
        "new Proxy([1], { get() { throw new Error('no') } })",
        "new Proxy(new Date(), {})",
        "new Proxy(new Map([[1, 2]]), {})",
        "new Proxy(new Set([1]), {})",
        "new Proxy(new Uint8Array(1), {})",
        "new Proxy(new Float64Array(1), {})",
        "new Proxy({}, { ownKeys() { throw new Error('no') } })",
        "new Proxy({}, { getPrototypeOf() { throw new Error('no') } })",
        "(() => { const made = Proxy.revocable({}, {}); made.revoke(); return made.proxy })()",
        "(() => { const buffer = new ArrayBuffer(8); structuredClone(buffer, { transfer: [buffer] }); return buffer })()",
        "(() => { const view = new Uint8Array(8); structuredClone(view.buffer, { transfer: [view.buffer] }); return view })()",
        "(() => { const view = new Int16Array(8); structuredClone(view.buffer, { transfer: [view.buffer] }); return view })()",
        "Object.create(Date.prototype)",
        "Object.create(Map.prototype)",
        "Object.create(Uint8Array.prototype)",
        "Object.create(Float32Array.prototype)",
        "({ get broken() { throw new Error('no') } })",
    ] {
        let unfit = eval(expression);
        for _ in 0..2000 {
            assert_eq!(value(&unfit).unwrap_err().code(), "InvalidArgument", "{expression}");
        }
    }
}

#[wasm_bindgen_test]
fn what_is_no_cbor_is_an_error_and_allocates_nothing() {
    for bad in ["", "0000", "ff", "5a00ffffff00", "9b7fffffffffffffff", "61ff", "7f41ffff", "1c", "f8ff"] {
        assert_eq!(to_js(&unhex(bad)).unwrap_err().code(), "InvalidArgument", "{bad}");
    }
    assert!(to_js(&vec![0x81; 100_000]).is_err());
}

#[wasm_bindgen_test]
fn the_rest_of_an_object_is_left_alone() {
    let put = eval("({ a: 1, [Symbol('x')]: 2, f: undefined })");
    assert_eq!(hex(value(&put).unwrap().cbor()), "a26161016166f7");
    let read = to_js(&unhex("a1695f5f70726f746f5f5fa0")).unwrap();
    assert!(Reflect::has(&read, &"__proto__".into()).unwrap());
    assert_eq!(JSON::stringify(&read).unwrap().as_string().unwrap(), r#"{"__proto__":{}}"#);
}
