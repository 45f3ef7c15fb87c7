//! How values of options are read.

use std::time::Duration;

pub(super) fn sizes() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(1..=i64::from(paxoskv::Seat::MAX))
}

pub(super) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| format!("{e}; expected a time like 500ms, 10s or 1m"))
}

pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.trim_end_matches('s').parse().map_err(|_| "expected seconds, like 10 or 0.5")?;
    if (0.001..=1e6).contains(&seconds) { Ok(seconds) } else { Err("expected 0.001 to 1000000".into()) }
}
