//! Two sides of a WebSocket come to a link, or not, with an attacker in the middle: prefaces, and with a secret the messages
//! of Noise. No message makes a side panic; with a secret none comes up but with what the other side sent, and none of two
//! secrets. What comes after that and was not sealed by the other side is not opened.

#![no_main]

use libfuzzer_sys::fuzz_target;
use paxoskv_fuzz::bytes::Bytes;
use paxoskv_fuzz::handshake::meet;
use paxoskv_links::Secret;

// The transport's own files, without the sockets.
#[allow(dead_code, missing_docs, unreachable_pub)]
#[path = "../../transport-ws/src/handshake.rs"]
mod handshake;
#[allow(dead_code, missing_docs, unreachable_pub)]
#[path = "../../transport-ws/src/noise.rs"]
mod noise;

fuzz_target!(|bytes: &[u8]| {
    let mut bytes = Bytes::new(bytes);
    let kind = bytes.below(8);
    let secret = |with: bool, text: &[u8]| if with { Secret::new(text).ok() } else { None };
    let dialers = secret(kind & 1 == 0, b"0123456789abcdef");
    let listeners =
        secret(kind & 2 == 0, if kind & 4 == 0 { b"0123456789abcdef" } else { b"another secret  " });
    let agree = dialers == listeners;
    let dialer = handshake::handshake(true, dialers.as_ref()).expect("there are random numbers");
    let listener = handshake::handshake(false, listeners.as_ref()).expect("there are random numbers");
    let met = meet(&mut bytes, dialer, listener, dialers.is_some() && listeners.is_some());
    let [dialer, listener] = met.established;
    if agree && met.untouched {
        assert!(dialer.is_some() && listener.is_some(), "two that agree come to a link");
    }
    if !agree && dialers.is_some() && listeners.is_some() {
        assert!(dialer.is_none() && listener.is_none(), "two that do not agree come to none");
    }
    if let (Some(Some((mut sealer, _))), Some(Some((_, mut opener)))) = (dialer, listener) {
        let sealed = sealer.seal(bytes.string()).expect("the keys are new");
        let strange = bytes.rest();
        if strange.is_empty() {
            assert!(opener.open(&sealed).is_ok(), "what was sealed is opened");
        } else {
            let opened = opener.open(strange);
            assert!(opened.is_err(), "what was not sealed is not opened");
        }
    }
});
