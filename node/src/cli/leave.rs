//! Leaving the cluster.

use std::time::Duration;

use paxoskv::NativeNode;
use tracing::warn;

/// How long a node's goodbye may take.
pub(crate) const GOODBYE: Duration = Duration::from_secs(5);

/// Says goodbye for these nodes, so that the others need not wait to find out.
pub(crate) async fn leave(nodes: &[NativeNode]) {
    let leaving = futures::future::join_all(nodes.iter().map(async |node| {
        node.leave().await;
        node.stopped().await.ok();
    }));
    if tokio::time::timeout(GOODBYE, leaving).await.is_err() {
        warn!("the goodbye took too long; the others will notice by themselves");
    }
}
