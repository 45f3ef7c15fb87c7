//! A WebSocket, whichever side opened it, over TCP or TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{Sink, SinkExt, Stream, StreamExt};
use paxoskv_links::frames::{FrameReader, FrameWriter, Incoming};
use paxoskv_links::goodbye::printable;
use paxoskv_links::{CloseCode, Goodbye};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{CapacityError, Error};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use crate::noise::{Opener, Sealer};

pub(super) type Socket = WebSocketStream<Gate>;

/// A stream of bytes.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// What may come in before the other side has proved that it belongs here: the upgrade's response, the preface, the
/// handshake. A WebSocket has one limit for messages from beginning to end; this keeps unauthenticated peers from using
/// it up.
const UNAUTHENTICATED_BYTES: usize = 16 << 10;

/// Lets few bytes in until it is opened.
pub(super) struct Gate {
    inner: Box<dyn ByteStream>,
    left: Option<usize>,
}

impl Gate {
    pub(super) fn new(inner: impl ByteStream + 'static) -> Self {
        Self { inner: Box::new(inner), left: Some(UNAUTHENTICATED_BYTES) }
    }

    pub(super) fn open(&mut self) {
        self.left = None;
    }
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(left) = self.left else { return Pin::new(&mut self.inner).poll_read(cx, buf) };
        if left == 0 {
            return Poll::Ready(Err(io::Error::other("too much was sent before the handshake was over")));
        }
        let room = left.min(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(Pin::new(&mut self.inner).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        buf.advance(read);
        self.left = Some(left - read);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Gate {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// How a socket with messages of at most so many bytes is set up.
pub(super) fn socket_config(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(32 << 10)
        .write_buffer_size(64 << 10)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

/// The message that ends a connection.
pub(super) fn close_message(goodbye: &Goodbye) -> Message {
    Message::Close(Some(CloseFrame {
        code: goodbye.code.number().into(),
        reason: goodbye.reason.as_str().into(),
    }))
}

/// A WebSocket, or a half of one, each of whose binary messages is a frame.
pub(super) struct Frames<S> {
    pub(super) socket: S,
    /// Encrypts frames, if they are.
    pub(super) sealer: Option<Sealer>,
    /// Decrypts frames, if they are.
    pub(super) opener: Option<Opener>,
    /// Longest frame that is read, in bytes.
    pub(super) max_frame: usize,
}

impl<S: Stream<Item = Result<Message, Error>> + Unpin> FrameReader for Frames<S> {
    async fn read(&mut self) -> Incoming {
        loop {
            return match self.socket.next().await {
                Some(Ok(Message::Binary(message))) => self.opened(message),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => continue,
                Some(Ok(Message::Text(_))) => {
                    Incoming::Invalid(Goodbye::faulty("a text message came where frames are binary"))
                }
                Some(Ok(Message::Close(Some(frame)))) => {
                    Incoming::Closed(CloseCode::from_number(frame.code.into()), printable(&frame.reason))
                }
                Some(Ok(Message::Close(None))) => Incoming::Closed(None, "without a reason".into()),
                Some(Err(error)) => failed(&error),
                None => Incoming::Broken("the connection ended without a goodbye".into()),
            };
        }
    }

    async fn drain(&mut self) {
        // The answer to a goodbye goes out as the stream is read to its end.
        while let Some(Ok(_)) = self.socket.next().await {}
    }
}

impl<S> Frames<S> {
    fn opened(&mut self, message: Bytes) -> Incoming {
        let frame = match &mut self.opener {
            Some(opener) => match opener.open(&message) {
                Ok(frame) => frame,
                Err(broken) => return Incoming::Invalid(Goodbye::faulty(broken.to_string())),
            },
            None => message.into(),
        };
        if frame.len() > self.max_frame {
            return Incoming::Invalid(Goodbye::faulty(too_long(frame.len(), self.max_frame)));
        }
        Incoming::Frame(frame)
    }
}

fn too_long(length: usize, limit: usize) -> String {
    format!("a frame of {length} bytes came, over the limit of {limit}")
}

fn failed(error: &Error) -> Incoming {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { size, max_size }) => {
            Incoming::Invalid(Goodbye::new(CloseCode::TooBig, too_long(*size, *max_size)))
        }
        Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_) => {
            Incoming::Invalid(Goodbye::faulty(format!("what came is no WebSocket traffic: {error}")))
        }
        _ => Incoming::Broken(broke(error)),
    }
}

fn broke(error: &Error) -> String {
    format!("the connection broke: {error}")
}

impl<S: Sink<Message, Error = Error> + Unpin> FrameWriter for Frames<S> {
    async fn write(&mut self, frame: Vec<u8>) -> Result<(), String> {
        let message = match &mut self.sealer {
            Some(sealer) => sealer.seal(&frame).map_err(|broken| broken.to_string())?,
            None => frame,
        };
        self.socket.feed(Message::Binary(message.into())).await.map_err(|error| broke(&error))
    }

    async fn flush(&mut self) -> Result<(), String> {
        self.socket.flush().await.map_err(|error| broke(&error))
    }

    async fn close(&mut self, goodbye: &Goodbye) -> Result<(), String> {
        self.socket.send(close_message(goodbye)).await.map_err(|error| broke(&error))
    }
}

/// Ends a connection with a goodbye, and gives the other side a moment to get it: closing a TCP connection with unread
/// bytes would throw away what was said.
pub(super) async fn cut_off(socket: Socket, goodbye: &Goodbye, patience: Duration) {
    let mut frames = Frames { socket, sealer: None, opener: None, max_frame: 0 };
    let _ = timeout(patience, async {
        if frames.close(goodbye).await.is_ok() {
            frames.drain().await;
        }
    })
    .await;
}
