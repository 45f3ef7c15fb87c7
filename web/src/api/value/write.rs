//! From JavaScript to CBOR.

use js_sys::{Array, ArrayBuffer, BigInt, Date, JsString, Map, Reflect, Set, Uint8Array};
use paxoskv_core::Error;
use paxoskv_core::codec::{Head, MAX_DEPTH, Writer};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

use super::numbers;
use crate::browser::describe;

/// How many steps of a path a message shows.
const STEPS: usize = 8;

/// What CBOR, or this library, has no item for.
struct Unfit {
    /// Where it is, from the innermost step to the outermost.
    path: Vec<String>,
    why: String,
}

impl Unfit {
    fn new(why: impl Into<String>) -> Self {
        Self { path: Vec::new(), why: why.into() }
    }

    fn at(mut self, step: impl FnOnce() -> String) -> Self {
        self.path.push(step());
        self
    }
}

/// What is thrown while an object is read.
impl From<JsValue> for Unfit {
    fn from(thrown: JsValue) -> Self {
        Self::new(format!("it cannot be read: {}", describe(&thrown)))
    }
}

type Written = Result<(), Unfit>;

// All that can run code of the page's, or find an object that is not what it seems to be: a proxy, a getter that throws, a
// buffer that was given away. What is thrown there must not fly past Rust, whose stack would stay where it was.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = Array, js_name = isArray)]
    fn is_array(value: &JsValue) -> Result<bool, JsValue>;

    /// The members as they are now, in an array that is nothing but that.
    #[wasm_bindgen(catch, js_namespace = Array, js_name = from)]
    fn members(value: &JsValue) -> Result<Array, JsValue>;

    #[wasm_bindgen(catch, js_namespace = Object, js_name = keys)]
    fn keys(object: &JsValue) -> Result<Array, JsValue>;

    #[wasm_bindgen(catch, js_namespace = Object, js_name = getPrototypeOf)]
    fn prototype_of(object: &JsValue) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(extends = Uint8Array, js_name = Uint8Array)]
    type Bytes;

    #[wasm_bindgen(catch, constructor, js_class = "Uint8Array")]
    fn copied(from: &JsValue) -> Result<Bytes, JsValue>;

    #[wasm_bindgen(catch, constructor, js_class = "Uint8Array")]
    fn viewed(buffer: &JsValue, offset: &JsValue, length: &JsValue) -> Result<Bytes, JsValue>;

    #[wasm_bindgen(extends = Date, js_name = Date)]
    type Moment;

    #[wasm_bindgen(catch, method, js_class = "Date", js_name = getTime)]
    fn milliseconds(this: &Moment) -> Result<f64, JsValue>;
}

/// The time of a date, in milliseconds since 1970.
pub(crate) fn milliseconds(date: &JsValue) -> Result<f64, JsValue> {
    date.unchecked_ref::<Moment>().milliseconds()
}

/// The data item for a value; `what` it is begins the path to what cannot be written.
pub(super) fn encode(value: &JsValue, what: &str) -> Result<Vec<u8>, Error> {
    let mut encoder = Encoder { out: Writer::new(), around: Vec::new() };
    match encoder.item(value, MAX_DEPTH) {
        Ok(()) => Ok(encoder.out.finish()),
        Err(Unfit { path, why }) => {
            let rest = if path.len() > STEPS { "…" } else { "" };
            let path: String = path.into_iter().rev().take(STEPS).collect();
            Err(Error::invalid(format!("{what}{path}{rest}: {why}")))
        }
    }
}

struct Encoder {
    out: Writer,
    /// The objects that are being written, from the outside in.
    around: Vec<JsValue>,
}

impl Encoder {
    fn item(&mut self, value: &JsValue, depth: usize) -> Written {
        let Some(depth) = depth.checked_sub(1) else { return Err(self.too_deep(value)) };
        if let Some(string) = value.dyn_ref::<JsString>() {
            self.text(string)?;
        } else if let Some(x) = value.as_f64() {
            numbers::number(x, &mut self.out);
        } else if value.is_undefined() {
            self.out.head(Head::UNDEFINED);
        } else if value.is_null() {
            self.out.head(Head::NULL);
        } else if let Some(yes) = value.as_bool() {
            self.out.head(Head::boolean(yes));
        } else if let Some(big) = value.dyn_ref::<BigInt>() {
            self.big(big)?;
        } else if value.is_function() {
            return Err(Unfit::new("a function cannot be put"));
        } else if value.is_symbol() {
            return Err(Unfit::new("a symbol cannot be put"));
        } else {
            self.around.push(value.clone());
            self.object(value, depth)?;
            self.around.pop();
        }
        Ok(())
    }

    /// Why this is refused. What contains itself never ends, so it is found when it is too deep.
    fn too_deep(&self, value: &JsValue) -> Unfit {
        let again = |(at, object): (usize, &JsValue)| self.around[..at].contains(object);
        if self.around.contains(value) || self.around.iter().enumerate().any(again) {
            return Unfit::new("it contains itself");
        }
        Unfit::new(format!("nested deeper than {MAX_DEPTH} levels"))
    }

    fn tag(&mut self, tag: u64) {
        self.out.head(Head::Tag(tag));
    }

    fn text(&mut self, string: &JsString) -> Written {
        let text = String::from(string);
        // This is what half of a surrogate pair has become.
        if text.chars().any(|c| c == char::REPLACEMENT_CHARACTER) && !string.is_valid_utf16() {
            return Err(Unfit::new("a string with half of a surrogate pair cannot be put"));
        }
        self.out.text(&text);
        Ok(())
    }

    fn big(&mut self, big: &BigInt) -> Written {
        let zero = BigInt::from(0);
        let negative = *big < zero;
        // CBOR has -1 - n, which is n with all bits inverted.
        let written = if negative { !big } else { big.clone() };
        let digits = written.to_string(16).map_err(|_| Unfit::new("a number without digits"))?;
        numbers::big(negative, &String::from(digits), &mut self.out);
        Ok(())
    }

    fn object(&mut self, value: &JsValue, depth: usize) -> Written {
        if is_array(value)? {
            self.array(&members(value)?, depth)?;
        } else if value.has_type::<Uint8Array>() || value.has_type::<ArrayBuffer>() {
            self.out.bytes(&Bytes::copied(value)?.to_vec());
        } else if ArrayBuffer::is_view(value.unchecked_ref()) {
            self.typed_array(value, depth)?;
        } else if value.has_type::<Date>() {
            checked(depth, "a date")?;
            self.tag(1);
            numbers::number(milliseconds(value)? / 1000.0, &mut self.out);
        } else if value.has_type::<Map>() {
            self.map(&members(value)?, depth)?;
        } else if value.has_type::<Set>() {
            self.tag(258);
            let Some(depth) = depth.checked_sub(1) else { return Err(self.too_deep(value)) };
            self.array(&members(value)?, depth)?;
        } else {
            self.plain(value, depth)?;
        }
        Ok(())
    }

    fn array(&mut self, array: &Array, depth: usize) -> Written {
        self.out.array(array.length() as usize);
        for at in 0..array.length() {
            self.item(&array.get(at), depth).map_err(|unfit| unfit.at(|| format!("[{at}]")))?;
        }
        Ok(())
    }

    fn typed_array(&mut self, view: &JsValue, depth: usize) -> Written {
        checked(depth, "a typed array")?;
        let name = class(view);
        let Some((_, tag)) = super::read::TYPED_ARRAYS.iter().find(|(known, _)| *known == name) else {
            return Err(Unfit::new(format!("a {name} cannot be put")));
        };
        let part = |name: &str| Reflect::get(view, &name.into());
        let bytes = Bytes::viewed(&part("buffer")?, &part("byteOffset")?, &part("byteLength")?)?;
        self.tag(*tag);
        self.out.bytes(&bytes.to_vec());
        Ok(())
    }

    /// A map, as an array of its pairs.
    fn map(&mut self, pairs: &Array, depth: usize) -> Written {
        let pair = |at: u32| -> (JsValue, JsValue) {
            let pair: Array = pairs.get(at).unchecked_into();
            (pair.get(0), pair.get(1))
        };
        let mut depth = depth;
        if (0..pairs.length()).all(|at| pair(at).0.is_string()) {
            self.tag(259);
            depth = checked(depth, "a Map")?;
        }
        self.out.map(pairs.length() as usize);
        for at in 0..pairs.length() {
            let (key, value) = pair(at);
            self.item(&key, depth).map_err(|unfit| unfit.at(|| format!(".keys()[{at}]")))?;
            self.item(&value, depth).map_err(|unfit| unfit.at(|| format!(".values()[{at}]")))?;
        }
        Ok(())
    }

    /// An object that is nothing but its properties.
    fn plain(&mut self, value: &JsValue, depth: usize) -> Written {
        let prototype = prototype_of(value)?;
        // Of whatever window it is, `Object.prototype` is what has no prototype itself.
        let is_plain = prototype.is_falsy() || prototype_of(&prototype)?.is_falsy();
        if !is_plain {
            let name = class(value);
            return Err(Unfit::new(format!(
                "an instance of {name} cannot be put: put an object of its properties"
            )));
        }
        let keys = keys(value)?;
        self.out.map(keys.length() as usize);
        for key in keys.iter() {
            let step = || format!(".{}", key.as_string().unwrap_or_default());
            self.item(&key, depth).map_err(|unfit| unfit.at(step))?;
            let member = Reflect::get(value, &key).map_err(|thrown| Unfit::from(thrown).at(step))?;
            self.item(&member, depth).map_err(|unfit| unfit.at(step))?;
        }
        Ok(())
    }
}

/// A tag takes a level, too.
fn checked(depth: usize, what: &str) -> Result<usize, Unfit> {
    depth.checked_sub(1).ok_or_else(|| Unfit::new(format!("{what} nested deeper than {MAX_DEPTH} levels")))
}

/// The name of an object's class, for messages.
fn class(value: &JsValue) -> String {
    let constructor = Reflect::get(value, &"constructor".into()).unwrap_or_default();
    let name = Reflect::get(&constructor, &"name".into()).unwrap_or_default();
    name.as_string().unwrap_or_else(|| "an unnamed class".into())
}
