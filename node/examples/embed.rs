//! A program that is a node itself, on tokio: three of them in one process here, each with a port and a store of its
//! own, as three programs on three machines would be.

use std::error::Error;
use std::time::Duration;

use paxoskv::{NativeNode, native};
use tokio::net::TcpListener;

const TIMEOUT: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Free ports, so that this runs beside anything. Without these lines, seat 1 listens on 127.0.0.1:7401 and so on.
    let mut listeners = Vec::new();
    for _ in 0..3 {
        listeners.push(TcpListener::bind("127.0.0.1:0").await?);
    }
    let addresses: Vec<String> = listeners
        .iter()
        .map(|listener| Ok(listener.local_addr()?.to_string()))
        .collect::<std::io::Result<_>>()?;

    let mut nodes: Vec<NativeNode> = Vec::new();
    for (seat, listener) in (1..).zip(listeners) {
        // In memory; `.data(folder)` keeps the seat's vote on disk, as a seat that comes back needs it.
        let mut builder = native("demo").seat(seat).memory().listener(listener);
        for address in &addresses {
            builder = builder.join(address);
        }
        nodes.push(builder.start().await?);
    }

    // All of them are one cluster: who puts first is found by the others.
    for (node, name) in nodes.iter().zip(["anna", "bert", "carla"]) {
        let chosen = node.cluster().put("leader", name).timeout(TIMEOUT).await?;
        println!("{name} finds {}, token {}", chosen.value::<String>()?, chosen.generation());
        assert_eq!(chosen.value::<String>()?, "anna");
    }

    for node in nodes {
        node.leave().await;
        node.stopped().await?;
    }
    Ok(())
}
