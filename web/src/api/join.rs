//! `join`: puts a node together and starts it.

use std::cell::{Cell, OnceCell};
use std::pin::pin;
use std::rc::{Rc, Weak};

use futures::StreamExt;
use futures::future::{Either, LocalBoxFuture, select};
use js_sys::{Function, Promise, Reflect};
use paxoskv_core::memory::MemoryStorage;
use paxoskv_core::{Error, Timer};
use paxoskv_transport_ws::WebSockets;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::cancel::abortable;
use super::cluster::Cluster;
use super::error::{Reason, Thrown};
#[cfg(feature = "libp2p")]
use super::libp2p;
use super::objects::promise;
use super::options::Options;
use super::parts::{Maybe, Store};
use super::plan::Plan;
use super::tab::Tab;
use crate::browser::Listener;
use crate::indexed_db::IndexedDb;
use crate::tabs::Tabs;
use crate::tabs::seats::{try_lowest, wait_for_any};
use crate::timer::WebTimer;

/// How many turns of its microtasks a page that is left has for its goodbyes.
const TURNS: usize = 32;

/// Joins the cluster of that name.
#[wasm_bindgen(skip_typescript)]
pub fn join(name: String, options: JsValue) -> Promise {
    promise((|| {
        let options = Options::new(options)?;
        let (timeout, signal) = (options.duration("timeout")?, options.signal()?);
        let plan = Rc::new(Plan::read(name, &options)?);
        Ok(abortable(signal, async move {
            let joined = pin!(start(plan));
            let timer = WebTimer::new();
            let Some(timeout) = timeout else { return joined.await };
            match select(joined, pin!(timer.sleep_until(timer.now() + timeout))).await {
                Either::Left((joined, _)) => joined,
                Either::Right(_) => Err(Error::Timeout {}.into()),
            }
        }))
    })())
}

/// Starts a node, in a seat if there is one.
async fn start(plan: Rc<Plan>) -> Result<JsValue, Thrown> {
    let mut seat = plan.seats.first().copied();
    let mut lock = None;
    if plan.locks_seats() {
        lock = try_lowest(&plan.name, plan.seats.iter().copied()).await.map_err(refused)?;
        seat = lock.as_ref().map(|lock| lock.seat);
    }
    if !plan.memory && !plan.seats.is_empty() && plan.persist {
        ask_to_persist();
    }
    // Before the transports listen for the same: what is said in goodbye needs their links.
    let page = Rc::new(OnceCell::new());
    let hiding = on_page_hide(&page);
    let (core, driver) = launch(&plan, seat).await?;
    let mut statuses = core.statuses();
    let tab = Rc::new(Tab::new(core, seat));
    let moves_up = seat.is_none() && plan.locks_seats();
    page.set(Rc::downgrade(&tab)).ok();
    spawn_local({
        let tab = tab.clone();
        async move {
            let beside = async {
                if moves_up {
                    move_up(&tab, &plan).await
                }
            };
            tab.clone().live(driver, lock, beside).await;
            drop(hiding);
        }
    });
    // Should the caller give up meanwhile, the node must not go on.
    let leave = LeaveOnDrop(Some(&tab));
    let failed = match select(statuses.next(), pin!(tab.ended())).await {
        Either::Left((Some(_), _)) => None,
        Either::Left((None, ended)) => Some(ended.await),
        Either::Right((reason, _)) => Some(reason),
    };
    leave.disarm();
    match failed {
        None => Ok(Cluster::new(tab).into()),
        Some(reason) => Err(Thrown(reason.to_js())),
    }
}

fn refused(why: String) -> Thrown {
    Error::Refused { why }.into()
}

type Launched = (paxoskv_core::Cluster, LocalBoxFuture<'static, Result<(), Error>>);

/// Puts a node together.
async fn launch(plan: &Plan, seat: Option<u8>) -> Result<Launched, Thrown> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(|_| refused("this browser has no random numbers".into()))?;
    let store = match seat {
        None => Store::None,
        Some(_) if plan.memory => Store::Memory(MemoryStorage::new()),
        Some(seat) => Store::IndexedDb(IndexedDb::new(&plan.name, seat)),
    };
    let tabs = match plan.tabs {
        true => Some(Tabs::open(&plan.name, seat).await.map_err(refused)?),
        false => None,
    };
    let web_sockets = (!plan.ws.is_empty()).then(|| {
        let sockets = WebSockets::new(plan.ws_secret(), WebTimer::new());
        // Seats are linked to each other, also those of two browsers; an observer is content with what it dials.
        if seat.is_some() { sockets.wait_at_relays() } else { sockets }
    });
    let builder = paxoskv_core::Cluster::builder(plan.name.clone())
        .storage(store)
        .transport(Maybe(tabs))
        .transport(Maybe(web_sockets))
        .timer(WebTimer::new())
        .entropy(entropy)
        .settings(plan.settings.clone())
        .dial(plan.ws.iter().chain(&plan.libp2p).cloned());
    #[cfg(feature = "libp2p")]
    let builder = builder.transport(Maybe(libp2p::transport(plan, seat).await?));
    let mut builder = builder;
    if let Some(size) = plan.size {
        builder = builder.cluster_size(size);
    }
    if let Some(seat) = seat {
        builder = builder.seat(seat);
    }
    let (cluster, driver) = builder.build()?;
    Ok((cluster, Box::pin(driver)))
}

/// Waits for a seat, and sits there for as long as that goes well.
async fn move_up(tab: &Tab, plan: &Plan) {
    let waiting = wait_for_any(&plan.name, plan.seats.iter().copied());
    let Some(Ok(lock)) = tab.unless_leaving(waiting).await else { return };
    let Ok((cluster, driver)) = launch(plan, Some(lock.seat)).await else { return };
    // A seat that failed once is left to others: this tab goes on without one.
    tab.sit(lock, cluster, driver).await;
}

/// Leaves when the page does, be it for good or into the cache for going back: what comes back from there is frozen
/// time, in which the others have gone on.
fn on_page_hide(tab: &Rc<OnceCell<Weak<Tab>>>) -> [Listener; 2] {
    let tab = tab.clone();
    Listener::on_page_hide(move || {
        let Some(tab) = tab.get().and_then(Weak::upgrade) else { return };
        let message = "this node has left the cluster with its page; a page that is shown again joins anew";
        tab.begin_to_leave(Reason { code: Error::Closed {}.code(), message: message.into() });
        spawn_local(async move {
            // What is sent now is sent by the browser, even if the page is never run again; to wait for the disk is
            // of no use.
            for _ in 0..TURNS {
                JsFuture::from(Promise::resolve(&JsValue::UNDEFINED)).await.ok();
            }
            tab.stop();
        });
    })
}

/// Asks the browser, once, not to clear the site's data when disk space is low.
fn ask_to_persist() {
    thread_local! {
        static ASKED: Cell<bool> = const { Cell::new(false) };
    }
    if ASKED.replace(true) {
        return;
    }
    let ask = || {
        let navigator = Reflect::get(&js_sys::global(), &"navigator".into()).ok()?;
        let storage = Reflect::get(&navigator, &"storage".into()).ok()?;
        let persist: Function = Reflect::get(&storage, &"persist".into()).ok()?.dyn_into().ok()?;
        persist.call0(&storage).ok()
    };
    if let Some(asked) = ask() {
        // Whatever the browser says: this is for its users to decide.
        spawn_local(async move { drop(JsFuture::from(Promise::resolve(&asked)).await) });
    }
}

struct LeaveOnDrop<'a>(Option<&'a Rc<Tab>>);

impl LeaveOnDrop<'_> {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for LeaveOnDrop<'_> {
    fn drop(&mut self) {
        if let Some(tab) = self.0 {
            tab.begin_to_leave(Reason::from(&Error::Closed {}));
        }
    }
}
