//! Peers without the secret learn that they need it, and nothing else, and cost no more than a bounded time and space.
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

mod help;
use help::*;

use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use libp2p::swarm::{NetworkBehaviour, SwarmEvent};
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, identify, noise, ping, relay, tcp, yamux};
use paxoskv_core::transport::Event;
use tokio::time::timeout;

/// All that a node offers its members, and nothing that would prove anything.
#[derive(NetworkBehaviour)]
struct Curious {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    relay: relay::client::Behaviour,
}

fn curious() -> Swarm<Curious> {
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_relay_client(noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|key, relay| Curious {
            identify: identify::Behaviour::new(identify::Config::new("/curious/1".into(), key.public())),
            ping: ping::Behaviour::default(),
            relay,
        })
        .unwrap()
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(60)))
        .build()
}

async fn target() -> (Node, Multiaddr) {
    let config = limited(|link| link.handshake_timeout = Duration::from_secs(2));
    let node = Node::listening(TCP, config).await;
    let address = node.address().await.parse().unwrap();
    (node, address)
}

#[tokio::test]
async fn an_unauthenticated_peer_learns_nothing_and_is_cut_off() {
    let (_node, address) = target().await;
    let mut peer = curious();
    peer.dial(address.clone()).unwrap();
    peer.listen_on(address.with(libp2p::multiaddr::Protocol::P2pCircuit)).unwrap();
    timeout(PATIENCE, async {
        loop {
            match peer.select_next_some().await {
                SwarmEvent::Behaviour(CuriousEvent::Identify(identify::Event::Received { info, .. })) => {
                    panic!("it learned {info:?}")
                }
                SwarmEvent::Behaviour(CuriousEvent::Ping(ping::Event { result: Ok(_), .. })) => {
                    panic!("its ping was answered")
                }
                SwarmEvent::Behaviour(CuriousEvent::Relay(event)) => panic!("it was relayed: {event:?}"),
                SwarmEvent::NewListenAddr { address, .. } => panic!("it can be reached at {address}"),
                SwarmEvent::ConnectionClosed { num_established: 0, .. } => return,
                _ => {}
            }
        }
    })
    .await
    .expect("it is cut off");
}

#[tokio::test]
async fn more_unauthenticated_peers_than_may_be_are_turned_away_and_members_come_in_later() {
    // No peer is cut off for taking too long, in the time that this test has.
    let config = limited(|link| {
        link.max_handshakes = 3;
        link.handshake_timeout = 10 * PATIENCE;
    });
    let mut node = Node::listening(TCP, config).await;
    let address: Multiaddr = node.address().await.parse().unwrap();
    let mut peers = futures::stream::SelectAll::new();
    // One after the other: how many may be on their way at a time is another limit.
    for _ in 0..4 {
        let mut peer = curious();
        peer.dial(address.clone()).unwrap();
        timeout(PATIENCE, async {
            while !matches!(peer.select_next_some().await, SwarmEvent::ConnectionEstablished { .. }) {}
        })
        .await
        .expect("a connection");
        peers.push(peer);
    }
    timeout(PATIENCE, async {
        while !matches!(peers.next().await, Some(SwarmEvent::ConnectionClosed { .. })) {}
    })
    .await
    .expect("one of them is turned away");
    drop(peers);
    let mut member = Node::dialing(quick()).await;
    link(&mut member, &mut node).await;
}

/// Speaks on the stream of links what it likes.
mod raw {
    use super::*;
    use libp2p::StreamProtocol;
    use libp2p::core::upgrade::ReadyUpgrade;
    use libp2p::swarm::handler::OneShotHandlerConfig;
    use libp2p::swarm::{OneShotHandler, SubstreamProtocol};

    pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/paxoskv/1");

    /// One stream, got by hand.
    pub type Handler = OneShotHandler<ReadyUpgrade<StreamProtocol>, ReadyUpgrade<StreamProtocol>, Got>;

    #[derive(Debug)]
    pub struct Got(pub libp2p::Stream);

    impl From<libp2p::Stream> for Got {
        fn from(stream: libp2p::Stream) -> Self {
            Self(stream)
        }
    }

    pub fn handler() -> Handler {
        let mut handler = OneShotHandler::new(
            SubstreamProtocol::new(ReadyUpgrade::new(PROTOCOL), ()),
            OneShotHandlerConfig::default(),
        );
        handler.send_request(ReadyUpgrade::new(PROTOCOL));
        handler
    }

    #[derive(Default)]
    pub struct Behaviour(Option<libp2p::Stream>);

    impl NetworkBehaviour for Behaviour {
        type ConnectionHandler = Handler;
        type ToSwarm = libp2p::Stream;

        fn handle_established_inbound_connection(
            &mut self,
            _: libp2p::swarm::ConnectionId,
            _: PeerId,
            _: &Multiaddr,
            _: &Multiaddr,
        ) -> Result<Handler, libp2p::swarm::ConnectionDenied> {
            unreachable!("it does not listen")
        }

        fn handle_established_outbound_connection(
            &mut self,
            _: libp2p::swarm::ConnectionId,
            _: PeerId,
            _: &Multiaddr,
            _: libp2p::core::Endpoint,
            _: libp2p::core::transport::PortUse,
        ) -> Result<Handler, libp2p::swarm::ConnectionDenied> {
            Ok(handler())
        }

        fn on_swarm_event(&mut self, _: libp2p::swarm::FromSwarm<'_>) {}

        fn on_connection_handler_event(
            &mut self,
            _: PeerId,
            _: libp2p::swarm::ConnectionId,
            event: libp2p::swarm::THandlerOutEvent<Self>,
        ) {
            if let Ok(Got(stream)) = event {
                self.0 = Some(stream);
            }
        }

        fn poll(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<libp2p::swarm::ToSwarm<Self::ToSwarm, libp2p::swarm::THandlerInEvent<Self>>>
        {
            match self.0.take() {
                Some(stream) => std::task::Poll::Ready(libp2p::swarm::ToSwarm::GenerateEvent(stream)),
                None => std::task::Poll::Pending,
            }
        }
    }

    /// A stream to the node, and the task that keeps its connection.
    pub async fn stream(address: &Multiaddr) -> (libp2p::Stream, tokio::task::JoinHandle<()>) {
        let mut swarm = SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|_| Behaviour::default())
            .unwrap()
            .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(60)))
            .build();
        swarm.dial(address.clone()).unwrap();
        let stream = timeout(PATIENCE, async {
            loop {
                if let SwarmEvent::Behaviour(stream) = swarm.select_next_some().await {
                    return stream;
                }
            }
        });
        let stream = stream.await.expect("a stream");
        (stream, tokio::spawn(async move { while swarm.next().await.is_some() {} }))
    }
}

fn message(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn preface(nonce: u8) -> Vec<u8> {
    message(&[b"PXKV\x01\x03".as_slice(), &[nonce; 32]].concat())
}

/// All that the node answers to this, until it ends the stream.
async fn answer(address: &Multiaddr, sent: &[u8]) -> Vec<u8> {
    let (mut stream, keep) = raw::stream(address).await;
    let _ = stream.write_all(sent).await;
    let _ = stream.flush().await;
    let mut answered = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answered)).await.expect("the node ends it");
    keep.abort();
    answered
}

/// What follows the node's preface, which is random.
fn after_preface(answered: &[u8]) -> &[u8] {
    assert_eq!(&answered[4..9], b"PXKV\x01");
    &answered[4 + 38..]
}

#[tokio::test]
async fn wrong_proofs_are_all_answered_in_the_same_words() {
    let (mut node, address) = target().await;
    let mut answers = Vec::new();
    for proof in [vec![], vec![0; 31], vec![0; 32], vec![0; 64], vec![7; 64], vec![1; 1000]] {
        let answered = answer(&address, &[preface(1), message(&proof)].concat()).await;
        answers.push(String::from_utf8_lossy(after_preface(&answered)).into_owned());
    }
    assert_says(&answers[0], "wrong secret");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    assert_says(&node.refusal().await.1, "wrong secret");
    // A node's own preface, sent back to it.
    let (mut stream, _keep) = raw::stream(&address).await;
    let mut theirs = [0; 4 + 38];
    stream.write_all(&[]).await.unwrap();
    timeout(PATIENCE, stream.read_exact(&mut theirs)).await.expect("its preface").unwrap();
    stream.write_all(&theirs).await.unwrap();
    stream.flush().await.unwrap();
    let mut answered = Vec::new();
    let _ = timeout(PATIENCE, stream.read_to_end(&mut answered)).await.expect("the node ends it");
    assert_says(&String::from_utf8_lossy(&answered), "wrong secret");
}

#[tokio::test]
async fn noise_instead_of_a_handshake_ends_it() {
    let (mut node, address) = target().await;
    for sent in [
        message(b"hello there"),
        message(&[]),
        u32::MAX.to_be_bytes().to_vec(),
        1025_u32.to_be_bytes().to_vec(),
        [preface(1), vec![0xff; 10]].concat(),
        [preface(1), message(&[1; 1025])].concat(),
    ] {
        let answered = answer(&address, &sent).await;
        assert!(answered.len() < 42 + 4 + 2 + 200, "{} bytes", answered.len());
    }
    // Silence ends it, too, and no link came up.
    let started = tokio::time::Instant::now();
    answer(&address, &[]).await;
    assert!(started.elapsed() >= Duration::from_secs(1));
    while let Ok(event) = timeout(Duration::from_millis(100), node.event()).await {
        assert!(matches!(event, Event::Unreachable { .. }), "{event:?}");
    }
}
