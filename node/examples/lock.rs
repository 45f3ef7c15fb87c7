//! A lock around some work, which stops when the lock is lost.
//!
//! A lock can be lost: its node is cut off, or stands still for too long. So the work runs beside the question whether
//! it is still held, and whatever it works on is given the fencing token, to refuse a holder that has lost unnoticed.

use std::error::Error;
use std::time::Duration;

use paxoskv::{Cluster, native};

const TIMEOUT: Duration = Duration::from_secs(20);

/// What the lock is for. It remembers the highest token that it has seen, and refuses lower ones.
#[derive(Default)]
struct Printer {
    highest: u64,
}

impl Printer {
    fn print(&mut self, token: u64, page: &str) -> Result<(), String> {
        if token < self.highest {
            return Err(format!("token {token} is too old: {} has printed since", self.highest));
        }
        self.highest = token;
        println!("printed with token {token}: {page}");
        Ok(())
    }
}

async fn print_two_pages(cluster: &Cluster, printer: &mut Printer) -> Result<(), Box<dyn Error>> {
    let guard = cluster.lock("printer").timeout(TIMEOUT).await?;
    let token = guard.token().0;
    tokio::select! {
        // What is lost must not go on, whatever else there is to do.
        biased;
        loss = guard.lost() => return Err(format!("the lock was lost: {loss:?}").into()),
        printed = async {
            printer.print(token, "page 1")?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            printer.print(token, "page 2")
        } => printed?,
    }
    // Dropping the guard releases it as well; this waits until that is decided.
    guard.release().await?;
    Ok(())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // A cluster of one, on any free port. In a cluster of three, any node can take the lock.
    let node = native("demo").cluster_size(1).seat(1).memory().listen("127.0.0.1:0").start().await?;
    let mut printer = Printer::default();
    print_two_pages(node.cluster(), &mut printer).await?;
    let first = printer.highest;
    print_two_pages(node.cluster(), &mut printer).await?;
    assert!(printer.highest > first, "each holder has a higher token");
    assert!(printer.print(first, "a page that comes too late").is_err());
    node.leave().await;
    Ok(())
}
