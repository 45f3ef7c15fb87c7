//! One file of the log while it is written.

use paxoskv_core::storage::StorageError;

use super::disk::{Disk, Output, publish, unfinished};
use super::frame::{Body, Header, SECTOR, frame, frame_len, frame_start};
use super::names::{Kind, Name, Place};
use super::read::failed;

/// How many bytes are reserved at a time. After each such piece the disk is asked to write it, so that a batch that is
/// written meanwhile waits for one piece at most.
const PIECE: usize = 256 << 10;

/// A segment that batches can be written to.
pub(super) struct Segment {
    file: Box<dyn Output>,
    header: Header,
    place: String,
    /// Where the last frame ends.
    end: u64,
}

impl Segment {
    /// Makes a segment of zeros of that length, durably. The file gets its name when it is whole. `next` is the number of the
    /// next batch at this moment.
    pub(super) fn create(disk: &dyn Disk, at: Place, length: u64, next: u64) -> Result<Self, StorageError> {
        let header = Header::salted(Name(Kind::Segment, at), length, next).map_err(StorageError::Failed)?;
        let name = header.name.to_string();
        let place = disk.place(&name);
        let made = Self::reserve(disk, &header, &unfinished(&name)).and_then(|file| {
            publish(disk, &name)?;
            Ok(file)
        });
        let file = made.map_err(|error| {
            // What is left of it takes room that the disk may not have.
            let _ = disk.remove(&unfinished(&name));
            failed("make", &place, &error)
        })?;
        Ok(Self { file, header, place, end: SECTOR as u64 })
    }

    fn reserve(disk: &dyn Disk, header: &Header, name: &str) -> std::io::Result<Box<dyn Output>> {
        let mut file = disk.create(name)?;
        let zeros = vec![0; PIECE];
        let mut reserved = 0;
        while reserved < header.length {
            let piece = (header.length - reserved).min(PIECE as u64);
            file.write_at(reserved, zeros.get(..piece as usize).unwrap_or(&zeros))?;
            file.sync()?;
            reserved += piece;
        }
        file.write_at(0, &header.encode())?;
        file.sync()?;
        Ok(file)
    }

    pub(super) fn place(&self) -> Place {
        self.header.name.1
    }

    /// How many bytes are written.
    pub(super) fn used(&self) -> u64 {
        self.end
    }

    /// How many bytes there is room for.
    pub(super) fn length(&self) -> u64 {
        self.header.length
    }

    /// Whether there is room for this.
    pub(super) fn has_room(&self, body: &Body) -> bool {
        frame_start(self.end) + frame_len(body.len()) as u64 <= self.header.length
    }

    /// Writes a frame, and returns when it is durable.
    pub(super) fn append(&mut self, body: &Body) -> Result<(), StorageError> {
        if !body.fits() {
            return Err(StorageError::Failed("a batch is longer than 4 GiB".into()));
        }
        let start = frame_start(self.end);
        let bytes = frame(&self.header, start, body);
        let disk_failed = |error: std::io::Error| failed("write", &self.place, &error);
        self.file.write_at(start, &bytes).map_err(disk_failed)?;
        self.file.sync().map_err(disk_failed)?;
        self.end = start + bytes.len() as u64;
        Ok(())
    }
}
