//! One link, from its stream to its end: a task that does the handshake, reads and writes.

use std::sync::Arc;

use futures::io::{BufWriter, ReadHalf, WriteHalf};
use futures::{AsyncReadExt, AsyncWriteExt};
use libp2p::swarm::ConnectionId;
use libp2p::{PeerId, Stream};
use paxoskv_core::transport::{CloseReason, Event, LinkId};
use paxoskv_transport_queues::Outbox;
use paxoskv_transport_queues::runtime::{timeout, timeout_at};
use tokio::pin;
use tokio::sync::watch;

use super::hub::{Hub, Report};
use crate::frame::{Item, ReadError, read, write_frame, write_goodbye};
use crate::handshake::{Failure, Side, establish};
use crate::members::Door;
use crate::refusal::{Code, Refusal};

/// Frames that may be written before they are flushed, where more keep coming.
const FLUSH_EVERY: usize = 32;

/// Small frames are put together up to this many bytes.
const BATCH: usize = 64 << 10;

/// A stream that is to become a link.
pub(super) struct Opened {
    pub(super) peer: PeerId,
    pub(super) connection: ConnectionId,
    pub(super) stream: Stream,
    /// Whether this side opened it.
    pub(super) dialed: bool,
    /// Whether it goes through another node.
    pub(super) relayed: bool,
    /// What keeps the other side from all else on this connection.
    pub(super) door: Arc<Door>,
    /// Where the other side is, for people.
    pub(super) from: String,
}

/// How a stream ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// There was no link: one side would not have the other.
    Refused(String),
    /// There was no link: nobody is there who talks like a node.
    NoNode(String),
    /// This side closed the link.
    Here(CloseReason),
    /// The other side closed it, and said this.
    There(Option<Code>, String),
    /// The connection broke, or the other side sent what it must not.
    Broken(String),
    /// There are as many links as there may be.
    TooMany,
}

impl Ended {
    /// For people.
    fn reason(&self) -> String {
        match self {
            Self::Here(CloseReason::Leaving) => "closed here: this node is leaving".into(),
            Self::Here(CloseReason::Itself) => "closed here: both ends are this node".into(),
            Self::Here(CloseReason::Duplicate { .. }) => "closed here: the node has another link".into(),
            Self::Here(CloseReason::Refused(why) | CloseReason::Faulty(why)) => format!("closed here: {why}"),
            Self::There(_, why) => format!("closed by the other side: {why}"),
            Self::Refused(why) | Self::NoNode(why) | Self::Broken(why) => why.clone(),
            Self::TooMany => "there are as many links as there may be".into(),
        }
    }
}

/// Does all of it, and reports the end. The core hears Up first and Down last, once each.
pub(super) async fn run(hub: Arc<Hub>, opened: Opened) {
    let Opened { peer, connection, relayed, .. } = opened;
    let (was_up, ended) = run_to_end(&hub, opened).await;
    tracing::debug!(%peer, was_up, reason = ended.reason(), "a stream has ended");
    hub.report(Report::Ended { peer, connection, relayed, was_up, ended });
}

async fn run_to_end(hub: &Hub, opened: Opened) -> (bool, Ended) {
    let Opened { peer, mut stream, dialed, relayed, door, from, .. } = opened;
    let allowed = hub.config.handshake_timeout;
    let ended = match timeout(allowed, shake_hands(hub, &mut stream, peer, dialed, &door)).await {
        Ok(Ok(())) => None,
        Ok(Err(Failure::Refused(reason))) => {
            if !dialed {
                hub.turned_away(&from, &reason);
            }
            Some(Ended::Refused(reason))
        }
        Ok(Err(Failure::Broken(reason))) => Some(Ended::NoNode(reason)),
        Err(_) => Some(Ended::NoNode(format!("no handshake within {} ms", allowed.as_millis()))),
    };
    if let Some(ended) = ended {
        // If the connection went at once, the reason could be lost with it.
        let _ = timeout(hub.config.flush_timeout, drain(&mut stream)).await;
        return (false, ended);
    }
    door.is_answered();
    if !relayed {
        hub.replace_relayed(peer).await;
    }
    let outbox = Arc::new(Outbox::new(hub.config.queue_limits(), &hub.outstanding));
    let (up, alive) = watch::channel(());
    let Some(link) = hub.enter(&outbox, (peer, relayed), alive) else { return (false, Ended::TooMany) };
    if hub.config.wait_at_relays && dialed && !relayed {
        // Before the core greets the other side, and tells it where this node is.
        hub.reached_through(peer, &from);
    }
    hub.report(Report::Up { peer, relayed });
    if hub.inbox.tell(Event::Up { link, dialed, attested: false }).await.is_err() {
        hub.leave(link);
        return (true, Ended::Here(CloseReason::Leaving));
    }
    let ended = carry(hub, link, &outbox, stream).await;
    hub.leave(link);
    outbox.clear();
    let _ = hub.inbox.tell(Event::Down { link, reason: ended.reason(), gone: false }).await;
    drop(up);
    (true, ended)
}

/// Reads until the other side has nothing more to say, and forgets it.
async fn drain(stream: &mut Stream) {
    let mut heard = [0; 1024];
    while stream.read(&mut heard).await.is_ok_and(|read| read > 0) {}
}

async fn shake_hands(
    hub: &Hub,
    stream: &mut Stream,
    peer: PeerId,
    dialed: bool,
    door: &Door,
) -> Result<(), Failure> {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce)
        .map_err(|error| Failure::Broken(format!("the system gave no random numbers: {error}")))?;
    let side = Side {
        secret: hub.config.secret.as_ref(),
        cluster: hub.config.cluster.as_deref(),
        peers: (hub.config.identity.peer_id(), peer),
        dialed,
        nonce,
    };
    let proven = || {
        door.prove();
        hub.report(Report::Proven { peer });
    };
    establish(stream, &side, proven).await
}

async fn carry(hub: &Hub, link: LinkId, outbox: &Outbox, stream: Stream) -> Ended {
    let allowed = hub.config.flush_timeout;
    let (mut from, to) = stream.split();
    let mut to = BufWriter::with_capacity(BATCH, to);
    let (ended, last_words) = {
        let reading = read_all(hub, link, outbox, &mut from);
        let writing = write_all(outbox, &mut to);
        pin!(reading, writing);
        tokio::select! {
            ended = &mut reading => ended,
            wrote = &mut writing => match wrote {
                // The goodbye is out. The other side may still be sending; if its bytes met a closed stream, the
                // goodbye could be lost with them.
                Ok(()) => {
                    let since = outbox.closed().await;
                    let _ = timeout_at(since + allowed, reading).await;
                    (Ended::Broken("closed".into()), None)
                }
                // Its last words may have arrived before the connection broke.
                Err(error) => timeout(allowed, reading).await.unwrap_or((Ended::Broken(error), None)),
            },
            () = outbox.overdue(allowed) => (Ended::Broken("closed".into()), None),
            () = hub.inbox.stopped() => {
                (Ended::Here(CloseReason::Leaving), Some(Refusal::closing(&CloseReason::Leaving)))
            }
        }
    };
    if let Some(refusal) = last_words {
        let _ = timeout(allowed, write_goodbye(&mut to, &refusal)).await;
    }
    match outbox.closing() {
        Some(closing) => Ended::Here(closing),
        None => ended,
    }
}

/// Hands what comes in to the core, until nothing more does. Waits while the core is busy, so that the other side's
/// sending stops as well. Also returns what to tell the other side, if it does not know.
async fn read_all(
    hub: &Hub,
    link: LinkId,
    outbox: &Outbox,
    from: &mut ReadHalf<Stream>,
) -> (Ended, Option<Refusal>) {
    loop {
        match read(from, hub.config.max_frame).await {
            Ok(Item::Frame(_)) if outbox.closing().is_some() => {} // Nobody wants it any more.
            Ok(Item::Frame(bytes)) => {
                tokio::select! {
                    told = hub.inbox.tell(Event::Frame { link, bytes }) => if told.is_err() {
                        return (Ended::Here(CloseReason::Leaving), Some(Refusal::closing(&CloseReason::Leaving)));
                    },
                    _ = outbox.closed() => {}
                }
            }
            Ok(Item::Goodbye(code, reason)) => return (Ended::There(code, reason), None),
            Err(ReadError::Faulty(reason)) => {
                return (Ended::Broken(reason.clone()), Some(Refusal::new(Code::Faulty, reason)));
            }
            Err(error) => return (Ended::Broken(error.to_string()), None),
        }
    }
}

/// Sends what is queued, and the goodbye after the last frame.
async fn write_all(outbox: &Outbox, to: &mut BufWriter<WriteHalf<Stream>>) -> Result<(), String> {
    let broke = |error: std::io::Error| format!("the connection broke: {error}");
    let mut unflushed = Vec::new();
    while let Some((frame, ticket)) = outbox.next().await {
        write_frame(to, &frame).await.map_err(broke)?;
        unflushed.push(ticket);
        if outbox.is_empty() || unflushed.len() >= FLUSH_EVERY {
            to.flush().await.map_err(broke)?;
            unflushed.clear();
        }
    }
    let closing = outbox.closing().unwrap_or(CloseReason::Leaving);
    write_goodbye(to, &Refusal::closing(&closing)).await.map_err(broke)
}
