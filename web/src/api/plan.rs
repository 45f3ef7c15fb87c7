//! The options of `join`, and what follows from them.

use std::time::Duration;

use js_sys::Uint8Array;
use paxoskv_core::Settings;
use paxoskv_links::Secret;
use paxoskv_transport_ws::address::Address;
use wasm_bindgen::JsCast;

use super::error::{Thrown, invalid};
use super::options::Options;
use super::ticket::{self, Ticket};

/// The seats of a cluster unless the options say otherwise.
const SIZE: u8 = 3;
/// The most seats that a cluster can have.
const SEATS: u32 = 31;

/// The grace between tabs. They notice at once that another tab has left, so a long grace costs nothing, and a busy main
/// thread does not lose its locks.
const TABS_GRACE: Duration = Duration::from_secs(10);
/// See [`TABS_GRACE`].
const TABS_SUSPEND: Duration = Duration::from_secs(8);

/// The options of `join`, checked.
pub(crate) struct Plan {
    pub(crate) name: String,
    /// An observer of native nodes may leave it open.
    pub(crate) size: Option<u8>,
    /// Seats that this tab may take, the preferred one first. Without any it is an observer.
    pub(crate) seats: Vec<u8>,
    /// Whether other tabs of this origin are linked.
    pub(crate) tabs: bool,
    /// Addresses of native nodes.
    pub(crate) ws: Vec<String>,
    /// Multiaddrs of native nodes.
    pub(crate) libp2p: Vec<String>,
    pub(crate) secret: Option<Secret>,
    pub(crate) memory: bool,
    pub(crate) persist: bool,
    pub(crate) settings: Settings,
}

impl Plan {
    /// # Errors
    /// `InvalidArgument` for options that make no sense.
    pub(crate) fn read(name: String, options: &Options) -> Result<Self, Thrown> {
        let ticket = match options.string("ticket")? {
            Some(ticket) => ticket::read(&ticket)?,
            None => Ticket { cluster: name, ..Ticket::default() },
        };
        let name = ticket.cluster;
        let (mut ws, mut libp2p) = (ticket.ws, ticket.libp2p);
        ws.extend(options.strings("ws")?.unwrap_or_default());
        libp2p.extend(options.strings("libp2p")?.unwrap_or_default());
        let dials = !ws.is_empty() || !libp2p.is_empty();
        let transports = match options.strings("transport")? {
            Some(transports) => transports,
            None if dials => Vec::new(),
            None => vec!["tabs".into()],
        };
        if let Some(other) = transports.iter().find(|name| !["tabs", "ws", "libp2p"].contains(&name.as_str()))
        {
            return Err(invalid(format!(
                "options.transport: \"{other}\" is not one; expected \"tabs\", \"ws\" or \"libp2p\""
            )));
        }
        let has = |name: &str| transports.iter().any(|transport| transport == name);
        if has("ws") && ws.is_empty() {
            return Err(invalid("options.ws: expected addresses of nodes, like ws://127.0.0.1:7401"));
        }
        for address in &ws {
            address
                .parse::<Address>()
                .map_err(|why| invalid(format!("options.ws: \"{address}\" is {why}")))?;
        }
        if has("libp2p") && libp2p.is_empty() {
            return Err(invalid(
                "options.libp2p: expected multiaddrs of nodes, like /ip4/127.0.0.1/tcp/7411/ws",
            ));
        }
        ticket::check_multiaddrs(&libp2p)?;
        let tabs = has("tabs");
        let size = options.integer("clusterSize", SEATS)?.map(|size| size as u8).or(ticket.cluster_size);
        if size == Some(0) {
            return Err(invalid(format!("options.clusterSize: a cluster has 1 to {SEATS} seats")));
        }
        let seats = match options.small_integers("seat")? {
            Some(seats) => seats,
            None if tabs => (1..=size.unwrap_or(SIZE)).collect(),
            None if dials => Vec::new(),
            None => vec![1],
        };
        let size = size.or((!seats.is_empty()).then_some(SIZE));
        if let Some(seat) = seats.iter().find(|seat| **seat == 0 || Some(**seat) > size) {
            let size = size.unwrap_or(SIZE);
            return Err(invalid(format!("options.seat: {seat} is not in a cluster of {size}")));
        }
        Ok(Self {
            name,
            size,
            seats,
            tabs,
            secret: secret(options)?.or(ticket.secret),
            memory: options.flag("memory")?,
            persist: options.get("persist")?.is_none_or(|persist| persist.is_truthy()),
            settings: settings(options, tabs && !dials)?,
            ws,
            libp2p,
        })
    }

    /// Whether tabs of this origin share out seats by locks, since two tabs must not open one store.
    pub(crate) fn locks_seats(&self) -> bool {
        self.tabs || !self.memory && !self.seats.is_empty()
    }
}

fn secret(options: &Options) -> Result<Option<Secret>, Thrown> {
    let Some(secret) = options.get("secret")? else { return Ok(None) };
    let bytes = secret.as_string().map(String::into_bytes);
    match bytes.or_else(|| Some(secret.dyn_ref::<Uint8Array>()?.to_vec())) {
        Some(bytes) => Secret::new(&bytes).map(Some).map_err(|_| {
            invalid("options.secret: it is empty; leave it out, or take at least 16 random bytes")
        }),
        None => Err(invalid("options.secret: expected a string or a Uint8Array")),
    }
}

fn settings(options: &Options, only_tabs: bool) -> Result<Settings, Thrown> {
    let mut settings = Settings::default();
    if only_tabs {
        settings.session_grace = TABS_GRACE;
        settings.suspend_after = TABS_SUSPEND;
    }
    if let Some(grace) = options.duration("sessionGrace")? {
        settings.session_grace = grace;
        settings.suspend_after = (grace / 2).max(Duration::from_millis(10));
    }
    let times = [
        ("suspendAfter", &mut settings.suspend_after),
        ("peerTimeout", &mut settings.peer_timeout),
        ("heartbeat", &mut settings.heartbeat),
    ];
    for (name, setting) in times {
        if let Some(time) = options.duration(name)? {
            *setting = time;
        }
    }
    for (name, setting) in [("maxKey", &mut settings.max_key), ("maxValue", &mut settings.max_value)] {
        if let Some(size) = options.integer(name, u32::MAX)? {
            *setting = size as usize;
        }
    }
    // A frame has to carry a key and a value at least.
    let least = settings.max_key.saturating_add(settings.max_value).saturating_add(4096);
    settings.max_frame = settings.max_frame.max(least);
    Ok(settings)
}
