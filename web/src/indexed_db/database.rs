//! Databases and transactions, as futures.

use std::cell::RefCell;
use std::rc::Rc;

use futures::channel::oneshot;
use js_sys::{Array, JsString, Object, Reflect};
use paxoskv_core::storage::StorageError;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{
    DomException, EventTarget, IdbDatabase, IdbFactory, IdbKeyRange, IdbObjectStore, IdbOpenDbRequest,
    IdbRequest, IdbTransaction, IdbVersionChangeEvent,
};

use super::format::{damaged, number, read_number, to_bytes};
use crate::browser::{Listener, describe, name_and_message};

#[wasm_bindgen]
extern "C" {
    /// The global object, of a window or of a worker.
    type Scope;

    #[wasm_bindgen(method, getter, catch, js_name = indexedDB)]
    fn indexed_db(this: &Scope) -> Result<Option<IdbFactory>, JsValue>;

    /// A database whose transactions have a durability.
    #[wasm_bindgen(extends = IdbDatabase)]
    type Durable;

    #[wasm_bindgen(method, catch, js_name = transaction)]
    fn begin(this: &Durable, stores: &Array, mode: &str, options: &Object)
    -> Result<IdbTransaction, JsValue>;
}

/// The message of the database's error, and what to do about it.
pub(super) fn explain(error: &JsValue) -> String {
    match name_and_message(error).0.as_str() {
        "QuotaExceededError" => {
            "there is no more room for this site (QuotaExceededError): free some on the disk, or \
                                 delete what other sites have stored"
                .into()
        }
        "VersionError" => "it was written by a newer release (VersionError): use that".into(),
        _ => describe(error),
    }
}

pub(super) fn failed(error: &JsValue) -> StorageError {
    StorageError::Failed(format!("the browser's database failed: {}", explain(error)))
}

fn failed_with(error: Option<DomException>) -> StorageError {
    match error {
        Some(error) => failed(&error),
        None => StorageError::Failed("the browser's database aborted a transaction".into()),
    }
}

/// An open database. It is closed when this is dropped.
pub(super) struct Database {
    inner: IdbDatabase,
    stores: Array,
    /// Why it is not open any more.
    closed: Rc<RefCell<Option<&'static str>>>,
    _listeners: [Listener; 2],
}

impl Drop for Database {
    fn drop(&mut self) {
        self.inner.close();
    }
}

/// The mode of a transaction.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    Read,
    Write,
}

impl Database {
    /// Opens a database, or makes it with these object stores.
    pub(super) async fn open(name: &str, version: u32, stores: &[&str]) -> Result<Self, StorageError> {
        let scope: Scope = js_sys::global().unchecked_into();
        let factory = scope.indexed_db().map_err(|error| failed(&error))?;
        let factory = factory.ok_or_else(|| StorageError::Failed("this browser has no IndexedDB".into()))?;
        let request = factory.open_with_u32(name, version).map_err(|error| failed(&error))?;
        let stores: Array = stores.iter().map(|name| JsString::from(*name)).collect();
        let making = (request.clone(), stores.clone());
        // If this fails, so does the request.
        let _making = Listener::new(&request, "upgradeneeded", move |_| make(&making.0, &making.1));
        let inner: IdbDatabase = result(&request).await?.unchecked_into();
        let closed = Rc::new(RefCell::new(None));
        let (on_change, on_close) = (Rc::clone(&closed), Rc::clone(&closed));
        let closing = inner.clone();
        let changes = Listener::new(&inner, "versionchange", move |event| {
            // To delete the database, or to open it in a newer version, waits until it is closed here.
            let deleted = event.unchecked_ref::<IdbVersionChangeEvent>().new_version().is_none();
            let why = if deleted { "it was deleted" } else { "a newer release has taken it over" };
            on_change.borrow_mut().get_or_insert(why);
            closing.close();
        });
        let closes = Listener::new(&inner, "close", move |_| {
            on_close.borrow_mut().get_or_insert("the browser has closed it: this site's data may be deleted");
        });
        Ok(Self { inner, stores, closed, _listeners: [changes, closes] })
    }

    /// Begins a transaction on all object stores.
    pub(super) fn begin(&self, mode: Mode) -> Result<Transaction, StorageError> {
        if let Some(why) = *self.closed.borrow() {
            return Err(StorageError::Failed(format!("this seat's store is closed: {why}")));
        }
        let options = Object::new();
        // A plain object takes any property.
        let _ = Reflect::set(&options, &"durability".into(), &"strict".into());
        let mode = match mode {
            Mode::Read => "readonly",
            Mode::Write => "readwrite",
        };
        let database: &Durable = self.inner.unchecked_ref();
        database.begin(&self.stores, mode, &options).map(Transaction::new).map_err(|error| failed(&error))
    }
}

fn make(request: &IdbOpenDbRequest, stores: &Array) {
    let Ok(database) = request.result() else { return };
    let database: IdbDatabase = database.unchecked_into();
    for store in stores.iter().filter_map(|name| name.as_string()) {
        let _ = database.create_object_store(&store);
    }
}

/// A transaction. The browser commits it by itself once there are no more requests. Dropping it before it is [`done`] aborts
/// it, since the requests and checks that were to come are missing then.
///
/// [`done`]: Self::done
pub(super) struct Transaction {
    inner: IdbTransaction,
    done: Answer,
}

impl Drop for Transaction {
    fn drop(&mut self) {
        // This fails where the transaction has ended already.
        let _ = self.inner.abort();
    }
}

impl Transaction {
    fn new(inner: IdbTransaction) -> Self {
        let of = inner.clone();
        let done = Answer::new(
            &inner,
            ("complete", Box::new(|| Ok(JsValue::UNDEFINED))),
            ("abort", Box::new(move || Err(failed_with(of.error())))),
        );
        Self { inner, done }
    }

    pub(super) fn inner(&self) -> &IdbTransaction {
        &self.inner
    }

    pub(super) fn store(&self, name: &str) -> Result<IdbObjectStore, StorageError> {
        self.inner.object_store(name).map_err(|error| failed(&error))
    }

    /// The answer to a request of this transaction.
    pub(super) async fn result(&self, request: Result<IdbRequest, JsValue>) -> Result<JsValue, StorageError> {
        result(&made(request)?).await
    }

    /// Up to `limit` entries from a number on: their numbers, and what is stored under them.
    pub(super) async fn chunk(
        &self,
        store: &IdbObjectStore,
        from: u64,
        limit: u32,
    ) -> Result<Option<Vec<(u64, Vec<u8>)>>, StorageError> {
        let range = IdbKeyRange::lower_bound(&number(from)).map_err(|error| failed(&error))?.into();
        // Both requests are made, and listened to, before the first answer comes.
        let mut keys = answer(&made(store.get_all_keys_with_key_and_limit(&range, limit))?);
        let mut values = answer(&made(store.get_all_with_key_and_limit(&range, limit))?);
        let keys: Array = keys.wait().await?.unchecked_into();
        let values: Array = values.wait().await?.unchecked_into();
        if keys.length() == 0 {
            return Ok(None);
        }
        let chunk =
            keys.iter().zip(values.iter()).map(|(key, value)| read_number(&key).zip(to_bytes(&value)));
        let chunk: Option<Vec<_>> = chunk.collect();
        chunk.map(Some).ok_or_else(|| damaged("it holds what is no entry"))
    }

    /// Resolves once the transaction is on the disk, or has failed.
    pub(super) async fn done(mut self) -> Result<(), StorageError> {
        self.done.wait().await.map(drop)
    }
}

type Answered = Result<JsValue, StorageError>;

/// What comes of a request or a transaction, which is listened to until this is dropped.
struct Answer {
    receiver: oneshot::Receiver<Answered>,
    _listeners: [Listener; 2],
}

type Event = (&'static str, Box<dyn Fn() -> Answered>);

impl Answer {
    /// The answer that goes with the first of two events.
    fn new(of: &EventTarget, success: Event, failure: Event) -> Self {
        let (sender, receiver) = oneshot::channel();
        let sender = Rc::new(RefCell::new(Some(sender)));
        let listeners = [success, failure].map(|(event, answer)| {
            let sender = Rc::clone(&sender);
            Listener::new(of, event, move |_| {
                if let Some(sender) = sender.borrow_mut().take() {
                    // The receiver may have been dropped.
                    let _ = sender.send(answer());
                }
            })
        });
        Self { receiver, _listeners: listeners }
    }

    async fn wait(&mut self) -> Answered {
        (&mut self.receiver).await.unwrap_or_else(|_| Err(failed_with(None)))
    }
}

fn made(request: Result<IdbRequest, JsValue>) -> Result<IdbRequest, StorageError> {
    request.map_err(|error| failed(&error))
}

fn answer(request: &IdbRequest) -> Answer {
    let (succeeded, refused) = (request.clone(), request.clone());
    Answer::new(
        request,
        ("success", Box::new(move || succeeded.result().map_err(|error| failed(&error)))),
        ("error", Box::new(move || Err(failed_with(refused.error().ok().flatten())))),
    )
}

pub(super) async fn result(request: &IdbRequest) -> Answered {
    answer(request).wait().await
}

/// Calls a function with a request's result at once. Where the request fails, so does its transaction.
pub(super) fn on_result(request: &IdbRequest, handle: impl FnOnce(JsValue) + 'static) -> Listener {
    let (of, mut handle) = (request.clone(), Some(handle));
    Listener::new(request, "success", move |_| {
        if let (Some(handle), Ok(result)) = (handle.take(), of.result()) {
            handle(result);
        }
    })
}
