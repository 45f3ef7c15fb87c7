//! PaxosKV's links over libp2p, native and in browsers: QUIC, relays, discovery on a local network.
//!
//! Nothing is here yet but this description. The port that this will fill is
//! `paxoskv_core::Transport`, and `paxoskv-transport-ws` is the example of one.
