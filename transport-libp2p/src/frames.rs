//! What goes over a link's stream: frames and a goodbye, one after the other.
//!
//! Each begins with four bytes, big-endian: the lowest 31 bits are the length of what follows. Where the highest bit is
//! set, that is a goodbye: a number of two bytes ([`CloseCode`]) and a reason in UTF-8; after it nothing more comes. Else
//! it is a frame.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use paxoskv_links::frames::{FrameReader, FrameWriter, Incoming};
use paxoskv_links::goodbye::{MAX_REASON, printable};
use paxoskv_links::{CloseCode, Goodbye};

const GOODBYE: u32 = 1 << 31;

/// By how much memory is taken at a time for a frame that is coming in: what was only announced costs nothing.
const STEP: usize = 64 << 10;

/// A stream, or a half of one, that carries frames.
#[derive(Debug)]
pub struct Frames<S> {
    stream: S,
    max_frame: usize,
}

impl<S> Frames<S> {
    /// Frames over this stream; those that come in are of at most `max_frame` bytes.
    pub fn new(stream: S, max_frame: usize) -> Self {
        Self { stream, max_frame }
    }
}

impl<S: AsyncRead + Unpin> Frames<S> {
    async fn try_read(&mut self) -> io::Result<Incoming> {
        let mut header = [0; 4];
        let mut filled = 0;
        while filled < header.len() {
            match self.stream.read(&mut header[filled..]).await? {
                0 if filled == 0 => {
                    return Ok(Incoming::Broken("the connection ended without a goodbye".into()));
                }
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => filled += read,
            }
        }
        let header = u32::from_be_bytes(header);
        let (is_goodbye, length) = (header & GOODBYE != 0, (header & !GOODBYE) as usize);
        let (what, limit) =
            if is_goodbye { ("a goodbye", 2 + MAX_REASON) } else { ("a frame", self.max_frame) };
        if length > limit {
            let reason = format!("{what} of {length} bytes came, over the limit of {limit}");
            return Ok(Incoming::Invalid(Goodbye::faulty(reason)));
        }
        let mut bytes = Vec::with_capacity(length.min(STEP));
        while bytes.len() < length {
            let at = bytes.len();
            bytes.resize(length.min(at + STEP), 0);
            self.stream.read_exact(&mut bytes[at..]).await?;
        }
        if !is_goodbye {
            return Ok(Incoming::Frame(bytes));
        }
        Ok(match bytes.split_first_chunk() {
            Some((code, reason)) => Incoming::Closed(
                CloseCode::from_number(u16::from_be_bytes(*code)),
                printable(&String::from_utf8_lossy(reason)),
            ),
            None => Incoming::Invalid(Goodbye::faulty("a goodbye without a number came")),
        })
    }
}

impl<S: AsyncRead + Unpin> FrameReader for Frames<S> {
    async fn read(&mut self) -> Incoming {
        self.try_read().await.unwrap_or_else(|error| Incoming::Broken(broke(&error)))
    }

    async fn drain(&mut self) {
        let mut dropped = [0; 1024];
        while self.stream.read(&mut dropped).await.is_ok_and(|read| read > 0) {}
    }
}

fn broke(error: &io::Error) -> String {
    format!("the connection broke: {error}")
}

impl<S: AsyncWrite + Unpin> Frames<S> {
    async fn write_all(&mut self, parts: &[&[u8]]) -> Result<(), String> {
        for part in parts {
            self.stream.write_all(part).await.map_err(|error| broke(&error))?;
        }
        Ok(())
    }
}

impl<S: AsyncWrite + Unpin> FrameWriter for Frames<S> {
    async fn write(&mut self, frame: Vec<u8>) -> Result<(), String> {
        let length = u32::try_from(frame.len()).ok().filter(|length| length & GOODBYE == 0);
        let length = length.ok_or("a frame of 2 GiB and more cannot be sent")?;
        self.write_all(&[&length.to_be_bytes(), &frame]).await
    }

    async fn flush(&mut self) -> Result<(), String> {
        self.stream.flush().await.map_err(|error| broke(&error))
    }

    async fn close(&mut self, goodbye: &Goodbye) -> Result<(), String> {
        let reason = goodbye.reason.as_bytes();
        // A reason is at most `MAX_REASON` bytes long.
        let length = u32::try_from(2 + reason.len()).unwrap_or(u32::MAX);
        let code = goodbye.code.number().to_be_bytes();
        self.write_all(&[&(length | GOODBYE).to_be_bytes(), &code, reason]).await?;
        self.stream.close().await.map_err(|error| broke(&error))
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    const MAX: usize = 200_000;

    /// All frames, and what comes after the last one.
    fn read_all(bytes: &[u8]) -> (Vec<Vec<u8>>, Incoming) {
        let mut frames = Frames::new(Cursor::new(bytes), MAX);
        let mut all = Vec::new();
        loop {
            match block_on(frames.read()) {
                Incoming::Frame(frame) => all.push(frame),
                other => return (all, other),
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut written = Frames::new(Vec::new(), MAX);
        let frames = [vec![], vec![7], vec![8; STEP], vec![9; MAX]];
        for frame in &frames {
            block_on(written.write(frame.clone())).unwrap();
        }
        let (read, end) = read_all(&written.stream);
        assert_eq!(read, frames);
        assert_eq!(end, Incoming::Broken("the connection ended without a goodbye".into()));
        block_on(written.close(&Goodbye::new(CloseCode::Refused, "no\nway"))).unwrap();
        assert_eq!(read_all(&written.stream).1, Incoming::Closed(Some(CloseCode::Refused), "no way".into()));
    }

    #[test]
    fn what_is_cut_off_is_an_error_at_every_byte() {
        let mut written = Frames::new(Vec::new(), MAX);
        block_on(written.write(b"frame".to_vec())).unwrap();
        for end in 1..written.stream.len() {
            let (frames, end_of_it) = read_all(&written.stream[..end]);
            let Incoming::Broken(reason) = end_of_it else { panic!("{end}: {end_of_it:?}") };
            assert!(frames.is_empty() && reason.contains("the connection broke"), "{end}: {reason}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_even_waited_for() {
        for (header, words) in [
            (u32::try_from(MAX).unwrap() + 1, "a frame of 200001 bytes"),
            (GOODBYE - 1, "over the limit of 200000"),
            (u32::MAX, "a goodbye of 2147483647 bytes"),
            (GOODBYE | 126, "over the limit of 125"),
        ] {
            let Incoming::Invalid(goodbye) = read_all(&header.to_be_bytes()).1 else { panic!("{words}") };
            assert!(goodbye.reason.contains(words), "{}", goodbye.reason);
        }
        assert!(matches!(read_all(&[0x80, 0, 0, 1, 0]).1, Incoming::Invalid(_)));
    }
}
