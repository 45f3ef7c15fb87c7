//! One client: a call, its answer, the next call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use paxoskv::{Cluster, Error, Generation, NativeNode, json};
use serde_json::Value as Json;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::history::{Answer, Line, Writer};
use super::plan::{Call, Calls, Plan};
use super::report::{Kind, Report};

/// How long a client waits after an error that came at once, so as not to spin.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Client {
    pub(super) number: u32,
    pub(super) node: NativeNode,
    pub(super) plan: Plan,
    pub(super) timeout: Duration,
    /// The zero of all clients' clocks.
    pub(super) start: Instant,
    /// When the client makes no more calls.
    pub(super) end: Instant,
    /// When the calls that are under way are given up.
    pub(super) last: Instant,
    /// True when the client has to end early.
    pub(super) stopped: watch::Receiver<bool>,
    /// Calls of all clients.
    pub(super) done: Arc<AtomicU64>,
    pub(super) history: Option<Writer>,
}

impl Client {
    pub(super) async fn run(mut self) -> Report {
        let mut report = Report::default();
        let mut calls = Calls::new(self.plan.clone(), self.number);
        while Instant::now() < self.end && !*self.stopped.borrow() {
            let call = calls.next();
            let called = Instant::now();
            let result = tokio::select! {
                result = perform(self.node.cluster(), &call, self.timeout) => result.map_err(|e| e.to_string()),
                () = sleep_until(self.last) => Err("pending at the end".into()),
                _ = self.stopped.wait_for(|stopped| *stopped) => Err("pending at the end".into()),
            };
            let returned = Instant::now();
            self.done.fetch_add(1, Ordering::Relaxed);
            let failed = result.as_ref().err().cloned();
            report.record(kind(&call), returned - called, failed.as_deref());
            if let Some(history) = &self.history {
                history.write(self.line(call, called, returned, result));
            }
            if failed.is_some() && returned - called < PAUSE {
                tokio::time::sleep(PAUSE).await;
            }
        }
        report
    }

    fn line(&self, call: Call, called: Instant, returned: Instant, result: Result<Answer, String>) -> Line {
        let (op, key, value) = match call {
            Call::Put { key, value, .. } => ("put", key, Some(value)),
            Call::Get { key } => ("get", key, None),
            Call::Erase { key } => ("erase", key, None),
        };
        let nanoseconds = |at: Instant| u64::try_from((at - self.start).as_nanos()).unwrap_or(u64::MAX);
        let (ok, error) = match result {
            Ok(answer) => (Some(answer), None),
            Err(error) => (None, Some(error)),
        };
        Line {
            client: self.number,
            op,
            key,
            value,
            call_ns: nanoseconds(called),
            return_ns: nanoseconds(returned),
            ok,
            error,
        }
    }
}

fn kind(call: &Call) -> Kind {
    match call {
        Call::Put { .. } => Kind::Put,
        Call::Get { .. } => Kind::Get,
        Call::Erase { .. } => Kind::Erase,
    }
}

async fn perform(cluster: &Cluster, call: &Call, timeout: Duration) -> Result<Answer, Error> {
    let value = |cbor: &[u8], generation: Generation| Answer {
        value: json::from_cbor(cbor),
        generation: Some(generation),
        erased: None,
    };
    match call {
        Call::Put { key, value: put, erasable } => {
            let mut call = cluster.put(key, put).timeout(timeout);
            if *erasable {
                call = call.erasable();
            }
            let chosen = call.await?;
            Ok(value(chosen.cbor(), chosen.generation()))
        }
        Call::Get { key } => {
            let found = cluster.get(key).timeout(timeout).await?;
            Ok(found.map_or_else(Answer::default, |found| value(found.cbor(), found.generation())))
        }
        Call::Erase { key } => {
            let erased = cluster.erase(key).timeout(timeout).await?;
            Ok(Answer { value: Json::Null, generation: None, erased: Some(erased) })
        }
    }
}
