//! The browser's sockets, with native nodes at the other end. Listeners have to be there, so these tests run when they
//! are asked for:
//!
//! ```sh
//! cargo run -p paxoskv-transport-ws --example echo &
//! CHROMEDRIVER=/usr/bin/chromedriver CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUNNER=wasm-bindgen-test-runner \
//!   cargo test -p paxoskv-transport-ws --target wasm32-unknown-unknown --test browser -- --include-ignored
//! ```
#![cfg(target_family = "wasm")]
#![allow(clippy::unwrap_used)] // a test that cannot go on has failed

use std::future::{Future, poll_fn};
use std::time::Duration;

use js_sys::{Date, Function, Promise, Reflect};
use paxoskv_core::transport::{CloseReason, Event, LinkId};
use paxoskv_core::{Timer, Transport};
use paxoskv_transport_ws::address::Address;
use paxoskv_transport_ws::{Secret, WebSockets};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

const PLAIN: &str = "ws://127.0.0.1:47411";
const SECRET: &str = "ws://127.0.0.1:47412";

#[derive(Clone)]
struct Clock;

fn now() -> Duration {
    Duration::from_secs_f64(Date::now() / 1000.0)
}

impl Timer for Clock {
    fn now(&self) -> Duration {
        now()
    }
    fn clock(&self) -> impl Fn() -> Duration + Send + Sync + 'static {
        now
    }
    fn unix(&self) -> Duration {
        self.now()
    }
    fn sleep_until(&self, at: Duration) -> impl Future<Output = ()> {
        let ms = at.saturating_sub(self.now()).as_secs_f64() * 1000.0;
        let set_timeout: Function =
            Reflect::get(&js_sys::global(), &"setTimeout".into()).unwrap().unchecked_into();
        let over = Promise::new(&mut |resolve, _| {
            set_timeout.call2(&js_sys::global(), &resolve, &ms.ceil().into()).unwrap();
        });
        async {
            JsFuture::from(over).await.unwrap();
        }
    }
}

type Sockets = WebSockets<Clock>;

fn dialing(secret: Option<&str>, address: &str) -> Sockets {
    let secret = secret.map(|text| Secret::new(text.as_bytes()).unwrap());
    let mut sockets = WebSockets::new(secret, Clock);
    sockets.dial(&[address.to_owned(), "/ip4/127.0.0.1/tcp/1".to_owned()]);
    sockets
}

async fn event(sockets: &mut Sockets) -> Event {
    poll_fn(|cx| sockets.poll_event(cx)).await
}

async fn up(sockets: &mut Sockets) -> LinkId {
    match event(sockets).await {
        Event::Up { link, dialed: true, attested: false } => link,
        other => panic!("a link was to come up, but {other:?} came"),
    }
}

async fn frames_come_back(secret: Option<&str>, address: &str) {
    let mut sockets = dialing(secret, address);
    let link = up(&mut sockets).await;
    let sizes = [0, 1, 1000, 65_518, 65_519, 1 << 20, 4 << 20, 3];
    for (n, size) in sizes.into_iter().enumerate() {
        sockets.send(link, vec![n as u8; size]);
    }
    for (n, size) in sizes.into_iter().enumerate() {
        assert!(event(&mut sockets).await == Event::Frame { link, bytes: vec![n as u8; size] }, "frame {n}");
    }
}

#[wasm_bindgen_test]
#[ignore = "needs the listeners of the example `echo`"]
async fn frames_of_all_sizes_come_back_without_a_secret() {
    frames_come_back(None, PLAIN).await;
}

#[wasm_bindgen_test]
#[ignore = "needs the listeners of the example `echo`"]
async fn frames_of_all_sizes_come_back_with_a_secret() {
    frames_come_back(Some("a secret"), SECRET).await;
}

#[wasm_bindgen_test]
#[ignore = "needs the listeners of the example `echo`"]
async fn another_secret_or_none_is_refused_with_the_reason() {
    let cases = [
        (Some("another"), SECRET, "wrong secret"),
        (None, SECRET, "secret file"),
        (Some("a secret"), PLAIN, "secret file"),
    ];
    for (secret, address, words) in cases {
        let mut sockets = dialing(secret, address);
        match event(&mut sockets).await {
            Event::Unreachable { address: of, reason, refused: true } => {
                assert_eq!(of, address);
                assert!(reason.contains(words), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[wasm_bindgen_test]
#[ignore = "needs the listeners of the example `echo`"]
async fn an_address_without_a_node_is_reported_and_dialed_again() {
    let mut sockets = dialing(None, "ws://127.0.0.1:47419");
    for _ in 0..2 {
        match event(&mut sockets).await {
            Event::Unreachable { refused: false, reason, .. } => {
                assert!(reason.contains("cannot connect"), "{reason}")
            }
            other => panic!("{other:?}"),
        }
    }
}

#[wasm_bindgen_test]
#[ignore = "needs the listeners of the example `echo`"]
async fn a_link_that_the_other_side_closes_is_down_and_comes_up_again() {
    let mut sockets = dialing(Some("a secret"), SECRET);
    let link = up(&mut sockets).await;
    sockets.send(link, b"close it".to_vec());
    assert_eq!(event(&mut sockets).await, Event::Frame { link, bytes: b"closed".to_vec() });
    match event(&mut sockets).await {
        Event::Down { link: of, reason, gone: false } => {
            assert_eq!(of, link);
            assert!(reason.contains("as you wish"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    let next = up(&mut sockets).await;
    assert!(next != link);
    sockets.send(next, b"again".to_vec());
    assert_eq!(event(&mut sockets).await, Event::Frame { link: next, bytes: b"again".to_vec() });
}

#[wasm_bindgen_test]
#[ignore = "needs the listeners of the example `echo`"]
async fn a_link_that_this_side_closes_is_down_and_what_was_sent_goes_out() {
    let mut sockets = dialing(None, PLAIN);
    let link = up(&mut sockets).await;
    sockets.send(link, vec![1; 1 << 20]);
    sockets.close(link, CloseReason::Leaving);
    sockets.send(link, b"too late".to_vec());
    poll_fn(|cx| sockets.poll_flush(cx)).await;
    match event(&mut sockets).await {
        Event::Down { link: of, reason, gone: false } => {
            assert_eq!(of, link);
            assert!(reason.contains("leaving"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

/// Two that cannot listen, linked to a node in the middle: the first is reached through that by the second.
async fn meet(secret: Option<&str>, address: &str) {
    let secret = || secret.map(|text| Secret::new(text.as_bytes()).unwrap());
    let mut behind = WebSockets::new(secret(), Clock).wait_at_relays();
    let mut other = WebSockets::new(secret(), Clock);
    behind.dial(&[address.to_owned()]);
    up(&mut behind).await;
    other.dial(&Transport::addresses(&behind));
    let come = async |sockets: &mut Sockets, wanted: bool| loop {
        match event(sockets).await {
            Event::Up { link, dialed, .. } if dialed == wanted => return link,
            // It may have dialed before the other waited.
            Event::Unreachable { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    let (here, there) = futures::join!(come(&mut behind, false), come(&mut other, true));
    for size in [0, 1, 100_000, 4 << 20] {
        other.send(there, vec![7; size]);
        assert!(event(&mut behind).await == Event::Frame { link: here, bytes: vec![7; size] }, "{size} to");
        behind.send(here, vec![8; size]);
        assert!(event(&mut other).await == Event::Frame { link: there, bytes: vec![8; size] }, "{size} from");
    }
    other.close(there, CloseReason::Faulty("just so".into()));
    assert!(matches!(event(&mut other).await, Event::Down { .. }));
    match event(&mut behind).await {
        Event::Down { link, reason, .. } => assert!(link == here && reason.contains("just so"), "{reason}"),
        other => panic!("{other:?}"),
    }
    // It waits again, and is dialed again.
    futures::join!(come(&mut behind, false), come(&mut other, true));
}

#[wasm_bindgen_test]
#[ignore = "needs the listeners of the example `echo`"]
async fn two_that_cannot_listen_meet_through_a_node_without_a_secret() {
    meet(None, PLAIN).await;
}

#[wasm_bindgen_test]
#[ignore = "needs the listeners of the example `echo`"]
async fn two_that_cannot_listen_meet_through_a_node_with_a_secret() {
    meet(Some("a secret"), SECRET).await;
}

#[wasm_bindgen_test]
fn an_ipv6_address_is_read_as_native_nodes_read_it() {
    let url = |text: &str| text.parse::<Address>().ok().map(|address| address.url());
    for text in ["[::1]:7401", "[0:0::1]:7401", "ws://[0::0001]:7401", "ws://[::0.0.0.1]:7401/ws"] {
        assert_eq!(url(text).as_deref(), Some("ws://[::1]:7401/ws"), "{text}");
    }
    for text in ["[]:1", "[a]:1", "[::1", "[1.2.3.4]:1", "[::\t1]:1", "[::1%1]:1", "[x@[::1]:1", "[::1]7401"]
    {
        assert_eq!(url(text), None, "{text:?}");
    }
}
