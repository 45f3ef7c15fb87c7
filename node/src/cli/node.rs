//! A node that runs until it is asked to leave.

use std::path::PathBuf;
use std::time::Duration;

use paxoskv::storage::LogStorage;
use paxoskv::ticket::Ticket;
use paxoskv::{NativeNode, Seat, SeatState, Secret, Settings, data_folder, native};
use tracing::{info, warn};

use super::args::{NodeArgs, Reach, SeatArg, TransportArg};
use super::failure::{Exit, Failure};
use super::leave::{GOODBYE, leave};
use super::{oneshot, secret, shell, signals};

/// How many heartbeats a peer may miss before it is suspected, if its timeout is shorter than usual.
const HEARTBEATS: u32 = 6;

/// A heartbeat, or half a session's grace, is 10 ms at least.
const LEAST_TIMEOUT: Duration = Duration::from_millis(10 * HEARTBEATS as u64);
const LEAST_GRACE: Duration = Duration::from_millis(20);

/// Runs the node.
pub(crate) async fn run(mut args: NodeArgs) -> Result<Exit, Failure> {
    let secret = match args.ticket.take() {
        Some(ticket) => use_ticket(&mut args, ticket),
        None => secret::read(args.secret_file.as_deref()).await?,
    };
    if args.transport.is_empty() {
        args.transport.push(TransportArg::Ws);
    }
    let node = match args.seat {
        Some(SeatArg::Seat(seat)) => start(&args, &secret, seat).await?,
        Some(SeatArg::Lowest) => {
            let seats: Vec<u8> = (1..=args.cluster_size).collect();
            start_lowest(&args, &secret, &seats).await?
        }
        None => {
            let seats = free_seats(&args, &secret).await?;
            start_lowest(&args, &secret, &seats).await?
        }
    };
    if args.shell {
        return shell::run(std::slice::from_ref(&node), &introduction(&node, &args)).await;
    }
    info!("{}", introduction(&node, &args));
    wait(&node).await.map(|()| Exit::Done)
}

/// Copies a ticket's settings into the arguments; gives its secret.
fn use_ticket(args: &mut NodeArgs, ticket: Ticket) -> Option<Secret> {
    if args.transport.is_empty() {
        let multiaddrs = ticket.addresses.iter().filter(|address| address.starts_with('/')).count();
        if multiaddrs < ticket.addresses.len() {
            args.transport.push(TransportArg::Ws);
        }
        if multiaddrs > 0 {
            args.transport.push(TransportArg::Libp2p);
        }
    }
    let by = |transport| args.transport.contains(&transport);
    let (ws, libp2p) = (by(TransportArg::Ws), by(TransportArg::Libp2p));
    args.join.extend(ticket.addresses.into_iter().filter(|at| if at.starts_with('/') { libp2p } else { ws }));
    args.cluster = ticket.cluster;
    args.cluster_size = ticket.cluster_size;
    // An empty secret is none.
    ticket.secret.and_then(|secret| Secret::new(&secret).ok())
}

/// The seats that a new node may take: those that this machine has had, or else those that are empty.
async fn free_seats(args: &NodeArgs, secret: &Option<Secret>) -> Result<Vec<u8>, Failure> {
    let had = |seat: &u8| {
        let folder = folder(args, *seat).or_else(|| data_folder(&args.cluster, Seat::new(*seat)?));
        !args.memory && folder.is_some_and(|folder| LogStorage::exists(&folder))
    };
    let had: Vec<u8> = (1..=args.cluster_size).filter(had).collect();
    if !had.is_empty() {
        return Ok(had);
    }
    let reach = Reach {
        at: args.join.clone(),
        cluster: Some(args.cluster.clone()),
        cluster_size: Some(args.cluster_size),
        secret_file: None,
    };
    let observer = oneshot::observer_with(&reach, secret.clone(), &args.join).await?;
    let status = tokio::select! {
        status = observer.cluster().status().timeout(oneshot::TIMEOUT) => status.map_err(Failure::from),
        refused = observer.cluster().refused() => Err(refused.into()),
    };
    let status = match status {
        Err(failure) if failure.exit == Exit::Unavailable => {
            Err(oneshot::explain(&observer, failure, &args.join).await)
        }
        status => status,
    };
    tokio::time::timeout(GOODBYE, observer.leave()).await.ok();
    let status = status?;
    let free = status.seats.iter().filter(|seat| seat.state == SeatState::Empty).map(|seat| seat.seat.get());
    let free: Vec<u8> = free.collect();
    if free.is_empty() {
        let message = format!("all {} seats of cluster {} are taken", status.cluster_size, status.cluster);
        return Err(Failure::error(message));
    }
    Ok(free)
}

async fn start(args: &NodeArgs, secret: &Option<Secret>, seat: u8) -> Result<NativeNode, Failure> {
    let (peer_timeout, session_grace) = (args.peer_timeout, args.session_grace);
    // The settings that follow from these have limits of their own. An error names the option that can be changed.
    for (option, time, least) in
        [("--peer-timeout", peer_timeout, LEAST_TIMEOUT), ("--session-grace", session_grace, LEAST_GRACE)]
    {
        if time < least {
            let message = format!("{option} must be at least {}ms", least.as_millis());
            return Err(Failure::new(Exit::Usage, message));
        }
    }
    // An owner has to notice its loss well before any other node does.
    let suspend_after = session_grace / 2;
    let mut settings = Settings { peer_timeout, session_grace, suspend_after, ..Settings::default() };
    settings.heartbeat = settings.heartbeat.min(args.peer_timeout / HEARTBEATS);
    let mut builder = native(&args.cluster).cluster_size(args.cluster_size).seat(seat).settings(settings);
    builder = match folder(args, seat) {
        Some(folder) => builder.data(folder),
        None if args.memory => builder.memory(),
        None => builder,
    };
    if let Some(address) = &args.listen {
        builder = builder.listen(address);
    }
    if let Some(secret) = secret {
        builder = builder.secret(secret.clone());
    }
    for origin in &args.allow_origin {
        builder = builder.allow_origin(origin);
    }
    for name in &args.allow_host {
        builder = builder.allow_host(name);
    }
    let by = |transport| args.transport.contains(&transport);
    if by(TransportArg::Libp2p) {
        builder = if by(TransportArg::Ws) { builder.libp2p() } else { builder.libp2p_only() };
    } else if !args.libp2p_listen.is_empty() {
        let message = "--libp2p-listen says where to listen over libp2p: add --transport libp2p or ws,libp2p";
        return Err(Failure::new(Exit::Usage, message));
    }
    for address in &args.libp2p_listen {
        builder = builder.libp2p_listen(address);
    }
    // With --join, the usual ports are not tried: an unrelated cluster may run there, and would refuse this node.
    for address in &args.join {
        builder = builder.join(address);
    }
    Ok(builder.start().await?)
}

/// The folder of --data. A folder belongs to one seat, so with `_` each seat has one in it.
fn folder(args: &NodeArgs, seat: u8) -> Option<PathBuf> {
    let folder = args.data.as_ref()?;
    Some(if args.seat != Some(SeatArg::Seat(seat)) { folder.join(seat.to_string()) } else { folder.clone() })
}

/// Starts a node in the lowest seat that is free on this machine: one whose port and whose store no process has open. Both
/// are found out by opening them, so two processes that start at once cannot take the same seat.
async fn start_lowest(args: &NodeArgs, secret: &Option<Secret>, seats: &[u8]) -> Result<NativeNode, Failure> {
    let mut last = String::new();
    for seat in seats {
        match start(args, secret, *seat).await {
            Ok(node) => return Ok(node),
            Err(failure) if failure.exit == Exit::Usage => return Err(failure),
            Err(failure) => {
                warn!("seat {seat} is not free: {}", failure.message);
                last = failure.message;
            }
        }
    }
    Err(Failure::error(format!(
        "none of the {} seats that this node may take is free on this machine; the last one: {last}",
        seats.len()
    )))
}

fn introduction(node: &NativeNode, args: &NodeArgs) -> String {
    let seat = node.seat().map_or("no seat".into(), |seat| seat.to_string());
    let address = node.address().map(|address| address.to_string());
    let all: Vec<String> = address.into_iter().chain(node.multiaddrs().iter().cloned()).collect();
    let address = if all.is_empty() { "nowhere".to_owned() } else { all.join(" and ") };
    let folder = node.folder().map(|folder| folder.to_path_buf());
    let folder = folder.or_else(|| data_folder(&args.cluster, node.seat()?).filter(|_| !args.memory));
    let data = folder.map_or("in memory".into(), |folder| format!("in {}", folder.display()));
    format!(
        "{seat} of {} in cluster {}, listening on {address}, data {data}",
        args.cluster_size, args.cluster
    )
}

/// Waits until the node stops, or a signal stops it.
async fn wait(node: &NativeNode) -> Result<(), Failure> {
    let mut signals = signals::listen()?;
    tokio::select! {
        refused = node.cluster().refused() => {
            leave(std::slice::from_ref(node)).await;
            Err(refused.into())
        }
        stopped = node.stopped() => Ok(stopped?),
        _ = signals.next() => {
            info!("leaving");
            tokio::select! {
                () = leave(std::slice::from_ref(node)) => Ok(()),
                _ = signals.next() => Err(Failure::error("stopped without a goodbye; nothing is lost")),
            }
        }
    }
}
