//! Every call and its result, one JSON object a line, for checkers of linearizability.
//!
//! A call that failed (`"ok":null`) may have taken effect, at any time after it was made, `return_ns` or not: so may a
//! put that timed out, or was under way when the run ended. An absent key is `"ok":{"value":null,"generation":null}`.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

use paxoskv::Generation;
use serde::Serialize;
use serde_json::Value as Json;

use crate::cli::failure::Failure;

/// One call.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    pub(super) client: u32,
    pub(super) op: &'static str,
    pub(super) key: String,
    /// The value of a put.
    pub(super) value: Option<String>,
    /// On one monotonic clock.
    pub(super) call_ns: u64,
    pub(super) return_ns: u64,
    pub(super) ok: Option<Answer>,
    pub(super) error: Option<String>,
}

/// What the cluster answered.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Answer {
    pub(super) value: Json,
    pub(super) generation: Option<Generation>,
    /// Of an erase: whether there was a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) erased: Option<bool>,
}

/// A file that a thread of its own writes, so that no client waits for the disk.
pub(super) struct History {
    lines: mpsc::Sender<Line>,
    thread: JoinHandle<io::Result<()>>,
    path: PathBuf,
}

/// Takes one client's lines.
pub(super) struct Writer(mpsc::Sender<Line>);

impl Writer {
    pub(super) fn write(&self, line: Line) {
        // If the thread has failed, `finish` reports it.
        self.0.send(line).ok();
    }
}

impl History {
    pub(super) fn create(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|e| failed(path, &e))?;
        let (lines, received) = mpsc::channel();
        let thread = std::thread::spawn(move || write(file, received));
        Ok(Self { lines, thread, path: path.to_path_buf() })
    }

    pub(super) fn writer(&self) -> Writer {
        Writer(self.lines.clone())
    }

    /// Writes the remaining lines, once all writers are dropped.
    pub(super) fn finish(self) -> Result<(), Failure> {
        drop(self.lines);
        let written = self.thread.join().unwrap_or_else(|_| Err(io::Error::other("the writer panicked")));
        written.map_err(|e| failed(&self.path, &e))
    }
}

fn write(file: File, lines: mpsc::Receiver<Line>) -> io::Result<()> {
    let mut out = BufWriter::new(file);
    for line in lines {
        serde_json::to_writer(&mut out, &line)?;
        out.write_all(b"\n")?;
    }
    out.flush()
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::error(format!("cannot write the history to {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_names_that_checkers_read() {
        let answer = Answer { value: "v".into(), generation: Some(Generation::default()), erased: None };
        let line = Line {
            client: 3,
            op: "put",
            key: "k".into(),
            value: Some("v".into()),
            call_ns: 1,
            return_ns: 2,
            ok: Some(answer),
            error: None,
        };
        let expected = r#"{"client":3,"op":"put","key":"k","value":"v","call_ns":1,"return_ns":2,"ok":{"value":"v","generation":0},"error":null}"#;
        assert_eq!(serde_json::to_string(&line).unwrap(), expected);
    }

    #[test]
    fn all_lines_are_in_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("history");
        let history = History::create(&path).unwrap();
        let writer = history.writer();
        for n in 0..100 {
            writer.write(Line {
                client: n,
                op: "get",
                key: "k".into(),
                value: None,
                call_ns: 0,
                return_ns: 0,
                ok: Some(Answer::default()),
                error: None,
            });
        }
        drop(writer);
        history.finish().unwrap();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 100);
        assert!(text.lines().all(|line| line.contains(r#""ok":{"value":null,"generation":null}"#)));
    }
}
