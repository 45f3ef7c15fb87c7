//! Rewriting: one file with the records that are in force, in place of a log that is mostly old.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(feature = "redb")]
use paxoskv_core::storage::Record;
use paxoskv_core::storage::StorageError;

use super::disk::{Disk, Output, publish, unfinished};
use super::frame::{Body, Change, Header, frame, frame_start};
use super::names::{Files, Kind, Name, Place};
use super::read::{failed, read_changes};

/// Bodies are about as long.
const FRAME: usize = 64 << 10;
/// After so many bytes the disk is asked to write them, so that a batch that is written meanwhile does not wait long.
const PIECE: usize = 1 << 20;

/// A snapshot while it is written.
struct Snapshot<'a> {
    disk: &'a dyn Disk,
    file: Box<dyn Output>,
    header: Header,
    place: String,
    /// What is not written yet, and where it begins in the file.
    pending: Vec<u8>,
    written: u64,
    body: Body,
    records: u64,
}

impl<'a> Snapshot<'a> {
    fn create(disk: &'a dyn Disk, at: Place) -> Result<Self, StorageError> {
        let header = Header::salted(Name(Kind::Snapshot, at), 0, 0).map_err(StorageError::Failed)?;
        let name = header.name.to_string();
        let place = disk.place(&name);
        let file = disk.create(&unfinished(&name)).map_err(|error| failed("make", &place, &error))?;
        let pending = header.encode().to_vec();
        Ok(Self { disk, file, header, place, pending, written: 0, body: Body::new(0), records: 0 })
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), StorageError> {
        self.records += 1;
        self.body.add(&Change::Put(key, value));
        if self.body.len() >= FRAME { self.end_frame() } else { Ok(()) }
    }

    /// Completes the file, durably, and gives it its name. Gives its length.
    fn finish(mut self, next: u64) -> Result<u64, StorageError> {
        self.body.add(&Change::End { next });
        self.end_frame()?;
        self.write()?;
        let name = self.header.name.to_string();
        publish(self.disk, &name).map_err(|error| failed("name", &self.place, &error))?;
        Ok(self.written)
    }

    fn end_frame(&mut self) -> Result<(), StorageError> {
        let body = std::mem::replace(&mut self.body, Body::new(0));
        if !body.fits() {
            return Err(StorageError::Failed("records are longer than 4 GiB".into()));
        }
        let start = frame_start(self.written + self.pending.len() as u64);
        self.pending.resize((start - self.written) as usize, 0);
        self.pending.extend(frame(&self.header, start, &body));
        if self.pending.len() >= PIECE { self.write() } else { Ok(()) }
    }

    fn write(&mut self) -> Result<(), StorageError> {
        let written = self.file.write_at(self.written, &self.pending).and_then(|()| self.file.sync());
        written.map_err(|error| failed("write", &self.place, &error))?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

/// Writes a snapshot of records that come from elsewhere. The first batch after it has the number 1, so a snapshot that is
/// lost is missed.
#[cfg(feature = "redb")]
pub(super) fn write_records(disk: &dyn Disk, at: Place, records: &[Record]) -> Result<(), StorageError> {
    write(disk, at, |snapshot| {
        records.iter().try_for_each(|record| snapshot.add(&record.key, &record.value))?;
        Ok(1)
    })
    .map(drop)
}

/// Writes a snapshot, which `fill` fills; it says which number the next batch has. Gives the snapshot's length.
fn write(
    disk: &dyn Disk,
    at: Place,
    fill: impl FnOnce(&mut Snapshot<'_>) -> Result<u64, StorageError>,
) -> Result<u64, StorageError> {
    let made = Snapshot::create(disk, at).and_then(|mut snapshot| {
        let next = fill(&mut snapshot)?;
        snapshot.finish(next)
    });
    made.inspect_err(|_| {
        // What is left of it takes room that the disk may not have.
        let _ = disk.remove(&unfinished(&Name(Kind::Snapshot, at).to_string()));
    })
}

/// Writes a snapshot of what these files hold, up to the batch before `next`, and removes them. Gives its length. Fails as
/// soon as it is to stop.
///
/// The files are read twice: to find each record's last value only the keys need to be in memory.
pub(super) fn rewrite(
    disk: &dyn Disk,
    files: &Files,
    next: u64,
    stop: &AtomicBool,
) -> Result<u64, StorageError> {
    let go_on = || match stop.load(Ordering::Relaxed) {
        true => Err(StorageError::Failed("the store is being closed".into())),
        false => Ok(()),
    };
    let (mut puts, mut newest) = (0_u64, HashMap::new());
    let extent = read_changes(disk, files, &mut |change| {
        match change {
            Change::Put(key, _) => {
                puts += 1;
                match newest.get_mut(key) {
                    Some(put) => *put = puts,
                    None => drop(newest.insert(key.to_vec(), puts)),
                }
            }
            Change::Remove(key) => drop(newest.remove(key)),
            Change::End { .. } => {}
        }
        go_on()
    })?;
    let last = files.segments.last().copied().max(files.snapshot);
    let last = last.ok_or_else(|| StorageError::Failed("an empty store cannot be rewritten".into()))?;
    let length = write(disk, last, |snapshot| {
        puts = 0;
        read_changes(disk, files, &mut |change| {
            go_on()?;
            let Change::Put(key, value) = change else { return Ok(()) };
            puts += 1;
            if newest.get(key) == Some(&puts) { snapshot.add(key, value) } else { Ok(()) }
        })?;
        if extent.next != next || snapshot.records != newest.len() as u64 {
            let why = "what was written is not what is read: the disk forgets, or another program has changed the store";
            return Err(StorageError::Failed(why.into()));
        }
        Ok(next)
    })?;
    let old = files.snapshot.map(|place| Name(Kind::Snapshot, place));
    let segments = files.segments.iter().map(|place| Name(Kind::Segment, *place));
    remove(disk, old.into_iter().chain(segments));
    Ok(length)
}

/// Removes files that are not needed any more. One that stays is removed when the store is opened next.
pub(super) fn remove(disk: &dyn Disk, names: impl Iterator<Item = Name>) {
    for name in names {
        if let Err(error) = disk.remove(&name.to_string()) {
            tracing::warn!(file = disk.place(&name.to_string()), %error, "an old file of the store could not be removed");
        }
    }
}
