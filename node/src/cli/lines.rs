//! Lines for a reader that may not read them: a terminal that was stopped by Ctrl-S, a pipe that is full.
//!
//! A thread writes them, so that nothing else waits for the reader, such as a node's vote. Lines that find no room are
//! dropped and counted. When there is room again, a line says how many they were.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many bytes may wait.
const ROOM: usize = 1 << 20;

/// Lines that wait to be written, each with its newline.
#[derive(Default)]
pub(crate) struct Lines {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<String>,
    bytes: usize,
    dropped: u64,
    /// A line that no longer waits is being written.
    writing: bool,
    /// Nothing is written any more.
    closed: bool,
}

impl Lines {
    /// Starts the thread that writes; it ends where writing fails.
    pub(crate) fn start(
        write: impl FnMut(String) -> io::Result<()> + Send + 'static,
    ) -> io::Result<Arc<Self>> {
        let lines = Arc::new(Self::default());
        let shared = Arc::clone(&lines);
        std::thread::Builder::new().name("lines".into()).spawn(move || shared.write_all(write))?;
        Ok(lines)
    }

    /// Adds a line, or counts it as dropped. Gives the line back where nothing is written any more.
    pub(crate) fn push(&self, line: String) -> Result<(), String> {
        let mut state = self.state();
        if state.closed {
            return Err(line);
        }
        // There is room for one line at least, however long.
        if state.bytes > 0 && state.bytes + line.len() > ROOM {
            state.dropped += 1;
        } else {
            state.bytes += line.len();
            state.waiting.push_back(line);
            self.changed.notify_all();
        }
        Ok(())
    }

    /// Waits until all is written, but no longer than this.
    pub(crate) fn flush(&self, limit: Duration) {
        let busy = |state: &mut State| !state.closed && (state.writing || !state.is_empty());
        drop(self.changed.wait_timeout_while(self.state(), limit, busy));
    }

    /// Writes nothing any more.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_all(&self, mut write: impl FnMut(String) -> io::Result<()>) {
        while let Some(line) = self.next() {
            if write(line).is_err() {
                return self.close();
            }
        }
    }

    /// The next to be written; none where nothing is written any more.
    fn next(&self) -> Option<String> {
        let mut state = self.state();
        state.writing = false;
        self.changed.notify_all();
        let idle = |state: &mut State| !state.closed && state.is_empty();
        let mut state = self.changed.wait_while(state, idle).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return None;
        }
        state.writing = true;
        let Some(line) = state.waiting.pop_front() else {
            // The dropped lines came after those that found room.
            let dropped = std::mem::take(&mut state.dropped);
            return Some(format!("{dropped} lines were dropped here, since nobody read them in time\n"));
        };
        state.bytes -= line.len();
        Some(line)
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    /// Longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(60);

    #[test]
    fn nobody_waits_for_a_reader_and_what_is_dropped_is_counted() {
        let (read, reads) = mpsc::channel::<()>();
        let (sender, written) = mpsc::channel();
        let write = move |line| {
            // Blocks until somebody reads.
            reads.recv().ok();
            sender.send(line).map_err(io::Error::other)
        };
        let lines = Lines::start(write).expect("a thread");
        let long = "x".repeat(ROOM / 4);
        for _ in 0..100 {
            lines.push(long.clone()).expect("open");
        }
        lines.flush(Duration::from_millis(1));
        drop(read);
        lines.flush(PATIENCE);
        let all: Vec<String> = written.try_iter().collect();
        let (last, whole) = all.split_last().expect("lines");
        assert!(whole.len() <= 5 && whole.iter().all(|line| *line == long), "{}", whole.len());
        assert!(last.starts_with(&format!("{} lines were dropped", 100 - whole.len())), "{last}");
        lines.push("later".into()).expect("open");
        lines.flush(PATIENCE);
        assert_eq!(written.try_recv().as_deref(), Ok("later"));
    }

    #[test]
    fn what_cannot_be_written_comes_back() {
        let lines = Lines::start(|_| Err(io::ErrorKind::BrokenPipe.into())).expect("a thread");
        lines.push("lost".into()).expect("open");
        lines.flush(PATIENCE);
        assert_eq!(lines.push("back".into()), Err("back".into()));
    }
}
