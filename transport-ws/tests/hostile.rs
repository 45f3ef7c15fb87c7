//! Bytes are not trusted: whatever an unauthenticated or a broken peer sends costs it the connection, never the node.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod help;
use help::*;

use futures::{SinkExt, StreamExt};
use paxoskv_core::Transport;
use paxoskv_core::transport::Event;
use paxoskv_links::Preface;
use paxoskv_transport_ws::WsConfig;
use paxoskv_transport_ws::noise::Handshake;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// The node still serves members.
async fn still_serves(b: &mut Node, config: WsConfig) {
    let mut a = Node::dialing(config);
    let (a_link, b_link) = link(&mut a, b).await;
    a.transport.send(a_link, b"hello".to_vec());
    assert_eq!(b.frame().await, (b_link, b"hello".to_vec()));
}

/// Reads until the node closes the connection, which it must do.
async fn cut_off(mut tcp: TcpStream) {
    let mut answered = Vec::new();
    let _ = timeout(PATIENCE, tcp.read_to_end(&mut answered))
        .await
        .expect("the node was to close the connection");
}

async fn client(at: std::net::SocketAddr) -> WebSocketStream<TcpStream> {
    let (tcp, _) = upgraded(at, "127.0.0.1", "").await;
    WebSocketStream::from_raw_socket(tcp, Role::Client, None).await
}

/// The code with which the node closes; none if it just goes.
async fn closed(socket: &mut WebSocketStream<TcpStream>) -> Option<u16> {
    let ended = async {
        loop {
            match socket.next().await {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    };
    timeout(PATIENCE, ended).await.expect("the node was to close the connection")
}

fn preface(secret: bool) -> Vec<u8> {
    Preface::new(secret, false, [7; 32]).encode().to_vec()
}

fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[tokio::test]
async fn garbage_instead_of_http() {
    let mut b = Node::listening(quick()).await;
    for seed in 0..20 {
        let mut tcp = raw(b.at).await;
        let _ = tcp.write_all(&noise(seed, 10_000)).await;
        let _ = tcp.shutdown().await;
        cut_off(tcp).await;
    }
    still_serves(&mut b, quick()).await;
}

#[tokio::test]
async fn garbage_instead_of_websocket_frames() {
    let config = WsConfig { secret: secret("a secret"), ..quick() };
    let mut b = Node::listening(config.clone()).await;
    for seed in 0..40 {
        let (mut tcp, _) = upgraded(b.at, "127.0.0.1", "").await;
        let _ = tcp.write_all(&noise(seed, 3000)).await;
        let _ = tcp.shutdown().await;
        cut_off(tcp).await;
    }
    still_serves(&mut b, config).await;
}

#[tokio::test]
async fn a_frame_that_claims_to_be_huge_is_refused_by_its_head() {
    let mut b = Node::listening(quick()).await;
    let (mut tcp, _) = upgraded(b.at, "127.0.0.1", "").await;
    let mut head = vec![0x82, 0xff];
    head.extend_from_slice(&(1_u64 << 62).to_be_bytes());
    head.extend_from_slice(b"mask");
    tcp.write_all(&head).await.unwrap();
    cut_off(tcp).await;
    still_serves(&mut b, quick()).await;
}

#[tokio::test]
async fn prefaces_that_are_none_or_of_another_version() {
    let mut b = Node::listening(quick()).await;
    let mut other_version = preface(false);
    other_version[4] = 200;
    let cases: [(Message, u16); 5] = [
        (Message::binary(Vec::new()), 4013),
        (Message::binary(b"PXKV".to_vec()), 4013),
        (Message::binary(noise(1, 500)), 4013),
        (Message::text("PXKV"), 4013),
        (Message::binary(other_version), 4001),
    ];
    for (first, code) in cases {
        let mut socket = client(b.at).await;
        socket.send(first.clone()).await.unwrap();
        assert_eq!(closed(&mut socket).await, Some(code), "{first:?}");
    }
    let (address, reason) = b.refusal().await;
    assert_eq!(address, "");
    assert_says(&reason, "protocol version: this node speaks 1, the other side 200");
    still_serves(&mut b, quick()).await;
}

#[tokio::test]
async fn noise_messages_that_are_none() {
    let config = WsConfig { secret: secret("a secret"), ..quick() };
    let mut b = Node::listening(config.clone()).await;
    for length in [0, 1, 31, 32, 47, 48, 49, 1000, 10_000] {
        let mut socket = client(b.at).await;
        socket.send(Message::binary(preface(true))).await.unwrap();
        socket.send(Message::binary(noise(length as u64, length))).await.unwrap();
        assert!(closed(&mut socket).await.is_some_and(|code| code == 4003 || code == 4013), "{length}");
    }
    still_serves(&mut b, config).await;
}

#[tokio::test]
async fn a_recorded_handshake_does_not_bring_up_a_link() {
    let key = secret("a secret");
    let config = WsConfig { secret: key.clone(), ..quick() };
    let mut b = Node::listening(config).await;
    let mine = preface(true);
    let mut socket = client(b.at).await;
    socket.send(Message::binary(mine.clone())).await.unwrap();
    let Message::Binary(theirs) = socket.next().await.unwrap().unwrap() else { panic!("the node's preface") };
    // What a holder of the secret would send; the rest of its state cannot be recorded.
    let mut recorded = Handshake::new(&key.unwrap(), true, &mine, &theirs).unwrap();
    socket.send(Message::binary(recorded.write().unwrap())).await.unwrap();
    socket.next().await.unwrap().unwrap();
    socket.send(Message::binary(noise(5, 17))).await.unwrap();
    assert_eq!(closed(&mut socket).await, Some(4003));
    let first = b.event().await;
    assert!(matches!(first, Event::Unreachable { refused: true, .. }), "no link came up: {first:?}");
}

#[tokio::test]
async fn changed_bytes_on_an_encrypted_link_take_it_down() {
    let config = WsConfig { secret: secret("a secret"), ..quick() };
    let mut a = Node::dialing(config.clone());
    let mut b = Node::listening(config).await;
    // A node on the way flips a bit in the first long frame.
    let tap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tap.local_addr().unwrap().to_string();
    let to = b.at;
    tokio::spawn(async move {
        let (dialer, _) = tap.accept().await.unwrap();
        let (mut from_dialer, mut back) = dialer.into_split();
        let (mut answers, mut to_listener) = raw(to).await.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
        let (mut passed, mut buffer) = (0, [0; 4096]);
        while let Ok(n @ 1..) = from_dialer.read(&mut buffer).await {
            if passed < 5000 && passed + n >= 5000 {
                buffer[5000 - passed - 1] ^= 1;
            }
            passed += n;
            if to_listener.write_all(&buffer[..n]).await.is_err() {
                break;
            }
        }
    });
    a.transport.dial(&[address]);
    let a_link = a.up().await;
    let b_link = b.up().await;
    a.transport.send(a_link, vec![0; 20_000]);
    let next = b.event().await;
    let Event::Down { link, reason, .. } = next else { panic!("the frame was to be refused: {next:?}") };
    assert_eq!(link, b_link);
    assert_says(&reason, "could not be decrypted");
}

#[tokio::test]
async fn text_and_garbage_on_a_link_take_it_down_and_pings_are_answered() {
    let mut b = Node::listening(quick()).await;
    let mut socket = client(b.at).await;
    socket.send(Message::binary(preface(false))).await.unwrap();
    let link = b.up().await;
    assert!(matches!(socket.next().await, Some(Ok(Message::Binary(_)))), "the node's preface");
    socket.send(Message::Ping(b"there?".to_vec().into())).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::Pong(b"there?".to_vec().into()));
    socket.send(Message::text("no frame")).await.unwrap();
    assert_says(&b.down(link).await, "text");
    assert_eq!(closed(&mut socket).await, Some(4013));

    let mut socket = client(b.at).await;
    socket.send(Message::binary(preface(false))).await.unwrap();
    let link = b.up().await;
    socket.get_mut().write_all(&[0xff; 100]).await.unwrap();
    assert_says(&b.down(link).await, "no WebSocket traffic");
    still_serves(&mut b, quick()).await;
}

#[tokio::test]
async fn a_listener_that_is_none_is_unreachable() {
    // Garbage, silence, and another web server, where a node is dialed.
    let answers: [&[u8]; 5] = [
        b"\0\x01garbage\r\n\r\n",
        b"",
        b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\r\n",
    ];
    for answer in answers {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let answer = answer.to_vec();
        tokio::spawn(async move {
            let (mut tcp, _) = listener.accept().await.unwrap();
            tcp.write_all(&answer).await.unwrap();
            std::future::pending::<()>().await;
        });
        let config = limited(|link| link.handshake_timeout = std::time::Duration::from_millis(300));
        let mut a = Node::dialing(config);
        a.transport.dial(&[address]);
        let next = a.event().await;
        // Nor is it a refusal, which only a node can speak.
        assert!(matches!(next, Event::Unreachable { refused: false, .. }), "{next:?}");
    }
}
