//! The bytes of a store's files: a header, and then frames.
//!
//! | bytes of the header | what |
//! |---|---|
//! | 8 | `PXKVSTOR` |
//! | 4 | the version of the format: [`FORMAT`] |
//! | 4 | 1 for a segment, 2 for a snapshot |
//! | 8, 8 | the opening, and the segment's number in it |
//! | 8 | the length of the file that was reserved for a segment; 0 for a snapshot |
//! | 8 | the number that the next batch had when a segment was made; 0 for a snapshot |
//! | 8 | random: the salt |
//! | 4 | CRC-32 of all this |
//!
//! Numbers are little-endian. The header fills a sector of 512 bytes, with zeros at its end. The frames follow:
//!
//! | bytes of a frame | what |
//! |---|---|
//! | 4, 4 | the length of the body, twice |
//! | 4 | CRC-32 of the body |
//! | … | the body: the batch's number (8 bytes; 0 in a snapshot), and changes; each byte exclusive-or a pad |
//! | 1 | `FF` |
//!
//! A frame's first 12 bytes lie within one sector: a frame that does not find that much room begins at the next one.
//!
//! Why so: a segment is all zeros before it is written. When the machine stops in the middle of a write (a torn write), each
//! sector of it is there or is zeros. The last batch can be torn, and was not acknowledged then; but where a batch that was
//! acknowledged is changed, the store must not open. [`tail`] tells the two apart, and what it needs is:
//!
//! * A sector that was written is not all zeros, whatever the callers' values are. This is what the pad is for. And a frame's
//!   first sector has at least its lengths, so that no single changed byte makes that part all zeros.
//! * The last byte is not zero, so a frame that was written to its end is as long as its lengths say.
//! * A value cannot look like a frame where it is stored, since nobody who puts values knows the pad.

use std::cmp::Ordering;
use std::io::{self, Read};

use paxoskv_core::storage::{Batch, Record};

use super::names::{Kind, Name};

/// The version of the format that this code writes and reads.
pub(super) const FORMAT: u32 = 1;

/// What a disk writes whole, or not at all.
pub(super) const SECTOR: usize = 512;

const MAGIC: &[u8; 8] = b"PXKVSTOR";
/// The bytes of a header that are not always zero.
const USED: usize = 60;
/// Length, length, checksum.
const HEAD: usize = 12;
const END: u8 = 0xFF;

/// A file's first sector.
#[derive(Clone, Debug)]
pub(super) struct Header {
    pub(super) name: Name,
    /// How long the file is; 0 for a snapshot, which ends where it says that it ends.
    pub(super) length: u64,
    /// The number of the next batch when a segment was made. So at least these batches are in what comes before it.
    pub(super) next: u64,
    salt: u64,
    pad: Box<[u8; SECTOR]>,
}

impl Header {
    /// A header with a salt of its own.
    pub(super) fn salted(name: Name, length: u64, next: u64) -> Result<Self, String> {
        let mut salt = [0; 8];
        getrandom::fill(&mut salt)
            .map_err(|error| format!("this system gives no random numbers: {error}"))?;
        Ok(Self::new(name, length, next, u64::from_le_bytes(salt)))
    }

    fn new(name: Name, length: u64, next: u64, salt: u64) -> Self {
        let mut pad = Box::new([0; SECTOR]);
        let mut state = salt;
        for bytes in pad.chunks_mut(8) {
            // SplitMix64 (Steele, Lea and Flood: Fast splittable pseudorandom number generators, 2014).
            state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut mixed = state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            bytes.copy_from_slice(&(mixed ^ (mixed >> 31)).to_le_bytes());
        }
        Self { name, length, next, salt, pad }
    }

    pub(super) fn encode(&self) -> [u8; SECTOR] {
        let Name(kind, place) = self.name;
        let kind: u32 = if kind == Kind::Segment { 1 } else { 2 };
        let mut used = Vec::with_capacity(USED);
        used.extend(MAGIC);
        used.extend(FORMAT.to_le_bytes());
        used.extend(kind.to_le_bytes());
        for number in [place.opening.0, place.index, self.length, self.next, self.salt] {
            used.extend(number.to_le_bytes());
        }
        used.extend(crc32fast::hash(&used).to_le_bytes());
        let mut sector = [0; SECTOR];
        sector[..used.len()].copy_from_slice(&used);
        sector
    }

    /// Reads the header of the file of that name.
    pub(super) fn read(source: &mut impl Read, name: Name) -> Result<Self, String> {
        let mut sector = [0; SECTOR];
        source.read_exact(&mut sector).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => "it is cut short".to_owned(),
            _ => error.to_string(),
        })?;
        if !sector.starts_with(MAGIC) {
            return Err("it does not begin as such a file does".into());
        }
        let format = number(&sector, 8) as u32;
        if format != FORMAT {
            return Err(format!(
                "it has format {format}, and this program knows format {FORMAT}: use the one that wrote it"
            ));
        }
        let header = Self::new(name, number(&sector, 32), number(&sector, 40), number(&sector, 48));
        if header.encode() == sector { Ok(header) } else { Err("its header is changed".into()) }
    }

    /// Applies the pad to a body that begins there in the file, or takes it off.
    fn mask(&self, at: u64, body: &mut [u8]) {
        let apply =
            |part: &mut [u8], pad: &[u8]| part.iter_mut().zip(pad).for_each(|(byte, pad)| *byte ^= pad);
        let offset = at as usize % SECTOR;
        let (first, others) = body.split_at_mut(body.len().min(SECTOR - offset));
        apply(first, &self.pad[offset..]);
        others.chunks_mut(SECTOR).for_each(|part| apply(part, &*self.pad));
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
}

/// Where the next frame begins, if the one before ends there.
pub(super) fn frame_start(end: u64) -> u64 {
    let rest = SECTOR as u64 - end % SECTOR as u64;
    if rest < HEAD as u64 { end + rest } else { end }
}

/// A frame's bytes, to be written where it begins.
pub(super) fn frame(header: &Header, start: u64, body: &Body) -> Vec<u8> {
    let body = &body.0;
    let length = (body.len() as u32).to_le_bytes();
    let mut bytes = Vec::with_capacity(frame_len(body.len()));
    bytes.extend(length);
    bytes.extend(length);
    bytes.extend(crc32fast::hash(body).to_le_bytes());
    bytes.extend(body);
    header.mask(start + HEAD as u64, &mut bytes[HEAD..]);
    bytes.push(END);
    bytes
}

/// How long the frame of a body of so many bytes is.
pub(super) fn frame_len(body: usize) -> usize {
    HEAD + body + 1
}

/// Reads the frame that begins at `start`, where the source stands. Gives its body, and where it ends; none if there is no
/// whole frame.
pub(super) fn read_frame(
    source: &mut impl Read,
    header: &Header,
    start: u64,
) -> io::Result<Option<(Vec<u8>, u64)>> {
    let mut head = Vec::with_capacity(HEAD);
    source.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    let Some(length) = lengths(&head).and_then(|(a, b)| (a == b && a >= 8).then_some(a)) else {
        return Ok(None);
    };
    let mut body = Vec::new();
    source.by_ref().take(length).read_to_end(&mut body)?;
    // What the last byte is does not matter: it is there to show that the frame was written to its end.
    let ends = source.by_ref().take(1).read_to_end(&mut Vec::new())?;
    header.mask(start + HEAD as u64, &mut body);
    let is_whole =
        body.len() as u64 == length && ends == 1 && head[8..] == crc32fast::hash(&body).to_le_bytes();
    Ok(is_whole.then(|| (body, start + HEAD as u64 + length + 1)))
}

/// The two lengths at the beginning of a frame.
fn lengths(head: &[u8]) -> Option<(u64, u64)> {
    let (a, b) = (head.get(..4)?.try_into().ok()?, head.get(4..8)?.try_into().ok()?);
    (head.len() >= HEAD).then_some((u32::from_le_bytes(a).into(), u32::from_le_bytes(b).into()))
}

/// What follows the last whole frame of a segment: nothing, or a batch whose write was torn. Anything else is damage, and the
/// error says what shows it.
///
/// One batch is written at a time, and the next one only when it is durable. So behind the last whole frame at most one batch
/// was written. Of that, sectors can be missing, or all from some byte on. Where a byte of a batch that was acknowledged is
/// changed, the lengths disagree, or they agree and the frame goes to its end with no sector missing, or more follows.
pub(super) fn tail(bytes: &[u8], start: u64, header: &Header) -> Result<(), &'static str> {
    let start = start as usize;
    let Some(rest) = bytes.get(start..) else { return Ok(()) };
    let Some(last) = rest.iter().rposition(|byte| *byte != 0) else { return Ok(()) };
    if (1..=last).any(|at| is_frame(bytes, start + at, header)) {
        return Err("a batch in its middle is changed");
    }
    let next_sector = (SECTOR - start % SECTOR).min(rest.len());
    let (first, others) = rest.split_at(next_sector);
    let is_missing = |sector: &[u8]| sector.iter().all(|byte| *byte == 0);
    if is_missing(first) || last < HEAD {
        return Ok(());
    }
    let written = others.get(..(last + 1).saturating_sub(next_sector)).unwrap_or_default();
    let misses_a_sector = || written.chunks(SECTOR).any(is_missing);
    match lengths(rest) {
        // The frame's last byte is behind its head and its body, and there was room for it.
        Some((a, b)) if a == b && HEAD as u64 + a < rest.len() as u64 => {
            match (last as u64).cmp(&(HEAD as u64 + a)) {
                Ordering::Less => Ok(()),
                Ordering::Equal if misses_a_sector() => Ok(()),
                _ => Err("its last batch is changed"),
            }
        }
        _ => Err("its last batch is changed"),
    }
}

fn is_frame(bytes: &[u8], at: usize, header: &Header) -> bool {
    let mut rest = bytes.get(at..).unwrap_or_default();
    let is_possible = lengths(rest).is_some_and(|(a, b)| a == b && a >= 8 && a < rest.len() as u64);
    is_possible && matches!(read_frame(&mut rest, header, at as u64), Ok(Some(_)))
}

/// A change, as it is read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// The record of this key has this value now.
    Put(&'a [u8], &'a [u8]),
    /// The record of this key is gone.
    Remove(&'a [u8]),
    /// The end of a snapshot: the number of the batch after it.
    End { next: u64 },
}

const PUT: u8 = 1;
const REMOVE: u8 = 2;
const FINAL: u8 = 3;

/// A frame's body while it is made.
pub(super) struct Body(Vec<u8>);

impl Body {
    pub(super) fn new(number: u64) -> Self {
        Self(number.to_le_bytes().to_vec())
    }

    /// A body that was read.
    pub(super) fn whole(body: Vec<u8>) -> Self {
        Self(body)
    }

    pub(super) fn of(number: u64, batch: &Batch) -> Self {
        let mut body = Self::new(number);
        batch.removes.iter().for_each(|key| body.add(&Change::Remove(key)));
        batch.puts.iter().for_each(|Record { key, value }| body.add(&Change::Put(key, value)));
        body
    }

    pub(super) fn add(&mut self, change: &Change<'_>) {
        let bytes = &mut self.0;
        match change {
            Change::Put(key, value) => {
                bytes.push(PUT);
                [key, value].iter().for_each(|part| bytes.extend((part.len() as u32).to_le_bytes()));
                bytes.extend(*key);
                bytes.extend(*value);
            }
            Change::Remove(key) => {
                bytes.push(REMOVE);
                bytes.extend((key.len() as u32).to_le_bytes());
                bytes.extend(*key);
            }
            Change::End { next } => {
                bytes.push(FINAL);
                bytes.extend(next.to_le_bytes());
            }
        }
    }

    /// Whether a frame can say how long it is.
    pub(super) fn fits(&self) -> bool {
        u32::try_from(self.0.len()).is_ok()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Reads a body: its number, and its changes.
pub(super) fn read_body(body: &[u8]) -> Option<(u64, Vec<Change<'_>>)> {
    let (number, mut rest) = body.split_first_chunk()?;
    let mut changes = Vec::new();
    while let Some((kind, after)) = rest.split_first() {
        rest = after;
        changes.push(match *kind {
            PUT => {
                let (key, value) = (take_u32(&mut rest)?, take_u32(&mut rest)?);
                Change::Put(take(&mut rest, key)?, take(&mut rest, value)?)
            }
            REMOVE => {
                let key = take_u32(&mut rest)?;
                Change::Remove(take(&mut rest, key)?)
            }
            FINAL => {
                let next = take(&mut rest, 8)?;
                Change::End { next: self::number(next, 0) }
            }
            _ => return None,
        });
    }
    Some((u64::from_le_bytes(*number), changes))
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

fn take_u32(bytes: &mut &[u8]) -> Option<usize> {
    let taken = take(bytes, 4)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(taken)).ok()
}
