//! Links over libp2p, in the build that has them.

#[cfg(feature = "libp2p")]
pub(super) use inner::transport;
pub(super) use inner::{check, ticket};

#[cfg(feature = "libp2p")]
mod inner {
    use paxoskv_core::Error;
    use paxoskv_links::ticket::Ticket as Line;
    use paxoskv_links::{LinkSettings, Secret};
    use paxoskv_transport_libp2p::address::Address;
    use paxoskv_transport_libp2p::{Libp2pConfig, Libp2pTransport};

    use crate::api::error::{Thrown, invalid};
    use crate::api::plan::{Plan, Ticket};

    /// Whether these are multiaddrs.
    pub(crate) fn check(addresses: &[String]) -> Result<(), Thrown> {
        for address in addresses {
            address
                .parse::<Address>()
                .map_err(|why| invalid(format!("options.libp2p: {address:?} is {why}")))?;
        }
        Ok(())
    }

    /// Reads a ticket. A browser dials WebSockets only.
    pub(crate) fn ticket(text: &str) -> Result<Ticket, Thrown> {
        let line: Line = text.parse().map_err(|why| invalid(format!("options.ticket: {why}")))?;
        let (libp2p, ws): (Vec<_>, Vec<_>) = line.addresses.into_iter().partition(|at| at.starts_with('/'));
        let libp2p: Vec<_> =
            libp2p.into_iter().filter(|at| at.contains("/ws") || at.contains("/p2p-circuit")).collect();
        if libp2p.is_empty() && ws.is_empty() {
            return Err(invalid(
                "options.ticket: it has no address that a browser can dial; a node of the cluster has to listen on \
                 one, as with --libp2p-listen /ip4/0.0.0.0/tcp/7421/ws",
            ));
        }
        let cluster_size = Some(line.cluster_size);
        let secret = line.secret.and_then(|secret| Secret::new(&secret).ok());
        Ok(Ticket { cluster: line.cluster, cluster_size, ws, libp2p, secret })
    }

    /// The transport, if there is somebody to dial.
    pub(crate) async fn transport(plan: &Plan, seat: Option<u8>) -> Result<Option<Libp2pTransport>, Thrown> {
        if plan.libp2p.is_empty() {
            return Ok(None);
        }
        let config = Libp2pConfig {
            cluster: Some(plan.name.clone()),
            secret: plan.secret.clone(),
            link: LinkSettings { max_frame: plan.settings.max_frame, ..LinkSettings::default() },
            // Seats are linked to each other, also those of two browsers; an observer is content with what it dials.
            wait_at_relays: seat.is_some(),
            ..Libp2pConfig::default()
        };
        let transport = Libp2pTransport::new(config).await;
        transport.map(Some).map_err(|why| Error::Refused { why: why.to_string() }.into())
    }
}

#[cfg(not(feature = "libp2p"))]
mod inner {
    use crate::api::error::{Thrown, invalid};
    use crate::api::plan::Ticket;

    /// Nor is there anything that could read it.
    pub(crate) fn ticket(_: &str) -> Result<Ticket, Thrown> {
        Err(invalid("options.ticket: this build takes none; import \"paxoskv/libp2p\" instead"))
    }

    /// There is nothing that could dial them.
    pub(crate) fn check(addresses: &[String]) -> Result<(), Thrown> {
        match addresses {
            [] => Ok(()),
            _ => Err(invalid("options.libp2p: this build has no libp2p; import \"paxoskv/libp2p\" instead")),
        }
    }
}
