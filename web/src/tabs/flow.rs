//! Flow control on a link.
//!
//! The browser keeps what is posted to a tab that does not run at the moment, without a bound. So the receiver reports how
//! much it has taken in, and the sender drops frames rather than be too far ahead.

/// A sender sends no more while so much is on its way. A frame may be longer than this, and a few small ones before it may
/// not have been reported yet, so only the frames before it count.
const FRAMES: u64 = 4096;
const BYTES: u64 = 16 << 20;
/// A receiver reports after so much.
const REPORT_FRAMES: u64 = FRAMES / 8;
const REPORT_BYTES: u64 = BYTES / 8;

/// Counts since a link's beginning.
#[derive(Clone, Copy, Default)]
struct Count {
    frames: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, frame: usize) {
        self.frames += 1;
        self.bytes += frame as u64;
    }
}

/// The sender's side.
#[derive(Default)]
pub(super) struct Sending {
    sent: Count,
    taken: Count,
}

impl Sending {
    /// Whether one more frame may go out, however long it is. If so, it counts as sent.
    pub(super) fn may_send(&mut self, frame: usize) -> bool {
        let frames = self.sent.frames - self.taken.frames;
        let bytes = self.sent.bytes - self.taken.bytes;
        if frames >= FRAMES || bytes >= BYTES {
            return false;
        }
        self.sent.add(frame);
        true
    }

    /// The receiver has reported.
    pub(super) fn taken(&mut self, frames: u64, bytes: u64) {
        // A wrong report must not make the subtractions above wrap.
        self.taken = Count { frames: frames.min(self.sent.frames), bytes: bytes.min(self.sent.bytes) };
    }
}

/// The receiver's side.
#[derive(Default)]
pub(super) struct Taking {
    taken: Count,
    reported: Count,
}

impl Taking {
    /// One more frame was taken in, or dropped. Gives the report to the sender, when it is time for one.
    pub(super) fn take(&mut self, frame: usize) -> Option<(u64, u64)> {
        self.taken.add(frame);
        let due = self.taken.frames - self.reported.frames >= REPORT_FRAMES
            || self.taken.bytes - self.reported.bytes >= REPORT_BYTES;
        due.then(|| {
            self.reported = self.taken;
            (self.reported.frames, self.reported.bytes)
        })
    }
}
