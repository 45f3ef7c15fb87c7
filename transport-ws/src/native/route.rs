//! The route that listens: `GET /ws`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use paxoskv_core::transport::Event;
use paxoskv_transport_queues::worth_saying;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::establish::{Failure, Ready, establish};
use super::hub::Hub;
use super::link;
use super::serve::Connection;
use super::socket::{Gate, Socket, settings};

pub(super) fn route(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/ws", get(upgrade))
        .route("/ws/relay/{name}", get(super::relay::dial))
        .route("/ws/relay/{name}/wait", get(super::relay::wait))
        .with_state(hub)
}

pub(super) fn no(status: StatusCode, reason: impl Into<String>) -> Response {
    (status, reason.into()).into_response()
}

/// A request for a WebSocket that may be granted: what to answer, and what comes of it then.
pub(super) struct Admitted {
    pub(super) accept: HeaderValue,
    pub(super) upgraded: OnUpgrade,
    pub(super) peer: Option<Connection>,
}

impl Admitted {
    /// The answer that grants it.
    pub(super) fn granted(accept: HeaderValue) -> Response {
        let headers = [
            (header::CONNECTION, HeaderValue::from_static("upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_ACCEPT, accept),
        ];
        (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
    }
}

/// Looks at a request before anything is done about it; the answer where it is turned away.
pub(super) fn admit(hub: &Hub, request: &mut Request) -> Result<Admitted, Box<Response>> {
    let peer = request.extensions().get::<Connection>().copied();
    if let Err(reason) = hub.guard.check(request.uri(), request.headers()) {
        let count = hub.turned_away.fetch_add(1, Ordering::Relaxed);
        if worth_saying(count) {
            tracing::warn!(peer = ?peer.map(|at| at.peer), reason, "a request was turned away");
        }
        return Err(Box::new(no(StatusCode::FORBIDDEN, reason)));
    }
    let accept =
        accept_key(request.headers()).map_err(|reason| Box::new(no(StatusCode::UPGRADE_REQUIRED, reason)))?;
    if hub.is_leaving() {
        return Err(Box::new(no(StatusCode::SERVICE_UNAVAILABLE, "this node is leaving")));
    }
    Ok(Admitted { accept, upgraded: hyper::upgrade::on(request), peer })
}

async fn upgrade(State(hub): State<Arc<Hub>>, mut request: Request) -> Response {
    let Admitted { accept, upgraded, peer } = match admit(&hub, &mut request) {
        Ok(admitted) => admitted,
        Err(answer) => return *answer,
    };
    if hub.is_full() {
        return no(StatusCode::SERVICE_UNAVAILABLE, "this node has as many links as it may have");
    }
    let Ok(permit) = Arc::clone(&hub.handshakes).try_acquire_owned() else {
        return no(StatusCode::SERVICE_UNAVAILABLE, "too many connections are coming in; try again");
    };
    tokio::spawn(async move {
        let ready = shake_hands(&hub, upgraded, peer.map(|at| at.peer)).await;
        drop(permit);
        if let Some(ready) = ready {
            if let Some(at) = peer {
                hub.saw_local(at.local);
            }
            let ended = link::run(&hub, ready).await;
            tracing::debug!(?ended, "an incoming link has ended");
        }
    });
    Admitted::granted(accept)
}

/// The WebSocket of a request that was granted.
pub(super) async fn socket_of(hub: &Hub, upgraded: OnUpgrade) -> Result<Socket, Failure> {
    let io = upgraded.await.map_err(|error| Failure::Broken(error.to_string()))?;
    let settings = settings(hub.config.max_message());
    Ok(WebSocketStream::from_raw_socket(Gate::new(TokioIo::new(io)), Role::Server, Some(settings)).await)
}

/// Bounded in time, and silent towards the core about strangers who just make noise.
async fn shake_hands(hub: &Hub, upgraded: OnUpgrade, peer: Option<SocketAddr>) -> Option<Ready> {
    let attempt = async { establish(socket_of(hub, upgraded).await?, &hub.config, false).await };
    let failure = match timeout(hub.config.handshake_timeout, attempt).await {
        Ok(Ok(ready)) => return Some(ready),
        Ok(Err(failure)) => failure,
        Err(_) => Failure::Broken("the handshake took too long".into()),
    };
    let from = peer.map_or_else(|| "somebody".into(), |peer| peer.to_string());
    match failure {
        Failure::Refused(reason) => {
            let count = hub.turned_away.fetch_add(1, Ordering::Relaxed);
            if worth_saying(count) {
                tracing::warn!(from, reason, "a node was turned away");
            }
            let reason = format!("{from}: {reason}");
            hub.mention(Event::Unreachable { address: String::new(), reason, refused: true });
        }
        Failure::Broken(reason) => tracing::debug!(from, reason, "an incoming connection came to nothing"),
    }
    None
}

/// What the answer to an upgrade request must hold; an error if it is no such request (RFC 6455 §4.2.1).
fn accept_key(headers: &HeaderMap) -> Result<HeaderValue, &'static str> {
    let lists = |name: HeaderName, wanted: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(wanted))
    };
    if !lists(header::CONNECTION, "upgrade") || !lists(header::UPGRADE, "websocket") {
        return Err("this is the address for WebSocket connections");
    }
    if !lists(header::SEC_WEBSOCKET_VERSION, "13") {
        return Err("only WebSocket version 13 is spoken here");
    }
    let key = headers.get(header::SEC_WEBSOCKET_KEY).ok_or("the WebSocket key is missing")?;
    derive_accept_key(key.as_bytes()).parse().map_err(|_| "the WebSocket key is of no use")
}
