//! Logs, on standard error; while somebody types at a prompt, above that.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::failure::{Exit, Failure};
use super::lines::Lines;

/// Who prints lines while there is a prompt.
static PROMPT: Mutex<Option<Arc<Lines>>> = Mutex::new(None);

/// How long what was said may take to come out, where somebody waits for that.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Logs what `filter` says, or else RUST_LOG, or else `default`.
pub(crate) fn init(filter: Option<&str>, default: &str) -> Result<(), Failure> {
    let from_environment = std::env::var("RUST_LOG").ok().filter(|filter| !filter.is_empty());
    let filter = filter.map(str::to_owned).or(from_environment).unwrap_or_else(|| default.to_owned());
    let parsed = EnvFilter::try_new(&filter).map_err(|e| {
        Failure::new(Exit::Usage, format!("{filter:?} is no log filter ({e}): try info or paxoskv=debug"))
    })?;
    let log = tracing_subscriber::fmt().with_env_filter(parsed).with_target(false);
    log.with_ansi(io::stderr().is_terminal()).with_writer(|| Output).init();
    Ok(())
}

/// From now on lines go to whoever draws the prompt, or to standard error again.
pub(crate) fn set_prompt(printer: Option<Arc<Lines>>) {
    let before = std::mem::replace(&mut *PROMPT.lock().unwrap_or_else(PoisonError::into_inner), printer);
    if let Some(before) = before {
        before.close();
    }
}

/// Prints lines, each with its newline, where they disturb nobody; soon, and without waiting.
pub(crate) fn print(lines: String) {
    let prompt = PROMPT.lock().unwrap_or_else(PoisonError::into_inner);
    let left = match &*prompt {
        Some(printer) => printer.push(lines).err(),
        None => Some(lines),
    };
    if let Some(lines) = left {
        to_standard_error(lines);
    }
}

/// Prints a line to standard error at once, prompt or not, unless nobody reads there.
pub(crate) fn say(line: &str) {
    to_standard_error(format!("{line}\n"));
    flush();
}

/// Waits until what goes to standard error is out, unless nobody reads there.
pub(crate) fn flush() {
    if let Some(lines) = standard_error() {
        lines.flush(LAST_WORDS);
    }
}

fn to_standard_error(lines: String) {
    match standard_error() {
        Some(thread) => drop(thread.push(lines)),
        None => write(lines),
    }
}

/// The thread that writes to it; none where the system gave none.
fn standard_error() -> Option<&'static Lines> {
    static LINES: OnceLock<Option<Arc<Lines>>> = OnceLock::new();
    let start = || {
        let write = |lines| {
            write(lines);
            Ok(())
        };
        Lines::start(write).ok()
    };
    LINES.get_or_init(start).as_deref()
}

fn write(lines: String) {
    // There is nobody to tell that standard error is closed.
    io::stderr().write_all(lines.as_bytes()).ok();
}

/// The subscriber writes each event at once, whole.
struct Output;

impl Write for Output {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        print(String::from_utf8_lossy(event).into_owned());
        Ok(event.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
