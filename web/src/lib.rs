//! PaxosKV for browser tabs: the npm package `paxoskv`, with a transport between tabs of one origin and storage in
//! IndexedDB.
//!
//! The API for JavaScript is described in its TypeScript types (`js/types.d.ts`). Everything but the conversion of values
//! needs a browser, so natively this crate is nearly empty.
//!
//! | module | what |
//! |---|---|
//! | `api` | `join` and all that comes of it: the cluster's handle, sessions, locks, elections, values, errors |
//! | `tabs` | links between the tabs of one origin, and seats |
//! | `indexed_db` | a seat's store |
//! | `timer` | the clock |

mod api;
#[cfg(target_family = "wasm")]
mod browser;
#[cfg(target_family = "wasm")]
mod indexed_db;
#[cfg(target_family = "wasm")]
mod page;
#[cfg(target_family = "wasm")]
mod tabs;
#[cfg(target_family = "wasm")]
mod timer;

#[cfg(target_family = "wasm")]
pub use api::join;
