//! From a WebSocket to a link: preface and, with a secret, Noise.

use futures::{SinkExt, StreamExt};
use tokio_tungstenite::tungstenite::Message;

use super::config::WsConfig;
use super::socket::{Socket, cut_off};
use crate::noise::{Handshake, Opener, Sealer};
use crate::preface::{Preface, Token};
use crate::refusal::{Code, Refusal, harmless};

/// A connection whose other side belongs here.
pub(super) struct Ready {
    pub(super) socket: Socket,
    /// With a secret.
    pub(super) keys: Option<(Sealer, Opener)>,
    /// Names the connection on both sides.
    pub(super) token: Token,
    pub(super) dialed: bool,
}

/// Why there is no link.
#[derive(Debug)]
pub(super) enum Failure {
    /// One side will not have the other.
    Refused(String),
    /// Nobody is there, or nobody who talks like a node.
    Broken(String),
}

/// How a step of the handshake can fail.
enum Fault {
    /// This side refuses, and says so.
    Ours(Refusal),
    /// The other side has said why it goes.
    Theirs(Failure),
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self::Ours(refusal)
    }
}

fn lost(what: impl std::fmt::Display) -> Fault {
    Fault::Theirs(Failure::Broken(format!("the connection was lost in the handshake: {what}")))
}

/// Does the handshake. The caller bounds its time; what is said on refusals takes at most
/// [`flush_timeout`](WsConfig::flush_timeout).
pub(super) async fn establish(mut socket: Socket, config: &WsConfig, dialed: bool) -> Result<Ready, Failure> {
    match shake_hands(&mut socket, config, dialed).await {
        Ok((token, keys)) => {
            socket.get_mut().open();
            Ok(Ready { socket, keys, token, dialed })
        }
        Err(Fault::Ours(refusal)) => {
            cut_off(socket, refusal.code, &refusal.reason, config.flush_timeout).await;
            Err(if refusal.code.is_refusal() {
                Failure::Refused(refusal.reason)
            } else {
                Failure::Broken(refusal.reason)
            })
        }
        Err(Fault::Theirs(failure)) => Err(failure),
    }
}

async fn shake_hands(
    socket: &mut Socket,
    config: &WsConfig,
    dialed: bool,
) -> Result<(Token, Option<(Sealer, Opener)>), Fault> {
    let mine = Preface::new(config.secret.is_some(), fastrand::u128(..).to_be_bytes());
    let my_bytes = mine.encode();
    say(socket, my_bytes.clone()).await;
    let their_bytes = hear(socket).await?;
    let theirs = Preface::decode(&their_bytes).ok_or_else(|| {
        Refusal::new(Code::Faulty, "the other side is no PaxosKV node: its first message is unknown")
    })?;
    mine.agree(&theirs)?;
    let token = if dialed { mine.token } else { theirs.token };
    let Some(secret) = &config.secret else { return Ok((token, None)) };
    let keys = if dialed {
        let mut noise = Handshake::new(secret, true, &my_bytes, &their_bytes)?;
        say(socket, noise.write()?).await;
        noise.read(&hear(socket).await?)?;
        let mut keys = noise.finish()?;
        let proof = keys.0.seal(&[]).map_err(|broken| Refusal::new(Code::Faulty, broken.to_string()))?;
        say(socket, proof).await;
        keys
    } else {
        let mut noise = Handshake::new(secret, false, &their_bytes, &my_bytes)?;
        noise.read(&hear(socket).await?)?;
        say(socket, noise.write()?).await;
        let mut keys = noise.finish()?;
        match keys.1.open(&hear(socket).await?) {
            Ok(proof) if proof.is_empty() => keys,
            // The first message may have been recorded elsewhere; this one cannot have been.
            _ => {
                return Err(
                    Refusal::new(Code::WrongSecret, "wrong secret: the handshake was not finished").into()
                );
            }
        }
    };
    Ok((token, Some(keys)))
}

async fn say(socket: &mut Socket, message: Vec<u8>) {
    // If it cannot be sent, the other side may have said why before it went: that comes out in `hear`.
    let _ = socket.send(Message::Binary(message.into())).await;
}

async fn hear(socket: &mut Socket) -> Result<Vec<u8>, Fault> {
    loop {
        match socket.next().await {
            Some(Ok(Message::Binary(bytes))) => return Ok(bytes.into()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            Some(Ok(Message::Close(frame))) => {
                let Some(frame) = frame else { return Err(lost("the other side closed it")) };
                // Lets the library answer the goodbye.
                let _ = socket.flush().await;
                let reason = harmless(&frame.reason);
                return Err(match Code::from_number(frame.code.into()) {
                    Some(code) if code.is_refusal() => {
                        Fault::Theirs(Failure::Refused(format!("turned away by the other side: {reason}")))
                    }
                    _ => lost(format!("the other side closed it ({}: {reason})", frame.code)),
                });
            }
            Some(Ok(_)) => {
                return Err(Refusal::new(Code::Faulty, "expected a binary message in the handshake").into());
            }
            Some(Err(error)) => return Err(lost(error)),
            None => return Err(lost("the other side closed it")),
        }
    }
}
