//! One attempt to reach an address: TCP, TLS where wanted, the upgrade, the handshake.

use std::net::SocketAddr;

use paxoskv_links::Failure;
use paxoskv_links::goodbye::printable;
use rustls::pki_types::ServerName;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::http::{Response, StatusCode};

use super::hub::Hub;
use super::link::{Ready, establish};
use super::socket::{Gate, Socket, socket_config};
use super::tls;
use crate::address::Address;

/// Dials, in bounded time. `turn` counts the attempts that came to nothing.
pub(super) async fn connect(hub: &Hub, address: &Address, turn: u32) -> Result<Ready, Failure> {
    let allowed = hub.settings().handshake_timeout;
    match timeout(allowed, try_connect(hub, address, turn)).await {
        Ok(result) => result,
        Err(_) => Err(broken(format!("no answer within {} ms", allowed.as_millis()))),
    }
}

fn broken(reason: impl std::fmt::Display) -> Failure {
    Failure::Broken(reason.to_string())
}

async fn try_connect(hub: &Hub, address: &Address, turn: u32) -> Result<Ready, Failure> {
    establish(open(hub, address, turn).await?, hub, true).await
}

/// A WebSocket to an address, before its handshake.
pub(super) async fn open(hub: &Hub, address: &Address, turn: u32) -> Result<Socket, Failure> {
    let found = lookup_host((address.host.as_str(), address.port)).await.map_err(broken)?;
    let is_own = |at: &SocketAddr| hub.is_own(&Address { tls: address.tls, ..Address::from(*at) });
    let tcp = TcpStream::connect(in_turn(found.collect(), is_own, turn).as_slice()).await.map_err(broken)?;
    // Frames are small and waited for.
    tcp.set_nodelay(true).map_err(broken)?;
    if let Ok(local) = tcp.local_addr() {
        hub.record_local(local);
    }
    let stream = if address.tls {
        let connector = hub.tls.get_or_try_init(|| tls::connector(&hub.config)).await.map_err(broken)?;
        let name = ServerName::try_from(address.host.clone()).map_err(broken)?;
        let stream = connector.connect(name, tcp).await;
        Gate::new(stream.map_err(|error| broken(format!("TLS with {}: {error}", address.host)))?)
    } else {
        Gate::new(tcp)
    };
    let config = socket_config(hub.config.max_message());
    let (socket, _) =
        client_async_with_config(address.url(), stream, Some(config)).await.map_err(|error| match error {
            Error::Http(response) => turned_away(&response),
            error => broken(format!("no WebSocket there: {error}")),
        })?;
    Ok(socket)
}

/// The addresses that a host name stands for, which may be all nodes: without this one, unless there is no other. Each
/// time another one is first, for one that takes too long uses up the time of those behind it.
fn in_turn(all: Vec<SocketAddr>, is_own: impl Fn(&SocketAddr) -> bool, turn: u32) -> Vec<SocketAddr> {
    let others: Vec<SocketAddr> = all.iter().copied().filter(|at| !is_own(at)).collect();
    let mut chosen = if others.is_empty() { all } else { others };
    if !chosen.is_empty() {
        let first = turn as usize % chosen.len();
        chosen.rotate_left(first);
    }
    chosen
}

/// The address answers with something else than a WebSocket. Only the answers by which a node's own listener turns others
/// away are a refusal: another program that is there by chance gives other ones.
fn turned_away(response: &Response<Option<Vec<u8>>>) -> Failure {
    let status = response.status();
    let body = response.body().as_deref().unwrap_or_default();
    let body = printable(String::from_utf8_lossy(body).trim());
    let reason = format!("turned away by the other side: {status}: {body}");
    match status {
        StatusCode::FORBIDDEN | StatusCode::UPGRADE_REQUIRED => Failure::Refused(reason),
        _ => Failure::Broken(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_a_name_stands_for_have_their_turn_but_this_node() {
        let at = |n: u8| SocketAddr::from(([10, 0, 0, n], 7401));
        let turn = |turn| in_turn(vec![at(1), at(2), at(3)], |own| *own == at(1), turn);
        assert_eq!(turn(0), [at(2), at(3)]);
        assert_eq!(turn(1), [at(3), at(2)]);
        assert_eq!(turn(2), turn(0));
        // A node that does not know its own addresses finds out by dialing them.
        assert_eq!(in_turn(vec![at(1)], |_| true, 5), [at(1)]);
        assert!(in_turn(vec![], |_| true, 5).is_empty());
    }
}
