//! A watch as a cache: all settings of an application, in a map that is read without asking anybody, and follows what
//! any node changes.

use std::collections::HashMap;
use std::error::Error;
use std::time::Duration;

use futures::StreamExt;
use paxoskv::{Cluster, native};
use tokio::sync::watch;

type Settings = HashMap<String, String>;

/// Follows all keys of the bucket `settings`; whoever holds the receiver sees the newest state.
fn follow(cluster: &Cluster) -> watch::Receiver<Settings> {
    let (sender, receiver) = watch::channel(Settings::new());
    // First come the values that there are, then changes. For each key they come in order, and the last is never missed.
    let mut states = cluster.watch_prefix("").bucket("settings");
    tokio::spawn(async move {
        while let Some(Ok((key, state))) = states.next().await {
            let Ok(key) = key.decode::<String>() else { continue };
            let value = state.found.and_then(|found| found.value::<String>().ok());
            sender.send_modify(|settings| match value {
                Some(value) => drop(settings.insert(key, value)),
                None => drop(settings.remove(&key)),
            });
        }
    });
    receiver
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let node = native("demo").cluster_size(1).seat(1).memory().listen("127.0.0.1:0").start().await?;
    let cluster = node.cluster();
    let mut settings = follow(cluster);
    let timeout = Duration::from_secs(20);

    cluster.put("colour", "blue").bucket("settings").erasable().timeout(timeout).await?;
    cluster.put("size", "large").bucket("settings").timeout(timeout).await?;
    let both = settings.wait_for(|settings| settings.len() == 2).await?.clone();
    println!("{both:?}");

    // A key is written once: a new value takes the place of one that was erased.
    cluster.erase("colour").bucket("settings").timeout(timeout).await?;
    cluster.put("colour", "green").bucket("settings").erasable().timeout(timeout).await?;
    let green = settings.wait_for(|settings| settings.get("colour").is_some_and(|colour| colour == "green"));
    println!("{:?}", *green.await?);

    node.leave().await;
    Ok(())
}
