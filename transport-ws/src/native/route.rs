//! The routes that listen: `GET /ws` for links, and those of the [`relay`](super::relay).

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use paxoskv_links::Failure;
use tokio::time::timeout;

use super::hub::Hub;
use super::link::{Ready, establish, run};
use super::relay;
use super::upgrade::{Denied, Upgraded, admit, denied, sender};

pub(super) fn route(hub: Arc<Hub>) -> Router {
    Router::new()
        .route("/ws", get(upgrade))
        .route("/ws/relay/{name}", get(relay::dial))
        .route("/ws/relay/{name}/wait", get(relay::wait))
        .with_state(hub)
}

async fn upgrade(State(hub): State<Arc<Hub>>, mut request: Request) -> Result<Response, Denied> {
    let admitted = admit(&hub, &mut request)?;
    if hub.links.is_full() {
        let reason = "this node has as many links as it may have";
        return Err(denied(StatusCode::SERVICE_UNAVAILABLE, reason));
    }
    let Ok(permit) = Arc::clone(&hub.handshakes).try_acquire_owned() else {
        let reason = "too many connections are coming in; try again";
        return Err(denied(StatusCode::SERVICE_UNAVAILABLE, reason));
    };
    let connection = admitted.connection;
    let (answer, upgraded) = admitted.grant();
    tokio::spawn(async move {
        let ready = accept(&hub, upgraded, connection.map(|at| at.peer)).await;
        drop(permit);
        if let Some(ready) = ready {
            if let Some(at) = connection {
                hub.record_local(at.local);
            }
            let end = run(&hub, ready).await;
            tracing::debug!(?end, "an incoming link has ended");
        }
    });
    Ok(answer)
}

/// Bounded in time. The core is not notified of unauthenticated peers that just make noise.
async fn accept(hub: &Hub, upgraded: Upgraded, peer: Option<SocketAddr>) -> Option<Ready> {
    let attempt = async { establish(upgraded.socket(hub).await?, hub, false).await };
    let failure = match timeout(hub.settings().handshake_timeout, attempt).await {
        Ok(Ok(ready)) => return Some(ready),
        Ok(Err(failure)) => failure,
        Err(_) => Failure::Broken("the handshake took too long".into()),
    };
    let from = sender(peer);
    match failure {
        Failure::Refused(reason) => hub.links.turned_away(&from, &reason),
        Failure::Broken(reason) => tracing::debug!(from, reason, "an incoming connection failed"),
    }
    None
}
