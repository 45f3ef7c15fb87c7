//! `join`: puts a node together and starts it.

use std::pin::pin;
use std::rc::Rc;

use futures::StreamExt;
use futures::future::{Either, LocalBoxFuture, select};
use js_sys::Promise;
use paxoskv_core::memory::MemoryStorage;
use paxoskv_core::transport::NoTransport;
use paxoskv_core::{Error, Settings, Timer};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::cancel::unless_aborted;
use super::cluster::Cluster;
use super::error::{Reason, Thrown, invalid};
use super::objects::{promise, work};
use super::options::Options;
use super::parts::{Maybe, Store};
use super::tab::Tab;
use crate::timer::WebTimer;

/// Joins the cluster of that name.
#[wasm_bindgen(skip_typescript)]
pub fn join(name: String, options: JsValue) -> Promise {
    promise((|| {
        let options = Options::new(options)?;
        let (timeout, signal) = (options.duration("timeout")?, options.signal()?);
        let plan = Plan::read(name, &options)?;
        Ok(work(unless_aborted(signal, async move {
            let joined = pin!(plan.join());
            let timer = WebTimer::new();
            let Some(timeout) = timeout else { return joined.await };
            match select(joined, pin!(timer.sleep_until(timer.now() + timeout))).await {
                Either::Left((joined, _)) => joined,
                Either::Right(_) => Err(Error::Timeout {}.into()),
            }
        })))
    })())
}

/// What `join` was told.
struct Plan {
    name: String,
    size: u8,
    settings: Settings,
    memory: bool,
}

impl Plan {
    fn read(name: String, options: &Options) -> Result<Self, Thrown> {
        let size = options.integer("clusterSize", 255)?.unwrap_or(3) as u8;
        Ok(Self { name, size, settings: Settings::default(), memory: options.flag("memory")? })
    }

    async fn join(self) -> Result<JsValue, Thrown> {
        let seat = Some(1);
        let (core, driver) = self.launch(seat).await?;
        let mut statuses = core.statuses();
        let tab = Rc::new(Tab::new(core, seat));
        spawn_local(tab.clone().live(driver, async {}));
        // Should the caller give up meanwhile, the node must not go on.
        let leave = LeaveOnDrop(Some(&tab));
        match select(statuses.next(), pin!(tab.ended())).await {
            Either::Left((Some(_), _)) => {}
            Either::Left((None, ended)) => return Err(Thrown(ended.await.to_js())),
            Either::Right((reason, _)) => return Err(Thrown(reason.to_js())),
        }
        leave.disarm();
        Ok(Cluster::new(tab).into())
    }

    async fn launch(
        &self,
        seat: Option<u8>,
    ) -> Result<(paxoskv_core::Cluster, LocalBoxFuture<'static, Result<(), Error>>), Thrown> {
        let mut entropy = [0; 32];
        getrandom::fill(&mut entropy).map_err(|_| invalid("this browser has no random numbers"))?;
        let store = match seat {
            None => Store::None,
            Some(_) => Store::Memory(MemoryStorage::new()),
        };
        let mut builder = paxoskv_core::Cluster::builder(self.name.clone())
            .cluster_size(self.size)
            .storage(store)
            .transport(Maybe::<NoTransport>(None))
            .timer(WebTimer::new())
            .entropy(entropy)
            .settings(self.settings.clone());
        if let Some(seat) = seat {
            builder = builder.seat(seat);
        }
        let (cluster, driver) = builder.build()?;
        Ok((cluster, Box::pin(driver)))
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
