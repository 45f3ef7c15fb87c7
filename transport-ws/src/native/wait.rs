//! Waiting at a node for others who reach this one through it.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::connect::open;
use super::establish::{Failure, establish};
use super::hub::Hub;
use super::link;
use super::socket::Socket;
use crate::address::Address;

/// So many signs of life may be missing before a node is taken for gone.
const MISSED: u32 = 3;

/// Waits at a node, again whenever somebody has come, until the address is given up.
pub(super) async fn wait(hub: Arc<Hub>, node: Address, mut kept: watch::Receiver<()>) {
    let at = hub.name.waits_at(&node);
    let mut failures = 0;
    while !hub.is_leaving() {
        let once = async {
            let opening = timeout(hub.config.handshake_timeout, open(&hub, &at, failures)).await;
            let socket = opening.unwrap_or_else(|_| Err(Failure::Broken("no answer".into())))?;
            Ok(somebody(socket, hub.config.sign_of_life * MISSED).await)
        };
        let came = tokio::select! {
            came = once => came,
            _ = kept.changed() => return,
            () = hub.stopped() => return,
        };
        match came {
            Ok(Some(socket)) => {
                failures = 0;
                tokio::spawn(talk(Arc::clone(&hub), socket));
                continue;
            }
            Ok(None) => {}
            Err(Failure::Refused(reason) | Failure::Broken(reason)) => {
                tracing::debug!(%node, reason, "cannot wait there to be reached");
            }
        }
        let pause = tokio::time::sleep(hub.config.backoff(failures));
        failures = failures.saturating_add(1);
        tokio::select! {
            () = pause => {}
            _ = kept.changed() => return,
        }
    }
}

/// The socket, once somebody is at its other end; none where the node has gone, or is silent for so long.
async fn somebody(mut socket: Socket, patience: Duration) -> Option<Socket> {
    loop {
        // A node that was unplugged says no goodbye, and who only waits sends nothing that would be missed.
        match timeout(patience, socket.next()).await.ok()?? {
            Ok(Message::Binary(ready)) if ready.is_empty() => return Some(socket),
            Ok(Message::Ping(_) | Message::Pong(_)) => {}
            _ => return None,
        }
    }
}

async fn talk(hub: Arc<Hub>, socket: Socket) {
    match timeout(hub.config.handshake_timeout, establish(socket, &hub.config, false)).await {
        Ok(Ok(ready)) => {
            let ended = link::run(&hub, ready).await;
            tracing::debug!(?ended, "a relayed link has ended");
        }
        Ok(Err(Failure::Refused(reason) | Failure::Broken(reason))) => {
            tracing::debug!(reason, "who came through a relay came to nothing");
        }
        Err(_) => tracing::debug!("the handshake through a relay took too long"),
    }
}
