//! A browser's WebSockets, as libp2p takes them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_io_stream::IoStream;
use futures::future::Ready;
use libp2p::Multiaddr;
use libp2p::core::transport::{DialOpts, ListenerId, Transport, TransportError, TransportEvent};
use libp2p::multiaddr::Protocol;
use send_wrapper::SendWrapper;
use ws_stream_wasm::{WsMeta, WsStreamIo};

/// Dials; a browser cannot listen.
pub(super) struct WebSockets;

/// One that is being dialed. A browser has one thread, so it never leaves it.
type Dial = SendWrapper<Pin<Box<dyn Future<Output = io::Result<Connection>>>>>;

/// An open one: bytes, whichever messages they come in.
type Connection = IoStream<WsStreamIo, Vec<u8>>;

impl Transport for WebSockets {
    type Output = Connection;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Connection>>;
    type Dial = Dial;

    fn listen_on(&mut self, _: ListenerId, address: Multiaddr) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(&mut self, address: Multiaddr, _: DialOpts) -> Result<Dial, TransportError<io::Error>> {
        let Some(url) = url(&address) else { return Err(TransportError::MultiaddrNotSupported(address)) };
        Ok(SendWrapper::new(Box::pin(async move {
            let (_, stream) = WsMeta::connect(url, None).await.map_err(io::Error::other)?;
            Ok(stream.into_io())
        })))
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}

/// The URL of an address, which is what a browser dials.
fn url(address: &Multiaddr) -> Option<String> {
    let parts: Vec<Protocol<'_>> = address.iter().collect();
    let [host, Protocol::Tcp(port), rest @ ..] = parts.as_slice() else { return None };
    let host = match host {
        Protocol::Ip4(ip) => ip.to_string(),
        Protocol::Ip6(ip) => format!("[{ip}]"),
        Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => name.to_string(),
        _ => return None,
    };
    let (scheme, path) = match rest {
        [Protocol::Ws(path)] | [Protocol::Ws(path), Protocol::P2p(_)] => ("ws", path),
        [Protocol::Wss(path)] | [Protocol::Wss(path), Protocol::P2p(_)] => ("wss", path),
        [Protocol::Tls, Protocol::Ws(path)] | [Protocol::Tls, Protocol::Ws(path), Protocol::P2p(_)] => {
            ("wss", path)
        }
        _ => return None,
    };
    Some(format!("{scheme}://{host}:{port}{path}"))
}
