//! The command line. Every option has an environment variable, `PAXOSKV_` and its name. An empty one counts as unset.

mod bench;
mod lock;
mod node;
mod operation;
mod parse;
mod reach;
mod ticket;

use clap::{Parser, Subcommand};

pub(crate) use bench::BenchArgs;
pub(crate) use lock::LockArgs;
pub(crate) use node::{DemoArgs, NodeArgs, SeatArg, TransportArg};
pub(crate) use operation::{
    CreateBucketArgs, DropBucketArgs, EraseArgs, GetArgs, KeysArgs, OneShot, Operation, OwnerArgs, PutArgs,
    SessionArgs, StatusArgs, WatchArgs,
};
pub(crate) use reach::Reach;
pub(crate) use ticket::TicketArgs;

/// Write-once key-value store: whatever was put first for a key is its value, for everyone, whatever crashes.
#[derive(Parser, Debug)]
#[command(name = "paxoskv", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to log, like `info` or `paxoskv_core=debug`; RUST_LOG is read as well
    #[arg(long, global = true, env = "PAXOSKV_LOG", value_name = "FILTER")]
    pub(crate) log: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a whole cluster in this process, in memory, with a shell
    Demo(DemoArgs),
    /// Run a node; three of them, `node 1`, `node 2`, `node 3`, are a cluster
    Node(NodeArgs),
    /// Put a value for a key, unless it has one, and print the value that the key has
    Put(OneShot<PutArgs>),
    /// Print the value of a key
    Get(OneShot<GetArgs>),
    /// Make a key vacant whose value was put with --erasable
    Erase(OneShot<EraseArgs>),
    /// Print the session that a key is bound to
    Owner(OneShot<OwnerArgs>),
    /// Print the states of a key, or of many, as they change: one JSON object a line, until Ctrl-C
    Watch(OneShot<WatchArgs>),
    /// List the keys that have a value
    Keys(OneShot<KeysArgs>),
    /// Create or drop a bucket
    #[command(subcommand_required = true, arg_required_else_help = false)]
    Bucket {
        #[command(subcommand)]
        command: BucketCommand,
    },
    /// Run a command while holding a lock
    Lock(LockArgs),
    /// Print the state of the cluster
    Status(OneShot<StatusArgs>),
    /// Print a ticket: one line with which another machine's node joins, secret included, and in a terminal a QR code
    /// of it
    Ticket(TicketArgs),
    /// Measure puts and gets per second
    Bench(BenchArgs),
}

#[derive(Subcommand, Debug)]
pub(crate) enum BucketCommand {
    /// Decide what a bucket is, before the first put into it does, and print what it is
    Create(OneShot<CreateBucketArgs>),
    /// Make all keys of a droppable bucket vacant, in one instant
    Drop(OneShot<DropBucketArgs>),
}

impl Command {
    /// The log filter unless another is set: a node logs its state; other commands print their results alone.
    pub(crate) fn log_filter(&self) -> &'static str {
        match self {
            Self::Node(args) if !args.shell => "warn,paxoskv=info",
            Self::Node(_) | Self::Demo(_) => "warn",
            // The last line says what went wrong.
            _ => "error",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::time::Duration;

    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        Cli::try_parse_from(line.split(' ')).map(|cli| cli.command)
    }

    #[test]
    fn clap_finds_no_fault_with_the_definitions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_option_has_an_environment_variable() {
        let root = Cli::command();
        let nested = root.get_subcommands().flat_map(clap::Command::get_subcommands);
        for command in root.get_subcommands().chain(nested) {
            for option in command.get_arguments().filter(|arg| arg.get_long().is_some()) {
                let long = option.get_long().unwrap();
                let expected = format!("PAXOSKV_{}", long.replace('-', "_").to_uppercase());
                assert_eq!(
                    option.get_env().and_then(|name| name.to_str()),
                    Some(&*expected),
                    "--{long} of {}",
                    command.get_name()
                );
            }
        }
    }

    #[test]
    fn a_seat_is_a_number_or_the_lowest() {
        let Ok(Command::Node(node)) = parse("paxoskv node 2") else { panic!("a node") };
        assert_eq!(node.seat, Some(SeatArg::Seat(2)));
        let Ok(Command::Node(node)) = parse("paxoskv node _ --shell --join a:1,b:2 --join c:3") else {
            panic!("a node")
        };
        assert_eq!(node.seat, Some(SeatArg::Lowest));
        assert_eq!(node.join, ["a:1", "b:2", "c:3"]);
        for wrong in ["0", "32", "x", "-1"] {
            assert!(parse(&format!("paxoskv node {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn negative_numbers_are_keys_and_values() {
        let Ok(Command::Put(put)) = parse("paxoskv put -1 -2.5 --timeout 500ms --json") else {
            panic!("a put")
        };
        assert_eq!((&*put.op.key, &*put.op.value), ("-1", "-2.5"));
        assert_eq!(put.op.call.timeout, Some(Duration::from_millis(500)));
        assert!(put.op.call.json);
    }

    #[test]
    fn a_value_can_be_a_dash() {
        let Ok(Command::Put(put)) = parse("paxoskv put k -") else { panic!("a put") };
        assert_eq!(put.op.value, "-");
    }

    #[test]
    fn one_key_is_watched_or_a_prefix() {
        let Ok(Command::Watch(watch)) = parse("paxoskv watch k --from 2 --at a:1") else { panic!("a watch") };
        assert_eq!((watch.op.key.as_deref(), watch.op.from), (Some("k"), Some(2)));
        for wrong in ["", " k --prefix p", " --prefix p --from 1"] {
            assert!(parse(&format!("paxoskv watch{wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_lock_has_a_command_after_two_dashes() {
        let Ok(Command::Lock(lock)) = parse("paxoskv lock l --timeout 1s -- sh -c x --at") else {
            panic!("a lock")
        };
        assert_eq!(
            (&*lock.name, lock.command),
            ("l", ["sh", "-c", "x", "--at"].map(OsString::from).to_vec())
        );
        for wrong in ["lock l", "lock l sh", "lock -- sh"] {
            assert!(parse(&format!("paxoskv {wrong}")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn data_is_on_disk_or_in_memory() {
        assert!(parse("paxoskv node 1 --data d --memory").is_err());
    }
}
