//! Files that are cut, changed or lost: what was acknowledged is there, or there is a clear error.

use paxoskv_core::storage::StorageError;

use super::faulty::Faulty;
use super::{Records, after, batch, content, store};

/// A store with a snapshot, closed segments and an open one, of several openings; and what it holds.
fn filled() -> (Faulty, Records) {
    let (disk, mut expected) = (Faulty::default(), Records::new());
    for run in 0..6_u8 {
        let mut store = store(&disk);
        let opening = store.open().unwrap().opening;
        for n in 0..=[0, 6, 12, 18, 3, 3][usize::from(run)] {
            // Zeros, too, for more than a sector.
            let (key, value) = ([run, n % 7], vec![n.saturating_sub(9); 37 * usize::from(n)]);
            let batch = batch(opening, &[(&key, &value), (b"last", &[run, n])], &[&[run, n / 2]]);
            store.apply(&batch).unwrap();
            expected = after(&expected, &batch);
        }
    }
    let has = |end: &str| disk.list().iter().filter(|name| name.ends_with(end)).count();
    assert!(has(".snapshot") == 1 && has(".log") > 2, "{:?}", disk.list());
    (disk, expected)
}

/// Opens a store after a change. Returns whether there was an error, which must name a file and say what to do.
fn is_refused(disk: &Faulty, expected: &Records, what: &str) -> bool {
    match content(disk) {
        Ok(found) => {
            assert!(found == *expected, "{what} went unnoticed");
            false
        }
        Err(StorageError::Failed(error)) => {
            assert!(
                error.contains("the test's disk/store-") && error.contains("move the folder away"),
                "{what}: {error}"
            );
            true
        }
        Err(other) => panic!("{what}: {other:?}"),
    }
}

#[test]
fn a_changed_byte_anywhere_is_an_error_or_does_not_matter() {
    let (disk, expected) = filled();
    let (mut refused, mut tried) = (0, 0);
    for name in disk.list() {
        for at in 0..disk.bytes(&name).len() {
            let changes: [fn(u8, usize) -> u8; 3] = [
                |byte, at| byte ^ (1 << (at % 8)),
                |byte, _| !byte,
                |byte, _| if byte == 0 { 0xA5 } else { 0 },
            ];
            for change in changes {
                let copy = disk.copy();
                copy.change(&name, |bytes| bytes[at] = change(bytes[at], at));
                refused +=
                    usize::from(is_refused(&copy, &expected, &format!("a change of byte {at} of {name}")));
                tried += 1;
            }
        }
    }
    assert!(refused > tried / 4, "{refused} of {tried}");
}

#[test]
fn a_file_that_is_cut_or_grows_is_an_error() {
    let (disk, expected) = filled();
    for name in disk.list() {
        let length = disk.bytes(&name).len();
        for cut in (0..length).chain([length + 1, length + 4096]) {
            let copy = disk.copy();
            copy.change(&name, |bytes| bytes.resize(cut, 0));
            let refused = is_refused(&copy, &expected, &format!("{name} with {cut} bytes"));
            assert!(refused || cut > length, "{name} with {cut} bytes");
        }
    }
}

#[test]
fn a_file_that_is_lost_is_an_error() {
    let (disk, expected) = filled();
    // Also where the next segment is there in good time, and the last opening has written nothing yet.
    let opened = disk.copy();
    store(&opened).open().unwrap();
    for disk in [disk, opened] {
        let written = |name: &String| disk.bytes(name)[512..].iter().any(|byte| *byte != 0);
        let files = disk.list();
        assert!(files.iter().any(|name| !written(name)));
        for name in files.iter().filter(|name| written(name)) {
            let copy = disk.copy();
            copy.lose(name);
            assert!(is_refused(&copy, &expected, &format!("the loss of {name}")), "{name}");
        }
    }
}

#[test]
fn a_changed_byte_in_the_last_acknowledged_batch_is_an_error_also_where_the_next_one_was_cut() {
    let disk = Faulty::default();
    let mut store = store(&disk);
    let opening = store.open().unwrap().opening;
    store.apply(&batch(opening, &[(b"a", &[0; 700])], &[])).unwrap();
    let (name, acknowledged) = ("store-000001-000001.log", disk.bytes("store-000001-000001.log"));
    store.apply(&batch(opening, &[(b"b", &[1; 700])], &[])).unwrap();
    drop(store);
    let written = disk.bytes(name);
    let end = acknowledged.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    // Of the second batch one sector is missing, the second one of its own.
    let missing = end.next_multiple_of(512)..end.next_multiple_of(512) + 512;
    for at in 512..end - 1 {
        let copy = disk.copy();
        copy.change(name, |bytes| {
            *bytes = written.clone();
            bytes[missing.clone()].fill(0);
            bytes[at] ^= 1 << (at % 8);
        });
        assert!(content(&copy).is_err(), "byte {at}");
    }
}

#[test]
fn a_value_that_looks_like_a_batch_does_not_hide_that_a_write_was_torn() {
    let disk = Faulty::default();
    let mut store = store(&disk);
    let opening = store.open().unwrap().opening;
    store.apply(&batch(opening, &[(b"a", &[1; 40])], &[])).unwrap();
    let (name, before) = ("store-000001-000001.log", disk.bytes("store-000001-000001.log"));
    // Somebody puts what another store's file has.
    let image = before[512..700].to_vec();
    store.apply(&batch(opening, &[(b"b", &image.repeat(6))], &[])).unwrap();
    drop(store);
    let written = disk.bytes(name);
    let end = written.iter().rposition(|byte| *byte != 0).unwrap();
    for cut in (end - 1100..end).step_by(7) {
        disk.change(name, |bytes| *bytes = [&written[..cut], &before[cut..]].concat());
        assert_eq!(content(&disk.copy()).unwrap().len(), 1, "cut at {cut}");
    }
}

#[test]
fn a_batch_that_is_cut_at_any_byte_is_gone_or_whole() {
    for length in [0, 1, 100, 470, 480, 490, 500, 511, 512, 513, 1000] {
        let disk = Faulty::default();
        let mut store = store(&disk);
        let opening = store.open().unwrap().opening;
        let first = batch(opening, &[(b"a", &[1; 333])], &[]);
        store.apply(&first).unwrap();
        let name = "store-000001-000001.log";
        let before = disk.bytes(name);
        // Zeros in a value must not look like what is missing.
        let second = batch(opening, &[(b"b", &vec![0; length])], &[]);
        store.apply(&second).unwrap();
        let written = disk.bytes(name);
        drop(store);
        let possible = [after(&Records::new(), &first), after(&after(&Records::new(), &first), &second)];
        let [start, end] = [
            (0..before.len()).find(|at| before[*at] != written[*at]).unwrap(),
            (0..before.len()).rfind(|at| before[*at] != written[*at]).unwrap() + 1,
        ];
        let cases = (start..=end).map(|cut| [&written[..cut], &before[cut..]].concat());
        let without_a_sector = (start / 512..=end / 512).map(|sector| {
            let mut bytes = written.clone();
            let range = sector * 512..(sector * 512 + 512).min(bytes.len());
            bytes[range.clone()].copy_from_slice(&before[range]);
            bytes
        });
        for (n, bytes) in cases.chain(without_a_sector).enumerate() {
            let copy = disk.copy();
            copy.change(name, |file| *file = bytes);
            let found = content(&copy).unwrap_or_else(|error| panic!("case {n} of length {length}: {error}"));
            assert!(possible.contains(&found), "case {n} of length {length}");
        }
    }
}

#[test]
fn sectors_that_are_lost_are_an_error() {
    let (disk, expected) = filled();
    let files = disk.list();
    let last = files.iter().rfind(|name| disk.bytes(name)[512..].iter().any(|byte| *byte != 0)).unwrap();
    for name in files.iter().filter(|name| *name != last) {
        let bytes = disk.bytes(name);
        for sector in (0..bytes.len()).step_by(512) {
            let until = (sector + 512).min(bytes.len());
            for lost in [sector..until, sector..bytes.len()] {
                let copy = disk.copy();
                copy.change(name, |bytes| bytes[lost.clone()].fill(0));
                let is_same = copy.bytes(name) == bytes;
                let refused = is_refused(&copy, &expected, &format!("the loss of {lost:?} of {name}"));
                assert!(refused || is_same, "{lost:?} of {name}");
            }
        }
    }
}

#[test]
fn batches_that_are_lost_before_others_are_an_error() {
    let (disk, mut expected) = (Faulty::default(), Records::new());
    let mut store = store(&disk);
    let opening = store.open().unwrap().opening;
    let [first, second] = ["store-000001-000001.log", "store-000001-000002.log"];
    let is_written = |name: &str| disk.bytes(name).iter().skip(512).any(|byte| *byte != 0);
    for n in 0.. {
        let batch = batch(opening, &[(&[n], &[n; 300])], &[]);
        store.apply(&batch).unwrap();
        expected = after(&expected, &batch);
        // Once with more batches in the same segment, and once with one in the next.
        let others_follow = n == 3 || is_written(second);
        let end = disk.bytes(first).iter().rposition(|byte| *byte != 0).unwrap();
        let until = if is_written(second) { end.next_multiple_of(512) } else { (end - 400) / 512 * 512 };
        for sector in (512..until).step_by(512).filter(|_| others_follow) {
            for to in [sector + 512, until] {
                let copy = disk.copy();
                copy.change(first, |bytes| bytes[sector..to].fill(0));
                assert!(
                    is_refused(&copy, &expected, &format!("the loss of {sector} to {to}")),
                    "{sector} to {to}"
                );
            }
        }
        if is_written(second) {
            break;
        }
    }
}

#[test]
fn bytes_that_are_all_changed_alike_are_an_error() {
    let (disk, expected) = filled();
    for name in disk.list() {
        let copy = disk.copy();
        copy.change(&name, |bytes| bytes[512..].iter_mut().for_each(|byte| *byte ^= 0x55));
        assert!(is_refused(&copy, &expected, &name), "{name}");
    }
}

#[test]
fn a_file_of_another_program_or_version_is_refused() {
    let (disk, _) = filled();
    for (at, what) in [(0, "does not begin"), (8, "has format"), (12, "header is changed")] {
        let copy = disk.copy();
        let last = copy.list().pop().unwrap();
        copy.change(&last, |bytes| bytes[at] ^= 2);
        let error = content(&copy).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
}
