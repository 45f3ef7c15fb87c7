//! Logs and errors, on standard error; above the prompt, while there is one.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

use super::failure::{Exit, Failure};
use super::lines::Lines;

/// Prints lines while there is a prompt.
static PROMPT: Mutex<Option<Arc<Lines>>> = Mutex::new(None);

/// How long the last lines may take to be written.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Logs what `filter` names, or else RUST_LOG, or else `default`.
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

/// From now on lines go to the printer that draws the prompt, or where there is none, to standard error.
pub(crate) fn set_prompt(printer: Option<Arc<Lines>>) {
    let before = std::mem::replace(&mut *PROMPT.lock().unwrap_or_else(PoisonError::into_inner), printer);
    if let Some(before) = before {
        before.close();
    }
}

/// Prints lines, each with its newline, above the prompt if there is one; soon, and without waiting.
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

/// Prints a failure's line, if there is anything to report; the result is the exit status.
pub(crate) fn report(failure: &Failure) -> i32 {
    if let Some(line) = failure.line() {
        print_now(&line);
    }
    failure.exit as i32
}

/// Prints a line to standard error at once, prompt or not, unless nobody reads there.
pub(crate) fn print_now(line: &str) {
    to_standard_error(format!("{line}\n"));
    flush();
}

/// Waits until all lines for standard error are written, unless nobody reads there.
pub(crate) fn flush() {
    if let Some(lines) = standard_error() {
        lines.flush(LAST_LINES);
    }
}

fn to_standard_error(lines: String) {
    match standard_error() {
        Some(thread) => drop(thread.push(lines)),
        None => write(lines),
    }
}

/// The thread that writes to standard error; none where the system gave none.
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
    // If standard error is closed, there is no place to report that.
    io::stderr().write_all(lines.as_bytes()).ok();
}

/// Where the subscriber writes each event, whole.
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
