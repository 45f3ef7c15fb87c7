//! Reading a store's files.

use std::collections::HashMap;
use std::io::{BufReader, Read};

use paxoskv_core::storage::{Record, StorageError};

use super::disk::Disk;
use super::frame::{Body, Change, Header, SECTOR, frame, frame_start, read_body, read_frame, tail};
use super::names::{Files, Kind, Name, Place};

/// The error for a store that cannot be used.
pub(super) fn damaged(place: &str, why: &str) -> StorageError {
    StorageError::Failed(format!(
        "{place} is damaged or not a PaxosKV store: {why}. Bring back a good copy of its folder only if the seat has not \
         voted since it was made; otherwise move the folder away and let the seat in anew with an empty store"
    ))
}

/// The error for a disk that did not do what it should.
pub(super) fn failed(doing: &str, place: &str, error: &std::io::Error) -> StorageError {
    StorageError::Failed(format!("the disk failed: cannot {doing} {place}: {error}"))
}

/// What reading a store's files comes to, beside the records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The number of the batch that comes next.
    pub(super) next: u64,
    /// Bytes of the snapshot.
    pub(super) snapshot: u64,
    /// Bytes of the segments, as far as they are written.
    pub(super) segments: u64,
    /// The segment with the last batch, and where that begins.
    pub(super) last: Option<(Place, u64)>,
}

/// Reads all changes that these files hold, in order.
pub(super) fn read_changes(
    disk: &dyn Disk,
    files: &Files,
    visit: &mut dyn FnMut(Change<'_>) -> Result<(), StorageError>,
) -> Result<Extent, StorageError> {
    let mut extent = Extent::default();
    if let Some(place) = files.snapshot {
        (extent.next, extent.snapshot) = read_snapshot(disk, place, visit)?;
        // A segment after it was made before it was.
        if files.segments.is_empty() && place.index > 0 {
            let name = Name(Kind::Segment, place.next()).to_string();
            return Err(damaged(&disk.place(&name), "it is missing"));
        }
    }
    let mut previous = files.snapshot;
    for place in &files.segments {
        if place.index > 1 && previous.map(Place::next) != Some(*place) {
            let name = Name(Kind::Segment, *place).to_string();
            return Err(damaged(&disk.place(&name), "the segment before it is missing"));
        }
        read_segment(disk, *place, &mut extent, visit)?;
        previous = Some(*place);
    }
    Ok(extent)
}

/// The records that are there after all changes of these files.
pub(super) fn read_records(disk: &dyn Disk, files: &Files) -> Result<(Vec<Record>, Extent), StorageError> {
    let mut records: HashMap<Vec<u8>, Vec<u8>> = HashMap::new();
    let extent = read_changes(disk, files, &mut |change| {
        match change {
            Change::Put(key, value) => match records.get_mut(key) {
                Some(old) => *old = value.to_vec(),
                None => drop(records.insert(key.to_vec(), value.to_vec())),
            },
            Change::Remove(key) => drop(records.remove(key)),
            Change::End { .. } => {}
        }
        Ok(())
    })?;
    Ok((records.into_iter().map(|(key, value)| Record { key, value }).collect(), extent))
}

fn open(disk: &dyn Disk, name: Name) -> Result<(String, Box<dyn Read + Send>), StorageError> {
    let place = disk.place(&name.to_string());
    let file = disk.read(&name.to_string()).map_err(|error| failed("open", &place, &error))?;
    Ok((place, file))
}

/// Reads a snapshot. Gives the number of the batch after it, and its length.
fn read_snapshot(
    disk: &dyn Disk,
    place: Place,
    visit: &mut dyn FnMut(Change<'_>) -> Result<(), StorageError>,
) -> Result<(u64, u64), StorageError> {
    let name = Name(Kind::Snapshot, place);
    let (place, file) = open(disk, name)?;
    let damage = |why: &str| damaged(&place, why);
    let mut file = BufReader::with_capacity(1 << 20, file);
    let header = Header::read(&mut file, name).map_err(|why| damage(&why))?;
    let disk_failed = |error: std::io::Error| failed("read", &place, &error);
    let mut at = SECTOR as u64;
    loop {
        let start = frame_start(at);
        std::io::copy(&mut file.by_ref().take(start - at), &mut std::io::sink()).map_err(disk_failed)?;
        let frame = read_frame(&mut file, &header, start).map_err(disk_failed)?;
        let (body, end) = frame.ok_or_else(|| damage("a part of it is missing or changed"))?;
        at = end;
        let (_, changes) = read_body(&body).ok_or_else(|| damage("a part of it is no list of records"))?;
        for change in changes {
            match change {
                Change::End { next } => return Ok((next, at)),
                change => visit(change)?,
            }
        }
    }
}

/// Reads a segment, and adds it to what was read before.
fn read_segment(
    disk: &dyn Disk,
    at: Place,
    extent: &mut Extent,
    visit: &mut dyn FnMut(Change<'_>) -> Result<(), StorageError>,
) -> Result<(), StorageError> {
    let name = Name(Kind::Segment, at);
    let (place, mut file) = open(disk, name)?;
    let damage = |why: &str| damaged(&place, why);
    let disk_failed = |error: std::io::Error| failed("read", &place, &error);
    let mut bytes = Vec::new();
    file.by_ref().take(SECTOR as u64).read_to_end(&mut bytes).map_err(disk_failed)?;
    if bytes.is_empty() {
        return Err(damage("the file is empty"));
    }
    let header = Header::read(&mut &*bytes, name).map_err(|why| damage(&why))?;
    file.take(header.length.saturating_sub(SECTOR as u64) + 1)
        .read_to_end(&mut bytes)
        .map_err(disk_failed)?;
    if bytes.len() as u64 != header.length {
        return Err(damage("it is cut short, or has grown"));
    }
    if header.next > extent.next {
        return Err(damage(&format!("batches {} to {} are missing before it", extent.next, header.next - 1)));
    }
    let mut end = SECTOR as u64;
    loop {
        let start = frame_start(end);
        let mut rest = bytes.get(start as usize..).unwrap_or_default();
        let frame = read_frame(&mut rest, &header, start).map_err(disk_failed)?;
        let Some((body, frame_end)) = frame else {
            tail(&bytes, start, &header).map_err(damage)?;
            extent.segments += end;
            return Ok(());
        };
        let (found, changes) = read_body(&body).ok_or_else(|| damage("a batch is no list of changes"))?;
        if found != extent.next {
            return Err(damage(&format!("batch {} is missing: {found} follows", extent.next)));
        }
        changes.into_iter().try_for_each(&mut *visit)?;
        end = frame_end;
        (extent.next, extent.last) = (found + 1, Some((at, start)));
    }
}

/// Writes the last batch once more where it is, so that it is on the disk.
///
/// The process that wrote it may have been killed before it was durable, or its disk may have failed to make it so; then it is
/// in this machine's memory alone, but later batches build on it.
pub(super) fn make_durable(disk: &dyn Disk, extent: &Extent) -> Result<(), StorageError> {
    let Some((at, start)) = extent.last else { return Ok(()) };
    let name = Name(Kind::Segment, at);
    let (place, mut file) = open(disk, name)?;
    let header = Header::read(&mut file, name).map_err(|why| damaged(&place, &why))?;
    let read = std::io::copy(&mut file.by_ref().take(start - SECTOR as u64), &mut std::io::sink());
    let read = read.and_then(|_| read_frame(&mut file, &header, start));
    let found = read.map_err(|error| failed("read", &place, &error))?;
    let is_last = |body: &[u8]| read_body(body).is_some_and(|(number, _)| number + 1 == extent.next);
    let Some(body) = found.map(|(body, _)| body).filter(|body| is_last(body)) else {
        return Err(StorageError::Failed(format!("the disk has lost what it had of {place} a moment ago")));
    };
    let written = disk.open(&name.to_string()).and_then(|mut file| {
        file.write_at(start, &frame(&header, start, &Body::whole(body)))?;
        file.sync()
    });
    written.map_err(|error| failed("write", &place, &error))
}
