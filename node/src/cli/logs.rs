//! Logs, on standard error; while somebody types at a prompt, above that.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError, mpsc};

use tracing_subscriber::EnvFilter;

use super::failure::{Exit, Failure};

/// Who prints lines while there is a prompt.
static PROMPT: Mutex<Option<mpsc::Sender<String>>> = Mutex::new(None);

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
pub(crate) fn set_prompt(printer: Option<mpsc::Sender<String>>) {
    *PROMPT.lock().unwrap_or_else(PoisonError::into_inner) = printer;
}

/// Prints lines, each with its newline, where they disturb nobody.
pub(crate) fn print(lines: String) {
    let prompt = PROMPT.lock().unwrap_or_else(PoisonError::into_inner);
    let left = match &*prompt {
        Some(printer) => printer.send(lines).err().map(|unsent| unsent.0),
        None => Some(lines),
    };
    if let Some(lines) = left {
        // There is nobody to tell that standard error is closed.
        io::stderr().write_all(lines.as_bytes()).ok();
    }
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
