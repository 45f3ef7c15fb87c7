//! How much memory nodes take: for calls that are over, and for frames of many short messages.
#![cfg(not(target_family = "wasm"))] // it counts what the allocator gives
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

mod stepped;

use std::sync::Mutex;
use std::time::Duration;

use paxoskv_core::CallId;
use paxoskv_core::wire::{Message, write_frame};
use peak_alloc::PeakAlloc;
use stepped::{UNRECORDED, World, get, hello, key};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The allocator counts for the whole process, so these tests run one after the other.
static ALONE: Mutex<()> = Mutex::new(());

const OBSERVER: u8 = 4;

/// Calls of each kind.
const CALLS: u64 = 25_000;

/// Longer than any test, and any process.
const TIMEOUT: Duration = Duration::from_secs(1_000 * 24 * 3600);

/// Makes many calls of a node, and checks that nothing is left of them.
fn nothing_is_left(world: &mut World, at: u8, is_cancelled: bool) {
    let get = get(&key("key"));
    let mut next = UNRECORDED;
    let mut calls = |world: &mut World, count: u64| {
        for n in next..next + count {
            world.call_unrecorded(at, CallId(n), get.clone(), TIMEOUT);
            if is_cancelled {
                world.cancel(at, CallId(n));
            }
        }
        next += count;
        (ALLOCATOR.current_usage(), world.wake_at(at))
    };
    let (before, wake_at) = calls(world, 1_000);
    let (after, wakes_at) = calls(world, CALLS);
    let growth = after.saturating_sub(before);
    assert!(
        growth < 256 << 10,
        "{CALLS} calls of node {at} (cancelled: {is_cancelled}) leave {growth} bytes"
    );
    assert_eq!(wake_at, wakes_at);
}

#[test]
fn calls_that_are_over_leave_nothing_of_their_timeouts() {
    let _alone = ALONE.lock();
    let mut world = World::new();
    world.start(OBSERVER);
    world.link_all(&[1, 2, 3, OBSERVER]);
    assert_eq!(world.put_number(1, "key", 1), Some((1, true)));
    for at in [1, OBSERVER] {
        world.arrives = None;
        nothing_is_left(&mut world, at, false);
        // The seat that is asked has no quorum, so that the call is pending when it is cancelled.
        world.arrives =
            Some(|_, _, message| !matches!(message, Message::ReadReply { .. } | Message::Promise { .. }));
        nothing_is_left(&mut world, at, true);
    }
}

/// How many bytes more than before are allocated at most while a frame of a greeted peer is handled.
fn most_while_handling(frame: Vec<u8>) -> usize {
    let mut world = World::default();
    world.start(1);
    world.link(1, 2);
    world.frame(2, 1, write_frame(&[hello(2)]));
    assert!(world.are_linked(1, 2));
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    world.frame(2, 1, frame);
    ALLOCATOR.peak_usage().saturating_sub(before)
}

/// A frame of so many bytes, in which one message is repeated.
fn repeated(message: &[u8], len: usize) -> Vec<u8> {
    let count = (len - 5) / message.len();
    let mut frame = vec![0x9a];
    frame.extend(u32::try_from(count).unwrap().to_be_bytes());
    frame.extend(message.repeat(count));
    frame
}

/// A message of two bytes takes a hundred times as many in memory, so a frame's messages are never there all at once.
#[test]
fn a_frame_of_short_messages_takes_no_more_memory_than_its_bytes() {
    let _alone = ALONE.lock();
    let (goodbye, pong) = (&[0x81, 0x02][..], &[0x82, 0x04, 0x00][..]);
    for message in [goodbye, pong] {
        let most = most_while_handling(repeated(message, 4 << 20));
        assert!(most < 2 << 20, "{message:02x?}: {most} bytes");
    }
}
