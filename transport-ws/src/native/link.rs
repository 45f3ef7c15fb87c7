//! One link, from up to down: a task that reads and writes its socket.

use std::sync::Arc;

use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use paxoskv_core::transport::{CloseReason, Event, LinkId};
use paxoskv_transport_queues::Outbox;
use tokio::pin;
use tokio::sync::watch;
use tokio::time::{timeout, timeout_at};
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::establish::Ready;
use super::hub::Hub;
use super::socket::{Socket, goodbye};
use crate::ending::Ended;
use crate::noise::{Opener, Sealer};
use crate::refusal::{Code, harmless, kept};

/// Frames that may be handed to the socket before it is flushed, where more keep coming.
const FLUSH_EVERY: usize = 32;

/// Carries frames until the link is down. The core hears Up first and Down last, once each.
pub(super) async fn run(hub: &Hub, ready: Ready) -> Ended {
    let Ready { socket, keys, token, dialed } = ready;
    let (sealer, opener) = keys.unzip();
    let outbox = Arc::new(Outbox::new(hub.config.queue_limits(), &hub.outstanding));
    let (up, alive) = watch::channel(());
    let Some(link) = hub.enter(&outbox, token, alive) else { return Ended::TooMany };
    if hub.tell(Event::Up { link, dialed, attested: false }).await.is_err() {
        hub.leave(link);
        return Ended::Here(CloseReason::Leaving);
    }
    let ended = carry(hub, link, &outbox, socket, sealer, opener).await;
    hub.leave(link);
    outbox.clear();
    tracing::debug!(link = link.0, reason = ended.reason(), "link down");
    let _ = hub.tell(Event::Down { link, reason: ended.reason(), gone: false }).await;
    drop(up);
    ended
}

async fn carry(
    hub: &Hub,
    link: LinkId,
    outbox: &Outbox,
    socket: Socket,
    sealer: Option<Sealer>,
    opener: Option<Opener>,
) -> Ended {
    let allowed = hub.config.flush_timeout;
    let (mut sink, mut stream) = socket.split();
    let (ended, code) = {
        let reading = read(hub, link, outbox, &mut stream, opener);
        let writing = write(hub, outbox, &mut sink, sealer);
        pin!(reading, writing);
        tokio::select! {
            ended = &mut reading => ended,
            wrote = &mut writing => match wrote {
                // The goodbye is out. The other side may still be sending; if its bytes met a closed socket, the
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
            () = hub.stopped() => (Ended::Here(CloseReason::Leaving), Some(Code::Leaving)),
        }
    };
    if let Some(code) = code {
        let _ = timeout(allowed, sink.send(goodbye(code, &ended.reason()))).await;
    }
    match outbox.closing() {
        Some(closing) => Ended::Here(closing),
        None => ended,
    }
}

/// Hands what comes in to the core, until nothing more does. Waits while the core is busy, so that the other side's
/// sending stops as well. Also returns what to tell the other side, if it does not know.
async fn read(
    hub: &Hub,
    link: LinkId,
    outbox: &Outbox,
    stream: &mut SplitStream<Socket>,
    mut opener: Option<Opener>,
) -> (Ended, Option<Code>) {
    let faulty = |reason: String| (Ended::Broken(reason), Some(Code::Faulty));
    loop {
        let message = match stream.next().await {
            Some(Ok(message)) => message,
            Some(Err(error)) => return failed(&error),
            None => return (Ended::Broken("the connection ended without a goodbye".into()), None),
        };
        match message {
            Message::Binary(_) if outbox.closing().is_some() => {} // Nobody wants it any more.
            Message::Binary(message) => {
                let bytes = match opened(opener.as_mut(), message, hub.config.max_frame) {
                    Ok(bytes) => bytes,
                    Err(reason) => return faulty(reason),
                };
                tokio::select! {
                    told = hub.tell(Event::Frame { link, bytes }) => if told.is_err() {
                        return (Ended::Here(CloseReason::Leaving), Some(Code::Leaving));
                    },
                    _ = outbox.closed() => {}
                }
            }
            Message::Close(frame) => {
                let ended = match frame {
                    Some(frame) => {
                        Ended::There(Code::from_number(frame.code.into()), harmless(&frame.reason))
                    }
                    None => Ended::There(None, "without a reason".into()),
                };
                // The answer to the goodbye goes out as the stream is read to its end.
                let _ = timeout(hub.config.flush_timeout, async {
                    while let Some(Ok(_)) = stream.next().await {}
                })
                .await;
                return (ended, None);
            }
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            Message::Text(_) => return faulty("a text message came where frames are binary".into()),
        }
    }
}

fn opened(opener: Option<&mut Opener>, message: Bytes, max_frame: usize) -> Result<Vec<u8>, String> {
    let frame = match opener {
        Some(opener) => opener.open(&message).map_err(|broken| broken.to_string())?,
        None => message.into(),
    };
    if frame.len() > max_frame { Err(too_long(frame.len(), max_frame)) } else { Ok(frame) }
}

fn too_long(length: usize, limit: usize) -> String {
    format!("a frame of {length} bytes came, over the limit of {limit}")
}

fn failed(error: &Error) -> (Ended, Option<Code>) {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            (Ended::Broken(too_long(*size, *max_size)), Some(Code::TooBig))
        }
        Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_) => {
            (Ended::Broken(format!("what came is no WebSocket traffic: {error}")), Some(Code::Faulty))
        }
        _ => (Ended::Broken(format!("the connection broke: {error}")), None),
    }
}

/// Sends what is queued, and the goodbye after the last frame.
async fn write(
    hub: &Hub,
    outbox: &Outbox,
    sink: &mut SplitSink<Socket, Message>,
    mut sealer: Option<Sealer>,
) -> Result<(), String> {
    let broke = |error: Error| format!("the connection broke: {error}");
    let mut unflushed = Vec::new();
    while let Some((frame, ticket)) = outbox.next().await {
        let message = match &mut sealer {
            Some(sealer) => sealer.seal(&frame).map_err(|broken| broken.to_string())?,
            None => frame,
        };
        sink.feed(Message::Binary(message.into())).await.map_err(broke)?;
        unflushed.push(ticket);
        if outbox.is_empty() || unflushed.len() >= FLUSH_EVERY {
            sink.flush().await.map_err(broke)?;
            unflushed.clear();
        }
    }
    let farewell = match outbox.closing() {
        Some(CloseReason::Itself) => goodbye(Code::Itself, "both ends are one node"),
        Some(CloseReason::Duplicate { kept: link }) => {
            let reason = hub.token(link).map_or_else(|| "duplicate".into(), |token| kept(&token));
            goodbye(Code::Duplicate, &reason)
        }
        Some(CloseReason::Refused(why)) => goodbye(Code::Refused, &why),
        Some(CloseReason::Faulty(why)) => goodbye(Code::Faulty, &why),
        Some(CloseReason::Leaving) | None => goodbye(Code::Leaving, "the node is leaving"),
    };
    sink.send(farewell).await.map_err(broke)
}
