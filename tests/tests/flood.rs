//! Peers that send as much as they can, or ask for much and read nothing: what a node holds of it is bounded.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed
#![cfg(target_os = "linux")]

use std::future::poll_fn;
use std::time::Duration;

use futures::future::join_all;
use futures::{AsyncWriteExt, FutureExt as _};
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt};
use libp2p::core::transport::{DialOpts, PortUse};
use libp2p::core::upgrade::Version;
use libp2p::core::{Endpoint, Multiaddr, Transport as _};
use libp2p::{identity::Keypair, noise, quic, tcp, yamux};
use paxoskv_core::transport::{Event, LinkId};
use paxoskv_core::wire::{Message, Op, write_frame};
use paxoskv_core::{Bucket, Key, KeyId, NodeId, Transport};
use paxoskv_tests::messages::greeting;
use paxoskv_tests::processes::Cluster;
use paxoskv_transport_libp2p::{Libp2pConfig, Libp2pTransport, LinkSettings};
use paxoskv_transport_ws::{WsConfig, WsTransport};

/// How many connections unauthenticated peers make at once: more than they may have.
const CONNECTIONS: usize = 100;

/// How many streams each of them tries to open.
const STREAMS: usize = 100;

/// How many of these begin to ask for a protocol and do not go on, so that the node does not get to the others.
const SILENT: usize = 10;

/// What is sent on the others.
const JUNK: &[u8] = &[0x55; 64 << 10];

/// How long a connection goes on.
const POURING: Duration = Duration::from_secs(2);

/// How many nodes ask and do not read.
const DEAF: usize = 40;

/// How many answers of a MiB each of them asks for: more than may wait on a link.
const ANSWERS: u64 = 20;

async fn over_tcp(address: &Multiaddr, how: DialOpts) -> Option<StreamMuxerBox> {
    let key = Keypair::generate_ed25519();
    let transport = tcp::tokio::Transport::new(tcp::Config::default())
        .upgrade(Version::V1)
        .authenticate(noise::Config::new(&key).unwrap())
        .multiplex(yamux::Config::default());
    Some(StreamMuxerBox::new(transport.boxed().dial(address.clone(), how).unwrap().await.ok()?.1))
}

async fn over_quic(address: &Multiaddr, how: DialOpts) -> Option<StreamMuxerBox> {
    let mut transport = quic::tokio::Transport::new(quic::Config::new(&Keypair::generate_ed25519()));
    Some(StreamMuxerBox::new(transport.dial(address.clone(), how).unwrap().await.ok()?.1))
}

/// Opens streams and writes to them for as long as the node takes it; how many bytes have gone.
async fn pour(address: &Multiaddr) -> usize {
    let how = DialOpts { role: Endpoint::Dialer, port_use: PortUse::New };
    let quic = address.to_string().ends_with("/quic-v1");
    let connected = if quic { over_quic(address, how).await } else { over_tcp(address, how).await };
    let Some(mut muxer) = connected else { return 0 };
    let mut streams = Vec::new();
    while streams.len() < STREAMS
        && let Some(Ok(stream)) = poll_fn(|cx| muxer.poll_outbound_unpin(cx)).now_or_never()
    {
        streams.push(stream);
    }
    let mut gone = vec![0; streams.len()];
    let writers = join_all(streams.iter_mut().zip(&mut gone).enumerate().map(async |(n, (stream, gone))| {
        if n < SILENT {
            let _ = stream.write_all(b"\x13").await;
            let _ = stream.flush().await;
            std::future::pending::<()>().await;
        }
        while stream.write_all(JUNK).await.is_ok() && stream.flush().await.is_ok() {
            *gone += JUNK.len();
        }
    }));
    let connection = async { while poll_fn(|cx| muxer.poll_unpin(cx)).await.is_ok() {} };
    let pouring = async {
        tokio::select! { _ = writers => {}, () = connection => {} }
    };
    let _ = tokio::time::timeout(POURING, pouring).await;
    gone.iter().sum()
}

/// By how many MiB the memory of a node with a secret grows at most while unauthenticated peers flood it.
async fn flooded(way: &str, suffix: &str) -> u64 {
    let cluster = Cluster::default();
    let file = cluster.folder().join("secret");
    std::fs::write(&file, "what nobody else knows\n").unwrap();
    let file = file.display().to_string();
    let at = |seat| cluster.multiaddr(seat).replace("/tcp/", way) + suffix;
    let nodes = [1, 2].map(|seat| {
        let arguments = cluster.arguments(seat).with("--transport", "libp2p").with("--secret-file", &file);
        arguments.with("--libp2p-listen", at(seat)).with("--join", at(3 - seat)).start()
    });
    nodes.iter().for_each(|node| node.seats(true, 2));
    let address: Multiaddr = at(1).parse().unwrap();
    let before = nodes[0].memory("VmHWM");
    let gone: usize = join_all((0..CONNECTIONS).map(|_| pour(&address))).await.into_iter().sum();
    assert!(gone >> 20 > 10, "{gone} bytes are no flood");
    let grown = (nodes[0].memory("VmHWM") - before) >> 10;
    println!("{} MiB were sent at {}, which has grown by {grown}", gone >> 20, at(1));
    // And it does what it is there for.
    let put = ["put", "k", "v", "--at", &at(1), "--secret-file", &file];
    assert_eq!(paxoskv_tests::processes::run(&put).done().line(), "v");
    grown
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_unauthenticated_peers_send_over_tcp_is_not_kept() {
    assert!(flooded("/tcp/", "").await < 64);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_unauthenticated_peers_send_over_quic_is_bounded() {
    assert!(flooded("/udp/", "/quic-v1").await < 160);
}

/// Links to an address, asks again and again for one key's value, and reads no answer.
async fn ask_and_do_not_read<T: Transport>(transport: &mut T, address: &str, cluster: &str, n: usize) {
    transport.dial(&[address.to_owned()]);
    let link: LinkId = loop {
        if let Event::Up { link, .. } = poll_fn(|cx| transport.poll_event(cx)).await {
            break link;
        }
    };
    transport.send(link, greeting(cluster, NodeId([u8::try_from(n).unwrap() + 1; 16]), None));
    let id = KeyId::new(Bucket::default(), Key::new("long").unwrap());
    let ask = |number| Message::Request { number, op: Op::Get { id: id.clone() }, patience: None };
    transport.send(link, write_frame(&(1..=ANSWERS).map(ask).collect::<Vec<_>>()));
}

/// By how many MiB the memory of a node grows at most while others ask for much and do not read it.
async fn asked<T: Transport>(at: impl Fn(&Cluster) -> String, peer: impl AsyncFn() -> T) -> u64 {
    let mut cluster = Cluster::new(&[]);
    for seat in 1..=3 {
        let listen = cluster.multiaddr(seat);
        let node = cluster.arguments(seat).with("--transport", "ws,libp2p").with("--libp2p-listen", &listen);
        cluster.start_by(&node);
    }
    cluster.complete();
    let long = cluster.folder().join("long");
    std::fs::write(&long, "x".repeat(1_000_000)).unwrap();
    cluster.run(1, &["put", "long", &format!("@{}", long.display())]).done();
    let before = cluster.node(1).memory("VmHWM");
    let mut peers = Vec::new();
    for n in 0..DEAF {
        let mut peer = peer().await;
        ask_and_do_not_read(&mut peer, &at(&cluster), cluster.name(), n).await;
        peers.push(peer);
    }
    // The first to ask is answered first.
    assert_eq!(cluster.run(1, &["get", "long"]).done().line().len(), 1_000_000);
    let grown = (cluster.node(1).memory("VmHWM") - before) >> 10;
    println!("{} MiB were asked for, and the node has grown by {grown}", DEAF as u64 * ANSWERS);
    drop(peers);
    cluster.unharmed();
    grown
}

/// Reads no further while a single byte waits for the core.
fn deaf_link() -> LinkSettings {
    LinkSettings { inbound_bytes: 1, ..LinkSettings::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_read_over_libp2p_is_bounded() {
    let deaf = || Libp2pConfig { link: deaf_link(), mdns: false, ..Libp2pConfig::default() };
    let grown =
        asked(|cluster| cluster.multiaddr(1), async || Libp2pTransport::new(deaf()).await.unwrap()).await;
    assert!(grown < 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_read_over_websocket_is_bounded() {
    let deaf = || WsConfig { link: deaf_link(), ..WsConfig::default() };
    let at = |cluster: &Cluster| format!("ws://{}", cluster.address(1));
    let grown = asked(at, async || WsTransport::new(deaf()).unwrap().0).await;
    assert!(grown < 400);
}
