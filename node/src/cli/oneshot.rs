//! One operation, done by an observer that comes and goes.

use std::time::Duration;

use paxoskv::{Error, FIRST_PORT, NativeNode, Secret, native};

use super::args::{Operation, Reach};
use super::failure::{Exit, Failure};
use super::operation::{self, Dash};
use super::secret;
use super::signals::{self, Signals};

/// How long an operation may take unless told.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// How many ports are tried for nodes on this machine unless the cluster's size is told.
const PORTS: u8 = 7;

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
    let addresses = addresses(&reach);
    let node = observer(&reach, &addresses).await?;
    let done = tokio::select! {
        done = operation::run(&node, &operation, timeout, Dash::StandardInput) => done,
        refused = node.refused() => Err(refused.into()),
        () = told(&mut signals) => Ok(()),
    };
    let done = match done {
        Err(failure) if failure.exit == Exit::Unavailable => Err(explain(&node, failure, &addresses).await),
        done => done,
    };
    tokio::time::timeout(GOODBYE, node.leave()).await.ok();
    done.map(|()| Exit::Done)
}

/// The next signal, if they are listened to.
async fn told(signals: &mut Option<Signals>) {
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

/// A node without a seat that asks whoever is at these addresses.
pub(crate) async fn observer(reach: &Reach, addresses: &[String]) -> Result<NativeNode, Failure> {
    observer_with(reach, secret::read(reach.secret_file.as_deref())?, addresses).await
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

/// Tells apart that the cluster has no quorum and that nobody is there to ask.
pub(crate) async fn explain(node: &NativeNode, failure: Failure, addresses: &[String]) -> Failure {
    let probe = node.status().timeout(Duration::from_millis(1));
    match probe.await {
        Err(Error::NoQuorum { connected: 0, .. }) => Failure::new(
            failure.exit,
            format!(
                "no node answered at {}: start one with `paxoskv node 1`, or say where one is with --at",
                addresses.join(", ")
            ),
        ),
        _ => failure,
    }
}
