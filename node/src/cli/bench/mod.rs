//! Puts and gets per second, and how long they take: clients that each wait for an answer before they ask again.
//!
//! | file | what |
//! |---|---|
//! | `client` | what one client does |
//! | `plan` | which keys and values it does it with |
//! | `history` | every call and its result, for checkers |
//! | `report` | the figures |

mod client;
mod history;
mod plan;
mod report;

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use indicatif::{ProgressBar, ProgressStyle};
use paxoskv::NativeNode;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use super::args::BenchArgs;
use super::failure::{Exit, Failure};
use super::oneshot::{self, TIMEOUT};
use super::{output, signals};
use client::Client;
use history::History;
use plan::Plan;
use report::Report;

/// Clients share connections beyond so many.
const CONNECTIONS: usize = 64;

/// How long a node on this machine may take to accept a connection.
const PROBE: Duration = Duration::from_millis(300);

/// How long calls that are under way at the end may still take.
const LAST_CALLS: Duration = Duration::from_secs(2);

/// Runs the benchmark.
pub(crate) async fn run(args: BenchArgs) -> Result<(), Failure> {
    let plan = Plan::new(&args)?;
    let history = args.history.as_deref().map(History::create).transpose()?;
    let call_timeout = args.call.timeout.unwrap_or(TIMEOUT);
    let nodes = connect(&args, call_timeout).await?;
    let mut signals = signals::listen()?;

    let done = Arc::new(AtomicU64::new(0));
    let start = Instant::now();
    let end = start + Duration::from_secs_f64(args.seconds);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let clients = (0..args.clients).zip(nodes.iter().cycle()).map(|(number, node)| {
        let client = Client {
            number,
            node: node.clone(),
            plan: plan.clone(),
            timeout: call_timeout,
            start,
            end,
            last: end + LAST_CALLS,
            stopped: stopped.clone(),
            done: done.clone(),
            history: history.as_ref().map(History::writer),
        };
        tokio::spawn(client.run())
    });
    let clients: Vec<_> = clients.collect();
    let bar = tokio::spawn(progress(args.seconds, done));
    let mut all = std::pin::pin!(join_all(clients));
    let reports = tokio::select! {
        reports = &mut all => reports,
        // Ctrl-C ends it early, with the figures so far.
        _ = signals.next() => {
            stop.send_replace(true);
            all.await
        }
    };
    let took = start.elapsed().min(end - start);
    bar.abort();
    // The task drops the bar when it is aborted, which clears the line.
    bar.await.ok();

    let mut report = Report::default();
    for one in reports {
        report.add(&one.map_err(|e| Failure::error(format!("a client failed: {e}")))?);
    }
    if let Some(history) = history {
        history.finish()?;
    }
    timeout(Duration::from_secs(1), join_all(nodes.iter().map(|node| node.leave()))).await.ok();
    output::line(&report.render(took, args.clients, args.call.json))?;
    report.failure().map_or(Ok(()), Err)
}

/// Observers, spread over the addresses. Each joins at one of them, and learns of the others there.
async fn connect(args: &BenchArgs, limit: Duration) -> Result<Vec<NativeNode>, Failure> {
    let mut addresses = oneshot::addresses(&args.reach);
    if args.reach.at.is_empty() {
        let answers =
            join_all(addresses.iter().map(|address| timeout(PROBE, TcpStream::connect(address)))).await;
        let mut there = answers.iter().map(|answer| matches!(answer, Ok(Ok(_))));
        let all = addresses.clone();
        addresses.retain(|_| there.next().unwrap_or(false));
        if addresses.is_empty() {
            return Err(Failure::new(
                Exit::Unavailable,
                format!(
                    "no node listens at {}: start some, or name their addresses with --at",
                    all.join(", ")
                ),
            ));
        }
    }
    let count = usize::try_from(args.clients).unwrap_or(CONNECTIONS).min(CONNECTIONS);
    let nodes = addresses.iter().cycle().take(count).map(async |address| {
        let at = std::slice::from_ref(address);
        let node = oneshot::observer(&args.reach, at).await?;
        let linked = tokio::select! {
            status = node.cluster().status().timeout(limit) => status.map(drop).map_err(Failure::from),
            refused = node.cluster().refused() => Err(refused.into()),
        };
        match linked {
            Ok(()) => Ok(node),
            Err(failure) if failure.exit == Exit::Unavailable => {
                Err(oneshot::explain(&node, failure, at).await)
            }
            Err(failure) => Err(failure),
        }
    });
    try_join_all(nodes).await
}

/// A progress bar on standard error, if that is a terminal.
async fn progress(seconds: f64, done: Arc<AtomicU64>) {
    if !std::io::stderr().is_terminal() {
        return;
    }
    const STEP: Duration = Duration::from_millis(200);
    let bar = ProgressBar::new((seconds * 1000.0) as u64);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {msg}") {
        bar.set_style(style);
    }
    let (start, mut before) = (Instant::now(), 0);
    loop {
        tokio::time::sleep(STEP).await;
        let now = done.load(Ordering::Relaxed);
        bar.set_position(u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX));
        bar.set_message(format!("{:.0} calls/s", (now - before) as f64 / STEP.as_secs_f64()));
        before = now;
    }
}
