//! What goes over a link's stream: frames and goodbyes, one after the other.
//!
//! Each begins with four bytes, big-endian: the lowest 31 bits are the length of what follows. Where the highest bit is
//! set, that is a goodbye: a number of two bytes ([`Code`]) and a reason in UTF-8; after it nothing more comes. Else it
//! is a frame.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::refusal::{Code, MAX_REASON, Refusal, harmless};

const GOODBYE: u32 = 1 << 31;

/// By how much memory is taken at a time for a frame that is coming in: what was only announced costs nothing.
const STEP: usize = 64 << 10;

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Item {
    /// A frame.
    Frame(Vec<u8>),
    /// The other side's last words: what they mean, if that is known, and for people.
    Goodbye(Option<Code>, String),
}

/// Why nothing more can be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The stream ended between two frames, without a goodbye.
    #[error("the connection ended without a goodbye")]
    Ended,
    /// The stream broke.
    #[error("the connection broke: {0}")]
    Broken(#[from] io::Error),
    /// What came must not come.
    #[error("{0}")]
    Faulty(String),
}

/// Reads a frame of at most `max_frame` bytes, or a goodbye.
///
/// # Errors
///
/// [`ReadError`], after which nothing more can be read.
pub async fn read(stream: &mut (impl AsyncRead + Unpin), max_frame: usize) -> Result<Item, ReadError> {
    let mut header = [0; 4];
    let mut filled = 0;
    while filled < header.len() {
        match stream.read(&mut header[filled..]).await? {
            0 if filled == 0 => return Err(ReadError::Ended),
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            read => filled += read,
        }
    }
    let header = u32::from_be_bytes(header);
    let (is_goodbye, length) = (header & GOODBYE != 0, (header & !GOODBYE) as usize);
    let limit = if is_goodbye { 2 + MAX_REASON } else { max_frame };
    if length > limit {
        let what = if is_goodbye { "a goodbye" } else { "a frame" };
        return Err(ReadError::Faulty(format!("{what} of {length} bytes came, over the limit of {limit}")));
    }
    let mut bytes = Vec::with_capacity(length.min(STEP));
    while bytes.len() < length {
        let at = bytes.len();
        bytes.resize(length.min(at + STEP), 0);
        stream.read_exact(&mut bytes[at..]).await?;
    }
    if !is_goodbye {
        return Ok(Item::Frame(bytes));
    }
    let Some((code, reason)) = bytes.split_first_chunk::<2>() else {
        return Err(ReadError::Faulty("a goodbye without a number came".into()));
    };
    let code = Code::from_number(u16::from_be_bytes(*code));
    Ok(Item::Goodbye(code, harmless(&String::from_utf8_lossy(reason))))
}

/// Writes a frame; the caller flushes.
///
/// # Errors
///
/// That the stream broke, or, for a frame of 2 GiB and more, that it is too long.
pub async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> io::Result<()> {
    let length = u32::try_from(frame.len()).ok().filter(|length| length & GOODBYE == 0);
    let length = length.ok_or(io::ErrorKind::InvalidInput)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(frame).await
}

/// Writes a goodbye, and ends this side's writing.
///
/// # Errors
///
/// That the stream broke.
pub async fn write_goodbye(stream: &mut (impl AsyncWrite + Unpin), refusal: &Refusal) -> io::Result<()> {
    let reason = refusal.reason.as_bytes();
    // A reason is at most `MAX_REASON` bytes long.
    let length = u32::try_from(2 + reason.len()).unwrap_or(u32::MAX);
    stream.write_all(&(length | GOODBYE).to_be_bytes()).await?;
    stream.write_all(&refusal.code.number().to_be_bytes()).await?;
    stream.write_all(reason).await?;
    stream.close().await
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    const MAX: usize = 200_000;

    fn read_all(bytes: &[u8]) -> (Vec<Item>, ReadError) {
        let mut stream = Cursor::new(bytes);
        let mut items = Vec::new();
        loop {
            match block_on(read(&mut stream, MAX)) {
                Ok(item) => items.push(item),
                Err(error) => return (items, error),
            }
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = Vec::new();
        let frames = [vec![], vec![7], vec![8; STEP], vec![9; MAX]];
        for frame in &frames {
            block_on(write_frame(&mut bytes, frame)).unwrap();
        }
        block_on(write_goodbye(&mut bytes, &Refusal::new(Code::Refused, "no\nway"))).unwrap();
        let (items, error) = read_all(&bytes);
        let mut expected: Vec<Item> = frames.into_iter().map(Item::Frame).collect();
        expected.push(Item::Goodbye(Some(Code::Refused), "no way".into()));
        assert_eq!(items, expected);
        assert!(matches!(error, ReadError::Ended));
    }

    #[test]
    fn what_is_cut_off_is_an_error_at_every_byte() {
        let mut bytes = Vec::new();
        block_on(write_frame(&mut bytes, b"frame")).unwrap();
        for end in 1..bytes.len() {
            let (items, error) = read_all(&bytes[..end]);
            assert!(items.is_empty() && matches!(error, ReadError::Broken(_)), "{end}: {error}");
        }
    }

    #[test]
    fn what_is_too_long_is_not_even_waited_for() {
        for (header, words) in [
            (u32::try_from(MAX).unwrap() + 1, "a frame of 200001 bytes"),
            (GOODBYE - 1, "over the limit of 200000"),
            (u32::MAX, "a goodbye of 2147483647 bytes"),
            (GOODBYE | 203, "over the limit of 202"),
        ] {
            let (_, error) = read_all(&header.to_be_bytes());
            assert!(error.to_string().contains(words), "{error}");
        }
        let (_, error) = read_all(&[0x80, 0, 0, 1, 0]);
        assert!(matches!(error, ReadError::Faulty(_)), "{error}");
    }
}
