//! What the fuzz targets in `targets/` share.
//!
//! | module | what |
//! |---|---|
//! | [`bytes`] | decisions that are read from the fuzzer's bytes |
//! | [`cbor`] | CBOR, written a second time from RFC 8949, to compare the project's own with |
//! | [`handshake`] | two sides of a connection, with an attacker in the middle |
//! | [`heap`] | how much memory something takes |
//! | [`records`] | what a store holds, as records |
//! | [`wire`] | messages of other nodes |
//! | [`node`] | one real node, stepped by hand, with what must hold after each step |
//! | [`peers`] | the other seats, which answer truthfully |
//! | [`rules`] | what must hold of what a node writes and sends |

pub mod bytes;
pub mod cbor;
pub mod handshake;
pub mod heap;
pub mod node;
pub mod peers;
pub mod records;
pub mod rules;
pub mod wire;
