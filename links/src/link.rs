//! A connection's handshake, and a link from up to down, in the task that it has.

use std::time::Duration;

use paxoskv_core::transport::{CloseReason, Event, LinkId};
use tokio::pin;

use crate::end::LinkEnd;
use crate::frames::{FrameReader, FrameWriter, Incoming};
use crate::goodbye::Goodbye;
use crate::handshake::{Established, Failure, Handshake, Next, Proofs};
use crate::hub::{Hub, OpenLink};
use crate::outbox::Outbox;
use crate::runtime::{timeout, timeout_at};

/// Frames that may be written before they are flushed, where more keep coming.
const FLUSH_EVERY: usize = 32;

/// Does a handshake. The caller bounds its time; turning the other side away takes `patience` at most.
///
/// # Errors
///
/// Why there is no link.
pub async fn shake_hands<P: Proofs>(
    connection: &mut (impl FrameReader + FrameWriter),
    handshake: Handshake<P>,
    patience: Duration,
) -> Result<Established<P::Outcome>, Failure> {
    send(connection, vec![handshake.first().to_vec()]).await;
    let mut handshake = handshake;
    let goodbye = loop {
        let step = match connection.read().await {
            Incoming::Frame(message) => handshake.handle(&message),
            Incoming::Invalid(goodbye) => Err(goodbye),
            Incoming::Closed(code, reason) => {
                let _ = timeout(patience, connection.drain()).await;
                return Err(Failure::closed_there(code, &reason));
            }
            Incoming::Broken(reason) => {
                return Err(Failure::Broken(format!("the connection was lost in the handshake: {reason}")));
            }
        };
        let step = match step {
            Ok(step) => step,
            Err(goodbye) => break goodbye,
        };
        send(connection, step.send).await;
        handshake = match step.next {
            Next::Wait(next) => next,
            Next::Done(established) => return Ok(established),
        };
    };
    let _ = timeout(patience, async {
        if connection.close(&goodbye).await.is_ok() {
            connection.drain().await;
        }
    })
    .await;
    Err(goodbye.into())
}

async fn send(connection: &mut impl FrameWriter, messages: Vec<Vec<u8>>) {
    for message in messages {
        // If it cannot be sent, the other side may have sent a goodbye before it left: that is read next.
        if connection.write(message).await.is_err() {
            return;
        }
    }
    let _ = connection.flush().await;
}

/// Carries frames until the link is down. The core is notified of Up first and of Down last, once each.
pub async fn carry<T>(
    hub: &Hub<T>,
    open: OpenLink,
    dialed: bool,
    reader: impl FrameReader,
    writer: impl FrameWriter,
) -> LinkEnd {
    let OpenLink { link, outbox, alive } = open;
    if hub.notify(Event::Up { link, dialed, attested: false }).await.is_err() {
        hub.leave(link);
        return LinkEnd::ClosedHere(CloseReason::Leaving);
    }
    let end = transfer(hub, link, &outbox, reader, writer).await;
    hub.leave(link);
    outbox.clear();
    let reason = end.reason();
    tracing::debug!(link = link.0, reason, "link down");
    let _ = hub.notify(Event::Down { link, reason, gone: false }).await;
    drop(alive);
    end
}

/// How a link ended, and what to tell the other side if it does not know.
type Ended = (LinkEnd, Option<Goodbye>);

async fn transfer<T>(
    hub: &Hub<T>,
    link: LinkId,
    outbox: &Outbox,
    mut reader: impl FrameReader,
    mut writer: impl FrameWriter,
) -> LinkEnd {
    let allowed = hub.settings.flush_timeout;
    let (end, goodbye) = {
        let reading = read_all(hub, link, outbox, &mut reader);
        let writing = write_all(hub, outbox, &mut writer);
        pin!(reading, writing);
        tokio::select! {
            ended = &mut reading => ended,
            written = &mut writing => match written {
                // The goodbye is out; see `FrameReader::drain`.
                Ok(()) => {
                    let since = outbox.closed().await;
                    let _ = timeout_at(since + allowed, reading).await;
                    (LinkEnd::Broken("closed".into()), None)
                }
                // The other side's goodbye may have arrived before the connection broke.
                Err(error) => timeout(allowed, reading).await.unwrap_or((LinkEnd::Broken(error), None)),
            },
            () = outbox.overdue(allowed) => (LinkEnd::Broken("closed".into()), None),
            () = hub.stopped() => leaving(),
        }
    };
    if let Some(goodbye) = goodbye {
        let _ = timeout(allowed, writer.close(&goodbye)).await;
    }
    outbox.closing().map_or(end, LinkEnd::ClosedHere)
}

fn leaving() -> Ended {
    let closing = CloseReason::Leaving;
    let goodbye = Goodbye::closing(&closing, None);
    (LinkEnd::ClosedHere(closing), Some(goodbye))
}

/// Hands what comes in to the core, until nothing more does. Waits while the core is busy, so that the other side's
/// sending stops as well.
async fn read_all<T>(hub: &Hub<T>, link: LinkId, outbox: &Outbox, reader: &mut impl FrameReader) -> Ended {
    loop {
        match reader.read().await {
            Incoming::Frame(_) if outbox.closing().is_some() => {} // Nobody wants it any more.
            Incoming::Frame(bytes) => {
                tokio::select! {
                    notified = hub.notify(Event::Frame { link, bytes }) => if notified.is_err() {
                        return leaving();
                    },
                    _ = outbox.closed() => {}
                }
            }
            Incoming::Closed(code, reason) => {
                let _ = timeout(hub.settings.flush_timeout, reader.drain()).await;
                return (LinkEnd::ClosedThere(code, reason), None);
            }
            Incoming::Invalid(goodbye) => return (LinkEnd::Broken(goodbye.reason.clone()), Some(goodbye)),
            Incoming::Broken(reason) => return (LinkEnd::Broken(reason), None),
        }
    }
}

/// Sends what is queued, and the goodbye after the last frame.
async fn write_all<T>(hub: &Hub<T>, outbox: &Outbox, writer: &mut impl FrameWriter) -> Result<(), String> {
    let mut unflushed = Vec::new();
    while let Some((frame, unsent)) = outbox.next().await {
        writer.write(frame).await?;
        unflushed.push(unsent);
        if outbox.is_empty() || unflushed.len() >= FLUSH_EVERY {
            writer.flush().await?;
            unflushed.clear();
        }
    }
    writer.close(&hub.goodbye(&outbox.closing().unwrap_or(CloseReason::Leaving))).await
}
