//! Frames: one array of messages each.

use super::Message;
use crate::codec::{Malformed, Reader, Wire, Writer, encode};

/// The messages of a frame, read one by one: a frame of many short messages takes no more memory than one of them.
pub(crate) struct Messages<'a> {
    reader: Reader<'a>,
    /// How many messages are still to come; unknown before the first was asked for.
    left: Option<usize>,
    done: bool,
}

impl<'a> Messages<'a> {
    pub(crate) fn new(frame: &'a [u8]) -> Self {
        Self { reader: Reader::new(frame), left: None, done: false }
    }

    fn read(&mut self) -> Result<Option<Message>, Malformed> {
        let left = match self.left {
            Some(left) => left,
            None => self.reader.array()?,
        };
        self.left = Some(left.saturating_sub(1));
        if left == 0 {
            self.done = true;
            return self.reader.end().map(|()| None);
        }
        Message::read(&mut self.reader).map(Some)
    }
}

impl Iterator for Messages<'_> {
    type Item = Result<Message, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let read = self.read();
        self.done |= read.is_err();
        read.transpose()
    }
}

/// The messages of a frame.
///
/// # Errors
/// Where the bytes are not exactly one array of messages.
pub fn read_frame(bytes: &[u8]) -> Result<Vec<Message>, Malformed> {
    Messages::new(bytes).collect()
}

/// The frame that carries these messages.
pub fn write_frame(messages: &[Message]) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(messages.len());
    for message in messages {
        w.raw(&encode(message));
    }
    w.finish()
}

/// The protocol version in a frame that begins with a Hello, whatever follows it there: so that another version is
/// refused for what it is, and not for being malformed.
pub(crate) fn protocol_of(bytes: &[u8]) -> Option<u64> {
    let mut r = Reader::new(bytes);
    r.array().ok()?;
    r.array().ok()?;
    let is_hello = r.uint().ok()? == 0;
    r.array().ok()?;
    let version = r.uint().ok()?;
    is_hello.then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_a_hello_of_any_shape() {
        assert_eq!(protocol_of(&[0x81, 0x82, 0x00, 0x82, 0x09, 0x61, 0x78]), Some(9));
        assert_eq!(protocol_of(&[0x81, 0x82, 0x01, 0x82, 0x09, 0x61, 0x78]), None);
        assert_eq!(protocol_of(&[]), None);
    }

    #[test]
    fn a_frame_has_as_many_messages_as_it_says() {
        let all = [Message::Goodbye {}, Message::Pong { number: 1 }];
        let mut bytes = write_frame(&all);
        assert_eq!(read_frame(&bytes).unwrap(), all);
        bytes.push(0);
        assert!(read_frame(&bytes).is_err());
        assert!(read_frame(&bytes[..bytes.len() - 2]).is_err());
    }
}
