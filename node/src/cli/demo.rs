//! A whole cluster in one process: real nodes on real sockets, with memory for disks.

use paxoskv::{FIRST_PORT, NativeNode, native};
use tokio::net::TcpListener;

use super::args::DemoArgs;
use super::failure::{Exit, Failure};
use super::shell;

/// The cluster's name.
const NAME: &str = "demo";

/// Runs the cluster, and a shell at its first node.
pub(crate) async fn run(args: DemoArgs) -> Result<Exit, Failure> {
    let mut listeners = Vec::new();
    for seat in 1..=args.cluster_size {
        listeners.push(
            listen(seat).await.map_err(|e| Failure::error(format!("cannot listen on 127.0.0.1: {e}")))?,
        );
    }
    let address = |listener: &TcpListener| listener.local_addr().map(|address| address.to_string());
    let addresses: Vec<String> = listeners
        .iter()
        .map(address)
        .collect::<Result<_, _>>()
        .map_err(|e| Failure::error(format!("cannot listen on 127.0.0.1: {e}")))?;
    let mut nodes = Vec::new();
    for (seat, listener) in (1..).zip(listeners) {
        let mut node = native(NAME).cluster_size(args.cluster_size).seat(seat).memory().listener(listener);
        for (_, other) in (1..).zip(&addresses).filter(|(other, _)| *other != seat) {
            node = node.join(other);
        }
        nodes.push(node.start().await?);
    }
    shell::run(&nodes, &introduction(&nodes)).await
}

/// The seat's usual port, or any that is free.
async fn listen(seat: u8) -> std::io::Result<TcpListener> {
    match TcpListener::bind(("127.0.0.1", FIRST_PORT + u16::from(seat))).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(("127.0.0.1", 0)).await,
    }
}

fn introduction(nodes: &[NativeNode]) -> String {
    let mut text = format!("A cluster of {} nodes in this process, in memory:", nodes.len());
    for node in nodes {
        if let (Some(seat), Some(address)) = (node.seat(), node.address()) {
            text += &format!("\n  {seat} listens on {address}");
        }
    }
    let first = nodes.first().and_then(|node| node.address());
    let at = first.filter(|first| first.port() != FIRST_PORT + 1).map(|first| format!(" --at {first}"));
    text + &format!(
        "\nTry `put leader me`, then `get leader` here, or `paxoskv get leader{}` in another terminal.",
        at.unwrap_or_default()
    )
}
