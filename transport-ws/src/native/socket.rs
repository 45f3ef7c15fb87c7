//! A WebSocket, whoever opened it, over TCP or TLS.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};

use crate::refusal::{Code, fitting};

pub(super) type Socket = WebSocketStream<Gate>;

/// A stream of bytes.
pub(super) trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Bytes for S {}

/// What may come in before the other side has proved that it belongs here: the upgrade's response, the preface, the
/// handshake. A WebSocket has one limit for messages from beginning to end; this keeps strangers from using it up.
const STRANGERS_BYTES: usize = 16 << 10;

/// Lets few bytes in until it is opened.
pub(super) struct Gate {
    inner: Box<dyn Bytes>,
    left: Option<usize>,
}

impl Gate {
    pub(super) fn new(inner: impl Bytes + 'static) -> Self {
        Self { inner: Box::new(inner), left: Some(STRANGERS_BYTES) }
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
pub(super) fn settings(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(32 << 10)
        .write_buffer_size(64 << 10)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

/// The message that ends a connection.
pub(super) fn goodbye(code: Code, reason: &str) -> Message {
    let code = CloseCode::from(code.number());
    Message::Close(Some(CloseFrame { code, reason: fitting(reason).into() }))
}

/// Tells the other side why it is cut off, and gives it a moment to hear it: closing a TCP connection with unread
/// bytes would throw away what was said.
pub(super) async fn cut_off(mut socket: Socket, code: Code, reason: &str, patience: Duration) {
    let _ = tokio::time::timeout(patience, async {
        if socket.send(goodbye(code, reason)).await.is_ok() {
            while let Some(Ok(_)) = socket.next().await {}
        }
    })
    .await;
}
