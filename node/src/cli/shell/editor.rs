//! The prompt: line editing, history, completion.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::{fs, io};

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Context, Editor, ExternalPrinter, Helper, Highlighter, Hinter, Validator};

use super::input::Input;
use super::line::COMMANDS;
use crate::cli::failure::Failure;
use crate::cli::lines::Lines;
use crate::cli::logs;

const PROMPT: &str = "paxoskv> ";

/// Commands whose first word is a key.
const KEYED: [&str; 5] = ["put", "get", "erase", "owner", "watch"];

/// Lines that are kept from one session to the next.
const HISTORY: usize = 1000;

/// Reads lines at the terminal, below all that is printed meanwhile.
pub(super) fn start() -> Result<Input, Failure> {
    terminal::save();
    let failed = |e: ReadlineError| Failure::error(format!("cannot read from the terminal: {e}"));
    let config = Config::builder().max_history_size(HISTORY).map_err(failed)?.auto_add_history(true).build();
    let mut editor: Editor<Words, FileHistory> = Editor::with_config(config).map_err(failed)?;
    editor.set_helper(Some(Words::default()));
    let history = history_file();
    if let Some(file) = &history {
        // The first session has no history, and a history that cannot be read is not needed.
        editor.load_history(file).ok();
    }
    // Without a printer, as on a dumb terminal, lines go to standard error.
    if let Ok(printer) = editor.create_external_printer() {
        logs::set_prompt(print_above(printer).ok());
    }
    Ok(Input::from_thread(move || {
        loop {
            match editor.readline(PROMPT) {
                Ok(line) => {
                    if let Some(file) = &history {
                        editor.append_history(file).ok();
                    }
                    if let Some(words) = editor.helper_mut() {
                        words.learn(&line);
                    }
                    return Some(line);
                }
                Err(ReadlineError::Interrupted) => {}
                Err(_) => return None,
            }
        }
    }))
}

/// Prints on a thread of its own, since the printer may wait for the prompt.
fn print_above(mut printer: impl ExternalPrinter + Send + 'static) -> io::Result<Arc<Lines>> {
    Lines::start(move |line| printer.print(line).map_err(io::Error::other))
}

/// `$XDG_STATE_HOME/paxoskv/history`, by default below `~/.local/state`; `None` where there is no such folder.
fn history_file() -> Option<PathBuf> {
    let xdg = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = xdg.or_else(|| std::env::home_dir().map(|home| home.join(".local/state")))?;
    let folder = state.join("paxoskv");
    fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

/// Puts the terminal back as it was: a prompt that was cut short cannot do it.
pub(super) fn restore_terminal() {
    terminal::restore();
}

#[cfg(unix)]
mod terminal {
    use std::sync::{Mutex, PoisonError};

    use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};

    static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

    pub(super) fn save() {
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = tcgetattr(std::io::stdin()).ok();
    }

    pub(super) fn restore() {
        if let Some(before) = &*BEFORE.lock().unwrap_or_else(PoisonError::into_inner) {
            tcsetattr(std::io::stdin(), SetArg::TCSADRAIN, before).ok();
        }
    }
}

#[cfg(not(unix))]
mod terminal {
    pub(super) fn save() {}
    pub(super) fn restore() {}
}

/// Completes commands, and the keys that were named in this session.
#[derive(Default, Helper, Highlighter, Hinter, Validator)]
struct Words {
    keys: BTreeSet<String>,
}

impl Words {
    fn learn(&mut self, line: &str) {
        let words = shlex::split(line).unwrap_or_default();
        if let [command, key, ..] = words.as_slice()
            && KEYED.contains(&command.as_str())
            && !key.starts_with('-')
            && let Ok(quoted) = shlex::try_quote(key)
        {
            self.keys.insert(quoted.into_owned());
        }
    }

    fn complete_word(&self, before: &str) -> (usize, Vec<String>) {
        let start = before.rfind(' ').map_or(0, |space| space + 1);
        let word = &before[start..];
        let beginning = |known: &str| known.starts_with(word).then(|| format!("{known} "));
        let found = match before[..start].trim() {
            "" => COMMANDS.iter().copied().filter_map(beginning).collect(),
            command if KEYED.contains(&command) => {
                self.keys.iter().map(String::as_str).filter_map(beginning).collect()
            }
            "help" => COMMANDS.iter().copied().filter_map(beginning).collect(),
            _ => Vec::new(),
        };
        (start, found)
    }
}

impl Completer for Words {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok(self.complete_word(&line[..at]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_complete_at_the_start_and_keys_after_them() {
        let mut words = Words::default();
        words.learn("put leader me");
        words.learn("get 'a b'");
        words.learn("keys prefix");
        assert_eq!(words.complete_word("pu"), (0, vec!["put ".to_owned()]));
        assert_eq!(words.complete_word("get le"), (4, vec!["leader ".to_owned()]));
        assert_eq!(words.complete_word("erase '"), (6, vec!["'a b' ".to_owned()]));
        assert_eq!(words.complete_word("get leader x"), (11, vec![]));
        assert_eq!(words.complete_word("keys p"), (5, vec![]));
    }
}
