//! PaxosKV for browser tabs: the npm package `paxoskv`, with a transport between tabs of one origin and storage in
//! IndexedDB.
//!
//! What JavaScript sees is described where its users look, in the TypeScript types (`js/types.d.ts`); here is how it
//! comes about. Everything but the conversion of values needs a browser, so natively this crate is nearly empty.
//!
//! | module | what |
//! |---|---|
//! | `api` | `join` and all that it gives: the cluster's handle, sessions, locks, elections, values, errors |

mod api;

#[cfg(target_family = "wasm")]
mod timer;
