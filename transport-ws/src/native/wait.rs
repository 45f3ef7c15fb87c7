//! Waiting at a relay for other nodes that reach this one through it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use paxoskv_links::Failure;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::connect::open;
use super::hub::Hub;
use super::link::{establish, run};
use super::socket::Socket;
use crate::address::Address;

/// So many pings of a relay may be missing before it is taken for gone.
const MISSED: u32 = 3;

/// Waits at a relay, again whenever a node has come, until the address is given up.
pub(super) async fn wait(hub: Arc<Hub>, relay: Address, mut kept: watch::Receiver<()>) {
    let at = hub.name.waits_at(&relay);
    let mut failures = 0;
    while !hub.links.is_leaving() {
        let once = async {
            let opening = timeout(hub.settings().handshake_timeout, open(&hub, &at, failures)).await;
            let socket = opening.unwrap_or_else(|_| Err(Failure::Broken("no answer".into())))?;
            Ok(joined(socket, hub.config.relay_ping_interval * MISSED).await)
        };
        let came = tokio::select! {
            came = once => came,
            _ = kept.changed() => return,
            () = hub.links.stopped() => return,
        };
        match came {
            Ok(Some(socket)) => {
                failures = 0;
                tokio::spawn(accept(Arc::clone(&hub), socket));
                continue;
            }
            Ok(None) => {}
            Err::<_, Failure>(failure) => {
                tracing::debug!(%relay, reason = failure.reason(), "cannot wait there to be reached");
            }
        }
        let pause = tokio::time::sleep(hub.settings().backoff(failures));
        failures = failures.saturating_add(1);
        tokio::select! {
            () = pause => {}
            _ = kept.changed() => return,
        }
    }
}

/// The socket, once another node is at its other end; none where the relay has gone, or is silent for so long.
async fn joined(mut socket: Socket, patience: Duration) -> Option<Socket> {
    loop {
        // A relay that was unplugged sends no goodbye, and a node that only waits sends nothing that would be missed.
        match timeout(patience, socket.next()).await.ok()?? {
            Ok(Message::Binary(ready)) if ready.is_empty() => return Some(socket),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            _ => return None,
        }
    }
}

async fn accept(hub: Arc<Hub>, socket: Socket) {
    match timeout(hub.settings().handshake_timeout, establish(socket, &hub, false)).await {
        Ok(Ok(ready)) => {
            let end = run(&hub, ready).await;
            tracing::debug!(?end, "a relayed link has ended");
        }
        Ok(Err(failure)) => tracing::debug!(reason = failure.reason(), "no link came through a relay"),
        Err(_) => tracing::debug!("the handshake through a relay took too long"),
    }
}
