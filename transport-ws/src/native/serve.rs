//! Serving a router on a listener.
//!
//! `axum::serve` would do, but waits for ever for a request that does not come, and does not say what the local address is.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::{HeaderValue, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Connections that may be talking HTTP at a time. Those that became links are not among them.
const MAX_CONNECTIONS: usize = 512;
/// How long a connection may take to send a request's head, or sit idle before it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after accepting failed, as it does when there are no file descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// The two ends of the connection that a request came on; [`serve`] puts it into each request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// This side's address.
    pub local: SocketAddr,
    /// The other side's.
    pub peer: SocketAddr,
}

/// Serves HTTP/1.1 until the future is dropped, which closes the listener and its connections; links stay up. The
/// number of connections and the time for a request's head are bounded, and a connection ends with its first answer,
/// unless that makes a link of it; handlers also find an axum [`ConnectInfo<SocketAddr>`](ConnectInfo).
pub async fn serve(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    loop {
        // Ended ones are cleared away here, at the latest when the next one comes.
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        match accept(&listener).await {
            Ok((tcp, connection)) => {
                connections.spawn(talk(tcp, connection, router.clone(), permit));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn accept(listener: &TcpListener) -> io::Result<(TcpStream, Connection)> {
    let (tcp, peer) = listener.accept().await?;
    tcp.set_nodelay(true)?;
    let local = tcp.local_addr()?;
    Ok((tcp, Connection { local, peer }))
}

async fn talk(tcp: TcpStream, connection: Connection, router: Router, _permit: OwnedSemaphorePermit) {
    let inner = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(connection);
        request.extensions_mut().insert(ConnectInfo(connection.peer));
        let answer = inner.call(request);
        async move {
            let mut answer = answer.await?;
            // One request a connection: a client that sends many and reads no answer would leave this task waiting
            // until there is room for the next, for which there is no time limit.
            if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
                answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(tcp), service)
        .with_upgrades()
        .await;
    if let Err(error) = served {
        tracing::debug!(peer = %connection.peer, %error, "a connection ended badly");
    }
}
