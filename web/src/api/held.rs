//! Locks, offices and names that are held.

use std::future::Future;
use std::rc::{Rc, Weak};

use futures::future::{Either, LocalBoxFuture, select};
use js_sys::Promise;
use paxoskv_core::recipes::Holding;
use paxoskv_core::{Error, Loss};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, AbortSignal};

use super::cancel::unless_aborted;
use super::error::{Reason, Thrown};
use super::objects::{number, promise, work};
use super::watched::Watched;

/// A lock, an office or a name, until it is released or lost. A task owns it.
#[wasm_bindgen(skip_typescript)]
#[derive(Clone)]
pub struct Held {
    inner: Weak<Holding>,
    token: JsValue,
    session: String,
    signal: AbortSignal,
    progress: Rc<Watched<Progress>>,
}

#[derive(Default)]
struct Progress {
    /// The holder releases it.
    unwanted: bool,
    lost: bool,
    /// The result of the release.
    released: Option<Result<(), Error>>,
}

impl Held {
    /// # Errors
    /// This browser has no `AbortController`.
    pub(crate) fn new(held: Holding) -> Result<Self, Thrown> {
        let controller = AbortController::new()?;
        let progress: Rc<Watched<Progress>> = Rc::default();
        let held = Rc::new(held);
        let this = Self {
            inner: Rc::downgrade(&held),
            token: number(held.token()),
            session: held.session().id().to_string(),
            signal: controller.signal(),
            progress: progress.clone(),
        };
        spawn_local(async move {
            let loss = {
                let lost = std::pin::pin!(held.lost());
                let unwanted = std::pin::pin!(progress.until(|at| at.unwanted.then_some(())));
                match select(lost, unwanted).await {
                    Either::Left((loss, _)) => Some(loss),
                    Either::Right(_) => None,
                }
            };
            if let Some(loss) = loss {
                progress.change(|at| at.lost = true);
                controller.abort_with_reason(&reason(loss).to_js());
            }
            let released = match Rc::into_inner(held).map(Holding::release) {
                Some(release) => release.await,
                None => Ok(()), // Nobody else keeps it.
            };
            // A node that has left holds nothing.
            let released = released.or_else(|error| if error == Error::Closed { Ok(()) } else { Err(error) });
            progress.change(|at| at.released = Some(released));
        });
        Ok(this)
    }

    /// Releases it; resolves when that is decided, or when it is lost.
    pub(crate) async fn give_up(&self) -> Result<(), Thrown> {
        self.progress.change(|at| at.unwanted = true);
        let gone = |at: &Progress| if at.lost { Some(Ok(())) } else { at.released.clone() };
        Ok(self.progress.until(gone).await?)
    }

    /// # Errors
    /// It was lost; the error says why.
    pub(crate) fn check(&self) -> Result<(), Thrown> {
        if self.signal.aborted() {
            return Err(Thrown(self.signal.reason()));
        }
        // While the thread was busy, the signal could not be aborted.
        match self.inner.upgrade() {
            Some(held) if !held.is_held() => Err(Thrown(reason(Loss::Suspended).to_js())),
            _ => Ok(()),
        }
    }
}

/// Waits until something is held. Gives none where it was only tried, and another node holds it. The future is boxed, so
/// that this code is compiled once.
pub(crate) fn grant(
    signal: Option<AbortSignal>,
    wait: impl Future<Output = Result<Option<Holding>, Thrown>> + 'static,
) -> LocalBoxFuture<'static, Result<Option<Held>, Thrown>> {
    let wait: LocalBoxFuture<'static, _> = Box::pin(wait);
    Box::pin(async move { unless_aborted(signal, wait).await?.map(Held::new).transpose() })
}

/// The reason of a loss, for the signal.
fn reason(loss: Loss) -> Reason {
    let why = match loss {
        Loss::Suspended => {
            "no quorum has answered this node for so long that another may soon be granted this: it is lost"
        }
        Loss::Ended => "the session that this was bound to has ended: it is lost",
    };
    Reason { code: Error::LeaseEnded.code(), message: why.into() }
}

#[wasm_bindgen]
impl Held {
    /// Higher for each holder.
    #[wasm_bindgen(getter, js_name = "fencingToken")]
    pub fn fencing_token(&self) -> JsValue {
        self.token.clone()
    }

    /// Aborted when it is lost.
    #[wasm_bindgen(getter)]
    pub fn signal(&self) -> AbortSignal {
        self.signal.clone()
    }

    /// The id of the session that it is bound to.
    #[wasm_bindgen(getter)]
    pub fn session(&self) -> String {
        self.session.clone()
    }

    /// Releases it; resolves when that is decided.
    pub fn release(&self) -> Promise {
        let this = self.clone();
        promise(Ok(work(async move {
            this.give_up().await?;
            Ok(JsValue::UNDEFINED)
        })))
    }
}
