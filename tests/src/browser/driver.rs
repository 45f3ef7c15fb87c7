//! The WebDriver process of a browser.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::Kind;

pub(super) struct Driver {
    child: Child,
    port: u16,
}

impl Driver {
    /// Starts it, and waits until it listens.
    #[track_caller]
    pub(super) fn start(kind: Kind, program: &Path) -> Self {
        let mut command = Command::new(program);
        match kind {
            Kind::Chromium => command.arg("--port=0"),
            // With system access a test can find a tab's process.
            Kind::Firefox => command.args(["--port", "0", "--websocket-port", "0", "--allow-system-access"]),
        };
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).process_group(0);
        let mut child = command.spawn().unwrap_or_else(|e| panic!("{}: {e}", program.display()));
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let port = lines.by_ref().find_map(|line| port(&line));
        // The driver needs a reader for as long as it writes.
        std::thread::spawn(move || lines.for_each(drop));
        let port = port.unwrap_or_else(|| panic!("{} said no port", program.display()));
        Self { child, port }
    }

    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// The port that a line names: `… started successfully on port 1234.` or `… Listening on 127.0.0.1:1234`.
fn port(line: &str) -> Option<u16> {
    let (_, port) = line
        .split_once("started successfully on port ")
        .or_else(|| line.split_once("Listening on 127.0.0.1:"))?;
    port.trim_end_matches('.').parse().ok()
}

impl Drop for Driver {
    fn drop(&mut self) {
        // The browser has ended before, or ends with its driver.
        if let Ok(group) = i32::try_from(self.child.id()) {
            killpg(Pid::from_raw(group), Signal::SIGKILL).ok();
        }
        self.child.wait().ok();
    }
}
