//! Prints tickets.

use std::io::IsTerminal;
use std::time::Duration;

use fast_qr::QRBuilder;
use paxoskv::ticket::{MAX_LEN, Ticket};
use paxoskv::{NativeNode, Secret};

use super::args::{Reach, TicketArgs};
use super::failure::{Exit, Failure};
use super::{logs, oneshot, output, secret};

/// How many addresses a ticket carries; more of them make the QR code larger than they help.
const MAX_ADDRESSES: usize = 8;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// Asks a node what a new one must know, and prints it.
pub(crate) async fn run(args: TicketArgs) -> Result<Exit, Failure> {
    let TicketArgs { reach, timeout } = args;
    let addresses = oneshot::addresses(&reach);
    let node = oneshot::observer(&reach, &addresses).await?;
    let made = tokio::select! {
        made = make(&node, &reach, timeout.unwrap_or(oneshot::TIMEOUT)) => made,
        refused = node.cluster().refused() => Err(refused.into()),
    };
    let made = match made {
        Err(failure) if failure.exit == Exit::Unavailable => {
            Err(oneshot::explain(&node, failure, &addresses).await)
        }
        made => made,
    };
    tokio::time::timeout(GOODBYE, node.leave()).await.ok();
    let text = made?.to_string();
    if text.len() > MAX_LEN {
        return Err(Failure::error("the ticket would be too long: shorten the secret or the cluster's name"));
    }
    output::line(&text)?;
    if std::io::stdout().is_terminal() {
        match QRBuilder::new(text).build() {
            Ok(code) => output::line(&code.to_str())?,
            Err(_) => logs::print_now("the ticket is too long for a QR code"),
        }
    }
    Ok(Exit::Done)
}

async fn make(node: &NativeNode, reach: &Reach, timeout: Duration) -> Result<Ticket, Failure> {
    let status = node.cluster().status().timeout(timeout).await?;
    let cluster_size = u8::try_from(status.cluster_size)
        .map_err(|_| Failure::error("the node tells of a cluster that is larger than one can be"))?;
    let secret = secret::read(reach.secret_file.as_deref()).await?;
    let mut addresses = node.known_addresses();
    // Those of one machine alone are of use where there are no others, which is on that machine.
    if !addresses.iter().all(|address| is_loopback(address)) {
        addresses.retain(|address| !is_loopback(address));
    }
    if addresses.is_empty() {
        addresses.clone_from(&reach.at);
    }
    addresses.truncate(MAX_ADDRESSES);
    if addresses.is_empty() {
        let message = "the cluster's nodes do not tell where they can be reached: say where one is with --at";
        return Err(Failure::error(message));
    }
    let secret = secret.as_ref().map(|secret: &Secret| secret.reveal().to_vec());
    Ok(Ticket { cluster: status.cluster, cluster_size, addresses, secret })
}

fn is_loopback(address: &str) -> bool {
    let starts = ["127.", "localhost:", "[::1]:", "ws://127.", "ws://localhost", "/ip4/127.", "/ip6/::1/"];
    starts.iter().any(|start| address.starts_with(start))
}
