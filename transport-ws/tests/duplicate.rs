//! A link that was closed because the node has another one is not dialed again while that is up, and at once when it
//! goes down; on whichever side that was decided.

mod help;
use help::*;

use std::time::Duration;

use paxoskv_core::Transport;
use paxoskv_core::transport::CloseReason;
use paxoskv_transport_ws::WsConfig;

/// Long pauses, so that only "at once" is quick enough.
fn patient() -> WsConfig {
    limited(|link| {
        link.backoff_start = Duration::from_secs(60);
        link.backoff_cap = Duration::from_secs(60);
        link.refused_pause = Duration::from_secs(60);
    })
}

#[tokio::test]
async fn decided_by_the_dialer() {
    let mut a = Node::listening(patient()).await;
    let mut b = Node::listening(patient()).await;
    let (a_dialed, b_accepted) = link(&mut a, &mut b).await;
    let (b_dialed, a_accepted) = link(&mut b, &mut a).await;

    a.transport.close(a_dialed, CloseReason::Duplicate { kept: a_accepted });
    a.down(a_dialed).await;
    b.down(b_accepted).await;
    a.nothing_for(Duration::from_millis(300)).await;

    b.transport.close(b_dialed, CloseReason::Faulty("for the test".into()));
    a.down(a_accepted).await;
    a.up().await;
}

#[tokio::test]
async fn decided_by_the_listener() {
    let mut a = Node::listening(patient()).await;
    let mut b = Node::listening(patient()).await;
    let (a_dialed, b_accepted) = link(&mut a, &mut b).await;
    let (b_dialed, a_accepted) = link(&mut b, &mut a).await;

    b.transport.close(b_accepted, CloseReason::Duplicate { kept: b_dialed });
    b.down(b_accepted).await;
    a.down(a_dialed).await;
    a.nothing_for(Duration::from_millis(300)).await;

    b.transport.close(b_dialed, CloseReason::Faulty("for the test".into()));
    a.down(a_accepted).await;
    a.up().await;
}

#[tokio::test]
async fn a_kept_link_that_is_down_already_holds_nothing_up() {
    let mut a = Node::dialing(patient());
    let mut b = Node::listening(patient()).await;
    let mut c = Node::listening(patient()).await;
    let (to_b, _) = link(&mut a, &mut b).await;
    let (to_c, _) = link(&mut a, &mut c).await;
    a.transport.close(to_c, CloseReason::Faulty("for the test".into()));
    a.down(to_c).await;
    a.transport.close(to_b, CloseReason::Duplicate { kept: to_c });
    a.down(to_b).await;
    a.up().await;
}
