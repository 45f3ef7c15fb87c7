//! PaxosKV for browser tabs: the npm package `paxoskv`, with a transport between tabs of one origin and storage in
//! IndexedDB.
//!
//! Nothing is here yet but this description. The core compiles to wasm32 already; the bindings, the tabs' transport
//! and the page have their own place in the project's plan.
