//! Two listeners that send every frame back, for the tests in browsers (`tests/browser.rs`): one without a secret, one
//! with.
#![cfg_attr(not(target_family = "wasm"), allow(clippy::unwrap_used))] // what cannot listen is of no use

#[cfg(target_family = "wasm")]
fn main() {}

#[cfg(not(target_family = "wasm"))]
#[tokio::main]
async fn main() {
    use paxoskv_transport_ws::Secret;

    tokio::join!(
        echo("127.0.0.1:47411", None),
        echo("127.0.0.1:47412", Some(Secret::new(b"a secret").unwrap())),
    );
}

#[cfg(not(target_family = "wasm"))]
async fn echo(at: &str, secret: Option<paxoskv_transport_ws::Secret>) {
    use std::future::poll_fn;

    use paxoskv_core::Transport;
    use paxoskv_core::transport::{CloseReason, Event};
    use paxoskv_transport_ws::{WsConfig, WsTransport, serve};

    let listener = tokio::net::TcpListener::bind(at).await.unwrap();
    let config = WsConfig { listen: Some(listener.local_addr().unwrap()), secret, ..WsConfig::default() };
    let (mut transport, route) = WsTransport::new(config).unwrap();
    // The tests' page comes from another port each time.
    let route = route.layer(axum::middleware::map_request(async |mut request: axum::extract::Request| {
        request.headers_mut().remove("origin");
        request
    }));
    tokio::spawn(serve(listener, route));
    println!("{at}");
    loop {
        match poll_fn(|cx| transport.poll_event(cx)).await {
            Event::Frame { link, bytes } if bytes == b"close it" => {
                transport.send(link, b"closed".to_vec());
                transport.close(link, CloseReason::Faulty("as you wish".into()));
            }
            Event::Frame { link, bytes } => transport.send(link, bytes),
            Event::Down { reason, .. } => println!("down: {reason}"),
            _ => {}
        }
    }
}
