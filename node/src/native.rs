//! Configures and starts a native node. Everything has a default.

use std::io;
use std::net::SocketAddr;
#[cfg(any(feature = "disk", feature = "libp2p"))]
use std::path::PathBuf;

use axum::Router;
use paxoskv_core::{Cluster, Error, Seat, Settings};
use paxoskv_links::{LinkSettings, Secret};
use paxoskv_transport_ws::WsConfig;
use tokio::net::{TcpListener, lookup_host};

#[cfg(feature = "disk")]
use crate::folder::data_folder;
use crate::running::{Kept, NativeNode, Parts};
use crate::start_error::StartError;

/// Seat n listens on this port plus n, unless set otherwise: 7401 and following.
pub const FIRST_PORT: u16 = 7400;

/// Over libp2p and without a secret, seat n listens on this port of loopback plus n, unless set otherwise.
#[cfg(feature = "libp2p")]
pub const FIRST_LIBP2P_PORT: u16 = 7410;

/// The seats in a cluster, unless set otherwise.
const CLUSTER_SIZE: u8 = 3;

/// A node of the cluster of that name, which fills in tokio, storage on disk, WebSocket and the rest.
///
/// Three of these, with seats 1, 2 and 3, on one machine find one another and are a cluster:
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let node = paxoskv::native("demo").seat(1).start().await?;
/// println!("listening on {:?}", node.address());
/// node.cluster().put("leader", "me").await?; // waits for a second seat: a quorum
/// # Ok(()) }
/// ```
///
/// Without [`seat`](NativeBuilder::seat) it is an observer: it has no vote and no data, and asks the seats.
pub fn native(cluster: impl Into<String>) -> NativeBuilder {
    NativeBuilder {
        cluster: Some(cluster.into()),
        cluster_size: None,
        seat: None,
        keep: Keep::Default,
        listen: Listen::Default,
        join: None,
        secret: None,
        links: WsConfig::default(),
        by_ws: true,
        #[cfg(feature = "libp2p")]
        libp2p: Libp2p::default(),
        settings: Settings::default(),
        routes: Router::new(),
    }
}

enum Keep {
    Default,
    #[cfg(feature = "disk")]
    Folder(PathBuf),
    Memory,
}

enum Listen {
    Default,
    Address(String),
    Listener(TcpListener),
}

/// Configures a native node: see [`native`].
#[must_use = "a node does nothing until it is started"]
pub struct NativeBuilder {
    cluster: Option<String>,
    cluster_size: Option<u8>,
    seat: Option<u8>,
    keep: Keep,
    listen: Listen,
    join: Option<Vec<String>>,
    secret: Option<Secret>,
    links: WsConfig,
    /// Whether seats are linked over WebSocket.
    by_ws: bool,
    #[cfg(feature = "libp2p")]
    libp2p: Libp2p,
    settings: Settings,
    routes: Router,
}

/// The configuration of libp2p.
#[cfg(feature = "libp2p")]
#[derive(Default)]
struct Libp2p {
    wanted: bool,
    listen: Vec<String>,
}

impl NativeBuilder {
    /// Leaves the cluster's name open: an observer joins the cluster that it finds.
    pub fn any_cluster(mut self) -> Self {
        self.cluster = None;
        self
    }

    /// How many seats the cluster has, the same for all its seats. 3 unless set; an observer may leave it open.
    pub fn cluster_size(mut self, size: u8) -> Self {
        self.cluster_size = Some(size);
        self
    }

    /// Takes this seat, from 1 to the cluster's size.
    pub fn seat(mut self, seat: u8) -> Self {
        self.seat = Some(seat);
        self
    }

    /// Keeps the seat's data in this folder, which no other seat may use. [`data_folder`] unless set.
    #[cfg(feature = "disk")]
    pub fn data(mut self, folder: impl Into<PathBuf>) -> Self {
        self.keep = Keep::Folder(folder.into());
        self
    }

    /// Keeps the seat's data in memory. When the node stops, its vote is lost for good, and the seat with it: right
    /// for trials and tests.
    pub fn memory(mut self) -> Self {
        self.keep = Keep::Memory;
        self
    }

    /// Listens on this address, `host:port`; port 0 is any that is free ([`NativeNode::address`] tells which).
    /// `127.0.0.1:7401` for seat 1 and so on unless set; an observer listens only if this is set.
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = Listen::Address(address.into());
        self
    }

    /// Listens on a socket that the caller has bound.
    pub fn listener(mut self, listener: TcpListener) -> Self {
        self.listen = Listen::Listener(listener);
        self
    }

    /// Links to the node at this address, `host:port` or `ws://…` or `wss://…`, or, over libp2p, a multiaddr like
    /// `/ip4/10.0.0.1/tcp/7411`, and learns the others' addresses there. Can be called several times. The usual ports of
    /// this machine unless set.
    pub fn join(mut self, address: impl Into<String>) -> Self {
        self.join.get_or_insert_default().push(address.into());
        self
    }

    /// Links only to nodes with the same secret. Listening beyond this machine needs one.
    pub fn secret(mut self, secret: Secret) -> Self {
        self.links.secret = Some(secret.clone());
        self.secret = Some(secret);
        self
    }

    /// Links over libp2p, too: TCP, QUIC, WebSocket. Nodes on the local network find each other, and nodes that cannot reach
    /// one another are linked through others. A cluster's nodes may differ in this.
    #[cfg(feature = "libp2p")]
    pub fn libp2p(mut self) -> Self {
        self.libp2p.wanted = true;
        self
    }

    /// Listens there over libp2p; implies [`libp2p`](Self::libp2p). Can be called several times. `/ip4/0.0.0.0/tcp/0`
    /// with a secret, else a port of loopback, unless set; an observer listens only if this is set.
    #[cfg(feature = "libp2p")]
    pub fn libp2p_listen(mut self, multiaddr: impl Into<String>) -> Self {
        self.libp2p.listen.push(multiaddr.into());
        self.libp2p()
    }

    /// Links to other seats by [`libp2p`](Self::libp2p) alone. Observers can still link over WebSocket where the node
    /// listens.
    #[cfg(feature = "libp2p")]
    pub fn libp2p_only(mut self) -> Self {
        self.by_ws = false;
        self.libp2p()
    }

    /// Lets web pages of this origin, like `https://example.org`, link to this node. Can be called several times.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.links.allow_origins.push(origin.into());
        self
    }

    /// Lets others call this machine by this name, like `example.org`. Can be said several times; IP addresses and
    /// `localhost` are always accepted.
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        self.links.allow_hosts.push(name.into());
        self
    }

    /// Limits and times.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Serves these routes, too, on the address that the node listens on. As with links, requests from web pages of
    /// other origins and under other host names are refused. Needs the feature `axum`, whose version of axum this
    /// is.
    #[cfg(feature = "axum")]
    pub fn routes(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Starts the node on the current tokio runtime. It goes on until it [leaves](NativeNode::leave) or its storage
    /// fails ([`NativeNode::stopped`]); dropping the handle does not stop it.
    ///
    /// # Errors
    /// [`StartError`], which says what to do. It is no error that other nodes cannot be reached: they may start later.
    pub async fn start(mut self) -> Result<NativeNode, StartError> {
        let size = self.cluster_size.or(self.seat.map(|_| CLUSTER_SIZE));
        let seat = self.seat.map(|n| seat_of(n, size.unwrap_or(CLUSTER_SIZE))).transpose()?;
        let listen = std::mem::replace(&mut self.listen, Listen::Default);
        let listener = match (listen, seat) {
            (Listen::Listener(listener), _) => Some(listener),
            (Listen::Address(address), _) => Some(bind(&address, self.secret.is_some()).await?),
            (Listen::Default, Some(seat)) => Some(bind(&default_address(seat), true).await?),
            (Listen::Default, None) => None,
        };
        let keep = std::mem::replace(&mut self.keep, Keep::Default);
        let kept = match (seat, keep) {
            (None, _) => Kept::Nothing,
            (Some(_), Keep::Memory) => Kept::memory(),
            #[cfg(feature = "disk")]
            (Some(_), Keep::Folder(folder)) => Kept::folder(folder).await?,
            #[cfg(feature = "disk")]
            (Some(seat), Keep::Default) => {
                let cluster = self.cluster.as_deref().unwrap_or_default();
                Kept::folder(data_folder(cluster, seat).ok_or(StartError::NoFolder)?).await?
            }
            #[cfg(not(feature = "disk"))]
            (Some(_), Keep::Default) => return Err(StartError::NoFolder),
        };
        let size_or_usual = size.unwrap_or(CLUSTER_SIZE);
        let join = match &self.join {
            Some(join) => join.clone(),
            None => self.usual(size_or_usual, seat.map_or(0, Seat::get)),
        };
        join.iter().try_for_each(|address| self.check_join(address))?;
        let mut builder = Cluster::builder(self.cluster.clone().unwrap_or_default());
        if self.cluster.is_none() {
            builder = builder.any_cluster();
        }
        if let Some(size) = size {
            builder = builder.cluster_size(size);
        }
        if let Some(seat) = seat {
            builder = builder.seat(seat.get());
        }
        #[cfg(feature = "libp2p")]
        let libp2p = self.start_libp2p(seat, kept.path()).await?;
        #[cfg(not(feature = "libp2p"))]
        let libp2p = None;
        let links = WsConfig { link: self.link_settings(), ..self.links };
        let builder = builder.settings(self.settings);
        let (by_ws, routes) = (self.by_ws, self.routes);
        let parts = Parts { seat, kept, listener, links, by_ws, libp2p, join, routes };
        NativeNode::start(builder, parts)
    }

    /// The addresses at which the other seats are looked for, unless set.
    fn usual(&self, size: u8, except: u8) -> Vec<String> {
        let mut all = Vec::new();
        if self.by_ws {
            all.extend(loopback_seats(size, except));
        }
        // With a secret they listen beyond loopback, and are found on the local network.
        #[cfg(feature = "libp2p")]
        if self.libp2p.wanted && self.secret.is_none() {
            all.extend(Seat::all(size).filter(|seat| seat.get() != except).map(default_multiaddr));
        }
        all
    }

    /// Whether an address is one of a transport that this node has.
    fn check_join(&self, address: &str) -> Result<(), StartError> {
        let wrong =
            |reason: &str| StartError::Join { address: address.to_owned(), reason: reason.to_owned() };
        if address.trim_start().starts_with('/') {
            #[cfg(feature = "libp2p")]
            if self.libp2p.wanted {
                let parsed = address.parse::<paxoskv_transport_libp2p::address::Address>();
                return parsed.map(drop).map_err(|error| wrong(&error.to_string()));
            }
            return Err(wrong("it is a multiaddr, and this node does not link over libp2p"));
        }
        if !self.by_ws {
            return Err(wrong(
                "this node links over libp2p alone, and expects a multiaddr like /ip4/10.0.0.1/tcp/7411",
            ));
        }
        let parsed = address.parse::<paxoskv_transport_ws::address::Address>();
        parsed.map(drop).map_err(|error| wrong(&error.to_string()))
    }

    /// What the core's settings say about links, whichever transport carries them.
    fn link_settings(&self) -> LinkSettings {
        LinkSettings {
            max_frame: self.settings.max_frame,
            max_links: self.settings.links_with_unauthenticated(),
            ..self.links.link.clone()
        }
    }

    #[cfg(feature = "libp2p")]
    async fn start_libp2p(
        &self,
        seat: Option<Seat>,
        folder: Option<&std::path::Path>,
    ) -> Result<Option<paxoskv_transport_libp2p::Libp2pTransport>, StartError> {
        use paxoskv_core::Transport;
        use paxoskv_transport_libp2p::{Identity, Libp2pConfig, Libp2pTransport, SetupError};

        if !self.libp2p.wanted {
            return Ok(None);
        }
        let identity = match folder {
            Some(folder) => crate::identity::kept_in(folder)?,
            None => Identity::generate(),
        };
        let kept = folder.and_then(crate::identity::port_kept_in);
        let listen = |port: u16| match seat {
            _ if !self.libp2p.listen.is_empty() => self.libp2p.listen.clone(),
            Some(_) if self.secret.is_some() => vec![format!("/ip4/0.0.0.0/tcp/{port}")],
            Some(seat) => vec![default_multiaddr(seat)],
            None => Vec::new(),
        };
        let config = |port| Libp2pConfig {
            identity: identity.clone(),
            cluster: self.cluster.clone(),
            listen: listen(port),
            secret: self.secret.clone(),
            link: self.link_settings(),
            ..Libp2pConfig::default()
        };
        let given = !self.libp2p.listen.is_empty() || self.secret.is_none();
        let transport = match Libp2pTransport::new(config(kept.unwrap_or(0))).await {
            // Another process has the port that it had.
            Err(SetupError::InUse { .. }) if kept.is_some() && !given => {
                Libp2pTransport::new(config(0)).await?
            }
            started => started?,
        };
        if let Some(folder) = folder.filter(|_| !given) {
            crate::identity::keep_port(folder, &transport.addresses());
        }
        Ok(Some(transport))
    }
}

fn seat_of(n: u8, size: u8) -> Result<Seat, StartError> {
    let seat = Seat::new(n).filter(|seat| seat.get() <= size);
    seat.ok_or_else(|| {
        Error::invalid(format!("there is no seat {n} in a cluster of {size}: choose 1 to {size}")).into()
    })
}

/// The addresses at which the seats of a cluster listen on this machine, unless set otherwise, without the seat `except` (0
/// for none): `127.0.0.1:7401` and so on.
pub fn loopback_seats(cluster_size: u8, except: u8) -> impl Iterator<Item = String> {
    Seat::all(cluster_size).filter(move |seat| seat.get() != except).map(default_address)
}

fn default_address(seat: Seat) -> String {
    format!("127.0.0.1:{}", FIRST_PORT + u16::from(seat.get()))
}

/// The address at which a seat listens over libp2p without a secret, unless set otherwise.
#[cfg(feature = "libp2p")]
fn default_multiaddr(seat: Seat) -> String {
    format!("/ip4/127.0.0.1/tcp/{}", FIRST_LIBP2P_PORT + u16::from(seat.get()))
}

/// Binds the first of the addresses that the name stands for.
async fn bind(address: &str, has_secret: bool) -> Result<TcpListener, StartError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => StartError::InUse { address: address.to_owned() },
        _ => StartError::Listen { address: address.to_owned(), source },
    };
    let found: Vec<SocketAddr> = lookup_host(address).await.map_err(failed)?.collect();
    if let Some(open) = found.iter().find(|address| !address.ip().is_loopback() && !has_secret) {
        return Err(StartError::NeedsSecret { address: *open });
    }
    TcpListener::bind(found.as_slice()).await.map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().map(|_| ());
        assert!(taken.is_ok());
        let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = holder.local_addr().unwrap().to_string();
        let error = native("t").seat(1).memory().listen(&address).start().await.err().unwrap();
        assert!(matches!(&error, StartError::InUse { address: named } if *named == address), "{error}");
    }

    #[tokio::test]
    async fn listening_beyond_loopback_needs_a_secret() {
        let error = native("t").seat(1).memory().listen("0.0.0.0:0").start().await.err().unwrap();
        assert!(matches!(error, StartError::NeedsSecret { .. }), "{error}");
    }

    #[tokio::test]
    async fn there_is_no_seat_beyond_the_size() {
        for seat in [0, 4, 200] {
            let error = native("t").seat(seat).memory().listen("127.0.0.1:0").start().await.err().unwrap();
            assert!(matches!(error, StartError::Cluster(Error::InvalidArgument { .. })), "{error}");
        }
    }

    #[tokio::test]
    async fn a_wrong_address_is_an_error() {
        let error = native("t").seat(1).memory().listen("nowhere").start().await.err().unwrap();
        assert!(matches!(error, StartError::Listen { .. }), "{error}");
    }
}
