//! Requests for a WebSocket: which are granted, and what comes of them.

use std::net::SocketAddr;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use paxoskv_links::Failure;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::hub::Hub;
use super::serve::Connection;
use super::socket::{Gate, Socket, socket_config};

/// Why a request is turned away.
pub(super) type Denied = (StatusCode, String);

pub(super) fn denied(status: StatusCode, reason: impl Into<String>) -> Denied {
    (status, reason.into())
}

/// A request for a WebSocket that may be granted.
pub(super) struct Admitted {
    accept: HeaderValue,
    upgraded: OnUpgrade,
    pub(super) connection: Option<Connection>,
}

impl Admitted {
    /// The answer that grants it, and what comes of the connection then.
    pub(super) fn grant(self) -> (Response, Upgraded) {
        let headers = [
            (header::CONNECTION, HeaderValue::from_static("upgrade")),
            (header::UPGRADE, HeaderValue::from_static("websocket")),
            (header::SEC_WEBSOCKET_ACCEPT, self.accept),
        ];
        let answer = (StatusCode::SWITCHING_PROTOCOLS, headers).into_response();
        (answer, Upgraded(self.upgraded))
    }
}

/// A connection whose request was granted.
pub(super) struct Upgraded(OnUpgrade);

impl Upgraded {
    /// Its WebSocket.
    pub(super) async fn socket(self, hub: &Hub) -> Result<Socket, Failure> {
        let io = self.0.await.map_err(|error| Failure::Broken(error.to_string()))?;
        let config = socket_config(hub.config.max_message());
        Ok(WebSocketStream::from_raw_socket(Gate::new(TokioIo::new(io)), Role::Server, Some(config)).await)
    }
}

/// Checks a request before anything is done about it.
pub(super) fn admit(hub: &Hub, request: &mut Request) -> Result<Admitted, Denied> {
    let connection = request.extensions().get::<Connection>().copied();
    if let Err(reason) = hub.guard.check(request.uri(), request.headers()) {
        hub.links.count_turned_away(&sender(connection.map(|at| at.peer)), &reason);
        return Err(denied(StatusCode::FORBIDDEN, reason));
    }
    let accept =
        accept_key(request.headers()).map_err(|reason| denied(StatusCode::UPGRADE_REQUIRED, reason))?;
    if hub.links.is_leaving() {
        return Err(denied(StatusCode::SERVICE_UNAVAILABLE, "this node is leaving"));
    }
    Ok(Admitted { accept, upgraded: hyper::upgrade::on(request), connection })
}

/// Where a request came from, for people.
pub(super) fn sender(peer: Option<SocketAddr>) -> String {
    peer.map_or_else(|| "an unknown address".into(), |peer| peer.to_string())
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
