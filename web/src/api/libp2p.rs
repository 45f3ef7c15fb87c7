//! Links over libp2p.

use paxoskv_core::Error;
use paxoskv_links::LinkSettings;
use paxoskv_transport_libp2p::{Libp2pConfig, Libp2pTransport};

use super::error::Thrown;
use super::plan::Plan;

/// The transport, if there are nodes to dial.
pub(crate) async fn transport(plan: &Plan, seat: Option<u8>) -> Result<Option<Libp2pTransport>, Thrown> {
    if plan.libp2p.is_empty() {
        return Ok(None);
    }
    let config = Libp2pConfig {
        cluster: Some(plan.name.clone()),
        secret: plan.secret.clone(),
        link: LinkSettings { max_frame: plan.settings.max_frame, ..LinkSettings::default() },
        // Seats are linked to each other, even those of two browsers. An observer needs no more than the nodes that it dials.
        wait_at_relays: seat.is_some(),
        ..Libp2pConfig::default()
    };
    let transport = Libp2pTransport::new(config).await;
    transport.map(Some).map_err(|why| Error::Refused { why: why.to_string() }.into())
}
