//! Seats among the tabs of an origin. Each seat is a Web Lock.

use std::cell::RefCell;
use std::rc::Rc;

use futures::future::select_all;

use super::locks::{Lock, hold, try_hold};
use crate::browser::Listener;
use crate::page;

/// A seat that this tab has until this is dropped. A page that goes away gives up the seat, even where the browser keeps
/// the page for going back: the next tab need not wait for that.
pub(crate) struct SeatLock {
    pub(crate) seat: u8,
    _lock: Rc<RefCell<Option<Lock>>>,
    _hiding: Listener,
}

impl SeatLock {
    fn new(seat: u8, lock: Lock) -> Self {
        let lock = Rc::new(RefCell::new(Some(lock)));
        let left = Rc::clone(&lock);
        let hiding = page::after_hide(move || drop(left.borrow_mut().take()));
        Self { seat, _lock: lock, _hiding: hiding }
    }
}

fn name(cluster: &str, seat: u8) -> String {
    format!("paxoskv/{cluster}/seat/{seat}")
}

/// Takes the first of these seats that is free, if one is.
///
/// # Errors
/// Why tabs cannot have seats in this browser.
pub(crate) async fn try_lowest(
    cluster: &str,
    seats: impl IntoIterator<Item = u8>,
) -> Result<Option<SeatLock>, String> {
    for seat in seats {
        if let Some(lock) = try_hold(&name(cluster, seat)).await? {
            return Ok(Some(SeatLock::new(seat, lock)));
        }
    }
    Ok(None)
}

/// Waits for the first of these seats that becomes free. Tabs get seats in the order in which they began to wait. Dropping
/// this gives up.
///
/// # Errors
/// Why tabs cannot have seats in this browser.
pub(crate) async fn wait_for_any(
    cluster: &str,
    seats: impl IntoIterator<Item = u8>,
) -> Result<SeatLock, String> {
    let waiting = seats.into_iter().map(|seat| {
        let waiting = hold(&name(cluster, seat))?;
        Ok(Box::pin(async move { (seat, waiting.await) }))
    });
    let waiting = waiting.collect::<Result<Vec<_>, String>>()?;
    if waiting.is_empty() {
        return Err("there is no seat to wait for".into());
    }
    // A second seat that becomes free in the same instant is released again.
    let ((seat, granted), _, _) = select_all(waiting).await;
    match granted? {
        Some(lock) => Ok(SeatLock::new(seat, lock)),
        None => Err("the browser has granted a Web Lock without one".into()),
    }
}
