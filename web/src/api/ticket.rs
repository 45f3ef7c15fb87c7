//! Tickets and multiaddrs, which only the build with libp2p takes.

use paxoskv_links::Secret;

use super::error::{Thrown, invalid};

/// What a ticket says of the cluster.
#[derive(Default)]
pub(crate) struct Ticket {
    pub(crate) cluster: String,
    pub(crate) cluster_size: Option<u8>,
    /// Addresses that a browser can dial.
    pub(crate) ws: Vec<String>,
    pub(crate) libp2p: Vec<String>,
    pub(crate) secret: Option<Secret>,
}

/// Reads a ticket. A browser dials WebSockets only.
#[cfg(feature = "libp2p")]
pub(crate) fn read(text: &str) -> Result<Ticket, Thrown> {
    let line: paxoskv_links::ticket::Ticket =
        text.parse().map_err(|why| invalid(format!("options.ticket: {why}")))?;
    let (libp2p, ws): (Vec<_>, Vec<_>) = line.addresses.into_iter().partition(|at| at.starts_with('/'));
    let libp2p: Vec<_> =
        libp2p.into_iter().filter(|at| at.contains("/ws") || at.contains("/p2p-circuit")).collect();
    if libp2p.is_empty() && ws.is_empty() {
        return Err(invalid(
            "options.ticket: it has no address that a browser can dial; a node of the cluster has to listen on one, as \
             with --libp2p-listen /ip4/0.0.0.0/tcp/7421/ws",
        ));
    }
    let cluster_size = Some(line.cluster_size);
    let secret = line.secret.and_then(|secret| Secret::new(&secret).ok());
    Ok(Ticket { cluster: line.cluster, cluster_size, ws, libp2p, secret })
}

/// Refuses a ticket.
#[cfg(not(feature = "libp2p"))]
pub(crate) fn read(_: &str) -> Result<Ticket, Thrown> {
    Err(invalid("options.ticket: this build takes none; import \"paxoskv/libp2p\" instead"))
}

/// Checks that these are multiaddrs.
#[cfg(feature = "libp2p")]
pub(crate) fn check_multiaddrs(addresses: &[String]) -> Result<(), Thrown> {
    for address in addresses {
        address
            .parse::<paxoskv_transport_libp2p::address::Address>()
            .map_err(|why| invalid(format!("options.libp2p: {address:?} is {why}")))?;
    }
    Ok(())
}

/// Refuses multiaddrs.
#[cfg(not(feature = "libp2p"))]
pub(crate) fn check_multiaddrs(addresses: &[String]) -> Result<(), Thrown> {
    match addresses {
        [] => Ok(()),
        _ => Err(invalid("options.libp2p: this build has no libp2p; import \"paxoskv/libp2p\" instead")),
    }
}
