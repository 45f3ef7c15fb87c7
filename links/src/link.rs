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

/// How a link ended, and the goodbye for the other side if it does not know.
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
            Incoming::Frame(_) if outbox.closing().is_some() => {} // It is of no use any more.
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

#[cfg(all(test, not(target_family = "wasm")))]
mod tests {
    use tokio::sync::mpsc;

    use super::*;
    use crate::goodbye::CloseCode;
    use crate::inbox::Events;
    use crate::settings::LinkSettings;

    /// One end of a connection in memory.
    struct End<T>(T);

    impl FrameReader for End<mpsc::Receiver<Incoming>> {
        async fn read(&mut self) -> Incoming {
            self.0.recv().await.unwrap_or(Incoming::Broken("the connection broke".into()))
        }

        async fn drain(&mut self) {
            while self.0.recv().await.is_some() {}
        }
    }

    impl FrameWriter for End<mpsc::Sender<Incoming>> {
        async fn write(&mut self, frame: Vec<u8>) -> Result<(), String> {
            self.0.send(Incoming::Frame(frame)).await.map_err(|error| error.to_string())
        }

        async fn flush(&mut self) -> Result<(), String> {
            Ok(())
        }

        async fn close(&mut self, goodbye: &Goodbye) -> Result<(), String> {
            let closed = Incoming::Closed(Some(goodbye.code), goodbye.reason.clone());
            self.0.send(closed).await.map_err(|error| error.to_string())
        }
    }

    struct Fixture {
        hub: Hub<()>,
        events: Events,
        open: OpenLink,
        /// The other side's ends of the connection.
        to_here: mpsc::Sender<Incoming>,
        from_here: mpsc::Receiver<Incoming>,
        reader: End<mpsc::Receiver<Incoming>>,
        writer: End<mpsc::Sender<Incoming>>,
    }

    fn fixture() -> Fixture {
        let settings = LinkSettings { flush_timeout: Duration::from_millis(200), ..LinkSettings::default() };
        let (hub, events) = Hub::new(settings);
        let Some(open) = hub.enter([1; 32], ()) else { panic!("an empty hub has room") };
        let ((to_here, reader), (writer, from_here)) = (mpsc::channel(16), mpsc::channel(16));
        Fixture { hub, events, open, to_here, from_here, reader: End(reader), writer: End(writer) }
    }

    async fn event(events: &mut Events) -> Event {
        std::future::poll_fn(|cx| events.poll(cx)).await
    }

    #[tokio::test]
    async fn what_was_sent_goes_out_before_the_goodbye_and_the_core_gets_up_first_and_down_last() {
        let Fixture { hub, mut events, open, to_here, mut from_here, reader, writer } = fixture();
        let link = open.link;
        let other_side = async {
            to_here.send(Incoming::Frame(b"in".to_vec())).await.unwrap();
            assert_eq!(event(&mut events).await, Event::Up { link, dialed: true, attested: false });
            assert_eq!(event(&mut events).await, Event::Frame { link, bytes: b"in".to_vec() });
            hub.send(link, b"out".to_vec());
            hub.close(link, CloseReason::Refused("not this one".into()));
            hub.send(link, b"too late".to_vec());
            assert_eq!(from_here.recv().await, Some(Incoming::Frame(b"out".to_vec())));
            let goodbye = Incoming::Closed(Some(CloseCode::Refused), "not this one".into());
            assert_eq!(from_here.recv().await, Some(goodbye));
            drop(to_here);
            let reason = "closed here: not this one".to_owned();
            assert_eq!(event(&mut events).await, Event::Down { link, reason, gone: false });
        };
        let (end, ()) = tokio::join!(carry(&hub, open, true, reader, writer), other_side);
        assert_eq!(end, LinkEnd::ClosedHere(CloseReason::Refused("not this one".into())));
        assert_eq!(hub.outstanding().bytes(), 0);
    }

    #[tokio::test]
    async fn a_side_that_sends_what_it_must_not_gets_a_goodbye_that_says_so() {
        let Fixture { hub, events: _events, open, to_here, mut from_here, reader, writer } = fixture();
        let goodbye = Goodbye::faulty("that is no frame");
        to_here.send(Incoming::Invalid(goodbye)).await.unwrap();
        let end = carry(&hub, open, false, reader, writer).await;
        assert_eq!(end, LinkEnd::Broken("that is no frame".into()));
        let closed = Incoming::Closed(Some(CloseCode::Faulty), "that is no frame".into());
        assert_eq!(from_here.recv().await, Some(closed));
    }

    #[tokio::test]
    async fn a_link_that_is_closed_ends_in_time_where_the_other_side_does_not_read() {
        let Fixture { hub, events: _events, open, to_here: _open, from_here: _full, reader, writer } =
            fixture();
        (0..100).for_each(|_| hub.send(open.link, vec![0; 10]));
        hub.close(open.link, CloseReason::Leaving);
        let ended = carry(&hub, open, false, reader, writer);
        let end = timeout(Duration::from_secs(10), ended).await.expect("it ends in time");
        assert_eq!(end, LinkEnd::ClosedHere(CloseReason::Leaving));
        assert_eq!(hub.outstanding().bytes(), 0);
    }
}
