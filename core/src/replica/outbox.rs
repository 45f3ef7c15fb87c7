//! What is sent to whom, and when it may leave.
//!
//! Queries leave at once: they say nothing about this store. Replies, votes and responses wait until the state that they
//! speak of is durable. So does every Accept: it stands on a promise, or in round 0 on a vote, of this seat's own acceptor,
//! and on no other seat's word that it was durable. And so does every query above generation 0, since it says that an
//! earlier generation is over, which this store's own vote may have decided. Nothing at all is sent before the node's boot
//! is durable.
//!
//! What waits is bounded, since a short query may have a long reply: what finds no room is dropped, as it may be on any
//! link, and whoever sent the query sends it again.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::mem;

use super::Output;
use crate::codec::{Writer, encode};
use crate::rules::Rules;
use crate::sorted::{Gather, Map};
use crate::storage::Batch;
use crate::transport::{CloseReason, LinkId};
use crate::types::Generation;
use crate::wire::Message;

/// Messages are put together into frames of at most so many bytes; a longer message is a frame by itself. A peer is heard
/// with each whole frame, so even on a slow link no frame should take as long as the silence that closes a link.
pub(super) const FRAME: usize = 64 << 10;

/// How many bytes of values are listed, or caught up with, at a time: other messages wait for no more than that.
pub(super) const PAGE_BYTES: usize = 256 << 10;

/// How many bytes of messages may wait here, for all links together. A link may have as much waiting as is left of that,
/// so that however many ask for much, there is room for others.
const MAX_WAITING: usize = 32 << 20;

#[derive(Clone)]
pub(super) struct Outbox {
    max_frame: usize,
    rules: Rules,
    /// Whether the boot is durable; an observer need not count them.
    open: bool,
    /// What may leave now.
    outputs: VecDeque<Output>,
    /// Messages that wait for nothing but the end of the turn.
    free: Frames,
    /// What waits for the batch that is under way.
    under_way: Option<Vec<Output>>,
    /// What waits for the next batch.
    bound: Frames,
    bound_outputs: Vec<Output>,
}

impl Outbox {
    pub(super) fn new(max_frame: usize, rules: Rules, open: bool) -> Self {
        Self {
            max_frame: max_frame.min(FRAME),
            rules,
            open,
            outputs: VecDeque::new(),
            free: Frames::default(),
            under_way: None,
            bound: Frames::default(),
            bound_outputs: Vec::new(),
        }
    }

    /// Sends a message on some links.
    pub(super) fn send(&mut self, links: &[LinkId], message: &Message) {
        if links.is_empty() {
            return;
        }
        let frames = if self.is_bound(message) { &mut self.bound } else { &mut self.free };
        let bytes = encode(message);
        for link in links {
            frames.add(*link, &bytes, self.max_frame);
        }
    }

    fn is_bound(&self, message: &Message) -> bool {
        match message {
            Message::Promise { .. }
            | Message::Accepted { .. }
            | Message::Rejected { .. }
            | Message::Stale { .. }
            | Message::Chosen { .. }
            | Message::LearnedPage { .. }
            | Message::HeartbeatAck { .. }
            | Message::RelayedHeartbeatAck { .. }
            | Message::SuspicionReply { .. }
            | Message::ClockReply { .. }
            | Message::Response { .. } => self.rules.persist_before_answer(),
            Message::ReadReply { .. } => self.rules.persist_before_answer() && self.rules.durable_reads(),
            Message::Accept { .. } => {
                self.rules.persist_before_answer() && self.rules.durable_before_accept()
            }
            Message::Prepare { register, .. }
            | Message::Read { register, .. }
            | Message::Forward { register, .. } => {
                self.rules.persist_before_answer() && register.generation > Generation(0)
            }
            Message::Hello { .. }
            | Message::Refuse { .. }
            | Message::Goodbye {}
            | Message::Ping { .. }
            | Message::Pong { .. }
            | Message::Addresses { .. }
            | Message::Pull { .. }
            | Message::Fetch { .. }
            | Message::Heartbeat { .. }
            | Message::RelayedHeartbeat { .. }
            | Message::Left { .. }
            | Message::SuspicionQuery { .. }
            | Message::ClockQuery { .. }
            | Message::Request { .. }
            | Message::Cancel { .. } => false,
        }
    }

    /// Answers a call, once what it says is durable.
    pub(super) fn reply(&mut self, output: Output) {
        if self.rules.persist_before_answer() {
            self.bound_outputs.push(output);
        } else {
            self.outputs.push_back(output);
        }
    }

    /// Does something that depends on nothing.
    pub(super) fn output(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    /// Closes a link, after what was sent on it so far and waits for nothing.
    pub(super) fn close(&mut self, link: LinkId, reason: CloseReason) {
        for frame in self.free.take(link) {
            // Before the boot is durable not even a Hello may leave: it names a store that may never be.
            if self.open {
                self.outputs.push_back(Output::Send { link, frame });
            }
        }
        self.bound.take(link);
        self.outputs.push_back(Output::Close { link, reason });
    }

    /// Drops all that waits for a batch, which has failed.
    pub(super) fn discard(&mut self) {
        self.under_way = None;
        self.bound = Frames::default();
        let replies = mem::take(&mut self.bound_outputs);
        // Replies that report a failure stand all the same; they were made after the batch had failed.
        self.release(replies.into_iter().filter(is_failure).gather());
    }

    /// Whether anything may leave: this boot is durable.
    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    pub(super) fn is_persisting(&self) -> bool {
        self.under_way.is_some()
    }

    /// Whether anything waits to be covered by a batch.
    pub(super) fn has_answers(&self) -> bool {
        !self.bound.links.is_empty() || !self.bound_outputs.is_empty()
    }

    /// Starts a batch. All that was sent so far waits for it.
    pub(super) fn persist(&mut self, batch: Batch) {
        self.outputs.push_back(Output::Persist(batch));
        let mut waiting = Vec::new();
        if !self.open {
            waiting.extend(self.free.take_all());
        }
        waiting.extend(self.bound.take_all());
        waiting.append(&mut self.bound_outputs);
        self.under_way = Some(waiting);
    }

    /// The batch that was under way is durable: what waited for it may leave.
    pub(super) fn persisted(&mut self) {
        self.open = true;
        let waiting = self.under_way.take().unwrap_or_default();
        self.release(waiting);
    }

    /// Lets out what waits for nothing: all of it where no batch is under way, since then all is durable.
    pub(super) fn flush(&mut self) {
        if !self.open {
            return;
        }
        let free = self.free.take_all();
        self.release(free);
        if self.under_way.is_none() {
            let bound = self.bound.take_all();
            self.release(bound);
            let outputs = mem::take(&mut self.bound_outputs);
            self.release(outputs);
        }
    }

    /// Lets all of this out.
    fn release(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            self.outputs.push_back(output);
        }
    }

    /// Takes in all that is held back.
    pub(super) fn digest(&self, hasher: &mut impl Hasher) {
        self.open.hash(hasher);
        self.under_way.is_some().hash(hasher);
        self.bound.hash(hasher);
        for output in self.under_way.iter().flatten().chain(&self.bound_outputs) {
            match output {
                Output::Send { link, frame } => (link, frame).hash(hasher),
                Output::Reply { call, outcome } => (call, encode(outcome)).hash(hasher),
                _ => {}
            }
        }
    }

    pub(super) fn next(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }
}

fn is_failure(output: &Output) -> bool {
    matches!(output, Output::Reply { outcome: crate::wire::Outcome::Failed { .. }, .. })
}

/// Messages gathered into frames, by link.
#[derive(Clone, Default, Hash)]
struct Frames {
    links: Map<LinkId, Gathered>,
    bytes: usize,
}

/// Frames of one link: how many messages each has, and these.
#[derive(Clone, Default, Hash)]
struct Gathered {
    frames: Vec<(usize, Vec<u8>)>,
    bytes: usize,
}

impl Frames {
    /// An array head takes nine bytes at most.
    const HEAD: usize = 9;

    fn add(&mut self, link: LinkId, message: &[u8], max_frame: usize) {
        let Gathered { frames, bytes } = self.links.entry(link).or_default();
        let full = *bytes + message.len() > MAX_WAITING.saturating_sub(self.bytes);
        if full && !(frames.is_empty() && self.bytes < 2 * MAX_WAITING) {
            return;
        }
        *bytes += message.len();
        self.bytes += message.len();
        match frames.last_mut() {
            Some((count, bytes)) if bytes.len() + message.len() + Self::HEAD <= max_frame => {
                *count += 1;
                bytes.extend_from_slice(message);
            }
            _ => frames.push((1, message.to_vec())),
        }
    }

    fn take(&mut self, link: LinkId) -> Vec<Vec<u8>> {
        let Gathered { frames, bytes } = self.links.remove(&link).unwrap_or_default();
        self.bytes -= bytes;
        frames.into_iter().map(|(count, messages)| frame(count, &messages)).gather()
    }

    fn take_all(&mut self) -> Vec<Output> {
        let mut all = Vec::new();
        for (link, gathered) in mem::take(self).links {
            for (count, messages) in gathered.frames {
                all.push(Output::Send { link, frame: frame(count, &messages) });
            }
        }
        all
    }
}

fn frame(count: usize, messages: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(count);
    w.raw(messages);
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of so many messages are kept for a link.
    fn kept(frames: &mut Frames, link: u64, messages: usize, length: usize) -> usize {
        let before = frames.bytes;
        (0..messages).for_each(|_| frames.add(LinkId(link), &vec![0; length], 4 << 20));
        (frames.bytes - before) / length
    }

    #[test]
    fn what_waits_is_bounded_and_however_many_ask_for_much_there_is_room_for_others() {
        let mut frames = Frames::default();
        assert!((1..MAX_WAITING >> 20).contains(&kept(&mut frames, 0, 1000, 1 << 20)));
        for link in 1..1000 {
            kept(&mut frames, link, 3, 1 << 20);
        }
        assert!(frames.bytes <= 2 * MAX_WAITING);
        let mut frames = Frames::default();
        for link in 0..4 {
            kept(&mut frames, link, 100, 100 << 10);
        }
        assert_eq!(kept(&mut frames, 10, 900, 1000), 900);
        let bytes: usize = frames.take(LinkId(10)).iter().map(Vec::len).sum();
        assert!(bytes >= 900_000);
        frames.take_all();
        assert_eq!((frames.bytes, frames.links.len()), (0, 0));
    }
}
