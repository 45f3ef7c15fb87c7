//! The program, from its arguments to its exit status.
//!
//! | file | what |
//! |---|---|
//! | `args`, `environment` | the command line, which the shell reads as well |
//! | `operation` | put, get, watch and so on: done for one-shots and the shell |
//! | `oneshot`, `node`, `demo`, `shell`, `bench`, `lock`, `ticket` | one command each |
//! | `deadline`, `leave`, `secret`, `signals` | what they share |
//! | `output`, `logs`, `lines`, `failure` | what the program prints |

mod args;
mod bench;
mod deadline;
mod demo;
mod environment;
mod failure;
mod leave;
mod lines;
mod lock;
mod logs;
mod node;
mod oneshot;
mod operation;
mod output;
mod secret;
mod shell;
mod signals;
mod ticket;

use std::time::Duration;

use clap::error::ErrorKind;

use args::{BucketCommand, Cli, Command};
use failure::{Exit, Failure};

/// Runs the program; the result is its exit status.
pub(crate) fn main() -> i32 {
    let cli = match environment::parse::<Cli>(std::env::args_os()) {
        Ok(cli) => cli,
        Err(error) if !error.use_stderr() => return print_help(&error),
        Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            print_help(&error);
            return Exit::Usage as i32;
        }
        Err(error) => return logs::report(&Failure::usage(&error, "paxoskv --help")),
    };
    let status = start(cli).unwrap_or_else(|failure| logs::report(&failure));
    logs::flush();
    status
}

/// Prints help or the version, which clap treats as errors though they are none.
fn print_help(help: &clap::Error) -> i32 {
    // A closed pipe is no reason to fail: `paxoskv help | head`.
    help.print().ok();
    Exit::Done as i32
}

fn start(cli: Cli) -> Result<i32, Failure> {
    logs::init(cli.log.as_deref(), cli.command.log_filter())?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::error(format!("cannot start: the system gave no threads: {e}")))?;
    let result = runtime.block_on(run(cli.command));
    // A thread may wait for the keyboard, which must not hold up the end.
    runtime.shutdown_timeout(Duration::ZERO);
    result
}

async fn run(command: Command) -> Result<i32, Failure> {
    let exit = match command {
        Command::Lock(args) => return lock::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Node(args) => node::run(args).await,
        Command::Ticket(args) => ticket::run(args).await,
        Command::Bench(args) => bench::run(args).await.map(|()| Exit::Done),
        Command::Put(shot) => oneshot::run(shot.op.into(), shot.reach).await,
        Command::Get(shot) => oneshot::run(shot.op.into(), shot.reach).await,
        Command::Erase(shot) => oneshot::run(shot.op.into(), shot.reach).await,
        Command::Keys(shot) => oneshot::run(shot.op.into(), shot.reach).await,
        Command::Owner(shot) => oneshot::run(shot.op.into(), shot.reach).await,
        Command::Watch(shot) => oneshot::run(shot.op.into(), shot.reach).await,
        Command::Status(shot) => oneshot::run(shot.op.into(), shot.reach).await,
        Command::Bucket { command: BucketCommand::Create(shot) } => {
            oneshot::run(shot.op.into(), shot.reach).await
        }
        Command::Bucket { command: BucketCommand::Drop(shot) } => {
            oneshot::run(shot.op.into(), shot.reach).await
        }
    };
    exit.map(|exit| exit as i32)
}
