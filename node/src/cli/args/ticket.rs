//! `ticket`.

use std::time::Duration;

use clap::Args;

use super::parse::time;
use super::reach::Reach;

#[derive(Args, Debug)]
pub(crate) struct TicketArgs {
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Wait no longer than this for a node to answer [default: 10s]
    #[arg(long, env = "PAXOSKV_TIMEOUT", value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
}
