//! Which peers have proven that they belong here, and what little all others may send.
//!
//! What a peer sends on streams that nobody reads waits in this node's memory, up to the window of each of them: with
//! all streams of all connections that unauthenticated peers may have, that would be close to a gigabyte. So a connection
//! ends when a peer has sent more than a handshake takes before it has proven anything. (QUIC has a window for the
//! connection as a whole, which is set to be small.)

use std::collections::HashMap;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use futures::{AsyncRead, AsyncWrite, FutureExt, TryFutureExt};
use libp2p::core::upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo};
use libp2p::identity::Keypair;
use libp2p::{PeerId, noise};

/// How many bytes a peer may send on all its connections before it has proven that it belongs here. A handshake takes
/// some hundreds.
const ALLOWANCE: usize = 64 << 10;

/// What is known of a peer for as long as it has a connection.
#[derive(Debug)]
pub(crate) struct PeerState {
    proven: AtomicBool,
    left: AtomicUsize,
}

impl PeerState {
    /// The peer has proven that it belongs here.
    pub(crate) fn set_proven(&self) {
        self.proven.store(true, Ordering::Release);
    }

    /// Whether the peer is known to belong here.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven.load(Ordering::Acquire)
    }

    /// Whether the peer may have sent this much.
    fn allows(&self, bytes: usize) -> bool {
        let take = |left: usize| left.checked_sub(bytes);
        self.is_proven() || self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok()
    }
}

/// All peers that have a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Peers(Arc<Mutex<HashMap<PeerId, Weak<PeerState>>>>);

impl Peers {
    /// What is known of this peer; one state for all its connections.
    pub(crate) fn state(&self, peer: PeerId) -> Arc<PeerState> {
        // What is locked here is never left half-changed.
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = peers.get(&peer).and_then(Weak::upgrade) {
            return known;
        }
        peers.retain(|_, state| state.strong_count() > 0);
        let left = AtomicUsize::new(ALLOWANCE);
        let state = Arc::new(PeerState { proven: AtomicBool::new(false), left });
        peers.insert(peer, Arc::downgrade(&state));
        state
    }

    /// Makes a connection's encryption, which counts what unauthenticated peers send.
    pub(crate) fn guard(&self) -> impl FnOnce(&Keypair) -> Result<Guard, noise::Error> + use<> {
        let peers = self.clone();
        |key| Ok(Guard { noise: noise::Config::new(key)?, peers })
    }
}

/// Noise, and a count of what comes through it.
#[derive(Clone)]
pub(crate) struct Guard {
    noise: noise::Config,
    peers: Peers,
}

impl UpgradeInfo for Guard {
    type Info = <noise::Config as UpgradeInfo>::Info;
    type InfoIter = <noise::Config as UpgradeInfo>::InfoIter;

    fn protocol_info(&self) -> Self::InfoIter {
        self.noise.protocol_info()
    }
}

/// A peer, and what it is connected by.
type Secured<C> = (PeerId, Counted<noise::Output<C>>);

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> InboundConnectionUpgrade<C> for Guard {
    type Output = Secured<C>;
    type Error = noise::Error;
    type Future = BoxFuture<'static, Result<Secured<C>, noise::Error>>;

    fn upgrade_inbound(self, socket: C, info: Self::Info) -> Self::Future {
        let Self { noise, peers } = self;
        noise.upgrade_inbound(socket, info).map_ok(move |secured| counted(&peers, secured)).boxed()
    }
}

impl<C: AsyncRead + AsyncWrite + Unpin + Send + 'static> OutboundConnectionUpgrade<C> for Guard {
    type Output = Secured<C>;
    type Error = noise::Error;
    type Future = BoxFuture<'static, Result<Secured<C>, noise::Error>>;

    fn upgrade_outbound(self, socket: C, info: Self::Info) -> Self::Future {
        let Self { noise, peers } = self;
        noise.upgrade_outbound(socket, info).map_ok(move |secured| counted(&peers, secured)).boxed()
    }
}

fn counted<C>(peers: &Peers, (peer, socket): (PeerId, C)) -> (PeerId, Counted<C>) {
    (peer, Counted { state: peers.state(peer), socket })
}

/// A socket that breaks when an unauthenticated peer has sent too much.
pub(crate) struct Counted<C> {
    state: Arc<PeerState>,
    socket: C,
}

impl<C: AsyncRead + Unpin> AsyncRead for Counted<C> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.socket).poll_read(cx, into))?;
        Poll::Ready(if self.state.allows(read) {
            Ok(read)
        } else {
            let limit = format!("more than {ALLOWANCE} bytes, and no proof of belonging here among them");
            Err(io::Error::new(io::ErrorKind::PermissionDenied, limit))
        })
    }
}

impl<C: AsyncWrite + Unpin> AsyncWrite for Counted<C> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, from)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::AsyncReadExt;
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    #[test]
    fn all_connections_of_a_peer_share_what_it_may_send_and_what_it_has_proven() {
        let peers = Peers::default();
        let peer = PeerId::random();
        let sent = vec![1; ALLOWANCE / 2 + 1];
        let mut sockets = [(); 2].map(|()| counted(&peers, (peer, Cursor::new(sent.clone()))).1);
        let mut read = |n: usize| block_on(sockets[n].read_to_end(&mut Vec::new()));
        assert_eq!(read(0).ok(), Some(sent.len()));
        assert!(read(1).is_err());
        peers.state(peer).set_proven();
        let mut late = counted(&peers, (peer, Cursor::new(vec![1; 2 * ALLOWANCE]))).1;
        assert!(block_on(late.read_to_end(&mut Vec::new())).is_ok());
    }

    #[test]
    fn a_peer_without_a_connection_is_forgotten() {
        let peers = Peers::default();
        let peer = PeerId::random();
        peers.state(peer).set_proven();
        assert!(!peers.state(peer).is_proven());
        let other = peers.state(PeerId::random());
        assert_eq!(peers.0.lock().unwrap().len(), 1);
        drop(other);
    }
}
