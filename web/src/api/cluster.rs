//! The cluster's handle.

use std::rc::Rc;
use std::time::Duration;

use futures::StreamExt;
use js_sys::{Function, Promise, Reflect};
use paxoskv_core::{BucketKind, Cluster as Core, Error, SessionId, Timer};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use super::call::{Call, call, method};
use super::cancel::{abortable, within};
use super::election::Election;
use super::error::{Reason, Thrown, invalid};
use super::held::grant;
use super::iterate::iterate;
use super::objects::{self, Work, chosen, promise, work};
use super::options::{Options, integer, optional_text, text};
use super::session::Session;
use super::tab::Tab;
use super::value;
use crate::timer::WebTimer;

/// The handle that JavaScript has.
#[wasm_bindgen(skip_typescript)]
pub struct Cluster(Rc<Tab>);

impl Cluster {
    pub(crate) fn new(tab: Rc<Tab>) -> Self {
        Self(tab)
    }

    fn session_of(&self, opened: paxoskv_core::OpenSession) -> Call {
        let tab = self.0.clone();
        call(opened.into_future(), |session| Ok(Session::new(tab, session).into()))
    }

    /// A method: `begin` reads the arguments at once, and its work is done later.
    fn work(&self, begin: impl FnOnce(Rc<Tab>) -> Result<Work, Thrown>) -> Promise {
        promise(begin(self.0.clone()))
    }

    /// A method that is one call of the core.
    fn call(&self, options: JsValue, begin: impl FnOnce(&Core, &Options) -> Result<Call, Thrown>) -> Promise {
        method(&self.0, options, |options| begin(self.0.core(), options))
    }
}

/// The id of a session: that of a `Session`, or a string.
fn session_id(session: &JsValue) -> Result<SessionId, Thrown> {
    let id = match session.as_string() {
        Some(id) => id,
        None if session.is_object() => Reflect::get(session, &"id".into())?.as_string().unwrap_or_default(),
        None => String::new(),
    };
    Ok(id.parse()?)
}

/// The moment at which a call began.
struct Begun(Duration);

impl Begun {
    fn now() -> Self {
        Self(WebTimer::new().now())
    }

    /// The part of a timeout that is left.
    fn left_of(&self, timeout: Duration) -> Duration {
        timeout.saturating_sub(WebTimer::new().now().saturating_sub(self.0))
    }
}

/// Binds a put to a session. The option `session` may be a promise, as `cluster.session` is, which waits for a quorum.
async fn bind(
    tab: &Rc<Tab>,
    put: paxoskv_core::Put,
    session: Option<JsValue>,
    timeout: Option<Duration>,
) -> Result<paxoskv_core::Put, Thrown> {
    let Some(session) = session else { return Ok(put) };
    match within(timeout, JsFuture::from(Promise::resolve(&session))).await {
        Some(session) => Ok(put.bound_to_peer(session_id(&session?)?)),
        None => Err(tab.out_of_time()),
    }
}

#[wasm_bindgen]
impl Cluster {
    /// The cluster's name.
    #[wasm_bindgen(getter)]
    pub fn name(&self) -> String {
        self.0.core().name().into()
    }

    /// The seat that this tab holds, if any.
    #[wasm_bindgen(getter)]
    pub fn seat(&self) -> Option<u8> {
        self.0.seat()
    }

    /// Resolves with the reason when the node has ended.
    #[wasm_bindgen(getter)]
    pub fn closed(&self) -> Promise {
        self.0.closed()
    }

    /// Associates a key with a value, once.
    pub fn put(&self, key: JsValue, value: JsValue, options: JsValue) -> Promise {
        self.work(|tab| {
            let (key, value) = (value::key(&key)?, value::value(&value)?);
            let options = Options::new(options)?;
            let timeout = options.duration("timeout")?;
            let begun = Begun::now();
            let mut put = tab.core().put(key, value).bucket(&options.bucket()?);
            if options.flag("erasable")? {
                put = put.erasable();
            }
            if let Some(moment) = options.moment("until")? {
                put = put.until(moment);
            }
            if let Some(parent) = options.get_any("boundTo")?.filter(|key| !key.is_undefined()) {
                let bucket = options.string("boundToBucket")?.unwrap_or_default();
                put = put.bound_to_key_in(&bucket, value::key(&parent)?);
            }
            let (session, signal) = (options.get("session")?, options.signal()?);
            Ok(abortable(signal, async move {
                let mut put = bind(&tab, put, session, timeout).await?;
                if let Some(timeout) = timeout {
                    // The session has taken some of the time.
                    put = put.timeout(begun.left_of(timeout));
                }
                tab.answer(put.await.and_then(|put| chosen(&put)))
            }))
        })
    }

    /// The value of a key.
    pub fn get(&self, key: JsValue, options: JsValue) -> Promise {
        self.call(options, |core, options| {
            let get = core.get(value::key(&key)?);
            let mut get = get.bucket(&options.bucket()?).timeout(options.timeout()?);
            if options.flag("local")? {
                get = get.local();
            }
            if options.flag("wait")? {
                get = get.wait();
            }
            Ok(call(get.into_future(), objects::found))
        })
    }

    /// Ends the entry of a key that was put as erasable.
    pub fn erase(&self, key: JsValue, options: JsValue) -> Promise {
        self.call(options, |core, options| {
            let erase = core.erase(value::key(&key)?);
            let erase = erase.bucket(&options.bucket()?).timeout(options.timeout()?);
            Ok(call(erase.into_future(), objects::flag))
        })
    }

    /// The session that a key is bound to.
    pub fn owner(&self, key: JsValue, options: JsValue) -> Promise {
        self.call(options, |core, options| {
            let owner = core.owner(value::key(&key)?);
            let owner = owner.bucket(&options.bucket()?).timeout(options.timeout()?);
            Ok(call(owner.into_future(), |owner| Ok(objects::session(owner))))
        })
    }

    /// The keys that begin with a prefix.
    pub fn keys(&self, prefix: JsValue, options: JsValue) -> Result<JsValue, Thrown> {
        let options = Options::new(options)?;
        let tab = self.0.clone();
        let keys = tab.core().keys(&optional_text(&prefix, "prefix")?);
        let keys = keys.bucket(&options.bucket()?).timeout(options.timeout()?);
        let keys = keys.map(move |next| tab.answer(next.and_then(|listed| objects::listed(&listed))));
        Ok(iterate(keys, options.signal()?.as_ref()))
    }

    /// The states of a key.
    pub fn watch(&self, key: JsValue, options: JsValue) -> Result<JsValue, Thrown> {
        let options = Options::new(options)?;
        let mut watch = self.0.core().watch(value::key(&key)?).bucket(&options.bucket()?);
        if let Some(from) = options.integer("from", u32::MAX)? {
            watch = watch.from(paxoskv_core::Generation(from.into()));
        }
        let tab = self.0.clone();
        let states = watch.map(move |next| tab.answer(next.and_then(|state| objects::state(None, &state))));
        Ok(iterate(states, options.signal()?.as_ref()))
    }

    /// The states of all keys that begin with a prefix.
    #[wasm_bindgen(js_name = "watchPrefix")]
    pub fn watch_prefix(&self, prefix: JsValue, options: JsValue) -> Result<JsValue, Thrown> {
        let options = Options::new(options)?;
        let watch = self.0.core().watch_prefix(&optional_text(&prefix, "prefix")?);
        let tab = self.0.clone();
        let states = watch
            .bucket(&options.bucket()?)
            .map(move |next| tab.answer(next.and_then(|(key, state)| objects::state(Some(&key), &state))));
        Ok(iterate(states, options.signal()?.as_ref()))
    }

    /// Decides what a bucket is: `"plain"` or `"droppable"`.
    #[wasm_bindgen(js_name = "createBucket")]
    pub fn create_bucket(&self, name: JsValue, options: JsValue) -> Promise {
        self.call(options, |core, options| {
            let droppable = options.flag("droppable")?;
            let kind = if droppable { BucketKind::Droppable } else { BucketKind::Plain };
            let create = core.create_bucket(&text(&name, "name")?, kind).timeout(options.timeout()?);
            Ok(call(create.into_future(), |kind| {
                Ok(match kind {
                    BucketKind::Plain => "plain".into(),
                    BucketKind::Droppable => "droppable".into(),
                })
            }))
        })
    }

    /// Drops a droppable bucket with all its keys.
    #[wasm_bindgen(js_name = "dropBucket")]
    pub fn drop_bucket(&self, name: JsValue, options: JsValue) -> Promise {
        self.call(options, |core, options| {
            let drop = core.drop_bucket(&text(&name, "name")?).timeout(options.timeout()?);
            Ok(call(drop.into_future(), objects::flag))
        })
    }

    /// Calls a function while it holds a lock.
    pub fn lock(&self, name: JsValue, options: JsValue, task: JsValue) -> Promise {
        self.work(|tab| {
            let name = text(&name, "name")?;
            let (options, task) =
                if options.is_function() { (JsValue::UNDEFINED, options) } else { (options, task) };
            let task: Function =
                task.dyn_into().map_err(|_| invalid("lock: expected a function to call while it is held"))?;
            let options = Options::new(options)?;
            let lock = tab.core().lock(name).timeout(options.timeout()?);
            let (if_available, signal) = (options.flag("ifAvailable")?, options.signal()?);
            let wait = grant(signal, async move {
                let guard = if if_available { lock.try_now().await } else { lock.await.map(Some) };
                Ok(tab.answer(guard)?.map(Into::into))
            });
            Ok(work(async move {
                let Some(held) = wait.await? else {
                    return settled(task.call1(&JsValue::UNDEFINED, &JsValue::NULL)).await;
                };
                let done = settled(task.call1(&JsValue::UNDEFINED, &held.clone().into())).await;
                let still_held = held.check();
                let released = held.give_up().await;
                let done = done?;
                still_held?;
                released?;
                Ok(done)
            }))
        })
    }

    /// The election of that name.
    pub fn election(&self, name: JsValue) -> Result<Election, Thrown> {
        Ok(Election::new(self.0.clone(), text(&name, "name")?))
    }

    /// Waits at a barrier.
    pub fn barrier(&self, name: JsValue, parties: JsValue, options: JsValue) -> Promise {
        self.call(options, |core, options| {
            let name = text(&name, "name")?;
            let parties =
                integer(&parties, u32::MAX).ok_or_else(|| invalid("parties: expected how many there are"))?;
            let wait = core.barrier(name, parties).wait().timeout(options.timeout()?);
            Ok(call(wait.into_future(), |generation| Ok(objects::number(generation))))
        })
    }

    /// Registers a name, if it is free.
    pub fn register(&self, name: JsValue, value: JsValue, options: JsValue) -> Promise {
        self.work(|tab| {
            let name = text(&name, "name")?;
            let value = value::value(&value)?;
            let options = Options::new(options)?;
            let register = tab.core().register(name, value).timeout(options.timeout()?);
            let signal = options.signal()?;
            let wait =
                grant(signal, async move { Ok(tab.answer(register.try_now().await)?.map(Into::into)) });
            Ok(work(async move { Ok(wait.await?.into()) }))
        })
    }

    /// The value that a name was registered with.
    pub fn whereis(&self, name: JsValue, options: JsValue) -> Promise {
        self.call(options, |core, options| {
            let get = core.whereis(&text(&name, "name")?).timeout(options.timeout()?);
            Ok(call(get.into_future(), objects::found))
        })
    }

    /// The session of this node's own incarnation.
    #[wasm_bindgen(getter)]
    pub fn session(&self) -> Promise {
        self.call(JsValue::UNDEFINED, |core, _| Ok(self.session_of(core.session())))
    }

    /// Opens a session.
    #[wasm_bindgen(js_name = "openSession")]
    pub fn open_session(&self, options: JsValue) -> Promise {
        self.call(options, |core, options| {
            Ok(self.session_of(core.open_session().timeout(options.timeout()?)))
        })
    }

    /// Resolves when a session, of any node, has ended.
    pub fn monitor(&self, session: JsValue, options: JsValue) -> Promise {
        self.call(options, |core, options| {
            let monitor = core.monitor(session_id(&session)?).timeout(options.timeout()?);
            Ok(call(monitor.into_future(), |()| Ok(JsValue::UNDEFINED)))
        })
    }

    /// The state of the cluster.
    pub fn status(&self, options: JsValue) -> Promise {
        self.call(options, |_, options| {
            let status = self.0.informed().status().timeout(options.timeout()?);
            Ok(call(status.into_future(), |status| Ok(objects::status(&status))))
        })
    }

    /// The state of the cluster, now and whenever it changes.
    pub fn statuses(&self, options: JsValue) -> Result<JsValue, Thrown> {
        let signal = Options::new(options)?.signal()?;
        Ok(iterate(self.0.statuses().map(|status| Ok(objects::status(&status))), signal.as_ref()))
    }

    /// Says goodbye, and resolves when all is done.
    pub fn leave(&self) -> Promise {
        self.work(|tab| {
            tab.begin_to_leave(Reason::from(&Error::Closed));
            Ok(work(async move {
                tab.ended().await;
                Ok(JsValue::UNDEFINED)
            }))
        })
    }
}

/// The result of a function that was called, or of the promise that it returned.
async fn settled(called: Result<JsValue, JsValue>) -> Result<JsValue, Thrown> {
    Ok(JsFuture::from(Promise::resolve(&called?)).await?)
}
