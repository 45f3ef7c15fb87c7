//! From a WebSocket to a link, and the link from up to down.

use futures::StreamExt;
use paxoskv_links::handshake::{Established, MAX_MESSAGE};
use paxoskv_links::link::{carry, shake_hands};
use paxoskv_links::{Failure, LinkEnd};

use super::hub::Hub;
use super::socket::{Frames, Socket};
use crate::handshake::{Keys, handshake};

/// A connection whose other side belongs here.
pub(super) struct Ready {
    socket: Socket,
    established: Established<Keys>,
}

/// Does the handshake. The caller bounds its time; a goodbye takes at most
/// [`flush_timeout`](paxoskv_links::LinkSettings::flush_timeout).
pub(super) async fn establish(mut socket: Socket, hub: &Hub, dialed: bool) -> Result<Ready, Failure> {
    let handshake = handshake(dialed, hub.config.secret.as_ref());
    let handshake = handshake.map_err(|error| Failure::Broken(error.to_string()))?;
    let mut frames = Frames { socket: &mut socket, sealer: None, opener: None, max_frame: MAX_MESSAGE };
    let established = shake_hands(&mut frames, handshake, hub.settings().flush_timeout).await?;
    socket.get_mut().open();
    Ok(Ready { socket, established })
}

/// Carries frames until the link is down.
pub(super) async fn run(hub: &Hub, ready: Ready) -> LinkEnd {
    let Ready { socket, established: Established { connection, dialed, outcome: keys } } = ready;
    let Some(open) = hub.links.enter(connection, ()) else { return LinkEnd::TooMany };
    let (sealer, opener) = keys.unzip();
    let max_frame = hub.settings().max_frame;
    let (sink, stream) = socket.split();
    let reader = Frames { socket: stream, sealer: None, opener, max_frame };
    let writer = Frames { socket: sink, sealer, opener: None, max_frame };
    carry(&hub.links, open, dialed, reader, writer).await
}
