//! Lines of input. Reading them blocks, so a thread of its own does it, which reads the next line when the last one is done.

use std::io::BufRead;
use std::sync::mpsc;

use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, unbounded};

use crate::cli::failure::Failure;
use crate::cli::logs;

/// A line, and the channel that reports when it is done.
pub(super) struct Typed {
    pub(super) text: String,
    pub(super) done: mpsc::Sender<()>,
}

/// Where lines come from.
pub(super) struct Input {
    lines: UnboundedReceiver<Typed>,
}

impl Input {
    /// The next line; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Typed> {
        self.lines.next().await
    }

    /// Lines from a function that is called on a thread of its own, until it has no more.
    pub(super) fn from_thread(mut read: impl FnMut() -> Option<String> + Send + 'static) -> Self {
        let (sender, lines) = unbounded();
        std::thread::spawn(move || {
            while let Some(text) = read() {
                let (done, wait) = mpsc::channel();
                // Both fail only where the shell has ended.
                if sender.unbounded_send(Typed { text, done }).is_err() || wait.recv().is_err() {
                    return;
                }
            }
        });
        Self { lines }
    }
}

/// Standard input as a script.
pub(super) fn script() -> Input {
    Input::from_thread(|| {
        let mut line = Vec::new();
        match std::io::stdin().lock().read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
            Err(e) => {
                logs::report(&Failure::error(format!("cannot read standard input: {e}")));
                None
            }
        }
    })
}
