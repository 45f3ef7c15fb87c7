//! The log: batches that are appended to one segment after the other, and rewritten when most of it is old.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use paxoskv_core::Opening;
use paxoskv_core::storage::{Batch, Loaded, StorageError};

use super::disk::Disk;
use super::frame::{Body, SECTOR, frame_len};
use super::names::{Files, Name, Place, UNFINISHED};
use super::read::{Extent, failed, make_durable, read_records};
use super::segment::Segment;
use super::snapshot;
use super::task::Task;

/// Sizes in bytes, and how work beside the batches is done.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    /// The first segment of an opening. Each further one is twice as long as the one before.
    pub(super) first_segment: u64,
    pub(super) largest_segment: u64,
    /// A log shorter than this is not rewritten.
    pub(super) rewrite_at: u64,
    /// More closed segments than this are rewritten, however short they are.
    pub(super) most_segments: usize,
    /// Do all work at once, in the caller's thread.
    pub(super) inline: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            first_segment: 1 << 20,
            largest_segment: 16 << 20,
            rewrite_at: 4 << 20,
            most_segments: 32,
            inline: false,
        }
    }
}

/// A store that is open.
pub(super) struct Log {
    disk: Arc<dyn Disk>,
    plan: Plan,
    opening: Opening,
    active: Segment,
    /// The segment after this one, while it is made.
    spare: Option<Task<Segment>>,
    /// The number of the next batch.
    next: u64,
    /// What is closed: the snapshot, and the segments before this one.
    closed: Files,
    extent: Extent,
    /// The log is rewritten when its closed segments are longer than this.
    rewrite_at: u64,
    rewriting: Option<Rewriting>,
}

struct Rewriting {
    task: Task<u64>,
    stop: Arc<AtomicBool>,
    /// What is rewritten, and how long the segments among it are.
    files: Files,
    segments: u64,
}

impl Drop for Rewriting {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Log {
    /// Counts the opening up, durably, and reads all records.
    pub(super) fn open(disk: Arc<dyn Disk>, plan: Plan) -> Result<(Self, Loaded), StorageError> {
        let folder_failed = |error: std::io::Error| failed("read", &disk.place(""), &error);
        let names = disk.names().map_err(folder_failed)?;
        let is_unfinished = |name: &str| name.strip_suffix(UNFINISHED).and_then(Name::parse).is_some();
        for name in names.iter().filter(|name| is_unfinished(name)) {
            disk.remove(name).map_err(folder_failed)?;
        }
        let files = Files::of(&names);
        let (records, extent) = read_records(&*disk, &files)?;
        make_durable(&*disk, &extent)?;
        if !files.replaced.is_empty() {
            // It must be durable that there is a snapshot in their place.
            disk.sync_names().map_err(folder_failed)?;
            snapshot::remove(&*disk, files.replaced.iter().copied());
        }
        let opening = files.opening().next();
        let active = Segment::create(&*disk, Place::first(opening), plan.first_segment, extent.next)?;
        let mut log = Self {
            disk,
            plan,
            opening,
            active,
            spare: None,
            next: extent.next,
            closed: Files { replaced: Vec::new(), ..files },
            extent,
            rewrite_at: plan.rewrite_at.max(extent.snapshot),
            rewriting: None,
        };
        log.rewrite_if_old();
        Ok((log, Loaded { opening, records }))
    }

    /// Makes a batch durable, or changes nothing.
    pub(super) fn apply(&mut self, batch: &Batch) -> Result<(), StorageError> {
        if batch.opening != self.opening {
            return Err(StorageError::TakenOver { found: self.opening, expected: batch.opening });
        }
        if batch.puts.is_empty() && batch.removes.is_empty() {
            return Ok(());
        }
        let body = Body::of(self.next, batch);
        let room = (2 * SECTOR + frame_len(body.len())) as u64;
        while !self.active.has_room(&body) {
            self.begin_segment(room)?;
        }
        self.active.append(&body)?;
        self.next += 1;
        if self.spare.is_none() {
            self.make_spare();
        }
        self.rewritten();
        Ok(())
    }

    /// Closes the segment that is written to, and goes on with the next one: the spare, or where there is none a new one that is
    /// so long at least.
    fn begin_segment(&mut self, room: u64) -> Result<(), StorageError> {
        // Where the disk was full when the spare was made, there may be room by now.
        let spare = self.spare.take().and_then(|spare| spare.wait().ok());
        let length = self.next_length().max(room);
        let fresh = match spare {
            Some(spare) => spare,
            None => Segment::create(&*self.disk, self.active.place().next(), length, self.next)?,
        };
        self.closed.segments.push(self.active.place());
        self.extent.segments += self.active.used();
        self.active = fresh;
        self.rewrite_if_old();
        Ok(())
    }

    fn next_length(&self) -> u64 {
        (self.active.length() * 2).clamp(self.plan.first_segment, self.plan.largest_segment)
    }

    /// Makes the next segment in good time, so that no batch waits for it.
    fn make_spare(&mut self) {
        let (disk, at) = (self.disk.clone(), self.active.place().next());
        let (length, next) = (self.next_length(), self.next);
        self.spare = Some(Task::start(self.plan.inline, move || Segment::create(&*disk, at, length, next)));
    }

    fn rewrite_if_old(&mut self) {
        let is_old =
            self.extent.segments >= self.rewrite_at || self.closed.segments.len() > self.plan.most_segments;
        if !is_old || self.rewriting.is_some() || self.closed.segments.is_empty() {
            return;
        }
        let (files, stop) = (self.closed.clone(), Arc::new(AtomicBool::new(false)));
        let (disk, its_files, its_stop, next) = (self.disk.clone(), files.clone(), stop.clone(), self.next);
        let task =
            Task::start(self.plan.inline, move || snapshot::rewrite(&*disk, &its_files, next, &its_stop));
        self.rewriting = Some(Rewriting { task, stop, files, segments: self.extent.segments });
        self.rewritten();
    }

    /// Notes that the log has been rewritten, where it has.
    fn rewritten(&mut self) {
        let Some(result) = self.rewriting.as_ref().and_then(|rewriting| rewriting.task.poll()) else {
            return;
        };
        let Some(rewriting) = self.rewriting.take() else { return };
        match result {
            Ok(length) => {
                let count = rewriting.files.segments.len();
                self.closed.snapshot = rewriting.files.segments.last().copied();
                self.closed.segments.drain(..count);
                self.extent.segments -= rewriting.segments;
                self.extent.snapshot = length;
                self.rewrite_at = self.plan.rewrite_at.max(length);
            }
            Err(error) => {
                tracing::warn!(%error, "the store's log could not be rewritten, and goes on growing until it can");
                self.rewrite_at = self.extent.segments + self.plan.rewrite_at;
            }
        }
    }
}
