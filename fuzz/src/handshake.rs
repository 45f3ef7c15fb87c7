//! Two sides of a connection that is not a link yet, with an attacker in the middle, which drops, changes, repeats and invents
//! what they send.

use std::collections::VecDeque;

use paxoskv_links::handshake::{Established, MAX_MESSAGE, Next, Proofs};
use paxoskv_links::{Handshake, Preface};

use crate::bytes::Bytes;

/// Messages of one run, at most.
const MESSAGES: usize = 40;

/// One side.
struct Side<P: Proofs> {
    handshake: Option<Handshake<P>>,
    /// What comes to it.
    incoming: VecDeque<Vec<u8>>,
    sent: Vec<Vec<u8>>,
    taken: Vec<Vec<u8>>,
    established: Option<Established<P::Outcome>>,
}

/// What came of a run.
pub struct Met<O> {
    /// What the dialer and the listener have come to, if they have.
    pub established: [Option<O>; 2],
    /// Whether the attacker did nothing but carry.
    pub untouched: bool,
}

/// Lets two sides meet, the dialer first. Where they have a secret, a side whose link comes up must have been sent all that
/// it took, in order, by the other one.
pub fn meet<P: Proofs>(
    bytes: &mut Bytes<'_>,
    dialer: Handshake<P>,
    listener: Handshake<P>,
    have_secret: bool,
) -> Met<P::Outcome> {
    let mut sides = [side(dialer), side(listener)];
    for n in 0..2 {
        let first = sides[n].sent[0].clone();
        sides[1 - n].incoming.push_back(first);
    }
    let mut untouched = true;
    for _ in 0..MESSAGES {
        if bytes.is_empty() {
            break;
        }
        let to = bytes.below(2);
        let carried = sides[to].incoming.pop_front();
        let message = match bytes.below(10) {
            1 => {
                untouched = false;
                continue;
            }
            2 => {
                untouched = false;
                Some(changed(bytes, carried.unwrap_or_default()))
            }
            3 => {
                untouched &= carried.is_none();
                sides[to].incoming.extend(carried.clone());
                carried
            }
            4 => {
                untouched = false;
                sides[to].sent.last().cloned()
            }
            5 => {
                untouched = false;
                Some(bytes.string().to_vec())
            }
            6 => {
                untouched = false;
                let preface = Preface::new(bytes.flag(), bytes.flag(), [bytes.byte(); 32]);
                Some([preface.encode(), bytes.string()].concat())
            }
            _ => carried,
        };
        if let Some(message) = message {
            take(&mut sides, to, message);
        }
    }
    // All that is still on its way arrives.
    for n in 0..2 * MESSAGES {
        if let Some(message) = sides[n % 2].incoming.pop_front() {
            take(&mut sides, n % 2, message);
        }
    }
    if have_secret {
        (0..2).for_each(|n| is_authentic(&sides[n], &sides[1 - n]));
    }
    let established = sides.map(|side| side.established.map(|established| established.outcome));
    Met { established, untouched }
}

fn side<P: Proofs>(handshake: Handshake<P>) -> Side<P> {
    let sent = vec![handshake.first().to_vec()];
    let (incoming, taken) = (VecDeque::new(), Vec::new());
    Side { handshake: Some(handshake), incoming, sent, taken, established: None }
}

fn take<P: Proofs>(sides: &mut [Side<P>; 2], to: usize, message: Vec<u8>) {
    let Some(handshake) = sides[to].handshake.take() else { return };
    let step = match handshake.handle(&message) {
        Ok(step) => step,
        Err(goodbye) => {
            assert!(!goodbye.reason.is_empty(), "a refusal has a reason");
            return;
        }
    };
    sides[to].taken.push(message);
    for sent in step.send {
        assert!(sent.len() <= MAX_MESSAGE, "a side sends what the other one takes");
        sides[to].sent.push(sent.clone());
        sides[1 - to].incoming.push_back(sent);
    }
    match step.next {
        Next::Wait(handshake) => sides[to].handshake = Some(handshake),
        Next::Done(established) => sides[to].established = Some(established),
    }
}

/// Whether what a side took is what the other one sent. An empty message has nothing that could be proven.
fn is_authentic<P: Proofs>(side: &Side<P>, other: &Side<P>) {
    if side.established.is_some() {
        let non_empty = |messages: &[Vec<u8>]| -> Vec<Vec<u8>> {
            messages.iter().filter(|message| !message.is_empty()).cloned().collect()
        };
        let (taken, sent) = (non_empty(&side.taken), non_empty(&other.sent));
        assert!(sent.starts_with(&taken), "a link came up with what nobody sent: {taken:02x?}, {sent:02x?}");
    }
}

fn changed(bytes: &mut Bytes<'_>, mut message: Vec<u8>) -> Vec<u8> {
    match bytes.below(3) {
        0 => message.truncate(bytes.below(256)),
        1 => message.extend_from_slice(bytes.string()),
        _ => {
            let at = bytes.below(message.len());
            if let Some(byte) = message.get_mut(at) {
                *byte ^= bytes.byte();
            }
        }
    }
    message
}
