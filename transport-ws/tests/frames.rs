//! Frames come through both ways, whole and in order, with and without a secret.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod help;
use help::*;

use paxoskv_core::Transport;
use paxoskv_transport_ws::WsConfig;

fn pattern(length: usize) -> Vec<u8> {
    (0..length as u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}

async fn both_ways(config: WsConfig) {
    let mut a = Node::dialing(config.clone());
    let mut b = Node::listening(config).await;
    let (a_link, b_link) = link(&mut a, &mut b).await;
    let frames: Vec<_> = [0, 1, 65_518, 65_519, 3 << 20, 2, 4 << 20].map(pattern).into();
    for frame in &frames {
        a.transport.send(a_link, frame.clone());
        b.transport.send(b_link, frame.clone());
    }
    for frame in &frames {
        let (link, bytes) = b.frame().await;
        assert!(link == b_link && bytes == *frame, "{} bytes arrived at the listener changed", frame.len());
        let (link, bytes) = a.frame().await;
        assert!(link == a_link && bytes == *frame, "{} bytes arrived at the dialer changed", frame.len());
    }
    assert_eq!((a.transport.dropped(), b.transport.dropped()), (0, 0));
}

#[tokio::test]
async fn without_a_secret() {
    both_ways(quick()).await;
}

#[tokio::test]
async fn with_a_secret() {
    both_ways(WsConfig { secret: secret("a secret"), ..quick() }).await;
}

#[tokio::test]
async fn many_small_ones_stay_in_order() {
    let config = WsConfig { secret: secret("a secret"), ..quick() };
    let mut a = Node::dialing(config.clone());
    let mut b = Node::listening(config).await;
    let (a_link, _) = link(&mut a, &mut b).await;
    for n in 0..2000_u32 {
        a.transport.send(a_link, n.to_be_bytes().to_vec());
    }
    for n in 0..2000_u32 {
        assert_eq!(b.frame().await.1, n.to_be_bytes());
    }
}

#[tokio::test]
async fn the_secret_and_the_frames_cannot_be_read_on_the_way() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let config = WsConfig { secret: secret("squeamish ossifrage"), ..quick() };
    let mut a = Node::dialing(config.clone());
    let mut b = Node::listening(config).await;
    // A node on the way keeps all that goes from the dialer to the listener.
    let tap = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tap.local_addr().unwrap().to_string();
    let to = b.at;
    let recorded = tokio::spawn(async move {
        let (from_dialer, _) = tap.accept().await.unwrap();
        let (mut from_dialer, mut back) = from_dialer.into_split();
        let (mut answers, mut to_listener) = raw(to).await.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut answers, &mut back).await });
        let (mut recorded, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(n @ 1..) = from_dialer.read(&mut buffer).await {
            recorded.extend_from_slice(&buffer[..n]);
            to_listener.write_all(&buffer[..n]).await.unwrap();
        }
        recorded
    });
    a.transport.dial(&[address]);
    let a_link = a.up().await;
    b.up().await;
    a.transport.send(a_link, b"the magic words".repeat(4));
    assert_eq!(b.frame().await.1, b"the magic words".repeat(4));
    drop(a);
    let recorded = recorded.await.unwrap();
    // The client masks what it sends with a key that is sent along.
    let unmasked = unmask(&recorded);
    assert!(unmasked.starts_with(b"PXKV"), "the tap works");
    for words in ["magic", "squeamish"] {
        assert!(
            !unmasked.windows(words.len()).any(|window| window == words.as_bytes()),
            "{words} was in the clear"
        );
    }
}

/// The payloads of short masked frames after an HTTP request.
fn unmask(recorded: &[u8]) -> Vec<u8> {
    let head = recorded.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
    let (mut rest, mut payloads) = (&recorded[head..], Vec::new());
    while rest.len() >= 6 {
        let length = usize::from(rest[1] & 0x7f);
        assert!(length < 126, "short frames only");
        let (mask, payload) = rest[2..].split_at(4);
        let end = length.min(payload.len());
        payloads.extend(payload[..end].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        rest = &payload[end..];
    }
    payloads
}
