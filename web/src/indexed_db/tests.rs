//! The store, in a real browser.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on has failed

use js_sys::Uint8Array;
use paxoskv_core::Opening;
use paxoskv_core::storage::{Batch, Record, Storage, StorageError};
use wasm_bindgen::JsCast;
use wasm_bindgen_test::wasm_bindgen_test;
use web_sys::IdbOpenDbRequest;

use super::database::{self, Database, Mode};
use super::{IndexedDb, LEAST, LOG, META, VERSION, format};
use crate::tabs::tests::fresh;

fn record(key: &[u8], value: &[u8]) -> Record {
    Record { key: key.to_vec(), value: value.to_vec() }
}

fn puts(opening: u64, puts: Vec<Record>) -> Batch {
    Batch { opening: Opening(opening), puts, removes: Vec::new() }
}

fn failure(error: StorageError) -> String {
    match error {
        StorageError::Failed(why) => why,
        other => panic!("{other:?}"),
    }
}

#[wasm_bindgen_test]
async fn what_was_applied_is_there_when_it_is_opened_again() {
    let cluster = fresh("store");
    let mut store = IndexedDb::new(&cluster, 1);
    let loaded = store.open().await.unwrap();
    assert_eq!((loaded.opening, loaded.records.len()), (Opening(1), 0));
    let all: Vec<Record> =
        (0..1000_u32).map(|n| record(&n.to_be_bytes(), &vec![n as u8; n as usize])).collect();
    store.apply(puts(1, all.clone())).await.unwrap();
    let empty = record(&[], &[]);
    store.apply(puts(1, vec![empty.clone(), record(&all[5].key, b"changed")])).await.unwrap();
    let removes = vec![all[7].key.clone(), b"not there".to_vec()];
    store.apply(Batch { opening: Opening(1), puts: Vec::new(), removes }).await.unwrap();
    store.apply(puts(1, Vec::new())).await.unwrap();
    drop(store);

    let mut wanted = all;
    wanted[5].value = b"changed".to_vec();
    wanted.remove(7);
    wanted.insert(0, empty);
    let loaded = IndexedDb::new(&cluster, 1).open().await.unwrap();
    assert_eq!(loaded.opening, Opening(2));
    assert!(loaded.records == wanted);
    let other = IndexedDb::new(&cluster, 2).open().await.unwrap();
    assert_eq!((other.opening, other.records.len()), (Opening(1), 0));
}

/// The number of entries in the log.
async fn entries(cluster: &str) -> u32 {
    let database = Database::open(&format!("paxoskv/{cluster}/1"), VERSION, &[META, LOG]).await.unwrap();
    let transaction = database.begin(Mode::Read).unwrap();
    let count = transaction.result(transaction.store(LOG).unwrap().count()).await.unwrap();
    count.as_f64().unwrap() as u32
}

#[wasm_bindgen_test]
async fn a_log_that_is_too_long_is_rewritten() {
    let cluster = fresh("long");
    let mut store = IndexedDb::new(&cluster, 1);
    store.open().await.unwrap();
    store.apply(puts(1, vec![record(b"stays", b"1"), record(b"goes", b"1")])).await.unwrap();
    let removes = vec![b"goes".to_vec()];
    store.apply(Batch { opening: Opening(1), puts: Vec::new(), removes }).await.unwrap();
    let large = |n: u8| record(b"large", &vec![n; 1 << 20]);
    let count = (LEAST >> 20) as u8 + 3;
    for n in 0..count {
        store.apply(puts(1, vec![large(n)])).await.unwrap();
    }
    assert!(entries(&cluster).await < 5, "{} entries", entries(&cluster).await);
    store.apply(puts(1, vec![record(b"last", b"1")])).await.unwrap();
    drop(store);
    let wanted = [large(count - 1), record(b"last", b"1"), record(b"stays", b"1")];
    // At its opening a log is rewritten sooner.
    let mut store = IndexedDb::new(&cluster, 1);
    assert!(store.open().await.unwrap().records == wanted);
    for n in [1, 2, count - 1] {
        store.apply(puts(2, vec![large(n)])).await.unwrap();
    }
    drop(store);
    assert!(entries(&cluster).await >= 3);
    for opening in [3, 4] {
        let loaded = IndexedDb::new(&cluster, 1).open().await.unwrap();
        assert_eq!(loaded.opening, Opening(opening));
        assert!(loaded.records == wanted);
        assert_eq!(entries(&cluster).await, 1);
    }
}

#[wasm_bindgen_test]
async fn a_store_that_is_opened_twice_fails_for_the_first_opening() {
    let cluster = fresh("twice");
    let (mut first, mut second) = (IndexedDb::new(&cluster, 1), IndexedDb::new(&cluster, 1));
    first.open().await.unwrap();
    first.apply(puts(1, vec![record(b"a", b"1")])).await.unwrap();
    assert_eq!(second.open().await.unwrap().records, [record(b"a", b"1")]);
    let taken_over = StorageError::TakenOver { found: Opening(2), expected: Opening(1) };
    assert_eq!(
        first.apply(puts(1, vec![record(b"a", b"2"), record(b"b", b"2")])).await,
        Err(taken_over.clone())
    );
    // An empty batch asserts the opening, too. A store that has failed stays failed.
    assert_eq!(first.apply(puts(1, Vec::new())).await, Err(taken_over));
    second.apply(puts(2, Vec::new())).await.unwrap();
    drop((first, second));
    assert_eq!(IndexedDb::new(&cluster, 1).open().await.unwrap().records, [record(b"a", b"1")]);
}

#[wasm_bindgen_test]
async fn an_assertion_alone_finds_that_the_store_was_taken_over() {
    let cluster = fresh("assert");
    let (mut first, mut second) = (IndexedDb::new(&cluster, 1), IndexedDb::new(&cluster, 1));
    first.open().await.unwrap();
    second.open().await.unwrap();
    let result = first.apply(puts(1, Vec::new())).await;
    assert_eq!(result, Err(StorageError::TakenOver { found: Opening(2), expected: Opening(1) }));
}

#[wasm_bindgen_test]
async fn a_store_that_is_deleted_while_it_is_open_fails() {
    let cluster = fresh("deleted");
    let mut store = IndexedDb::new(&cluster, 1);
    store.open().await.unwrap();
    store.apply(puts(1, vec![record(b"a", b"1")])).await.unwrap();
    let request = delete(&format!("paxoskv/{cluster}/1"));
    // It does not wait for the store: that makes way.
    database::result(&request).await.unwrap();
    let why = failure(store.apply(puts(1, vec![record(b"a", b"2")])).await.unwrap_err());
    assert!(why.contains("it was deleted"), "{why}");
    assert!(store.apply(puts(1, Vec::new())).await.is_err());
    assert_eq!(IndexedDb::new(&cluster, 1).open().await.unwrap().opening, Opening(1));
}

fn delete(name: &str) -> IdbOpenDbRequest {
    let factory = js_sys::Reflect::get(&js_sys::global(), &"indexedDB".into()).unwrap();
    factory.unchecked_into::<web_sys::IdbFactory>().delete_database(name).unwrap()
}

#[wasm_bindgen_test]
async fn damage_is_refused_loudly() {
    let spoilt = Uint8Array::from(&b"12345678 and a value"[..]);
    for (what, store, key) in [
        ("entry 1 of its log is not what was written", LOG, format::number(1)),
        ("opening", META, format::OPENING.into()),
    ] {
        let cluster = fresh("damaged");
        let mut first = IndexedDb::new(&cluster, 1);
        first.open().await.unwrap();
        first.apply(puts(1, vec![record(b"a", b"1")])).await.unwrap();
        let database = Database::open(&format!("paxoskv/{cluster}/1"), VERSION, &[META, LOG]).await.unwrap();
        let transaction = database.begin(Mode::Write).unwrap();
        transaction.store(store).unwrap().put_with_key(&spoilt, &key).unwrap();
        transaction.done().await.unwrap();
        if store == META {
            let why = failure(first.apply(puts(1, Vec::new())).await.unwrap_err());
            assert!(why.contains("damaged"), "{why}");
        }
        let why = failure(IndexedDb::new(&cluster, 1).open().await.unwrap_err());
        assert!(why.contains("damaged") && why.contains(what), "{why}");
    }
}

/// Deletes the number of its opening.
async fn forget_the_opening(cluster: &str) {
    let database = Database::open(&format!("paxoskv/{cluster}/1"), VERSION, &[META, LOG]).await.unwrap();
    let transaction = database.begin(Mode::Write).unwrap();
    transaction.store(META).unwrap().delete(&format::OPENING.into()).unwrap();
    transaction.done().await.unwrap();
}

#[wasm_bindgen_test]
async fn what_is_damaged_stays_so() {
    let cluster = fresh("stays-damaged");
    let mut store = IndexedDb::new(&cluster, 1);
    store.open().await.unwrap();
    store.apply(puts(1, vec![record(b"a", b"1")])).await.unwrap();
    drop(store);
    forget_the_opening(&cluster).await;
    for _ in 0..2 {
        let why = failure(IndexedDb::new(&cluster, 1).open().await.unwrap_err());
        assert!(why.contains("damaged"), "{why}");
    }
}

/// Lets `put` of all object stores fail from the so many-th call on, or never again.
fn puts_fail_after(calls: i32) {
    let code = format!(
        "const prototype = IDBObjectStore.prototype; let left = {calls}; prototype.real ??= prototype.put;
        prototype.put = function (...all) {{
            if (left-- === 0) throw new RangeError('no room');
            return this.real(...all);
        }};"
    );
    js_sys::Function::new_no_args(&code).call0(&wasm_bindgen::JsValue::UNDEFINED).unwrap();
}

#[wasm_bindgen_test]
async fn a_log_that_cannot_be_rewritten_stays_as_it_was() {
    let cluster = fresh("half");
    let mut store = IndexedDb::new(&cluster, 1);
    store.open().await.unwrap();
    // Three entries when it is rewritten.
    let large = |n: u8| record(&[n], &vec![n; 3 << 20]);
    let all: Vec<Record> = (0..4).map(large).collect();
    for _ in 0..3 {
        for record in &all {
            store.apply(puts(1, vec![record.clone()])).await.unwrap();
        }
    }
    drop(store);
    // One for the opening, and one of the log.
    puts_fail_after(2);
    let failed = IndexedDb::new(&cluster, 1).open().await;
    puts_fail_after(-1);
    let why = failure(failed.unwrap_err());
    assert!(why.contains("no room"), "{why}");
    assert!(IndexedDb::new(&cluster, 1).open().await.unwrap().records == all);
}

#[wasm_bindgen_test]
async fn a_batch_that_is_dropped_is_judged_all_the_same() {
    let cluster = fresh("dropped");
    let (mut first, mut second) = (IndexedDb::new(&cluster, 1), IndexedDb::new(&cluster, 1));
    first.open().await.unwrap();
    second.open().await.unwrap();
    second.apply(puts(2, vec![record(b"a", b"second")])).await.unwrap();
    let batch = first.apply(puts(1, vec![record(b"a", b"first")]));
    // Its requests go out when it is polled first.
    assert!(futures::FutureExt::now_or_never(batch).is_none());
    drop((first, second));
    assert_eq!(IndexedDb::new(&cluster, 1).open().await.unwrap().records, [record(b"a", b"second")]);
}

#[wasm_bindgen_test]
async fn a_store_of_a_later_release_is_left_alone() {
    let cluster = fresh("later");
    let name = format!("paxoskv/{cluster}/1");
    drop(Database::open(&name, VERSION + 1, &[META, LOG]).await.unwrap());
    let why = failure(IndexedDb::new(&cluster, 1).open().await.unwrap_err());
    assert!(why.contains("newer release"), "{why}");
}
