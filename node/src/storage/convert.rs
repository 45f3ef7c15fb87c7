//! Stores of earlier versions, which were redb files. One is read once, and becomes a snapshot.

use std::io;
use std::panic::catch_unwind;
use std::path::Path;

use paxoskv_core::Opening;
use paxoskv_core::storage::{Record, StorageError};
use redb::{Builder, Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::OLD;
use super::disk::Disk;
use super::names::{Files, Place};
use super::read::{damaged, failed};
use super::snapshot;

const META: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("paxoskv.meta");
const RECORDS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("paxoskv.records");

/// Makes the redb file in this folder a snapshot, if there is one.
pub(super) fn convert(disk: &dyn Disk, folder: &Path) -> Result<(), StorageError> {
    let path = folder.join(OLD);
    let place = path.display().to_string();
    if !path.try_exists().map_err(|error| failed("look for", &place, &error))? {
        return Ok(());
    }
    let names = disk.names().map_err(|error| failed("read", &folder.display().to_string(), &error))?;
    let files = Files::of(&names);
    if !files.segments.is_empty() {
        let why = "there is a log beside it, so an older program has made it after it was converted once";
        return Err(damaged(&place, why));
    }
    // Some kinds of damage make redb panic.
    let read = catch_unwind(|| read(&path)).unwrap_or_else(|_| Err("reading it failed".into()));
    let (opening, records) = read.map_err(|why| damaged(&place, &why))?;
    let from = Place { opening, index: 0 };
    // If there is a snapshot, it was converted, and then the machine stopped; or an older program has used it again.
    if files.snapshot.is_some_and(|snapshot| snapshot > from) {
        return Err(damaged(&place, "there is a later snapshot beside it"));
    }
    snapshot::write_records(disk, from, &records)?;
    tracing::info!(store = place, records = records.len(), "the store has been converted to a log");
    let removed = disk.remove(OLD).and_then(|()| disk.sync_names());
    removed.map_err(|error| failed("remove", &place, &error))
}

fn read(path: &Path) -> Result<(Opening, Vec<Record>), String> {
    let text = |error: redb::Error| match error {
        redb::Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it is cut short".to_owned()
        }
        error => error.to_string(),
    };
    let mut builder: Builder = Database::builder();
    builder.set_check_integrity_on_open(true);
    let db = builder.open(path).map_err(|error| text(error.into()))?;
    let transaction = db.begin_read().map_err(|error| text(error.into()))?;
    let meta = transaction.open_table(META).map_err(|error| text(error.into()))?;
    let number = |key: &str| -> Result<u64, String> {
        let sealed = meta.get(key.as_bytes()).map_err(|error| text(error.into()))?;
        let number =
            sealed.as_ref().and_then(|sealed| unseal(key.as_bytes(), sealed.value())?.try_into().ok());
        number.map(u64::from_le_bytes).ok_or_else(|| format!("its {key} is missing or changed"))
    };
    if number("format")? != 1 {
        return Err("its format is unknown".into());
    }
    let opening = Opening(number("opening")?);
    let mut records = Vec::new();
    let table = transaction.open_table(RECORDS).map_err(|error| text(error.into()))?;
    for row in table.iter().map_err(|error| text(error.into()))? {
        let (key, sealed) = row.map_err(|error| text(error.into()))?;
        let value = unseal(key.value(), sealed.value()).ok_or("the checksum of a record is wrong")?;
        records.push(Record { key: key.value().to_vec(), value: value.to_vec() });
    }
    Ok((opening, records))
}

/// A value follows its CRC-32, which is over the key's length, the key and the value.
fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (checksum, value) = sealed.split_first_chunk::<4>()?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    (hasher.finalize().to_le_bytes() == *checksum).then_some(value)
}
