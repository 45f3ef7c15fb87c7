//! Who sits where, among the tabs of an origin: a Web Lock a seat.

use std::cell::RefCell;
use std::rc::Rc;

use futures::future::select_all;

use super::locks::{Held, hold, try_hold};
use crate::browser::Listener;

/// A seat that is this tab's until this is dropped. A page that goes away leaves it, too, also where the browser
/// keeps the page for going back: who waits for the seat need not wait for that.
pub(crate) struct SeatLock {
    /// Which one.
    pub(crate) seat: u8,
    _held: Rc<RefCell<Option<Held>>>,
    _hiding: Listener,
}

impl SeatLock {
    fn new(seat: u8, held: Held) -> Self {
        let held = Rc::new(RefCell::new(Some(held)));
        let left = Rc::clone(&held);
        let hiding = Listener::after_page_hide(move || drop(left.borrow_mut().take()));
        Self { seat, _held: held, _hiding: hiding }
    }
}

fn name(cluster: &str, seat: u8) -> String {
    format!("paxoskv/{cluster}/seat/{seat}")
}

/// The first of these seats that is free, if one is.
///
/// # Errors
/// Why there are no seats to be had here at all.
pub(crate) async fn try_lowest(
    cluster: &str,
    seats: impl IntoIterator<Item = u8>,
) -> Result<Option<SeatLock>, String> {
    for seat in seats {
        if let Some(held) = try_hold(&name(cluster, seat)).await? {
            return Ok(Some(SeatLock::new(seat, held)));
        }
    }
    Ok(None)
}

/// Waits for the first of these seats that falls free. Tabs get them in the order in which they have begun to wait; one that
/// drops this waits no more.
///
/// # Errors
/// Why there are no seats to be had here at all.
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
    // What falls free in the same instant is let go again.
    let ((seat, granted), _, _) = select_all(waiting).await;
    match granted? {
        Some(held) => Ok(SeatLock::new(seat, held)),
        None => Err("the browser has granted a Web Lock without one".into()),
    }
}
