//! Links over TCP, QUIC and WebSocket carry frames, end with a reason, and come back.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod help;
use help::*;

use std::time::Duration;

use paxoskv_core::Transport;
use paxoskv_core::transport::{CloseReason, Event};
use paxoskv_transport_libp2p::{Libp2pConfig, Libp2pTransport, SetupError};

async fn carries(on: &str) {
    let mut a = Node::dialing(quick()).await;
    let mut b = Node::listening(on, quick()).await;
    let (at_a, at_b) = link(&mut a, &mut b).await;
    for n in 0..1000_u32 {
        a.transport.send(at_a, n.to_be_bytes().to_vec());
        b.transport.send(at_b, n.to_le_bytes().to_vec());
    }
    let big = vec![7; 4 << 20];
    a.transport.send(at_a, big.clone());
    for n in 0..1000_u32 {
        assert_eq!(b.frame().await, (at_b, n.to_be_bytes().to_vec()));
        assert_eq!(a.frame().await, (at_a, n.to_le_bytes().to_vec()));
    }
    assert_eq!(b.frame().await, (at_b, big));
    assert_eq!((a.transport.dropped(), b.transport.dropped()), (0, 0));

    b.transport.close(at_b, CloseReason::Faulty("enough".into()));
    assert_says(&b.down(at_b).await, "closed here: enough");
    assert_says(&a.down(at_a).await, "closed by the other side: enough");
    // And it is dialed again.
    let (again_a, again_b) = (a.up().await, b.up().await);
    assert!(again_a != at_a && again_b != at_b);
    drop(b);
    a.down(again_a).await;
}

#[tokio::test]
async fn tcp() {
    carries(TCP).await;
}

#[tokio::test]
async fn quic() {
    carries(QUIC).await;
}

#[tokio::test]
async fn websocket() {
    carries(WS).await;
}

#[tokio::test]
async fn what_was_sent_before_leaving_arrives() {
    let mut a = Node::dialing(quick()).await;
    let mut b = Node::listening(TCP, quick()).await;
    let (at_a, at_b) = link(&mut a, &mut b).await;
    for n in 0..100_u32 {
        a.transport.send(at_a, n.to_be_bytes().to_vec());
    }
    a.transport.close(at_a, CloseReason::Leaving);
    a.flush().await;
    drop(a);
    for n in 0..100_u32 {
        assert_eq!(b.frame().await, (at_b, n.to_be_bytes().to_vec()));
    }
    assert_says(&b.down(at_b).await, "the node is leaving");
}

#[tokio::test]
async fn an_address_without_a_name_will_do_and_this_nodes_own_is_not_dialed() {
    let mut a = Node::listening(TCP, quick()).await;
    let mut b = Node::listening(TCP, quick()).await;
    let own = [a.address().await, a.way().await];
    a.transport.dial(&own);
    a.nothing_for(Duration::from_millis(300)).await;
    a.transport.dial(&[b.way().await, "127.0.0.1:1".into(), "/nonsense".into()]);
    let link = a.up().await;
    b.up().await;
    // A linked node is not dialed again, under whatever address.
    a.transport.dial(&[b.address().await]);
    b.nothing_for(Duration::from_millis(300)).await;
    a.transport.send(link, vec![1]);
    b.frame().await;
}

#[tokio::test]
async fn two_that_dial_each_other_can_agree_on_one_link() {
    let mut a = Node::listening(TCP, quick()).await;
    let mut b = Node::listening(TCP, quick()).await;
    let (to_a, to_b) = (a.address().await, b.address().await);
    a.transport.dial(&[to_b]);
    b.transport.dial(&[to_a]);
    // The core sees to there being one; here all that come up are kept, and carry.
    let at_a = a.up().await;
    a.transport.send(at_a, vec![1]);
    assert_eq!(b.frame().await.1, [1]);
}

#[tokio::test]
async fn a_quiet_link_lasts() {
    let hasty = || Libp2pConfig {
        ping_interval: Duration::from_millis(200),
        ..limited(|link| link.handshake_timeout = Duration::from_millis(800))
    };
    for on in [TCP, QUIC, WS] {
        let mut a = Node::listening(on, hasty()).await;
        let mut b = Node::listening(on, hasty()).await;
        let (to_a, to_b) = (a.address().await, b.address().await);
        // Both dial, so that there are two connections, whose peers prove themselves at about the same time.
        a.transport.dial(&[to_b]);
        b.transport.dial(&[to_a]);
        a.up().await;
        b.up().await;
        let quiet = async |node: &mut Node| {
            let down = node.until(|event| matches!(event, Event::Down { .. }).then_some(()));
            assert!(tokio::time::timeout(Duration::from_secs(3), down).await.is_err(), "{on}");
        };
        tokio::join!(quiet(&mut a), quiet(&mut b));
    }
}

#[tokio::test]
async fn a_superfluous_link_is_closed_and_not_dialed_again_while_the_other_is_up() {
    let mut a = Node::dialing(quick()).await;
    let mut b = Node::listening(TCP, quick()).await;
    let (at_a, at_b) = link(&mut a, &mut b).await;
    a.transport.close(at_a, CloseReason::Refused("linked by another transport".into()));
    assert_says(&b.down(at_b).await, "linked by another transport");
    a.down(at_a).await;
    a.up().await;
}

#[tokio::test]
async fn frames_over_the_limit_are_dropped_here_and_end_the_link_there() {
    let mut a = Node::dialing(quick()).await;
    let mut b = Node::listening(TCP, limited(|link| link.max_frame = 1000)).await;
    let (at_a, at_b) = link(&mut a, &mut b).await;
    b.transport.send(at_b, vec![0; 1001]);
    assert_eq!(b.transport.dropped(), 1);
    a.transport.send(at_a, vec![0; 1001]);
    assert_says(&b.down(at_b).await, "a frame of 1001 bytes came, over the limit of 1000");
    assert_says(&a.down(at_a).await, "over the limit");
}

#[tokio::test]
async fn a_slow_peer_costs_bounded_memory() {
    let small = || {
        limited(|link| {
            link.queue_bytes = 1 << 20;
            link.inbound_bytes = 1 << 20;
        })
    };
    let mut a = Node::dialing(small()).await;
    let mut b = Node::listening(TCP, small()).await;
    let (at_a, _) = link(&mut a, &mut b).await;
    // Nothing is taken at `b`. What waits on the way is bounded by windows and buffers.
    for _ in 0..300 {
        a.transport.send(at_a, vec![0; 256 << 10]);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(a.transport.dropped() > 0);
}

#[tokio::test]
async fn an_address_without_a_node_is_reported_and_dialed_again() {
    let mut a = Node::dialing(quick()).await;
    a.transport.dial(&["/ip4/127.0.0.1/tcp/1".into()]);
    for _ in 0..3 {
        let (address, reason) = a.unreachable().await;
        assert_eq!(address, "/ip4/127.0.0.1/tcp/1");
        assert_says(&reason, "no node answers");
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_are_errors() {
    let start = async |listen: &str, config: Libp2pConfig| {
        Libp2pTransport::new(Libp2pConfig { listen: vec![listen.into()], ..config }).await.err()
    };
    assert!(matches!(start("127.0.0.1:1", quick()).await, Some(SetupError::Address(_))));
    let open = Libp2pConfig { secret: None, ..quick() };
    assert!(matches!(start("/ip4/0.0.0.0/tcp/0", open).await, Some(SetupError::NeedsSecret(_))));
    for on in [TCP, QUIC, WS] {
        let holder = Node::listening(on, quick()).await;
        let taken = holder.way().await;
        let error = start(&taken, quick()).await.unwrap();
        assert!(matches!(error, SetupError::InUse { .. }), "{on}: {error}");
    }
}
