//! The JavaScript API.
//!
//! Each method that takes time reads its arguments at once, so that a caller may change them afterwards, and returns a
//! promise. When its signal is aborted, the future behind the promise is dropped, which cancels the call in the core.
//!
//! Garbage collection of a JavaScript object ends nothing: tasks own the sessions, the locks and the node itself, which end
//! when a method ends them.

mod value;

#[cfg(target_family = "wasm")]
mod call;
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
#[cfg(all(target_family = "wasm", feature = "libp2p"))]
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
mod ticket;
#[cfg(target_family = "wasm")]
mod types;
#[cfg(target_family = "wasm")]
mod watched;

#[cfg(target_family = "wasm")]
pub use join::join;
