//! One operation, by an observer that joins for it and leaves again.

use std::cell::Cell;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use paxoskv::{Effect, Error, FIRST_PORT, NativeNode, Secret, native};

use super::args::{Operation, Reach};
use super::deadline::Deadline;
use super::failure::{Exit, Failure};
use super::operation::{self, Dash};
use super::signals::{self, Signals};
use super::{logs, secret};

/// How long an operation may take unless --timeout says otherwise.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// How many ports of this machine are tried for nodes, if the cluster's size is not known.
const PORTS: u8 = 7;

/// How long a watch waits for a node before it prints that it waits.
const REMARK: Duration = Duration::from_secs(10);

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(500);

/// Does the operation.
pub(crate) async fn run(operation: Operation, reach: Reach) -> Result<Exit, Failure> {
    let timeout = match &operation {
        Operation::Watch(_) => operation.timeout(),
        _ => Some(operation.timeout().unwrap_or(TIMEOUT)),
    };
    // Only a watch is ended by a signal as if nothing were wrong.
    let mut signals = match &operation {
        Operation::Watch(_) => Some(signals::listen()?),
        _ => None,
    };
    operation::check(&operation)?;
    let input = operation::read_input(&operation, Dash::StandardInput).await?;
    let deadline = Deadline::after(timeout);
    let addresses = addresses(&reach);
    let node = deadline.limit(observer(&reach, &addresses)).await?;
    let alone = Cell::new(matches!(operation, Operation::Watch(_)));
    let done = tokio::select! {
        done = operation::run(node.cluster(), &operation, input, deadline) => match done {
            // Its time was over before it was linked to a seat.
            Ok(()) if alone.get() => Err(Error::Timeout { effect: Effect::None }.into()),
            done => done,
        },
        refused = node.cluster().refused() => Err(refused.into()),
        () = next_signal(&mut signals) => Ok(()),
        () = note_first_link(&node, &alone, &addresses) => Ok(()),
    };
    let done = match done {
        Err(failure) if failure.exit == Exit::Unavailable => Err(explain(&node, failure, &addresses).await),
        done => done,
    };
    tokio::time::timeout(GOODBYE, node.leave()).await.ok();
    done.map(|()| Exit::Done)
}

/// Notes that the node is linked to a seat. Prints once that it waits, if that takes long. Never ends.
async fn note_first_link(node: &NativeNode, alone: &Cell<bool>, addresses: &[String]) {
    if alone.get() {
        let mut statuses = node.cluster().statuses();
        let mut linked =
            pin!(async { while statuses.next().await.is_some_and(|status| status.up() == 0) {} });
        if tokio::time::timeout(REMARK, &mut linked).await.is_err() {
            logs::print(format!("waiting: {}\n", no_answer(addresses)));
            linked.await;
        }
        alone.set(false);
    }
    std::future::pending().await
}

/// The next signal, if signals are listened to.
async fn next_signal(signals: &mut Option<Signals>) {
    match signals {
        Some(signals) => {
            signals.next().await;
        }
        None => std::future::pending().await,
    }
}

/// The addresses to try.
pub(crate) fn addresses(reach: &Reach) -> Vec<String> {
    if !reach.at.is_empty() {
        return reach.at.clone();
    }
    let ports = 1..=u16::from(reach.cluster_size.unwrap_or(PORTS));
    ports.map(|n| format!("127.0.0.1:{}", FIRST_PORT + n)).collect()
}

/// A node without a seat that joins at these addresses.
pub(crate) async fn observer(reach: &Reach, addresses: &[String]) -> Result<NativeNode, Failure> {
    observer_with(reach, secret::read(reach.secret_file.as_deref()).await?, addresses).await
}

/// Likewise, with this secret.
pub(crate) async fn observer_with(
    reach: &Reach,
    secret: Option<Secret>,
    addresses: &[String],
) -> Result<NativeNode, Failure> {
    let mut builder = match &reach.cluster {
        Some(name) => native(name),
        None => native("").any_cluster(),
    };
    if let Some(size) = reach.cluster_size {
        builder = builder.cluster_size(size);
    }
    if let Some(secret) = secret {
        builder = builder.secret(secret);
    }
    for address in addresses {
        if address.starts_with('/') {
            builder = builder.libp2p();
        }
        builder = builder.join(address);
    }
    Ok(builder.start().await?)
}

/// Tells a cluster without a quorum from addresses at which no node answers.
pub(crate) async fn explain(node: &NativeNode, failure: Failure, addresses: &[String]) -> Failure {
    let probe = node.cluster().status().timeout(Duration::from_millis(1));
    match probe.await {
        Err(Error::NoQuorum { connected: 0, .. }) => Failure::new(failure.exit, no_answer(addresses)),
        _ => failure,
    }
}

fn no_answer(addresses: &[String]) -> String {
    let at = addresses.join(", ");
    format!("no node answered at {at}: start one with `paxoskv node 1`, or say where one is with --at")
}
