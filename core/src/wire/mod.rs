//! The messages that nodes send to one another (`docs/wire-format.md`).
//!
//! A frame is one CBOR array of messages; a message is an array of its number and its fields.

mod failure;
mod frame;
mod message;
mod op;

pub(crate) use frame::{Messages, protocol_of};
pub use frame::{read_frame, write_frame};
pub use message::{Claim, Digest, Hello, Message};
pub use op::{Change, Cursor, Listed, Op, Outcome, Version};

/// The version of the wire format. Two nodes with different versions refuse each other.
pub const PROTOCOL: u32 = 1;
