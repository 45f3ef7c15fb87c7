//! Ports in memory: for examples, tests, and nodes that need not remember.

mod network;
mod storage;
#[cfg(not(target_family = "wasm"))]
mod timer;

pub use network::{MemoryTransport, Network};
pub use storage::MemoryStorage;
#[cfg(not(target_family = "wasm"))]
pub use timer::SystemTimer;
