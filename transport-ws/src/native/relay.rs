//! Joining two nodes that cannot reach one another: see [`relay`](crate::relay).
//!
//! Only members get in, since a name proves that one made it. What is passed on is not read. Each direction waits
//! until the other side has taken what it was sent, so nothing queues up here beyond one message.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use paxoskv_links::{CloseCode, Goodbye};
use tokio::pin;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::hub::Hub;
use super::socket::{Socket, close_message, cut_off};
use super::upgrade::{Admitted, Denied, Upgraded, admit, denied};
use crate::relay::Name;

/// Checks a request and the name in it.
fn check(hub: &Hub, request: &mut Request, name: &str) -> Result<(Admitted, Name), Denied> {
    let admitted = admit(hub, request)?;
    let name = name.parse::<Name>().ok().filter(|name| name.is_of(hub.config.secret.as_ref()));
    let reason = "this is not the name of a member of this cluster";
    Ok((admitted, name.ok_or_else(|| denied(StatusCode::FORBIDDEN, reason))?))
}

/// A node wants to be reached through this one.
pub(super) async fn wait(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    mut request: Request,
) -> Result<Response, Denied> {
    let (admitted, name) = check(&hub, &mut request, &name)?;
    let Some(place) = hub.waiting.place() else {
        return Err(denied(StatusCode::SERVICE_UNAVAILABLE, "as many wait here to be reached as may"));
    };
    let (answer, upgraded) = admitted.grant();
    tokio::spawn(async move {
        if let Some(socket) = open(&hub, upgraded).await {
            wait_for_dialer(&hub, name, socket).await;
        }
        drop(place);
    });
    Ok(answer)
}

/// A node dials one that waits here.
pub(super) async fn dial(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    mut request: Request,
) -> Result<Response, Denied> {
    let (admitted, name) = check(&hub, &mut request, &name)?;
    let Some(waiting) = hub.waiting.take(name) else {
        return Err(denied(StatusCode::SERVICE_UNAVAILABLE, "no node of that name waits here just now"));
    };
    let (answer, upgraded) = admitted.grant();
    tokio::spawn(async move {
        if let Some(socket) = open(&hub, upgraded).await
            && let Err(socket) = waiting.send(socket)
        {
            turn_back(&hub, socket).await;
        }
    });
    Ok(answer)
}

async fn open(hub: &Hub, upgraded: Upgraded) -> Option<Socket> {
    timeout(hub.settings().handshake_timeout, upgraded.socket(hub)).await.ok()?.ok()
}

async fn wait_for_dialer(hub: &Hub, name: Name, mut socket: Socket) {
    let (sender, mut dialer) = oneshot::channel();
    let key = hub.waiting.enter(name, sender);
    // So that neither the node that waits nor anything on the way takes the connection for dead.
    let mut ping = tokio::time::interval(hub.config.relay_ping_interval);
    let dialer = loop {
        tokio::select! {
            dialer = &mut dialer => break dialer.ok(),
            message = socket.next() => match message {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => break None,
            },
            _ = ping.tick() => if socket.send(Message::Ping(Bytes::new())).await.is_err() {
                break None;
            },
            () = hub.links.stopped() => break None,
        }
    };
    hub.waiting.leave(&key);
    let Some(dialer) = dialer else { return };
    if socket.send(Message::Binary(Bytes::new())).await.is_ok() {
        join(hub, socket, dialer).await;
    } else {
        turn_back(hub, dialer).await;
    }
}

/// The node that was to be reached has gone meanwhile.
async fn turn_back(hub: &Hub, dialer: Socket) {
    let goodbye = Goodbye::new(CloseCode::Leaving, "the node that waited here has gone");
    cut_off(dialer, &goodbye, hub.settings().flush_timeout).await;
}

/// Passes on what each sends to the other, until one of them is gone.
async fn join(hub: &Hub, mut a: Socket, mut b: Socket) {
    a.get_mut().open();
    b.get_mut().open();
    let ((to_a, from_a), (to_b, from_b)) = (a.split(), b.split());
    let (there, back) = (pass_on(from_a, to_b), pass_on(from_b, to_a));
    pin!(there, back);
    // The last message of the one may still meet the other's answer.
    let patience = hub.settings().flush_timeout;
    tokio::select! {
        () = &mut there => drop(timeout(patience, back).await),
        () = &mut back => drop(timeout(patience, there).await),
        () = hub.links.stopped() => {}
    }
}

async fn pass_on(mut from: SplitStream<Socket>, mut to: SplitSink<Socket, Message>) {
    loop {
        let message = match from.next().await {
            Some(Ok(message @ (Message::Binary(_) | Message::Close(Some(_))))) => message,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            _ => close_message(&Goodbye::faulty("the other side of the relay is gone")),
        };
        let last = message.is_close();
        if to.send(message).await.is_err() || last {
            return;
        }
    }
}
