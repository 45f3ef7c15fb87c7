//! A transport of one's own: two nodes, linked by a pair of channels.
//!
//! A transport finds peers and carries frames between them. It knows nothing of what is in a frame, and may lose,
//! repeat, delay and reorder them. This one has one link, which is up from the start.

use std::collections::VecDeque;
use std::error::Error;
use std::task::{Context, Poll, ready};

use futures::StreamExt;
use futures::channel::mpsc::{Receiver, Sender, channel};
use futures::executor::LocalPool;
use futures::task::LocalSpawnExt;
use paxoskv_core::memory::{MemoryStorage, SystemTimer};
use paxoskv_core::transport::{CloseReason, Event, LinkId};
use paxoskv_core::{Cluster, Transport};

/// Links are named by the transport; a name is never used again for another link.
const LINK: LinkId = LinkId(1);

struct Pipe {
    /// Bounded: what a slow peer does not read is dropped, and sent again by the protocol.
    to_peer: Option<Sender<Vec<u8>>>,
    from_peer: Receiver<Vec<u8>>,
    events: VecDeque<Event>,
}

/// Both ends of a link.
fn pipe() -> [Pipe; 2] {
    let ((one, from_one), (two, from_two)) = (channel(1_000), channel(1_000));
    let end = |to_peer, from_peer, dialed| {
        let up = Event::Up { link: LINK, dialed, attested: false };
        Pipe { to_peer: Some(to_peer), from_peer, events: VecDeque::from([up]) }
    };
    [end(one, from_two, true), end(two, from_one, false)]
}

impl Pipe {
    /// A link goes down once, and for ever.
    fn go_down(&mut self, reason: &str) {
        if self.to_peer.take().is_some() {
            self.events.push_back(Event::Down { link: LINK, reason: reason.into(), gone: false });
        }
    }
}

impl Transport for Pipe {
    fn addresses(&self) -> Vec<String> {
        Vec::new() // nobody can dial this
    }

    fn dial(&mut self, _: &[String]) {}

    fn send(&mut self, _: LinkId, frame: Vec<u8>) {
        if let Some(to_peer) = &mut self.to_peer {
            to_peer.try_send(frame).ok();
        }
    }

    fn close(&mut self, _: LinkId, _: CloseReason) {
        self.go_down("this side has closed it");
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Poll::Ready(event);
            }
            if self.to_peer.is_none() {
                return Poll::Pending; // nothing more will happen
            }
            match ready!(self.from_peer.poll_next_unpin(cx)) {
                Some(bytes) => return Poll::Ready(Event::Frame { link: LINK, bytes }),
                None => self.go_down("the other side has closed it"),
            }
        }
    }

    fn poll_flush(&mut self, _: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut pool = LocalPool::new();
    let mut seat = 0;
    // Two of the cluster's three seats are a quorum.
    let nodes = pipe().map(|pipe| {
        seat += 1;
        let (cluster, driver) = Cluster::builder("demo")
            .seat(seat)
            .storage(MemoryStorage::new())
            .transport(pipe)
            .timer(SystemTimer::new())
            .entropy([seat; 32]) // of a real random source, outside of examples
            .build()?;
        let driver = async {
            if let Err(error) = driver.await {
                eprintln!("a node has stopped: {error}");
            }
        };
        pool.spawner().spawn_local(driver)?;
        Ok::<Cluster, Box<dyn Error>>(cluster)
    });
    let [one, two] = nodes;
    let (one, two) = (one?, two?);
    pool.run_until(async {
        one.put("colour", "blue").await?;
        let chosen = two.put("colour", "green").await?;
        println!("the second node finds {}", chosen.value::<String>()?);
        assert!(!chosen.won());
        Ok(())
    })
}
