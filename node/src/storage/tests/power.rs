//! The machine stops, or the disk is full, at any moment: what was acknowledged is there, and nothing else but the batch that
//! was under way.

use fastrand::Rng;
use paxoskv_core::Opening;
use paxoskv_core::storage::{Batch, StorageError};

use super::faulty::{Fault, Faulty};
use super::{Records, after, batch, records, store};

/// Random puts and removes of a few keys, some of them long.
fn random_batch(random: &mut Rng, opening: Opening) -> Batch {
    let mut made = batch(opening, &[], &[]);
    for _ in 0..random.usize(1..5) {
        let key = vec![b'k', random.u8(0..12)];
        if random.u8(..) < 50 {
            made.removes.push(key);
        } else {
            // Long runs of zeros must not look like sectors that were never written.
            let value = vec![
                if random.bool() { 0 } else { random.u8(..) };
                random.usize(0..60) * random.usize(1..50)
            ];
            made.puts.push(paxoskv_core::storage::Record { key, value });
        }
    }
    made
}

/// Runs of a store, each of which ends by one of the faults. Returns how many batches were acknowledged.
fn runs(seed: u64, faults: &[Fault]) -> usize {
    let (mut random, disk) = (Rng::with_seed(seed), Faulty::default());
    // What the store may hold, and the last opening that was told.
    let (mut possible, mut opening, mut acknowledged) = (vec![Records::new()], Opening::default(), 0);
    for run in 0..8 {
        disk.fail_after(random.usize(0..90), faults[random.usize(..faults.len())]);
        let mut store = store(&disk);
        match store.open() {
            Ok(loaded) => {
                assert!(loaded.opening > opening, "seed {seed}, run {run}: the opening is not counted up");
                opening = loaded.opening;
                let found = records(&loaded);
                assert!(possible.contains(&found), "seed {seed}, run {run}: other records");
                possible = vec![found];
                loop {
                    let batch = random_batch(&mut random, opening);
                    let before = possible.pop().expect("the records");
                    let then = after(&before, &batch);
                    if store.apply(&batch).is_err() {
                        possible = vec![before, then];
                        break;
                    }
                    possible = vec![then];
                    acknowledged += 1;
                }
            }
            Err(error) => {
                assert!(!error.to_string().contains("damaged"), "seed {seed}, run {run}: {error}")
            }
        }
        drop(store);
        disk.recover(&mut random);
    }
    assert!(possible.contains(&super::content(&disk).expect("no fault")), "seed {seed}, at the end");
    acknowledged
}

#[test]
fn what_was_acknowledged_survives_a_power_cut_at_any_step() {
    let acknowledged: usize = (0..2000).map(|seed| runs(seed, &[Fault::PowerCut])).sum();
    assert!(acknowledged > 10_000, "{acknowledged}");
}

#[test]
fn what_was_acknowledged_survives_a_full_disk_at_any_step() {
    let acknowledged: usize = (0..500).map(|seed| runs(seed, &[Fault::Full])).sum();
    assert!(acknowledged > 3000, "{acknowledged}");
}

#[test]
fn what_was_acknowledged_survives_all_faults_in_any_order() {
    let faults = [Fault::PowerCut, Fault::Kill, Fault::Full, Fault::SyncFails];
    let acknowledged: usize = (0..3000).map(|seed| runs(seed, &faults)).sum();
    assert!(acknowledged > 10_000, "{acknowledged}");
}

#[test]
fn a_batch_of_another_opening_is_refused() {
    let disk = Faulty::default();
    drop(store(&disk).open().unwrap());
    let mut store = store(&disk);
    assert_eq!(store.open().unwrap().opening, Opening(2));
    let late = StorageError::TakenOver { found: Opening(2), expected: Opening(1) };
    assert_eq!(store.apply(&batch(Opening(1), &[(b"late", b"!")], &[])), Err(late.clone()));
    assert_eq!(store.apply(&batch(Opening(2), &[], &[])), Err(late), "and it stays so");
}

#[test]
fn after_a_failed_write_every_later_one_fails_with_the_first_error() {
    let disk = Faulty::default();
    let mut store = store(&disk);
    let opening = store.open().unwrap().opening;
    store.apply(&batch(opening, &[(b"a", b"1")], &[])).unwrap();
    disk.fail_after(0, Fault::Full);
    let first = store.apply(&batch(opening, &[(b"b", b"2")], &[])).unwrap_err();
    assert!(first.to_string().contains("the test's disk/store-000001-000001.log"), "{first}");
    disk.recover(&mut Rng::new());
    let steps = disk.steps();
    assert_eq!(store.apply(&batch(opening, &[(b"c", b"3")], &[])).unwrap_err(), first);
    assert_eq!(store.open().unwrap_err(), first);
    assert_eq!(disk.steps(), steps, "the disk was left alone");
}

#[test]
fn the_log_is_rewritten_again_and_again() {
    let disk = Faulty::default();
    let mut store = store(&disk);
    let opening = store.open().unwrap().opening;
    let mut most = 0;
    for n in 0..200_u8 {
        store.apply(&batch(opening, &[(&[n % 3], &[7; 400])], &[])).unwrap();
        most = most.max(disk.list().len());
    }
    assert!(most < 7, "{most} files");
    assert!(disk.list().iter().any(|name| name.ends_with(".snapshot")), "{:?}", disk.list());
    drop(store);
    assert_eq!(super::content(&disk).unwrap().len(), 3);
}

#[test]
fn a_log_that_cannot_be_rewritten_goes_on() {
    let disk = Faulty::default();
    let mut store = store(&disk);
    let opening = store.open().unwrap().opening;
    for n in 0..40_u8 {
        disk.forbid(".snapshot");
        store.apply(&batch(opening, &[(&[n % 3], &[7; 400])], &[])).unwrap();
    }
    assert!(
        disk.list().iter().all(|name| name.ends_with(".log")),
        "what was written of it stays: {:?}",
        disk.list()
    );
    disk.forbid("nothing");
    for n in 0..40_u8 {
        store.apply(&batch(opening, &[(&[n % 3], &[8; 400])], &[])).unwrap();
    }
    assert!(disk.list().iter().any(|name| name.ends_with(".snapshot")), "{:?}", disk.list());
    drop(store);
    let found = super::content(&disk).unwrap();
    assert!(found.len() == 3 && found.values().all(|value| *value == [8; 400]), "{found:?}");
}

#[test]
fn a_log_that_is_not_the_same_when_it_is_read_again_is_not_rewritten() {
    let (disk, mut expected) = (Faulty::default(), Records::new());
    let mut store = store(&disk);
    let opening = store.open().unwrap().opening;
    let (second, fourth) = ("store-000001-000002.log", "store-000001-000004.log");
    let (mut before, mut whole) = (Vec::new(), Vec::new());
    // Until the second segment is closed, and rewritten with the first one.
    for n in 0.. {
        if disk.list().iter().any(|name| name == fourth) {
            break;
        }
        // The disk has only pretended to write the last batch.
        let written = disk.bytes(second);
        if written != whole {
            before = std::mem::replace(&mut whole, written);
        }
        disk.forget_after_reading(second, before.clone());
        let batch = batch(opening, &[(&[n], &[n; 300])], &[]);
        store.apply(&batch).unwrap();
        expected = after(&expected, &batch);
    }
    assert!(disk.bytes(second) == before && before != whole, "it was not read");
    assert!(disk.list().iter().all(|name| name.ends_with(".log")), "{:?}", disk.list());
    drop(store);
    disk.change(second, |bytes| *bytes = whole);
    assert!(super::content(&disk).unwrap() == expected);
}

#[test]
fn a_disk_that_loses_a_batch_between_two_readings_is_an_error() {
    let disk = Faulty::default();
    let mut first = store(&disk);
    let opening = first.open().unwrap().opening;
    let name = "store-000001-000001.log";
    let before = disk.bytes(name);
    first.apply(&batch(opening, &[(b"a", &[1; 300])], &[])).unwrap();
    drop(first);
    let copy = disk.copy();
    copy.forget_after_reading(name, before.clone());
    let error = super::content(&copy).unwrap_err().to_string();
    assert!(error.contains("has lost what it had"), "{error}");
}

#[test]
fn a_log_whose_end_is_lost_is_not_rewritten() {
    let disk = Faulty::default();
    let mut store = store(&disk);
    let opening = store.open().unwrap().opening;
    let second = "store-000001-000002.log";
    let mut before = Vec::new();
    // One fills the first segment, two the second one.
    for n in 0..3 {
        before = disk.bytes(second);
        store.apply(&batch(opening, &[(&[n], &[n; 1400])], &[])).unwrap();
    }
    assert!(before != disk.bytes(second) && before[512..].iter().any(|byte| *byte != 0));
    disk.change(second, |bytes| *bytes = before);
    // With the next one both are closed, and would be rewritten.
    store.apply(&batch(opening, &[(&[3], &[3; 1400])], &[])).unwrap();
    assert!(disk.list().iter().all(|name| name.ends_with(".log")), "{:?}", disk.list());
}
