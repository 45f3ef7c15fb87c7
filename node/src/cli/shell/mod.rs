//! Commands that are typed, or come from a pipe: the same as the one-shot commands, at a node of this process.
//!
//! At a terminal there is a prompt, with history and completion. Ctrl-C ends the call or clears the line; `exit` or Ctrl-D
//! leaves. Otherwise standard input is a script: one command a line, `#` starts a comment, and an error does not end the
//! script. The exit status is that of the last command that failed, or 0.

mod editor;
mod input;
mod line;

use std::io::IsTerminal;

use futures::StreamExt;
use paxoskv::{NativeNode, Statuses};

use super::args::Operation;
use super::deadline::Deadline;
use super::failure::{Exit, Failure};
use super::leave::leave;
use super::operation::{self, Dash};
use super::signals::{self, Signal, Signals};
use super::{logs, output};
use input::{Input, Typed};
use line::Line;

/// Runs a shell at the first of these nodes until its input ends; then all of them leave.
pub(crate) async fn run(nodes: &[NativeNode], introduction: &str) -> Result<Exit, Failure> {
    let Some(first) = nodes.first() else { return Err(Failure::error("there is no node")) };
    let interactive = std::io::stdin().is_terminal();
    let input = if interactive {
        output::line(introduction)?;
        output::line("`help` lists the commands; `exit` or Ctrl-D leaves.")?;
        editor::start()?
    } else {
        logs::print(format!("{introduction}\n"));
        input::script()
    };
    let mut shell = Shell {
        node: first,
        statuses: first.cluster().statuses(),
        last_status: String::new(),
        signals: signals::listen()?,
        interactive,
        failed: Exit::Done,
    };
    let end = shell.run(input).await;
    let failed = shell.failed;
    logs::set_prompt(None);
    editor::restore_terminal();
    if interactive && end.is_ok() {
        output::line("Goodbye.")?;
    }
    leave(nodes).await;
    end.map(|()| if interactive { Exit::Done } else { failed })
}

struct Shell<'a> {
    node: &'a NativeNode,
    statuses: Statuses,
    last_status: String,
    signals: Signals,
    interactive: bool,
    failed: Exit,
}

impl Shell<'_> {
    async fn run(&mut self, mut input: Input) -> Result<(), Failure> {
        loop {
            let node = self.node;
            tokio::select! {
                typed = input.next() => match typed {
                    Some(Typed { text, done }) => {
                        if !self.line(&text).await? {
                            return Ok(());
                        }
                        // The thread shows the next prompt only now.
                        done.send(()).ok();
                    }
                    None => return Ok(()),
                },
                Some(status) = self.statuses.next() => self.show(&status.to_string()),
                refused = node.cluster().refused() => return Err(refused.into()),
                stopped = node.stopped() => return Ok(stopped?),
                _ = self.signals.next() => return Ok(()),
            }
        }
    }

    /// Does one line; gives false where it was the last.
    async fn line(&mut self, text: &str) -> Result<bool, Failure> {
        let operation = match line::parse(text) {
            Ok(Line::Nothing) => return Ok(true),
            Ok(Line::Exit) => return Ok(false),
            Ok(Line::Help(help)) => return output::line(help.trim_end()).map(|()| true),
            Ok(Line::Operation(operation)) => operation,
            Err(failure) => {
                self.report(&failure);
                return Ok(true);
            }
        };
        let node = self.node;
        let call = async {
            let input = operation::read_input(&operation, Dash::Commands).await?;
            operation::run(node.cluster(), &operation, input, Deadline::after(operation.timeout())).await
        };
        let mut call = std::pin::pin!(call);
        loop {
            tokio::select! {
                done = &mut call => {
                    if let Err(failure) = done {
                        self.report(&failure);
                    }
                    return Ok(true);
                }
                Some(status) = self.statuses.next() => self.show(&status.to_string()),
                refused = node.cluster().refused() => return Err(refused.into()),
                stopped = node.stopped() => return stopped.map(|()| false).map_err(Into::into),
                signal = self.signals.next() => {
                    if signal == Signal::Terminate || !self.interactive {
                        return Ok(false);
                    }
                    // This has to be printed before the next prompt.
                    if matches!(operation, Operation::Watch(_)) {
                        logs::print_now("");
                    } else {
                        logs::print_now("\ncancelled; a put may have happened all the same");
                    }
                    return Ok(true);
                }
            }
        }
    }

    fn report(&mut self, failure: &Failure) {
        logs::report(failure);
        if failure.exit != Exit::Done {
            self.failed = failure.exit;
        }
    }

    /// Shows the cluster's state, if it has changed.
    fn show(&mut self, status: &str) {
        if self.interactive && status != self.last_status {
            logs::print(format!("{status}\n"));
        }
        status.clone_into(&mut self.last_status);
    }
}
