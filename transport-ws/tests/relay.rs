//! Nodes that cannot listen reach one another through one that does, and that cannot read what it carries.

mod help;
use help::*;

use std::time::Duration;

use paxoskv_core::Transport;
use paxoskv_core::transport::CloseReason;
use paxoskv_transport_ws::WsConfig;
use paxoskv_transport_ws::relay::Name;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

fn waiting(of: &str) -> WsConfig {
    WsConfig { wait_at_relays: true, secret: secret(of), ..quick() }
}

/// One in the middle, and one that waits there and is linked to it.
async fn relayed() -> (Node, Node) {
    let mut middle = Node::listening(WsConfig { secret: secret("s"), ..quick() }).await;
    let mut behind = Node::dialing(waiting("s"));
    link(&mut behind, &mut middle).await;
    (middle, behind)
}

#[tokio::test]
async fn frames_of_any_length_come_through_both_ways() {
    let (mut middle, mut behind) = relayed().await;
    let mut other = Node::dialing(WsConfig { secret: secret("s"), ..quick() });
    other.transport.dial(&behind.transport.addresses());
    let (there, here) = (other.up().await, behind.up().await);
    for length in [0, 1, 100_000, 4 << 20] {
        let frame: Vec<u8> = (0..length).map(|n| n as u8).collect();
        other.transport.send(there, frame.clone());
        assert_eq!(behind.frame().await, (here, frame.clone()));
        behind.transport.send(here, frame.clone());
        assert_eq!(other.frame().await, (there, frame));
    }
    // The core of the one in the middle is notified of nothing.
    middle.nothing_for(Duration::from_millis(50)).await;

    other.transport.close(there, CloseReason::Refused("not this one".into()));
    assert_says(&behind.down(here).await, "not this one");
    other.down(there).await;
    // It waits again, and is dialed again.
    other.up().await;
    behind.up().await;
}

#[tokio::test]
async fn several_come_to_one_that_waits() {
    let (_middle, mut behind) = relayed().await;
    let mut others: Vec<Node> = (0..5).map(|_| Node::dialing(waiting("s"))).collect();
    for other in &mut others {
        other.transport.dial(&behind.transport.addresses());
    }
    for other in &mut others {
        let link = other.up().await;
        other.transport.send(link, b"here".to_vec());
    }
    for _ in 0..others.len() {
        assert_eq!(behind.frame().await.1, b"here");
    }
}

#[tokio::test]
async fn a_link_ends_with_the_one_in_the_middle_and_with_either_end() {
    let (middle, mut behind) = relayed().await;
    let mut other = Node::dialing(WsConfig { secret: secret("s"), ..quick() });
    other.transport.dial(&behind.transport.addresses());
    let (there, here) = (other.up().await, behind.up().await);
    drop(other);
    behind.down(here).await;

    let mut other = Node::dialing(WsConfig { secret: secret("s"), ..quick() });
    other.transport.dial(&behind.transport.addresses());
    let (_, here) = (other.up().await, behind.up().await);
    let _ = there;
    drop(middle);
    behind.down(here).await;
}

#[tokio::test]
async fn a_node_that_does_not_wait_yet_is_dialed_until_it_does() {
    let mut middle = Node::listening(quick()).await;
    let mut behind = Node::dialing(WsConfig { wait_at_relays: true, ..quick() });
    let mut other = Node::dialing(quick());
    // It tells where it will be reached before it is there.
    behind.transport.dial(&["127.0.0.1:1".into()]);
    let name = behind.transport.addresses()[0].rsplit('/').next().unwrap().to_owned();
    other.transport.dial(&[format!("{}/ws/relay/{name}", middle.address())]);
    other.unreachable().await;
    link(&mut behind, &mut middle).await;
    other.up().await;
}

#[tokio::test]
async fn an_unauthenticated_peer_is_not_carried() {
    let (middle, _behind) = relayed().await;
    let theirs = Name::new([1; 16], secret("other").as_ref());
    for (name, wait) in [(theirs.to_string(), ""), (theirs.to_string(), "/wait"), ("x".into(), "/wait")] {
        let mut peer = Node::dialing(quick());
        peer.transport.dial(&[format!("{}/ws/relay/{name}{wait}", middle.address())]);
        assert_says(&peer.refusal().await.1, "not the name of a member");
    }
}

#[tokio::test]
async fn only_so_many_nodes_may_wait() {
    let mut middle = Node::listening(WsConfig { max_relays: 1, ..quick() }).await;
    let mut first = Node::dialing(WsConfig { wait_at_relays: true, ..quick() });
    link(&mut first, &mut middle).await;
    let mut other = Node::dialing(quick());
    other.transport.dial(&first.transport.addresses());
    other.up().await;
    // The only place is taken by that link, so no other node may wait, and the answer says so.
    let name = Name::new([1; 16], None);
    let mut second = Node::dialing(quick());
    second.transport.dial(&[format!("{}/ws/relay/{name}/wait", middle.address())]);
    assert_says(&second.unreachable().await.1, "as many wait here");
}

/// Passes on what it reads, until it is frozen: then nothing reaches either end, not even that nothing will come.
async fn pass_on(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut frozen: watch::Receiver<bool>) {
    let mut buffer = vec![0; 1 << 16];
    if *frozen.borrow_and_update() {
        frozen = watch::channel(false).1;
    }
    loop {
        tokio::select! {
            read = from.read(&mut buffer) => match read {
                Ok(n) if n > 0 && to.write_all(&buffer[..n]).await.is_ok() => {}
                _ => return,
            },
            Ok(()) = frozen.changed() => std::future::pending().await,
        }
    }
}

#[tokio::test]
async fn a_node_that_gets_no_pings_any_more_waits_anew() {
    let quick = || WsConfig {
        relay_ping_interval: Duration::from_millis(100),
        ..limited(|link| link.handshake_timeout = Duration::from_secs(1))
    };
    let mut middle = Node::listening(quick()).await;
    let to = middle.at;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    let (freeze, frozen) = watch::channel(false);
    let (sender, mut connections) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((a, _)) = listener.accept().await {
            let b = TcpStream::connect(to).await.unwrap();
            let ((from_a, to_a), (from_b, to_b)) = (a.into_split(), b.into_split());
            tokio::spawn(pass_on(from_a, to_b, frozen.clone()));
            tokio::spawn(pass_on(from_b, to_a, frozen.clone()));
            sender.send(()).unwrap();
        }
    });
    let mut behind = Node::dialing(WsConfig { wait_at_relays: true, ..quick() });
    behind.transport.dial(&[format!("ws://{at}")]);
    let mut connected =
        async || timeout(PATIENCE, connections.recv()).await.expect("a connection was to come");
    // Its link, and where it waits.
    connected().await;
    connected().await;
    behind.up().await;
    middle.up().await;
    let name = behind.transport.addresses()[0].rsplit('/').next().unwrap().to_owned();
    freeze.send(true).unwrap();
    connected().await;
    let mut other = Node::dialing(quick());
    other.transport.dial(&[format!("ws://{to}/ws/relay/{name}")]);
    other.up().await;
}
