//! Where a command finds the cluster.

use std::path::PathBuf;

use clap::Args;

use super::parse::sizes;

#[derive(Args, Clone, Debug)]
pub(crate) struct Reach {
    /// Where a node is, host:port or ws://… or wss://… or a multiaddr; can be repeated [default: ports 7401 and
    /// following of this machine]
    #[arg(long, env = "PAXOSKV_AT", value_name = "ADDR", value_delimiter = ',')]
    pub(crate) at: Vec<String>,
    /// The cluster's name [default: whichever is there]
    #[arg(long, env = "PAXOSKV_CLUSTER", value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// How many seats the cluster has [default: whatever the nodes say]
    #[arg(long, env = "PAXOSKV_CLUSTER_SIZE", value_name = "N", value_parser = sizes())]
    pub(crate) cluster_size: Option<u8>,
    /// A file with the cluster's secret
    #[arg(long, env = "PAXOSKV_SECRET_FILE", value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
}
