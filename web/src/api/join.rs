//! `join`: puts a node together and starts it.

use std::cell::{Cell, OnceCell};
use std::pin::pin;
use std::rc::{Rc, Weak};

use futures::StreamExt;
use futures::future::{Either, LocalBoxFuture, select};
use js_sys::{Function, Promise, Reflect};
use paxoskv_core::memory::MemoryStorage;
use paxoskv_core::{Effect, Error};
use paxoskv_transport_ws::WebSockets;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::cancel::{abortable, within};
use super::cluster::Cluster;
use super::error::{Reason, Thrown};
#[cfg(feature = "libp2p")]
use super::libp2p;
use super::objects::promise;
use super::options::{Options, text};
use super::parts::{Maybe, Store};
use super::plan::Plan;
use super::tab::Tab;
use crate::browser::Listener;
use crate::indexed_db::IndexedDb;
use crate::page;
use crate::tabs::Tabs;
use crate::tabs::seats::{SeatLock, try_lowest, wait_for_any};
use crate::timer::WebTimer;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn warn(text: &str);
}

/// The turns of microtasks that a page has for its goodbyes when it is left.
const TURNS: usize = 32;

/// Joins the cluster of that name.
#[wasm_bindgen(skip_typescript)]
pub fn join(name: JsValue, options: JsValue) -> Promise {
    promise((|| {
        let options = Options::new(options)?;
        let (timeout, signal) = (options.duration("timeout")?, options.signal()?);
        let plan = Rc::new(Plan::read(text(&name, "name")?, &options)?);
        Ok(abortable(signal, async move {
            within(timeout, start(plan))
                .await
                .unwrap_or_else(|| Err(Error::Timeout { effect: Effect::None }.into()))
        }))
    })())
}

/// Starts a node, in a seat if one is free. A seat whose store cannot be opened is left out, if there is another: one
/// damaged store must not keep every tab out of the cluster.
async fn start(plan: Rc<Plan>) -> Result<JsValue, Thrown> {
    if !plan.memory && !plan.seats.is_empty() && plan.persist {
        ask_to_persist();
    }
    let mut seats = plan.seats.clone();
    loop {
        let mut lock = None;
        if plan.locks_seats() {
            lock = try_lowest(&plan.name, seats.iter().copied()).await.map_err(refused)?;
        }
        let locked = lock.as_ref().map(|lock| lock.seat);
        seats.retain(|seat| Some(*seat) != locked);
        match (start_one(&plan, lock, &seats).await, locked) {
            (Ok(tab), _) => return Ok(Cluster::new(tab).into()),
            (Err(Failure::Store(why)), Some(seat)) if !seats.is_empty() => leave_out(seat, &why),
            (Err(Failure::Store(why)), _) => return Err(Thrown(why.to_js())),
            (Err(Failure::Other(thrown)), _) => return Err(thrown),
        }
    }
}

/// The reason why a node did not start, or ended at once.
enum Failure {
    /// The browser does not open its store, or the store is damaged.
    Store(Reason),
    Other(Thrown),
}

impl From<Thrown> for Failure {
    fn from(thrown: Thrown) -> Self {
        Self::Other(thrown)
    }
}

/// Starts a node in the seat that is locked, or a node without a seat, which waits for one of the others.
async fn start_one(plan: &Rc<Plan>, lock: Option<SeatLock>, others: &[u8]) -> Result<Rc<Tab>, Failure> {
    let seat =
        if plan.locks_seats() { lock.as_ref().map(|lock| lock.seat) } else { plan.seats.first().copied() };
    // This listener comes before those of the transports, since a goodbye needs their links.
    let page = Rc::new(Page::default());
    let hiding = on_page_hide(&page);
    let unopened = Rc::default();
    let (core, driver) = launch(plan, seat, &unopened).await?;
    if page.is_left.get() {
        // The seat was released with the page, and another tab may have it.
        return Err(Thrown(left_with_the_page().to_js()).into());
    }
    let mut statuses = core.statuses();
    let tab = Rc::new(Tab::new(core, seat));
    let moves_up = seat.is_none() && plan.locks_seats();
    page.tab.set(Rc::downgrade(&tab)).ok();
    spawn_local({
        let (tab, plan, others) = (tab.clone(), plan.clone(), others.to_vec());
        async move {
            let beside = async {
                if moves_up {
                    move_up(&tab, &plan, others).await
                }
            };
            tab.clone().run_all(driver, lock, beside).await;
            drop(hiding);
        }
    });
    // If the caller gives up meanwhile, the node must end.
    let leave = LeaveOnDrop(Some(&tab));
    let failed = match select(statuses.next(), pin!(tab.ended())).await {
        Either::Left((Some(_), _)) => None,
        Either::Left((None, ended)) => Some(ended.await),
        Either::Right((reason, _)) => Some(reason),
    };
    leave.disarm();
    match failed {
        None => Ok(tab),
        Some(reason) if unopened.get() => Err(Failure::Store(reason)),
        Some(reason) => Err(Thrown(reason.to_js()).into()),
    }
}

/// Warns that a seat is left to others.
fn leave_out(seat: u8, why: &Reason) {
    warn(&format!("paxoskv: seat {seat} is left out: {}", why.message));
}

fn refused(why: String) -> Thrown {
    Error::Refused { why }.into()
}

type Launched = (paxoskv_core::Cluster, LocalBoxFuture<'static, Result<(), Error>>);

/// Puts a node together. Notes whether its store cannot be opened.
async fn launch(plan: &Plan, seat: Option<u8>, unopened: &Rc<Cell<bool>>) -> Result<Launched, Thrown> {
    let mut entropy = [0; 32];
    getrandom::fill(&mut entropy).map_err(|_| refused("this browser has no random numbers".into()))?;
    let store = match seat {
        None => Store::None,
        Some(_) if plan.memory => Store::Memory(MemoryStorage::new()),
        Some(seat) => Store::IndexedDb(IndexedDb::new(&plan.name, seat), unopened.clone()),
    };
    let tabs = match plan.tabs {
        true => Some(Tabs::open(&plan.name, seat).await.map_err(refused)?),
        false => None,
    };
    let web_sockets = (!plan.ws.is_empty()).then(|| {
        let sockets = WebSockets::new(plan.secret.clone(), WebTimer::new());
        // Seats are linked to each other, even those of two browsers. An observer needs no more than the nodes that it dials.
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

/// Waits for one of these seats, and runs a node there until it ends. A seat that failed once is left to other tabs.
async fn move_up(tab: &Tab, plan: &Plan, mut seats: Vec<u8>) {
    while !seats.is_empty() {
        let waiting = wait_for_any(&plan.name, seats.iter().copied());
        let Some(Ok(lock)) = tab.unless_leaving(waiting).await else { return };
        let seat = lock.seat;
        // A tab that leaves meanwhile releases the seat, and must not open its store.
        let launched = tab.unless_leaving(launch(plan, Some(seat), &Rc::default())).await;
        let Some(Ok((cluster, driver))) = launched else { return };
        let reason = tab.sit(lock, cluster, driver).await;
        if reason.code != Error::Closed.code() {
            leave_out(seat, &reason);
        }
        seats.retain(|other| *other != seat);
    }
}

/// The page that a node starts in.
#[derive(Default)]
struct Page {
    is_left: Cell<bool>,
    tab: OnceCell<Weak<Tab>>,
}

fn left_with_the_page() -> Reason {
    let message = "this node has left the cluster with its page; a page that is shown again joins again";
    Reason { code: Error::Closed.code(), message: message.into() }
}

/// Leaves when the page is left, for good or into the cache for going back. A page that comes back from there stood still
/// while the others went on.
fn on_page_hide(page: &Rc<Page>) -> [Listener; 2] {
    let page = page.clone();
    page::on_hide(move || {
        page.is_left.set(true);
        let Some(tab) = page.tab.get().and_then(Weak::upgrade) else { return };
        tab.begin_to_leave(left_with_the_page());
        spawn_local(async move {
            // The browser sends what is posted now, even if the page never runs again. Waiting for the disk is of no use.
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
        // The browser's users decide, so the answer does not matter here.
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
            tab.begin_to_leave(Reason::from(&Error::Closed));
        }
    }
}
