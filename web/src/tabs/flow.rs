//! How much may be on its way on a link.
//!
//! What is posted to a tab that does not run at the moment is kept by the browser, without a bound. So the receiver
//! says how much it has taken in, and the sender drops frames rather than be too far ahead.

/// No more is sent while so much is on its way. A frame may be longer than that, and few small ones before it are not
/// told of: so what counts is what went before.
const FRAMES: u64 = 4096;
const BYTES: u64 = 16 << 20;
/// The receiver speaks up after so much.
const TELL_FRAMES: u64 = FRAMES / 8;
const TELL_BYTES: u64 = BYTES / 8;

/// Counts from a link's beginning.
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

/// What goes out.
#[derive(Default)]
pub(super) struct Sending {
    sent: Count,
    taken: Count,
}

impl Sending {
    /// Whether one more frame may go out, however long it is; it counts as sent then.
    pub(super) fn may_send(&mut self, frame: usize) -> bool {
        let frames = self.sent.frames - self.taken.frames;
        let bytes = self.sent.bytes - self.taken.bytes;
        if frames >= FRAMES || bytes >= BYTES {
            return false;
        }
        self.sent.add(frame);
        true
    }

    /// The receiver has told.
    pub(super) fn taken(&mut self, frames: u64, bytes: u64) {
        // What others say must not make the subtractions above wrap.
        self.taken = Count { frames: frames.min(self.sent.frames), bytes: bytes.min(self.sent.bytes) };
    }
}

/// What comes in.
#[derive(Default)]
pub(super) struct Taking {
    taken: Count,
    told: Count,
}

impl Taking {
    /// One more frame was taken in, or dropped; what to tell the sender, if it is time for that.
    pub(super) fn take(&mut self, frame: usize) -> Option<(u64, u64)> {
        self.taken.add(frame);
        let due = self.taken.frames - self.told.frames >= TELL_FRAMES
            || self.taken.bytes - self.told.bytes >= TELL_BYTES;
        due.then(|| {
            self.told = self.taken;
            (self.told.frames, self.told.bytes)
        })
    }
}
