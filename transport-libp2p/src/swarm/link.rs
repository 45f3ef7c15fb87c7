//! One link, from its stream to its end: a task that does the handshake and carries frames.

use std::sync::Arc;

use futures::AsyncReadExt;
use futures::io::BufWriter;
use libp2p::swarm::ConnectionId;
use libp2p::{PeerId, Stream};
use paxoskv_links::handshake::{Established, MAX_MESSAGE};
use paxoskv_links::link::{carry, shake_hands};
use paxoskv_links::runtime::timeout;
use paxoskv_links::{Failure, Handshake, LinkEnd};

use super::hub::{About, Hub};
use super::report::{Report, StreamEnd};
use crate::frames::Frames;
use crate::members::Access;
use crate::proofs::{Proving, Side};

/// Small frames are put together up to this many bytes.
const BATCH: usize = 64 << 10;

/// A stream that is to become a link.
pub(super) struct Opened {
    pub(super) peer: PeerId,
    pub(super) connection: ConnectionId,
    pub(super) stream: Stream,
    /// Whether this side opened it.
    pub(super) dialed: bool,
    /// Whether it goes through another node.
    pub(super) relayed: bool,
    /// What keeps the other side from all else on this connection.
    pub(super) access: Arc<Access>,
    /// Where the other side is, for people.
    pub(super) from: String,
}

/// Does all of it, and reports the end. The core is notified of Up first and of Down last, once each.
pub(super) async fn run(hub: Arc<Hub>, opened: Opened) {
    let Opened { peer, connection, relayed, .. } = opened;
    let end = run_to_end(&hub, opened).await;
    tracing::debug!(%peer, was_up = end.was_up(), reason = end.reason(), "a stream has ended");
    hub.report(Report::Ended { peer, connection, relayed, end });
}

async fn run_to_end(hub: &Hub, mut opened: Opened) -> StreamEnd {
    let allowed = hub.links.settings.handshake_timeout;
    let failure = match timeout(allowed, establish(hub, &mut opened)).await {
        Ok(Ok(established)) => return StreamEnd::Link(link(hub, opened, established).await),
        Ok(Err(failure)) => failure,
        Err(_) => Failure::Broken(format!("no handshake within {} ms", allowed.as_millis())),
    };
    if let (Failure::Refused(reason), false) = (&failure, opened.dialed) {
        hub.links.turned_away(&opened.from, reason);
    }
    StreamEnd::NoLink(failure)
}

async fn establish(hub: &Hub, opened: &mut Opened) -> Result<Established<()>, Failure> {
    let Opened { peer, access, stream, dialed, .. } = opened;
    let (secret, cluster) = (hub.config.secret.as_ref(), hub.config.cluster.as_deref());
    let proven = || {
        access.grant();
        hub.report(Report::Proven { peer: *peer });
    };
    let peers = (hub.config.identity.peer_id(), *peer);
    let proofs = Proving::Prefaces(Side { secret, cluster, peers, proven });
    let handshake = Handshake::new(*dialed, secret.is_some(), cluster.is_some(), proofs)
        .map_err(|error| Failure::Broken(error.to_string()))?;
    let patience = hub.links.settings.flush_timeout;
    shake_hands(&mut Frames::new(stream, MAX_MESSAGE), handshake, patience).await
}

async fn link(hub: &Hub, opened: Opened, established: Established<()>) -> LinkEnd {
    let Opened { peer, stream, dialed, relayed, access, from, .. } = opened;
    access.set_answered();
    if !relayed {
        hub.replace_relayed(peer).await;
    }
    let about = About { peer, relayed };
    let Some(open) = hub.links.enter(established.connection, about) else { return LinkEnd::TooMany };
    if hub.config.wait_at_relays && dialed && !relayed {
        // Before the core greets the other side, with the addresses of this node.
        hub.reached_through(peer, &from);
    }
    hub.report(Report::Up { peer, relayed });
    let max_frame = hub.links.settings.max_frame;
    let (reader, writer) = stream.split();
    let reader = Frames::new(reader, max_frame);
    let writer = Frames::new(BufWriter::with_capacity(BATCH, writer), max_frame);
    carry(&hub.links, open, dialed, reader, writer).await
}
