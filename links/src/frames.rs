//! What a connection must be able to do, whatever it is made of: read, write and close.

use std::future::Future;

use crate::goodbye::{CloseCode, Goodbye};

/// What came in on a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A frame, or a message of the handshake.
    Frame(Vec<u8>),
    /// The other side's goodbye: what it means, if that is known, and for people.
    Closed(Option<CloseCode>, String),
    /// The other side sent what it must not, and gets this goodbye.
    Invalid(Goodbye),
    /// The connection ended without a goodbye; why, for people.
    Broken(String),
}

/// The side of a connection that is read.
pub trait FrameReader {
    /// The next that comes in. After anything but a frame nothing more does.
    fn read(&mut self) -> impl Future<Output = Incoming>;

    /// Reads until the other side has nothing more to send, and drops what comes. The caller bounds its time.
    ///
    /// The other side may still be sending when it gets a goodbye. If its bytes met a closed connection, the goodbye could
    /// be lost with them.
    fn drain(&mut self) -> impl Future<Output = ()>;
}

/// The side of a connection that is written. Errors are for people.
pub trait FrameWriter {
    /// Writes a frame, which may wait to be flushed.
    fn write(&mut self, frame: Vec<u8>) -> impl Future<Output = Result<(), String>>;

    /// Sends what was written.
    fn flush(&mut self) -> impl Future<Output = Result<(), String>>;

    /// Sends what was written and a goodbye, and ends this side's writing.
    fn close(&mut self, goodbye: &Goodbye) -> impl Future<Output = Result<(), String>>;
}
