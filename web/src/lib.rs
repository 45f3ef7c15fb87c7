//! PaxosKV for browser tabs: the npm package `paxoskv`, with a transport between tabs of one origin and storage in
//! IndexedDB.

#[cfg(target_family = "wasm")]
mod browser;
#[cfg(target_family = "wasm")]
mod indexed_db;
#[cfg(target_family = "wasm")]
mod tabs;
#[cfg(target_family = "wasm")]
mod timer;
