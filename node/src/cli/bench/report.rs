//! The figures of a run.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Map, Value as Json, json};

use crate::cli::failure::{Exit, Failure};

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Put,
    Get,
    Erase,
}

const KINDS: [(Kind, &str); 3] = [(Kind::Put, "puts"), (Kind::Get, "gets"), (Kind::Erase, "erases")];

/// Counts and times of one kind of call.
#[derive(Default)]
struct Times {
    /// How long calls took, in microseconds; none before the first call.
    took: Option<Histogram<u64>>,
    failed: u64,
    error: Option<String>,
}

impl Times {
    fn count(&self) -> u64 {
        self.took.as_ref().map_or(0, Histogram::len)
    }

    /// Milliseconds within which that share of calls was done.
    fn quantile(&self, share: f64) -> f64 {
        self.took.as_ref().map_or(0.0, |took| took.value_at_quantile(share) as f64 / 1000.0)
    }
}

/// Counts and times of one client, or of all.
#[derive(Default)]
pub(super) struct Report {
    times: [Times; KINDS.len()],
}

impl Report {
    pub(super) fn record(&mut self, kind: Kind, took: Duration, error: Option<&str>) {
        let times = &mut self.times[kind as usize];
        match error {
            Some(error) => {
                times.failed += 1;
                times.error = Some(error.to_owned());
            }
            None => {
                let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
                if let Some(histogram) = histogram(&mut times.took) {
                    // Grows as needed; the hours that it cannot hold do not occur.
                    histogram.record(micros).ok();
                }
            }
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        for (mine, its) in self.times.iter_mut().zip(&other.times) {
            mine.failed += its.failed;
            mine.error = mine.error.take().or_else(|| its.error.clone());
            if let (Some(took), Some(mine)) = (&its.took, histogram(&mut mine.took)) {
                // All histograms are made alike and grow as needed, so they can be added.
                mine.add(took).ok();
            }
        }
    }

    /// The figures: a line for each kind of call, or JSON.
    pub(super) fn render(&self, took: Duration, clients: u32, as_json: bool) -> String {
        let seconds = took.as_secs_f64().max(f64::EPSILON);
        let mut lines = vec![format!("{clients} clients, {seconds:.1} s")];
        let mut object = Map::new();
        object.insert("clients".into(), clients.into());
        object.insert("seconds".into(), round(seconds).into());
        for ((kind, name), times) in KINDS.iter().zip(&self.times) {
            let (count, failed) = (times.count(), times.failed);
            let (per_second, p50, p99) = (count as f64 / seconds, times.quantile(0.5), times.quantile(0.99));
            object.insert(
                (*name).into(),
                json!({ "count": count, "per_second": round(per_second), "p50_ms": p50, "p99_ms": p99, "failed": failed }),
            );
            if *kind != Kind::Erase || count + failed > 0 {
                let mut line =
                    format!("{name:6} {per_second:>9.0}/s   p50 {p50:>8.3} ms   p99 {p99:>8.3} ms");
                if let Some(error) = &times.error {
                    line += &format!("   {failed} failed: {error}");
                }
                lines.push(line);
            }
        }
        if as_json { Json::Object(object).to_string() } else { lines.join("\n") }
    }

    /// The failure of a run in which no call succeeded.
    pub(super) fn failure(&self) -> Option<Failure> {
        if self.times.iter().any(|times| times.count() > 0) {
            return None;
        }
        let error = self.times.iter().find_map(|times| times.error.clone());
        let why = error.unwrap_or_else(|| "there was no time for any".into());
        Some(Failure::new(Exit::Unavailable, format!("no call was done: {why}")))
    }
}

/// Three significant digits, from a microsecond to however long it takes.
fn histogram(took: &mut Option<Histogram<u64>>) -> Option<&mut Histogram<u64>> {
    if took.is_none() {
        *took = Histogram::new(3).ok();
    }
    took.as_mut()
}

fn round(x: f64) -> f64 {
    (x * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_clients_add_up() {
        let (mut one, mut two, mut all) = (Report::default(), Report::default(), Report::default());
        one.record(Kind::Put, Duration::from_millis(1), None);
        two.record(Kind::Put, Duration::from_millis(3), None);
        two.record(Kind::Get, Duration::from_millis(3), Some("timed out"));
        all.add(&one);
        all.add(&two);
        let json: Json = serde_json::from_str(&all.render(Duration::from_secs(2), 2, true)).unwrap();
        assert_eq!(json["puts"]["count"], 2);
        assert_eq!(json["puts"]["per_second"], 1.0);
        assert_eq!(json["puts"]["p50_ms"], 1.0);
        assert_eq!(json["gets"]["failed"], 1);
        assert!(all.failure().is_none());
        assert!(all.render(Duration::from_secs(2), 2, false).contains("1 failed: timed out"));
    }

    #[test]
    fn a_run_in_which_nothing_was_done_is_a_failure() {
        let mut report = Report::default();
        report.record(Kind::Put, Duration::from_millis(1), Some("no quorum"));
        let failure = report.failure().unwrap();
        assert_eq!(failure.exit, Exit::Unavailable);
        assert!(failure.message.contains("no quorum"));
    }
}
