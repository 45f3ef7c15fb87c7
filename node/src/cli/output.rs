//! Standard output.

use std::io::{self, Write};

use paxoskv::{Chosen, Found, Key, Listed, SessionId, State, Status, json};
use serde_json::{Value as Json, json as object};

use super::failure::{Exit, Failure};

/// Prints one line. Where nobody reads any more, as in `paxoskv keys | head`, the command ends without an error: the failure
/// has status 0, and is not reported.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = writeln!(out, "{text}").and_then(|()| out.flush());
    written.map_err(|e| match e.kind() {
        io::ErrorKind::BrokenPipe => Failure::new(Exit::Done, "nobody reads standard output any more"),
        _ => Failure::error(format!("cannot write to standard output: {e}")),
    })
}

/// Prints one line on a thread of its own, since it may wait for a reader: the command can be stopped meanwhile.
pub(crate) async fn line_at_leisure(text: String) -> Result<(), Failure> {
    let printing = tokio::task::spawn_blocking(move || line(&text));
    printing.await.unwrap_or_else(|e| Err(Failure::error(format!("cannot write to standard output: {e}"))))
}

/// The result of a put.
pub(crate) fn chosen(chosen: &Chosen, as_json: bool) -> String {
    if !as_json {
        return json::display(chosen.cbor());
    }
    let value = json::from_cbor(chosen.cbor());
    object!({ "value": value, "generation": chosen.generation(), "won": chosen.won() }).to_string()
}

/// The value that a get found.
pub(crate) fn found(found: &Found, as_json: bool) -> String {
    if !as_json {
        return json::display(found.cbor());
    }
    object!({ "value": json::from_cbor(found.cbor()), "generation": found.generation() }).to_string()
}

/// The default value of a get; it has no generation.
pub(crate) fn default(cbor: &[u8], as_json: bool) -> String {
    if !as_json {
        return json::display(cbor);
    }
    object!({ "value": json::from_cbor(cbor), "generation": Json::Null }).to_string()
}

/// A key in a listing.
pub(crate) fn listed(listed: &Listed, as_json: bool) -> String {
    if !as_json {
        return json::display(listed.key.cbor());
    }
    let (key, value) = (json::from_cbor(listed.key.cbor()), json::from_cbor(listed.found.cbor()));
    let mut line = object!({ "key": key, "value": value, "generation": listed.found.generation() });
    if let Some(owner) = listed.found.owner() {
        line["owner"] = owner.to_string().into();
    }
    line.to_string()
}

/// A session's id.
pub(crate) fn session(id: SessionId, as_json: bool) -> String {
    if as_json { object!({ "session": id.to_string() }).to_string() } else { id.to_string() }
}

/// A key's state, with the key where many are watched.
pub(crate) fn state(key: Option<&Key>, state: &State) -> String {
    let mut line = object!({});
    if let Some(key) = key {
        line["key"] = json::from_cbor(key.cbor());
    }
    line["generation"] = object!(state.generation);
    match &state.found {
        Some(found) => line["value"] = json::from_cbor(found.cbor()),
        None => line["vacant"] = true.into(),
    }
    line.to_string()
}

/// The state of the cluster.
pub(crate) fn status(status: &Status, as_json: bool) -> String {
    if as_json {
        return object!(status).to_string();
    }
    let Status { cluster, epoch, observers, seats, .. } = status;
    let mut text = format!("{status} of cluster {cluster}, epoch {}, observers: {observers}", object!(epoch));
    for seat in seats {
        let state = object!(seat.state);
        text += &format!("\n{}  {}", seat.seat, state.as_str().unwrap_or_default());
    }
    text
}
