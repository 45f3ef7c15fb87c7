//! A command that runs while a lock is held.

use std::process::ExitStatus;
use std::time::Duration;

use paxoskv::{Error, Loss, NativeNode};
use tokio::process::{Child, Command};

use super::args::LockArgs;
use super::deadline::Deadline;
use super::failure::{Exit, Failure};
use super::oneshot;
use super::signals::{self, Signal, Signals};

/// The environment variable with the lock's fencing token.
const TOKEN: &str = "PAXOSKV_FENCING_TOKEN";

/// How long a command has to end after it was asked to.
const GRACE: Duration = Duration::from_secs(2);

/// How long it may take to release the lock, and to say goodbye.
const GOODBYE: Duration = Duration::from_secs(2);

/// Runs the command; the result is the exit status.
pub(crate) async fn run(args: LockArgs) -> Result<i32, Failure> {
    let mut signals = signals::listen()?;
    let deadline = Deadline::after(args.timeout);
    let addresses = oneshot::addresses(&args.reach);
    let node = deadline.limit(oneshot::observer(&args.reach, &addresses)).await?;
    let done = match hold(&node, &args, deadline, &mut signals).await {
        Err(failure) if failure.exit == Exit::Unavailable => {
            Err(oneshot::explain(&node, failure, &addresses).await)
        }
        done => done,
    };
    // If the goodbye fails, the others notice by themselves.
    tokio::time::timeout(GOODBYE, node.leave()).await.ok();
    done
}

async fn hold(
    node: &NativeNode,
    args: &LockArgs,
    deadline: Deadline,
    signals: &mut Signals,
) -> Result<i32, Failure> {
    let mut lock = node.cluster().lock(&args.name);
    if let Some(left) = deadline.left() {
        lock = lock.timeout(left);
    }
    let guard = tokio::select! {
        guard = lock.into_future() => guard.map_err(|error| explain(error, args))?,
        refused = node.cluster().refused() => return Err(refused.into()),
        signal = signals.next() => return Ok(signal.status()),
    };
    let mut child = start(args, guard.token().0)?;
    let ended = tokio::select! {
        // The loss comes first: the command must not go on without the lock.
        biased;
        loss = guard.lost() => {
            end(&mut child).await;
            return Err(lost(loss, args));
        }
        ended = attend(&mut child, signals) => ended,
    };
    // If that is not decided in time, the goodbye releases the lock, too.
    tokio::time::timeout(GOODBYE, guard.release()).await.ok();
    match ended {
        Ok(status) => Ok(code(status)),
        Err(e) => Err(Failure::error(format!("cannot wait for the command: {e}"))),
    }
}

/// The failure to get the lock, in terms of the lock.
fn explain(error: Error, args: &LockArgs) -> Failure {
    match error {
        Error::Timeout { .. } => {
            let message =
                format!("the lock {:?} did not become free in time; --timeout waits longer", args.name);
            Failure::new(Exit::Unavailable, message)
        }
        error => error.into(),
    }
}

fn lost(loss: Loss, args: &LockArgs) -> Failure {
    let why = match loss {
        Loss::Suspended => "no quorum of seats has answered for too long",
        Loss::Ended => "its session is over",
    };
    Failure::error(format!("lost the lock {:?}: {why}; the command was ended", args.name))
}

fn start(args: &LockArgs, token: u64) -> Result<Child, Failure> {
    let (program, arguments) =
        args.command.split_first().ok_or_else(|| Failure::error("there is no command"))?;
    let mut command = Command::new(program);
    command.args(arguments).env(TOKEN, token.to_string()).kill_on_drop(true);
    let failed = |e| Failure::error(format!("cannot run {}: {e}", program.to_string_lossy()));
    command.spawn().map_err(failed)
}

/// Waits for the command to end, and passes signals on to it.
async fn attend(child: &mut Child, signals: &mut Signals) -> std::io::Result<ExitStatus> {
    loop {
        tokio::select! {
            ended = child.wait() => return ended,
            signal = signals.next() => pass_on(child, signal),
        }
    }
}

/// Makes the command end.
async fn end(child: &mut Child) {
    send(child, Signal::Terminate);
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        // This fails where the command has just ended by itself.
        child.kill().await.ok();
    }
}

/// At a terminal, Ctrl-C goes to all processes there, and so to the command already.
fn pass_on(child: &mut Child, signal: Signal) {
    use std::io::IsTerminal;
    if signal != Signal::Interrupt || !std::io::stdin().is_terminal() {
        send(child, signal);
    }
}

#[cfg(unix)]
fn send(child: &mut Child, signal: Signal) {
    use nix::sys::signal::{self, kill};
    use nix::unistd::Pid;

    let signal = match signal {
        Signal::Interrupt => signal::Signal::SIGINT,
        Signal::Terminate => signal::Signal::SIGTERM,
    };
    // A child has a process id until its end was waited for.
    if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()) {
        kill(Pid::from_raw(pid), signal).ok();
    }
}

#[cfg(not(unix))]
fn send(child: &mut Child, signal: Signal) {
    if signal == Signal::Terminate {
        child.start_kill().ok();
    }
}

#[cfg(unix)]
fn code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(Exit::Error as i32)
}

#[cfg(not(unix))]
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(Exit::Error as i32)
}
