//! A web application whose instances elect a leader, which does a job in the background: here, it counts.
//!
//! The application's routes are served on the node's own address, by axum, which takes the feature `axum`.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use paxoskv::recipes::{Election, Leadership};
use paxoskv::{Cluster, native};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What the handlers see: filled in once the node runs.
#[derive(Clone, Default)]
struct App {
    cluster: Arc<std::sync::OnceLock<Cluster>>,
    counted: Arc<AtomicU64>,
}

/// Says where the leader is: any instance can tell.
async fn leader(State(app): State<App>) -> String {
    let Some(cluster) = app.cluster.get() else { return "starting".into() };
    match cluster.election("app").leader().timeout(Duration::from_secs(5)).await {
        Ok(Some(found)) => found.value().unwrap_or_else(|error| error.to_string()),
        Ok(None) => "nobody".into(),
        Err(error) => error.to_string(),
    }
}

/// Stands for election, for ever: each time that it is elected, it does the job until the office is lost.
async fn lead(election: Election, address: String, counted: Arc<AtomicU64>) -> Result<(), paxoskv::Error> {
    loop {
        let office = election.campaign(&address).await?;
        tokio::select! {
            biased;
            _ = office.lost() => {}
            () = job(&office, &counted) => {}
        }
    }
}

/// What the leader does, with its token in hand.
async fn job(office: &Leadership, counted: &AtomicU64) {
    println!("elected, token {}", office.token());
    loop {
        counted.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = App::default();
    let routes = Router::new().route("/leader", get(leader)).with_state(app.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    // A cluster of one; with three instances, one of them counts at a time.
    let node =
        native("app").cluster_size(1).seat(1).memory().listener(listener).routes(routes).start().await?;
    app.cluster.get_or_init(|| node.cluster().clone());
    let election = node.cluster().election("app");
    let leading = tokio::spawn(lead(election.clone(), address.to_string(), app.counted.clone()));

    // Once somebody leads, any visitor is told who does.
    let mut leaders = election.observe();
    while futures::StreamExt::next(&mut leaders).await.transpose()?.is_some_and(|state| state.found.is_none())
    {
    }
    let mut visitor = TcpStream::connect(address).await?;
    let request = format!("GET /leader HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    visitor.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    visitor.read_to_string(&mut answer).await?;
    println!("{answer}");
    assert!(answer.ends_with(&address.to_string()), "the leader is this instance");
    while app.counted.load(Ordering::Relaxed) < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }

    leading.abort();
    node.leave().await;
    Ok(())
}
