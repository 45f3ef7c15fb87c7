//! CBOR for what goes over the wire, to disk, and between people, browsers and the cluster.
//!
//! What nodes say and store is described in full by the order of fields in the types (`docs/wire-format.md`): a struct is
//! an array of its fields. What users put is any CBOR at all; [`Reader`] and [`Writer`] are what JSON, JavaScript and
//! tickets are converted with.
//!
//! Reading trusts nothing: a length is checked against what is left of the input before anything is allocated, nesting
//! is bounded by [`MAX_DEPTH`], and [`Reader::end`] makes an error of bytes left over. Malformed input costs its sender
//! the connection and never more.
//!
//! ```
//! use paxoskv_core::codec::{Head, Reader, Writer};
//! let mut w = Writer::new();
//! w.array(2);
//! w.text("leader");
//! w.uint(1);
//! let bytes = w.finish();
//! assert_eq!(bytes, b"\x82\x66leader\x01");
//!
//! let mut r = Reader::new(&bytes);
//! let Head::Array(len) = r.head()? else { panic!("an array") };
//! let mut members = Vec::new();
//! r.members(len, |r| {
//!     members.push(match r.head()? {
//!         Head::Text(len) => r.text_of(len)?.into_owned(),
//!         Head::Positive(n) => n.to_string(),
//!         _ => return Err(r.malformed("a text or a number")),
//!     });
//!     Ok(())
//! })?;
//! r.end()?;
//! assert_eq!(members, ["leader", "1"]);
//! # Ok::<(), paxoskv_core::Malformed>(())
//! ```

mod canonical;
mod encoding;
mod head;
mod hex;
mod reader;
mod writer;

pub(crate) use canonical::{canonical, well_formed};
pub(crate) use encoding::{Wire, decode, encode, wire_enum, wire_struct};
pub use head::Head;
pub use hex::Hex;
pub use reader::{MAX_DEPTH, Malformed, Reader};
pub use writer::Writer;
