//! One attempt to reach an address: TCP, TLS where wanted, the upgrade, the handshake.

use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::http::Response;

use super::establish::{Failure, Ready, establish};
use super::hub::Hub;
use super::socket::{Gate, Socket, settings};
use super::tls;
use crate::address::Address;
use crate::refusal::harmless;

/// Dials, in bounded time.
pub(super) async fn connect(hub: &Hub, address: &Address) -> Result<Ready, Failure> {
    let allowed = hub.config.handshake_timeout;
    match timeout(allowed, try_connect(hub, address)).await {
        Ok(result) => result,
        Err(_) => Err(broken(format!("no answer within {} ms", allowed.as_millis()))),
    }
}

fn broken(reason: impl std::fmt::Display) -> Failure {
    Failure::Broken(reason.to_string())
}

async fn try_connect(hub: &Hub, address: &Address) -> Result<Ready, Failure> {
    establish(open(hub, address).await?, &hub.config, true).await
}

/// A WebSocket to an address, with nothing said on it.
pub(super) async fn open(hub: &Hub, address: &Address) -> Result<Socket, Failure> {
    let tcp = TcpStream::connect((address.host.as_str(), address.port)).await.map_err(broken)?;
    // Frames are small and waited for.
    tcp.set_nodelay(true).map_err(broken)?;
    if let Ok(local) = tcp.local_addr() {
        hub.saw_local(local);
    }
    let stream = if address.tls {
        let connector = hub.tls.get_or_try_init(|| tls::connector(&hub.config)).await.map_err(broken)?;
        let name = ServerName::try_from(address.host.clone()).map_err(broken)?;
        let stream = connector.connect(name, tcp).await;
        Gate::new(stream.map_err(|error| broken(format!("TLS with {}: {error}", address.host)))?)
    } else {
        Gate::new(tcp)
    };
    let settings = settings(hub.config.max_message());
    let (socket, _) = client_async_with_config(address.url(), stream, Some(settings)).await.map_err(
        |error| match error {
            Error::Http(response) => turned_away(&response),
            error => broken(format!("no WebSocket there: {error}")),
        },
    )?;
    Ok(socket)
}

/// Somebody is there, and answers with something else than a WebSocket.
fn turned_away(response: &Response<Option<Vec<u8>>>) -> Failure {
    let status = response.status();
    let body = response.body().as_deref().unwrap_or_default();
    let body = harmless(String::from_utf8_lossy(body).trim());
    let reason = format!("turned away by the other side: {status}: {body}");
    if status.is_client_error() { Failure::Refused(reason) } else { Failure::Broken(reason) }
}
