//! The cost of a put with many watching observers: `cargo bench -p paxoskv --bench observers`.
//!
//! Three processes hold the seats, in memory. All observers are nodes of their own, linked over loopback, in this
//! process; each one watches a key. They are not notified of puts of other keys; a put of the watched key reaches all.
//! The figures are for comparing on one machine. No figure is asserted.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a benchmark that cannot go on says why, and stops

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::join_all;
use paxoskv::{NativeNode, SeatState};

/// How many puts each figure is measured with.
const PUTS: u32 = 1000;

/// How long new observers have to settle, and how long the cluster is then left idle to measure that.
const SETTLES: Duration = Duration::from_secs(15);
const IDLE: Duration = Duration::from_secs(5);

/// How often the watched key is put and erased.
const ROUNDS: u32 = 10;

#[tokio::main]
async fn main() {
    for by in ["ws", "libp2p"] {
        let cluster = Cluster::start(by);
        let putter = cluster.observer().await;
        let mut statuses = putter.cluster().statuses();
        let up = |seat: &paxoskv::SeatStatus| matches!(seat.state, SeatState::Own | SeatState::Connected);
        while let Some(status) = statuses.next().await {
            if status.seats.iter().filter(|seat| up(seat)).count() == 3 {
                break;
            }
        }
        println!("three seats in memory, linked by {by}; one put after the other, values of 64 bytes");
        let mut watching = Vec::new();
        let mut alone = None;
        for observers in [0, 100, 500] {
            let more = observers - watching.len();
            watching.extend(join_all((0..more).map(|_| cluster.observer())).await);
            let mut watches: Vec<_> = watching.iter().map(|node| node.cluster().watch("watched")).collect();
            // A watch begins with the state as it is.
            join_all(watches.iter_mut().map(|watch| watch.next())).await;
            // What comes with connecting is not what is measured.
            tokio::time::sleep(SETTLES).await;
            let (cpu, start) = (cluster.cpu(), Instant::now());
            tokio::time::sleep(IDLE).await;
            let idle = (cluster.cpu() - cpu).div_duration_f64(start.elapsed());
            let (cpu, start) = (cluster.cpu(), Instant::now());
            for n in 0..PUTS {
                let key = format!("{by}-{observers}-{n}");
                putter.cluster().put(key.as_str(), "v".repeat(64).as_str()).await.expect("a put");
            }
            let each = start.elapsed() / PUTS;
            let worked = (cluster.cpu() - cpu) / PUTS;
            let (time, work) = *alone.get_or_insert((each, worked));
            println!(
                "  {observers:3} watching observers: {each:9.1?} a put ({:.2}x), {worked:9.1?} of the seats' CPU ({:.2}x); \
                 idle they take {:.1} % of a core",
                each.div_duration_f64(time),
                worked.div_duration_f64(work),
                100.0 * idle,
            );
            let start = Instant::now();
            for _ in 0..ROUNDS {
                putter.cluster().put("watched", &1).erasable().await.expect("a put");
                join_all(watches.iter_mut().map(|watch| watch.next())).await;
                putter.cluster().erase("watched").await.expect("an erasure");
                join_all(watches.iter_mut().map(|watch| watch.next())).await;
            }
            println!("      until all of them have seen a change: {:.1?}", start.elapsed() / (2 * ROUNDS));
        }
    }
}

/// Three processes of the program, which end with this.
struct Cluster {
    by: &'static str,
    /// Where observers find the seats.
    ways: Vec<String>,
    seats: Vec<Child>,
}

impl Cluster {
    fn start(by: &'static str) -> Self {
        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let ways: Vec<String> = ports
            .iter()
            .map(|port| match by {
                "libp2p" => format!("/ip4/127.0.0.1/tcp/{port}"),
                _ => format!("127.0.0.1:{port}"),
            })
            .collect();
        let start = |(n, way): (usize, &String)| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_paxoskv"));
            command.args(["node", &(n + 1).to_string(), "--cluster", "bench", "--memory", "--transport", by]);
            command.args(["--join", &ways.join(",")]);
            match by {
                "libp2p" => command.args(["--libp2p-listen", way, "--listen", "127.0.0.1:0"]),
                _ => command.args(["--listen", way]),
            };
            command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts")
        };
        let seats = ways.iter().enumerate().map(start).collect();
        Self { by, ways, seats }
    }

    async fn observer(&self) -> NativeNode {
        let mut builder = paxoskv::native("bench");
        if self.by == "libp2p" {
            builder = builder.libp2p_only();
        }
        for way in &self.ways {
            builder = builder.join(way);
        }
        builder.start().await.expect("an observer")
    }

    /// What the seats have worked so far.
    fn cpu(&self) -> Duration {
        let of = |seat: &Child| {
            let stat = fs::read_to_string(format!("/proc/{}/stat", seat.id())).expect("Linux tells");
            let after_name = stat.rsplit(')').next().expect("a name");
            let fields: Vec<&str> = after_name.split_whitespace().collect();
            // User and system time, in hundredths of a second on every Linux.
            fields[11..13].iter().map(|ticks| ticks.parse::<u64>().expect("a number") * 10).sum::<u64>()
        };
        Duration::from_millis(self.seats.iter().map(of).sum())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for seat in &mut self.seats {
            let _ = seat.kill();
            let _ = seat.wait();
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
