//! A disk in memory that can fail, and whose machine can stop at any moment.

use std::collections::BTreeMap;
use std::io::{self, Cursor, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard};

use fastrand::Rng;

use super::super::disk::{Disk, Output};
use super::super::frame::SECTOR;

/// What happens at a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The machine stops: nothing works any more until it is started again. Of what was not durable, some is there then.
    PowerCut,
    /// The process is killed: what it has written is there for the next one, durable or not.
    Kill,
    /// The disk is full: no operation works until the fault is taken away.
    Full,
    /// What was written cannot be made durable. As with Linux, it can be read from memory all the same, and a later sync does
    /// not try again.
    SyncFails,
}

/// The disk.
#[derive(Clone, Default)]
pub(super) struct Faulty(Arc<Mutex<State>>);

#[derive(Clone, Default)]
struct State {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    /// The names that survive for sure, and what was done to them since.
    durable: BTreeMap<String, usize>,
    pending: Vec<(String, Option<usize>)>,
    steps: usize,
    fault: Option<(usize, Fault)>,
    /// Files cannot get names that end with this.
    forbidden: Option<String>,
    /// What is read of a file from the second time on.
    forgotten: Option<(String, Vec<u8>)>,
}

#[derive(Clone, Default)]
struct File {
    /// What is read.
    now: Vec<u8>,
    durable: Vec<u8>,
    /// What the next sync writes.
    dirty: Vec<Range<usize>>,
}

impl Faulty {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// A disk with the same content.
    pub(super) fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(self.state().clone())))
    }

    /// Lets the step after so many others fail, and those after it.
    pub(super) fn fail_after(&self, steps: usize, fault: Fault) {
        let mut state = self.state();
        state.fault = Some((state.steps + steps, fault));
    }

    /// A file has other bytes when it is read for the second time.
    pub(super) fn forget_after_reading(&self, name: &str, bytes: Vec<u8>) {
        self.state().forgotten = Some((name.into(), bytes));
    }

    /// From now on, files cannot get names that end so.
    pub(super) fn forbid(&self, end: &str) {
        self.state().forbidden = Some(end.into());
    }

    /// How many operations that change something there were.
    pub(super) fn steps(&self) -> usize {
        self.state().steps
    }

    /// What comes after a fault: a machine that is started again, or a disk that works again.
    pub(super) fn recover(&self, random: &mut Rng) {
        let mut state = self.state();
        if !matches!(state.fault.take(), Some((_, Fault::PowerCut))) {
            return;
        }
        let mut names = std::mem::take(&mut state.durable);
        for (name, file) in std::mem::take(&mut state.pending) {
            if random.bool() {
                match file {
                    Some(file) => drop(names.insert(name, file)),
                    None => drop(names.remove(&name)),
                }
            }
        }
        (state.names, state.durable) = (names.clone(), names);
        state.files.iter_mut().for_each(|file| file.forget(random));
    }

    pub(super) fn list(&self) -> Vec<String> {
        self.state().names.keys().cloned().collect()
    }

    /// What is in a file; nothing where there is none.
    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        let state = self.state();
        state.names.get(name).map_or_else(Vec::new, |file| state.files[*file].now.clone())
    }

    /// Changes a file behind the store's back.
    pub(super) fn change(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let at = state.names[name];
        let file = &mut state.files[at];
        change(&mut file.now);
        *file = File { now: file.now.clone(), durable: file.now.clone(), dirty: Vec::new() };
    }

    /// Removes a file behind the store's back.
    pub(super) fn lose(&self, name: &str) {
        let mut state = self.state();
        state.names.remove(name);
        state.durable.remove(name);
    }
}

impl File {
    /// Each sector is as it was when it was durable, or as it was written last, or in rare cases partly so.
    fn forget(&mut self, random: &mut Rng) {
        let length = if random.bool() { self.now.len() } else { self.durable.len() };
        let mut kept = self.durable.clone();
        kept.resize(length.max(self.durable.len()), 0);
        let bytewise = random.u8(..) < 40;
        for (sector, at) in kept.chunks_mut(SECTOR).zip((0..).step_by(SECTOR)) {
            let written = self.now.get(at..).unwrap_or_default();
            let mut length = sector.len().min(written.len());
            if sector[..length] == written[..length] || random.bool() {
                continue;
            }
            if bytewise {
                length = random.usize(..=length);
            }
            sector[..length].copy_from_slice(&written[..length]);
            if bytewise {
                break; // All from this byte on is missing.
            }
        }
        *self = Self { now: kept.clone(), durable: kept, dirty: Vec::new() };
    }
}

impl State {
    /// Counts an operation. It is done also where it fails by a power cut: nobody knows how far it came.
    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        match self.fault {
            Some((at, Fault::Full)) if self.steps > at => Err(io::ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }

    fn ended(&self) -> io::Result<()> {
        match self.fault {
            Some((at, Fault::PowerCut | Fault::Kill)) if self.steps > at => {
                Err(io::Error::other("the machine has stopped"))
            }
            _ => Ok(()),
        }
    }

    fn name(&mut self, name: &str, file: Option<usize>) {
        match file {
            Some(file) => drop(self.names.insert(name.into(), file)),
            None => drop(self.names.remove(name)),
        }
        self.pending.push((name.into(), file));
    }
}

impl Disk for Faulty {
    fn place(&self, name: &str) -> String {
        format!("the test's disk/{name}")
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.state().ended()?;
        Ok(self.list())
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Output>> {
        let mut state = self.state();
        state.ended()?;
        state.step()?;
        let file = state.files.len();
        state.files.push(File::default());
        state.name(name, Some(file));
        state.ended()?;
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn read(&self, name: &str) -> io::Result<Box<dyn Read + Send>> {
        let mut state = self.state();
        state.ended()?;
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        let bytes = state.files[file].now.clone();
        if let Some((_, forgotten)) = state.forgotten.take_if(|(of, _)| of == name) {
            state.files[file].now = forgotten;
        }
        Ok(Box::new(Cursor::new(bytes)))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Output>> {
        let state = self.state();
        state.ended()?;
        let file = *state.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        Ok(Box::new(Handle { disk: self.clone(), file }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        state.ended()?;
        state.step()?;
        if state.forbidden.as_ref().is_some_and(|end| to.ends_with(end)) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let file = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.name(to, Some(file));
        state.name(from, None);
        state.ended()
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut state = self.state();
        state.ended()?;
        state.step()?;
        state.ended()?;
        state.pending.clear();
        state.durable = state.names.clone();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.ended()?;
        state.step()?;
        state.name(name, None);
        state.ended()
    }
}

/// An open file.
struct Handle {
    disk: Faulty,
    file: usize,
}

impl Output for Handle {
    fn write_at(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.disk.state();
        state.ended()?;
        state.step()?;
        let (file, range) = (&mut state.files[self.file], at as usize..at as usize + bytes.len());
        file.now.resize(file.now.len().max(range.end), 0);
        file.now[range.clone()].copy_from_slice(bytes);
        file.dirty.push(range);
        state.ended()
    }

    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.ended()?;
        state.step()?;
        state.ended()?;
        let fails = matches!(state.fault, Some((at, Fault::SyncFails)) if state.steps > at);
        let file = &mut state.files[self.file];
        let dirty = std::mem::take(&mut file.dirty);
        if fails {
            return Err(io::Error::other("the disk has an error"));
        }
        file.durable.resize(file.now.len(), 0);
        dirty.into_iter().for_each(|range| file.durable[range.clone()].copy_from_slice(&file.now[range]));
        Ok(())
    }
}
