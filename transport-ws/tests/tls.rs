//! `wss://` addresses are dialed by TLS, and only those whose certificate is trusted are talked to.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod help;
use help::*;

use std::sync::Arc;

use paxoskv_core::Transport;
use paxoskv_core::transport::Event;
use paxoskv_transport_ws::WsConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;

/// A TLS proxy before a node, as people put one there; its port, and its certificate.
async fn proxy(to: std::net::SocketAddr) -> (u16, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let Ok(mut tls) = acceptor.accept(tcp).await else { continue };
            tokio::spawn(async move {
                let mut plain = raw(to).await;
                let _ = tokio::io::copy_bidirectional(&mut tls, &mut plain).await;
            });
        }
    });
    (port, certificate.to_vec())
}

#[tokio::test]
async fn a_trusted_certificate_lets_frames_through() {
    let mut b = Node::listening(quick()).await;
    let (port, certificate) = proxy(b.at).await;
    let mut a = Node::dialing(WsConfig { extra_roots: vec![certificate], ..quick() });
    a.transport.dial(&[format!("wss://localhost:{port}")]);
    let a_link = a.up().await;
    let b_link = b.up().await;
    a.transport.send(a_link, vec![5; 3 << 20]);
    assert_eq!(b.frame().await, (b_link, vec![5; 3 << 20]));
}

#[tokio::test]
async fn an_unknown_certificate_or_a_wrong_name_does_not() {
    let b = Node::listening(quick()).await;
    let (port, certificate) = proxy(b.at).await;
    let (_, another) = proxy(b.at).await;
    for (root, host) in [(another, "localhost"), (certificate, "127.0.0.1")] {
        let mut a = Node::dialing(WsConfig { extra_roots: vec![root], ..quick() });
        a.transport.dial(&[format!("wss://{host}:{port}")]);
        let Event::Unreachable { reason, refused, .. } = a.event().await else {
            panic!("no link was to come up")
        };
        assert_says(&reason, "certificate");
        assert!(!refused);
    }
}
