//! `bench`.

use std::path::PathBuf;

use clap::Args;

use super::operation::CallArgs;
use super::parse::seconds;
use super::reach::Reach;

#[derive(Args, Clone, Debug)]
pub(crate) struct BenchArgs {
    /// How many clients, each of which waits for an answer before it asks again
    #[arg(long, env = "PAXOSKV_CLIENTS", value_name = "N", default_value_t = 16,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) clients: u32,
    /// For how long
    #[arg(long, env = "PAXOSKV_SECONDS", value_name = "S", default_value_t = 10.0, value_parser = seconds)]
    pub(crate) seconds: f64,
    /// Draw keys from so many [default: each put has a fresh 16-byte key and a 64-byte value]
    #[arg(long, env = "PAXOSKV_KEYS", value_name = "K", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) keys: Option<u64>,
    /// What the names of the --keys begin with [default: a fresh one for each run]
    #[arg(long, env = "PAXOSKV_PREFIX", requires = "keys")]
    pub(crate) prefix: Option<String>,
    /// How many of a hundred calls are gets
    #[arg(long, env = "PAXOSKV_GETS", value_name = "PERCENT", default_value_t = 50,
          value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) gets: u8,
    /// How many of a hundred calls are erases; puts are erasable then
    #[arg(long, env = "PAXOSKV_ERASES", value_name = "PERCENT", default_value_t = 0,
          value_parser = clap::value_parser!(u8).range(0..=100))]
    pub(crate) erases: u8,
    /// Write every call and its result to this file, one JSON object a line
    #[arg(long, env = "PAXOSKV_HISTORY", value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) reach: Reach,
    #[command(flatten)]
    pub(crate) call: CallArgs,
}
