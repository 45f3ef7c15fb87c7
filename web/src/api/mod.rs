//! The JavaScript API.
//!
//! Each method that takes time reads its arguments at once, so that a caller may change them afterwards, and returns a
//! promise. To abort its signal drops the future behind it, which cancels the call in the core.
//!
//! What a JavaScript object stands for never ends because that object was collected as garbage: sessions, locks and
//! the node itself are owned by tasks, and end when they are told to.

mod value;

#[cfg(target_family = "wasm")]
mod cancel;
#[cfg(target_family = "wasm")]
mod cluster;
#[cfg(target_family = "wasm")]
mod election;
#[cfg(target_family = "wasm")]
mod error;
#[cfg(target_family = "wasm")]
mod held;
#[cfg(target_family = "wasm")]
mod iterate;
#[cfg(target_family = "wasm")]
mod join;
#[cfg(target_family = "wasm")]
mod libp2p;
#[cfg(target_family = "wasm")]
mod objects;
#[cfg(target_family = "wasm")]
mod options;
#[cfg(target_family = "wasm")]
mod parts;
#[cfg(target_family = "wasm")]
mod plan;
#[cfg(target_family = "wasm")]
mod session;
#[cfg(target_family = "wasm")]
mod tab;
#[cfg(target_family = "wasm")]
mod types;
#[cfg(target_family = "wasm")]
mod watched;

#[cfg(target_family = "wasm")]
pub use join::join;
