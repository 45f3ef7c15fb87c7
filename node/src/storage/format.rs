//! What is in a store's file.
//!
//! A store is two redb tables. Their keys are bytes; their values are a CRC-32 (little-endian, over key and value), and
//! then the value itself. redb has checksums of its own, but over its pages; these ones show that a value that is read is
//! the value that was written.
//!
//! | table | key | value |
//! |---|---|---|
//! | `paxoskv.meta` | `format` | [`FORMAT`], 8 bytes little-endian |
//! | | `opening` | the store's opening, likewise |
//! | `paxoskv.records` | a record's key | its value |

use paxoskv_core::Opening;
use paxoskv_core::codec::Hex;
use paxoskv_core::storage::{Batch, Loaded, Record, StorageError};
use redb::{Database, Durability, ReadableDatabase, ReadableTable, TableDefinition};

const META: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("paxoskv.meta");
const RECORDS: TableDefinition<'static, &[u8], &[u8]> = TableDefinition::new("paxoskv.records");

/// The version of the format that this code writes and reads.
const FORMAT: u64 = 1;
const FORMAT_KEY: &[u8] = b"format";
const OPENING_KEY: &[u8] = b"opening";

/// What can go wrong inside a store whose file opened.
#[derive(Debug)]
pub(super) enum Fault {
    /// The file is not a store, or is damaged. The text does not name the file.
    Content(String),
    /// redb or the disk failed.
    Medium(redb::Error),
    /// The opening was not the expected one.
    TakenOver(StorageError),
}

impl<E: Into<redb::Error>> From<E> for Fault {
    fn from(error: E) -> Self {
        Self::Medium(error.into())
    }
}

fn checksum(key: &[u8], value: &[u8]) -> [u8; 4] {
    let mut hasher = crc32fast::Hasher::new();
    // The length keeps a byte from moving from the key's end to the value's start unnoticed.
    hasher.update(&(key.len() as u64).to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    hasher.finalize().to_le_bytes()
}

fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(4 + value.len());
    sealed.extend_from_slice(&checksum(key, value));
    sealed.extend_from_slice(value);
    sealed
}

fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8], Fault> {
    match sealed.split_first_chunk::<4>() {
        Some((sum, value)) if *sum == checksum(key, value) => Ok(value),
        _ => Err(Fault::Content(format!("the checksum of record {} is wrong", hex(key)))),
    }
}

fn hex(bytes: &[u8]) -> String {
    const SHOWN: usize = 32;
    let mut text = Hex(bytes.get(..SHOWN).unwrap_or(bytes)).to_string();
    if bytes.len() > SHOWN {
        text.push('…');
    }
    text
}

fn number(meta: &impl ReadableTable<&'static [u8], &'static [u8]>, key: &[u8]) -> Result<u64, Fault> {
    let Some(sealed) = meta.get(key)? else {
        return Err(Fault::Content(format!("its {} is missing", String::from_utf8_lossy(key))));
    };
    let value = unseal(key, sealed.value())?;
    let bytes = <[u8; 8]>::try_from(value)
        .map_err(|_| Fault::Content(format!("its {} has a wrong length", String::from_utf8_lossy(key))))?;
    Ok(u64::from_le_bytes(bytes))
}

/// Makes an empty database a store.
pub(super) fn create(db: &Database) -> Result<(), Fault> {
    let mut transaction = db.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        let mut meta = transaction.open_table(META)?;
        for (key, value) in [(FORMAT_KEY, FORMAT), (OPENING_KEY, Opening::default().0)] {
            meta.insert(key, seal(key, &value.to_le_bytes()).as_slice())?;
        }
        transaction.open_table(RECORDS)?;
    }
    transaction.commit()?;
    Ok(())
}

/// Whether a database is a store that this code understands.
pub(super) fn check(db: &Database) -> Result<(), Fault> {
    let transaction = db.begin_read()?;
    let not_ours = |error: redb::TableError| match error {
        redb::TableError::Storage(error) => Fault::from(error),
        other => Fault::Content(format!("it is a redb file of another program ({other})")),
    };
    let meta = transaction.open_table(META).map_err(not_ours)?;
    transaction.open_table(RECORDS).map_err(not_ours)?;
    match number(&meta, FORMAT_KEY)? {
        FORMAT => Ok(()),
        other => Err(Fault::Content(format!(
            "it has format {other}, and this version of PaxosKV knows format {FORMAT} only"
        ))),
    }
}

/// Counts the opening up, durably, and reads everything, in one transaction.
pub(super) fn open(db: &Database) -> Result<Loaded, Fault> {
    let mut transaction = db.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    let mut records = Vec::new();
    let opening = {
        let mut meta = transaction.open_table(META)?;
        let opening = Opening(number(&meta, OPENING_KEY)?).next();
        meta.insert(OPENING_KEY, seal(OPENING_KEY, &opening.0.to_le_bytes()).as_slice())?;
        for row in transaction.open_table(RECORDS)?.iter()? {
            let (key, sealed) = row?;
            let value = unseal(key.value(), sealed.value())?.to_vec();
            records.push(Record { key: key.value().to_vec(), value });
        }
        opening
    };
    transaction.commit()?;
    Ok(Loaded { opening, records })
}

/// Makes a batch durable, or changes nothing.
pub(super) fn apply(db: &Database, batch: &Batch) -> Result<(), Fault> {
    if batch.puts.is_empty() && batch.removes.is_empty() {
        return check_opening(&db.begin_read()?.open_table(META)?, batch.opening);
    }
    let mut transaction = db.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    {
        // An error drops the transaction, which undoes it.
        check_opening(&transaction.open_table(META)?, batch.opening)?;
        let mut records = transaction.open_table(RECORDS)?;
        for key in &batch.removes {
            records.remove(key.as_slice())?;
        }
        for Record { key, value } in &batch.puts {
            records.insert(key.as_slice(), seal(key, value).as_slice())?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Fails where the store is at another opening than expected.
fn check_opening(
    meta: &impl ReadableTable<&'static [u8], &'static [u8]>,
    expected: Opening,
) -> Result<(), Fault> {
    let found = Opening(number(meta, OPENING_KEY)?);
    if found == expected {
        Ok(())
    } else {
        Err(Fault::TakenOver(StorageError::TakenOver { found, expected }))
    }
}
