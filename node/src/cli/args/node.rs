//! `node` and `demo`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use paxoskv::ticket::Ticket;

use super::parse::{sizes, time};

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// How many nodes the cluster has
    #[arg(long, env = "PAXOSKV_CLUSTER_SIZE", value_name = "N", default_value_t = 3, value_parser = sizes())]
    pub(crate) cluster_size: u8,
}

#[derive(Args, Debug)]
#[command(after_help = "\
`paxoskv node 1`, `paxoskv node 2` and `paxoskv node 3` in three terminals find one another: each looks for the \
others on ports 7401 and following of this machine, or else at the addresses of --join.")]
pub(crate) struct NodeArgs {
    /// The seat to take, from 1 to the cluster's size, or `_`: the lowest that is free on this machine [default with a
    /// ticket: the seat that this machine had, else the lowest that is free in the cluster]
    #[arg(env = "PAXOSKV_SEAT", value_name = "SEAT|_", required_unless_present = "ticket")]
    pub(crate) seat: Option<SeatArg>,
    /// What `paxoskv ticket` printed: the cluster's name and size, where its nodes are, and its secret
    #[arg(long, env = "PAXOSKV_TICKET", value_name = "TICKET",
          conflicts_with_all = ["cluster", "cluster_size", "secret_file"])]
    pub(crate) ticket: Option<Ticket>,
    /// Read commands from the terminal, or from a pipe; the node leaves at the end of the input
    #[arg(long, env = "PAXOSKV_SHELL", action = ArgAction::SetTrue)]
    pub(crate) shell: bool,
    /// The cluster's name
    #[arg(long, env = "PAXOSKV_CLUSTER", value_name = "NAME", default_value = "default")]
    pub(crate) cluster: String,
    /// How many seats the cluster has
    #[arg(long, env = "PAXOSKV_CLUSTER_SIZE", value_name = "N", default_value_t = 3, value_parser = sizes())]
    pub(crate) cluster_size: u8,
    /// The folder for this seat's data [default: $XDG_DATA_HOME/paxoskv/CLUSTER/SEAT]; with `_`, one for each seat
    /// in it
    #[arg(long, env = "PAXOSKV_DATA", value_name = "DIR", conflicts_with = "memory")]
    pub(crate) data: Option<PathBuf>,
    /// Keep the data in memory: when the node stops, its vote is lost, and the seat with it
    #[arg(long, env = "PAXOSKV_MEMORY", action = ArgAction::SetTrue)]
    pub(crate) memory: bool,
    /// Where to listen [default: 127.0.0.1, port 7400 + SEAT]; beyond loopback only with a secret
    #[arg(long, env = "PAXOSKV_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where another node is, host:port or ws://… or wss://…, or for libp2p a multiaddr; can be repeated [default: the
    /// usual ports of this machine; with libp2p and a secret, all nodes on the local network]
    #[arg(long, env = "PAXOSKV_JOIN", value_name = "ADDR", value_delimiter = ',')]
    pub(crate) join: Vec<String>,
    /// How seats link to one another [default: ws; with a ticket, as it says]
    #[arg(long, env = "PAXOSKV_TRANSPORT", value_delimiter = ',')]
    pub(crate) transport: Vec<TransportArg>,
    /// Where to listen over libp2p, like /ip4/0.0.0.0/tcp/7411 or /ip4/0.0.0.0/udp/7411/quic-v1 or, for WebSocket,
    /// /ip4/0.0.0.0/tcp/7421/ws; can be repeated [default: /ip4/0.0.0.0/tcp/0 with a secret, else
    /// /ip4/127.0.0.1/tcp/, port 7410 + SEAT]
    #[arg(long, env = "PAXOSKV_LIBP2P_LISTEN", value_name = "MULTIADDR", value_delimiter = ',')]
    pub(crate) libp2p_listen: Vec<String>,
    /// A file with the cluster's secret, which all its nodes share
    #[arg(long, env = "PAXOSKV_SECRET_FILE", value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// A web page's origin, like https://example.org, that may link to this node; can be repeated
    #[arg(long, env = "PAXOSKV_ALLOW_ORIGIN", value_name = "URL", value_delimiter = ',')]
    pub(crate) allow_origin: Vec<String>,
    /// A name by which others call this machine, like example.org; can be repeated
    #[arg(long, env = "PAXOSKV_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    pub(crate) allow_host: Vec<String>,
    /// A peer that is silent for this long is suspected; at least 60ms
    #[arg(long, env = "PAXOSKV_PEER_TIMEOUT", value_name = "TIME", default_value = "3s", value_parser = time)]
    pub(crate) peer_timeout: Duration,
    /// The sessions of a node end when a quorum has suspected it for this long, and keys that are bound to them become
    /// vacant; the same for all seats; at least 20ms
    #[arg(long, env = "PAXOSKV_SESSION_GRACE", value_name = "TIME", default_value = "1s", value_parser = time)]
    pub(crate) session_grace: Duration,
}

/// A seat, or the lowest that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeatArg {
    Lowest,
    Seat(u8),
}

impl std::str::FromStr for SeatArg {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "_" => Ok(Self::Lowest),
            Ok(seat) if paxoskv::Seat::new(seat).is_some() => Ok(Self::Seat(seat)),
            _ => Err(format!("expected a seat from 1 to {}, or _", paxoskv::Seat::MAX)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransportArg {
    /// WebSocket
    Ws,
    /// libp2p: TCP, QUIC, relays, nodes that find each other on the local network
    Libp2p,
}
