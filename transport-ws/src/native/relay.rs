//! Joining two nodes that cannot reach one another: see [`relay`](crate::relay).
//!
//! Only members get in, since a name proves that one made it. What is passed on is not looked at. Each direction waits
//! until the other side has taken what it was sent, so nothing queues up here beyond one message.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use tokio::pin;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::hub::Hub;
use super::route::{Admitted, admit, no, socket_of};
use super::socket::{Socket, cut_off, goodbye};
use crate::refusal::Code;
use crate::relay::Name;

/// Who waits here.
pub(super) struct Relay {
    places: Arc<Semaphore>,
    /// By name; the numbers tell apart several that wait by one.
    waiting: Mutex<BTreeMap<(Name, u64), oneshot::Sender<Socket>>>,
}

impl Relay {
    pub(super) fn new(places: usize) -> Self {
        Self { places: Arc::new(Semaphore::new(places)), waiting: Mutex::default() }
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, BTreeMap<(Name, u64), oneshot::Sender<Socket>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, name: Name, sender: oneshot::Sender<Socket>) -> (Name, u64) {
        let mut waiting = self.waiting();
        let last = waiting.range((name, 0)..=(name, u64::MAX)).next_back().map_or(0, |((_, n), _)| *n);
        waiting.insert((name, last + 1), sender);
        (name, last + 1)
    }

    fn take(&self, name: Name) -> Option<oneshot::Sender<Socket>> {
        let mut waiting = self.waiting();
        let first = waiting.range((name, 0)..=(name, u64::MAX)).next().map(|(key, _)| *key)?;
        waiting.remove(&first)
    }
}

/// Looks at a request and the name in it.
fn enter(hub: &Hub, request: &mut Request, name: &str) -> Result<(Admitted, Name), Box<Response>> {
    let admitted = admit(hub, request)?;
    match name.parse::<Name>() {
        Ok(name) if name.is_of(hub.config.secret.as_ref()) => Ok((admitted, name)),
        _ => Err(Box::new(no(StatusCode::FORBIDDEN, "this is not the name of a member of this cluster"))),
    }
}

/// Somebody wants to be reached through this node.
pub(super) async fn wait(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    mut request: Request,
) -> Response {
    let (Admitted { accept, upgraded, .. }, name) = match enter(&hub, &mut request, &name) {
        Ok(entered) => entered,
        Err(answer) => return *answer,
    };
    let Ok(place) = Arc::clone(&hub.relay.places).try_acquire_owned() else {
        return no(StatusCode::SERVICE_UNAVAILABLE, "as many wait here to be reached as may");
    };
    tokio::spawn(async move {
        if let Ok(Ok(socket)) = timeout(hub.config.handshake_timeout, socket_of(&hub, upgraded)).await {
            wait_for_somebody(&hub, name, socket).await;
        }
        drop(place);
    });
    Admitted::granted(accept)
}

async fn wait_for_somebody(hub: &Hub, name: Name, mut socket: Socket) {
    let (sender, mut dialer) = oneshot::channel();
    let entry = hub.relay.enter(name, sender);
    // So that neither who waits nor anybody on the way takes the connection for dead.
    let mut incarnation = tokio::time::interval(hub.config.sign_of_life);
    let dialer = loop {
        tokio::select! {
            dialer = &mut dialer => break dialer.ok(),
            message = socket.next() => match message {
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                _ => break None,
            },
            _ = incarnation.tick() => if socket.send(Message::Ping(Bytes::new())).await.is_err() {
                break None;
            },
            () = hub.stopped() => break None,
        }
    };
    hub.relay.waiting().remove(&entry);
    let Some(dialer) = dialer else { return };
    if socket.send(Message::Binary(Bytes::new())).await.is_ok() {
        join(hub, socket, dialer).await;
    } else {
        cut_off(dialer, Code::Leaving, "who waited here is gone", hub.config.flush_timeout).await;
    }
}

/// Somebody dials who waits here.
pub(super) async fn dial(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    mut request: Request,
) -> Response {
    let (Admitted { accept, upgraded, .. }, name) = match enter(&hub, &mut request, &name) {
        Ok(entered) => entered,
        Err(answer) => return *answer,
    };
    let Some(waiting) = hub.relay.take(name) else {
        return no(StatusCode::SERVICE_UNAVAILABLE, "nobody of that name waits here just now");
    };
    tokio::spawn(async move {
        let opening = timeout(hub.config.handshake_timeout, socket_of(&hub, upgraded));
        if let Ok(Ok(socket)) = opening.await
            && let Err(socket) = waiting.send(socket)
        {
            cut_off(socket, Code::Leaving, "who waited here is gone", hub.config.flush_timeout).await;
        }
    });
    Admitted::granted(accept)
}

/// Passes on what each says to the other, until one of them is gone.
async fn join(hub: &Hub, mut a: Socket, mut b: Socket) {
    a.get_mut().open();
    b.get_mut().open();
    let ((to_a, from_a), (to_b, from_b)) = (a.split(), b.split());
    let (there, back) = (pass_on(from_a, to_b), pass_on(from_b, to_a));
    pin!(there, back);
    // What the one said last may still meet the other's answer.
    let patience = hub.config.flush_timeout;
    tokio::select! {
        () = &mut there => drop(timeout(patience, back).await),
        () = &mut back => drop(timeout(patience, there).await),
        () = hub.stopped() => {}
    }
}

async fn pass_on(mut from: SplitStream<Socket>, mut to: SplitSink<Socket, Message>) {
    loop {
        let message = match from.next().await {
            Some(Ok(message @ (Message::Binary(_) | Message::Close(Some(_))))) => message,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            _ => goodbye(Code::Faulty, "the other side of the relay is gone"),
        };
        let last = message.is_close();
        if to.send(message).await.is_err() || last {
            return;
        }
    }
}
