//! A native node that runs.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
#[cfg(feature = "libp2p")]
use paxoskv_core::Transport;
use paxoskv_core::memory::MemoryStorage;
use paxoskv_core::storage::{Batch, Loaded, NoStorage, StorageError};
use paxoskv_core::transport::NoTransport;
use paxoskv_core::{Builder, Cluster, Error, NoTimer, Seat, Storage};
use paxoskv_transport_ws::{Guard, WsConfig, WsTransport, serve};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::links::{Known, Libp2pTransport, Links};
use crate::start_error::StartError;
#[cfg(feature = "disk")]
use crate::storage::LogStorage;
use crate::timer::TokioTimer;

/// A node that was started by [`native`](crate::native): a handle to it. The node itself lives on the runtime.
#[derive(Clone, Debug)]
pub struct NativeNode {
    cluster: Cluster,
    seat: Option<Seat>,
    address: Option<SocketAddr>,
    #[cfg(feature = "libp2p")]
    multiaddrs: Vec<String>,
    folder: Option<PathBuf>,
    known: Known,
    end: watch::Receiver<Option<Result<(), Error>>>,
}

/// The parts of a node, besides the core's settings.
pub(crate) struct Parts {
    pub(crate) seat: Option<Seat>,
    pub(crate) kept: Kept,
    pub(crate) listener: Option<TcpListener>,
    /// All but the address to listen on.
    pub(crate) links: WsConfig,
    /// Whether seats are linked over WebSocket.
    pub(crate) by_ws: bool,
    pub(crate) libp2p: Option<Libp2pTransport>,
    /// The addresses at which the node looks for others at first.
    pub(crate) join: Vec<String>,
    pub(crate) routes: Router,
}

impl NativeNode {
    pub(crate) fn start(
        builder: Builder<NoStorage, NoTransport, NoTimer>,
        parts: Parts,
    ) -> Result<Self, StartError> {
        let Parts { seat, kept, listener, links, by_ws, libp2p, join, routes } = parts;
        let address = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        let (transport, route) = WsTransport::new(WsConfig { listen: address, ..links })?;
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(|e| StartError::Entropy { reason: e.to_string() })?;
        let guard = transport.guard();
        let folder = kept.path().map(Path::to_path_buf);
        #[cfg(feature = "libp2p")]
        let multiaddrs = libp2p.as_ref().map_or_else(Vec::new, Transport::addresses);
        let known = Known::default();
        let given = join.iter().cloned().collect();
        let transport = Links::new(transport, by_ws, libp2p, given, known.clone());
        let builder = builder.dial(join).transport(transport).timer(TokioTimer::new()).entropy(entropy);
        let (cluster, driver) = builder.storage(kept).build()?;
        // This is all that the node's address serves.
        let app = routes.layer(from_fn_with_state(guard, check)).merge(route);
        let server = listener.map(|listener| tokio::spawn(serve(listener, app)));
        let (ended, end) = watch::channel(None);
        tokio::spawn(async move {
            // This is sent even where the driver panics. The node counts as closed then.
            let result = tokio::spawn(driver).await.unwrap_or(Err(Error::Closed));
            if let Some(server) = server {
                server.abort();
            }
            ended.send_replace(Some(result));
        });
        Ok(Self {
            cluster,
            seat,
            address,
            #[cfg(feature = "libp2p")]
            multiaddrs,
            folder,
            known,
            end,
        })
    }

    /// The handle to call the cluster by: for puts, gets, locks and all else.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Says goodbye to all peers and stops the node, after all that is under way is durable.
    pub async fn leave(&self) {
        self.cluster.leave().await;
    }

    /// The seat that the node sits in; an observer has none.
    pub fn seat(&self) -> Option<Seat> {
        self.seat
    }

    /// Where the node listens, if it does.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The addresses at which the node listened over libp2p when it started, with its peer id; none if it does not.
    #[cfg(feature = "libp2p")]
    pub fn multiaddrs(&self) -> &[String] {
        &self.multiaddrs
    }

    /// The addresses of the cluster's members, as far as members have announced them to this node, without its own.
    pub fn known_addresses(&self) -> Vec<String> {
        self.known.all()
    }

    /// Where the node keeps its data, if on disk.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// Resolves when the node has stopped, for whatever reason.
    ///
    /// # Errors
    /// [`Error::Storage`] where its storage failed.
    pub async fn stopped(&self) -> Result<(), Error> {
        let mut end = self.end.clone();
        let result = end.wait_for(Option::is_some).await.map(|result| (*result).clone());
        result.ok().flatten().unwrap_or(Err(Error::Closed))
    }
}

/// Refuses requests under an unknown host name, or from another site: any web page can reach this machine's ports. The route
/// of the links checks by itself.
async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(why) => (StatusCode::FORBIDDEN, why).into_response(),
    }
}

/// A node's store.
pub(crate) enum Kept {
    Nothing,
    Memory(MemoryStorage),
    #[cfg(feature = "disk")]
    Folder(LogStorage, PathBuf),
}

impl Kept {
    pub(crate) fn memory() -> Self {
        Self::Memory(MemoryStorage::new())
    }

    /// Opens the store in a folder. That reads the disk, so it is not done on the runtime's own threads.
    #[cfg(feature = "disk")]
    pub(crate) async fn folder(path: PathBuf) -> Result<Self, StorageError> {
        let opened = tokio::task::spawn_blocking(move || {
            let storage = LogStorage::open(&path)?;
            Ok(Self::Folder(storage, path))
        });
        opened.await.unwrap_or_else(|e| Err(StorageError::Failed(format!("opening the store failed: {e}"))))
    }

    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            #[cfg(feature = "disk")]
            Self::Folder(_, path) => Some(path),
            _ => None,
        }
    }
}

impl Storage for Kept {
    async fn open(&mut self) -> Result<Loaded, StorageError> {
        match self {
            Self::Nothing => NoStorage.open().await,
            Self::Memory(storage) => storage.open().await,
            #[cfg(feature = "disk")]
            Self::Folder(storage, _) => storage.open().await,
        }
    }

    async fn apply(&mut self, batch: Batch) -> Result<(), StorageError> {
        match self {
            Self::Nothing => NoStorage.apply(batch).await,
            Self::Memory(storage) => storage.apply(batch).await,
            #[cfg(feature = "disk")]
            Self::Folder(storage, _) => storage.apply(batch).await,
        }
    }
}
