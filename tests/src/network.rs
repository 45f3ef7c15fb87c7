//! Machines that are none: network namespaces, joined by bridges, with cables that can be pulled.
//!
//! This needs root and the commands `ip` and `nft` (Debian: iproute2, nftables). Where they are missing, tests fail and
//! say so.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::processes::Process;

/// Several bridges, and machines that are plugged into them. All of it goes when this is dropped.
pub struct Network {
    name: String,
    machines: Vec<String>,
}

/// What a router does that hides those behind it: what comes from outside unasked gets no answer at all.
const HIDING: &str = "
    table ip hiding {
        chain out { type nat hook postrouting priority 100; oifname OUTER masquerade; }
        chain through {
            type filter hook forward priority 0; policy drop;
            ct state established,related accept; iifname INNER accept;
        }
        chain in { type filter hook input priority 0; iifname OUTER ct state new,invalid drop; }
    }";

/// Runs `ip`, which must do it.
#[track_caller]
fn ip(words: &str) {
    run(&words.split(' ').collect::<Vec<_>>());
}

#[track_caller]
fn run(words: &[&str]) {
    let output = Command::new("ip").args(words).output();
    let output = output.unwrap_or_else(|error| {
        panic!("these tests need the command `ip` (Debian: apt-get install iproute2): {error}")
    });
    assert!(
        output.status.success(),
        "these tests need root, network namespaces and nftables: `ip {}` printed: {}",
        words.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
}

impl Network {
    /// So many bridges, with nothing plugged in.
    #[track_caller]
    pub fn new(bridges: u8) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("pkv-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let network = Self { name, machines: Vec::new() };
        let hub = network.hub();
        ip(&format!("netns add {hub}"));
        for bridge in 1..=bridges {
            ip(&format!("-n {hub} link add bridge{bridge} type bridge"));
            ip(&format!("-n {hub} link set bridge{bridge} up"));
        }
        network
    }

    fn hub(&self) -> String {
        format!("{}-hub", self.name)
    }

    /// A machine, and its namespace: its number is from 1 on. Plugged into bridge b, its address there is
    /// `10.77.b.number`; it knows no way to anywhere else.
    #[track_caller]
    pub fn machine(&mut self, bridges: &[u8]) -> u8 {
        let number = u8::try_from(self.machines.len() + 1).unwrap();
        let (hub, machine) = (self.hub(), format!("{}-{number}", self.name));
        ip(&format!("netns add {machine}"));
        self.machines.push(machine.clone());
        ip(&format!("-n {machine} link set lo up"));
        for bridge in bridges {
            let plug = plug(*bridge, number);
            ip(&format!("-n {hub} link add {plug} type veth peer name eth{bridge} netns {machine}"));
            ip(&format!("-n {hub} link set {plug} master bridge{bridge}"));
            ip(&format!("-n {hub} link set {plug} up"));
            ip(&format!("-n {machine} address add 10.77.{bridge}.{number}/24 dev eth{bridge}"));
            ip(&format!("-n {machine} link set eth{bridge} up"));
        }
        number
    }

    /// A router between two bridges: it lets machines of the inner one out under its own address, and nobody in.
    #[track_caller]
    pub fn router(&mut self, outer: u8, inner: u8) -> u8 {
        let number = self.machine(&[outer, inner]);
        let machine = &self.machines[usize::from(number) - 1];
        let rules = HIDING.replace("OUTER", &format!("eth{outer}")).replace("INNER", &format!("eth{inner}"));
        ip(&format!("netns exec {machine} sysctl -q net.ipv4.ip_forward=1"));
        run(&["netns", "exec", machine, "nft", &rules]);
        number
    }

    /// A machine's way to everywhere else is through a router on this bridge.
    #[track_caller]
    pub fn route(&self, machine: u8, bridge: u8, router: u8) {
        let machine = &self.machines[usize::from(machine) - 1];
        ip(&format!("-n {machine} route add default via 10.77.{bridge}.{router}"));
    }

    /// Pulls a machine's cable out of a bridge. No process is notified.
    #[track_caller]
    pub fn pull(&self, machine: u8, bridge: u8) {
        ip(&format!("-n {} link set {} down", self.hub(), plug(bridge, machine)));
    }

    /// Plugs it in again.
    #[track_caller]
    pub fn plug(&self, machine: u8, bridge: u8) {
        ip(&format!("-n {} link set {} up", self.hub(), plug(bridge, machine)));
    }

    /// The command with which a program is started on a machine.
    pub fn on(&self, machine: u8) -> Vec<String> {
        let name = &self.machines[usize::from(machine) - 1];
        ["ip", "netns", "exec", name].map(str::to_owned).to_vec()
    }

    /// Starts the program on a machine.
    pub fn start(&self, machine: u8, arguments: &[impl AsRef<str>]) -> Process {
        Process::start_by(&self.on(machine), arguments, b"")
    }
}

fn plug(bridge: u8, machine: u8) -> String {
    format!("plug{bridge}-{machine}")
}

impl Drop for Network {
    fn drop(&mut self) {
        for machine in self.machines.iter().chain([&self.hub()]) {
            // What runs there is ended by its own owner.
            Command::new("ip").args(["netns", "delete", machine]).output().ok();
        }
    }
}
