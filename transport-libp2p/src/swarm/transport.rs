//! The port that the core polls.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use libp2p::PeerId;
use libp2p::core::transport::ListenerId;
use paxoskv_core::transport::{CloseReason, Event, LinkId, Transport};
use paxoskv_links::Port;
use paxoskv_links::runtime::{Runtime, timeout};
use tokio::sync::mpsc;

use super::config::{Libp2pConfig, SetupError};
use super::driver::Driver;
use super::hub::{About, Hub};
use super::platform::swarm;
use crate::address::Address;
use crate::peers::Peers;

/// How many addresses may wait for the driver to take them in.
const DIALS: usize = 4096;

/// How long to wait for the system to say on which addresses this node listens.
const LISTENING: Duration = Duration::from_secs(1);

/// Links over libp2p, to nodes that this one dials and to those that dial it.
///
/// Dropping it takes all links down without a goodbye; [`close`](Transport::close) them first where there is time.
pub struct Libp2pTransport {
    hub: Arc<Hub>,
    port: Port<About>,
    dial: mpsc::Sender<Address>,
}

impl fmt::Debug for Libp2pTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Libp2pTransport").field("peer", &self.peer_id()).finish_non_exhaustive()
    }
}

impl Libp2pTransport {
    /// A transport that listens where its settings say.
    ///
    /// # Errors
    ///
    /// Outside of a tokio runtime, where settings make no sense, and where the system does not let it listen.
    pub async fn new(config: Libp2pConfig) -> Result<Self, SetupError> {
        Self::boxed(config).await
    }

    /// A box made here has the swarm compiled here, once, and not in each crate that awaits it.
    fn boxed(config: Libp2pConfig) -> BoxFuture<'static, Result<Self, SetupError>> {
        Box::pin(Self::start(config))
    }

    async fn start(config: Libp2pConfig) -> Result<Self, SetupError> {
        let runtime = Runtime::current().ok_or(SetupError::NoRuntime)?;
        let listen = config.listeners()?;
        let peers = Peers::default();
        let mut swarm = swarm(&config, &peers).await?;
        let mut waiting: HashSet<ListenerId> = HashSet::new();
        for address in listen {
            Libp2pConfig::check_free(&address)?;
            let failed = |reason: &dyn fmt::Display| SetupError::Listen {
                address: address.clone(),
                reason: reason.to_string(),
            };
            waiting.insert(swarm.listen_on(address.clone()).map_err(|error| failed(&error))?);
        }
        let (hub, events, reports) = Hub::new(config, peers);
        let (dial, dialed) = mpsc::channel(DIALS);
        let mut driver = Driver::new(Arc::clone(&hub), swarm);
        // Where there is no network yet, addresses come later.
        let _ = timeout(LISTENING, driver.listening(waiting)).await;
        runtime.spawn(driver.run(dialed, reports));
        let port = Port::new(Arc::clone(&hub.links), events, runtime);
        Ok(Self { hub, port, dial })
    }

    /// This node's peer id.
    #[must_use]
    pub fn peer_id(&self) -> PeerId {
        self.hub.config.identity.peer_id()
    }

    /// How many frames were dropped so far because their link's queue was full or they were over the limit.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.port.dropped()
    }
}

impl Transport for Libp2pTransport {
    fn addresses(&self) -> Vec<String> {
        self.hub.addresses()
    }

    fn dial(&mut self, addresses: &[String]) {
        for address in addresses.iter().filter_map(|text| text.parse::<Address>().ok()) {
            // The driver takes at once what there is. If it cannot, the core dials again with its next link.
            let _ = self.dial.try_send(address);
        }
    }

    fn send(&mut self, link: LinkId, frame: Vec<u8>) {
        self.port.send(link, frame);
    }

    fn close(&mut self, link: LinkId, closing: CloseReason) {
        self.port.close(link, closing);
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        self.port.poll_event(cx)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.port.poll_flush(cx)
    }
}
