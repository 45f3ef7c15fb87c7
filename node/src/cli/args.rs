//! The command line. Every option has an environment variable, `PAXOSKV_` and its name; one that is empty counts for
//! nothing.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use paxoskv::SessionId;
use paxoskv::ticket::Ticket;

/// Write-once key-value store: whatever was put first for a key is its value, for everyone, whatever crashes.
#[derive(Parser, Debug)]
#[command(name = "paxoskv", version, max_term_width = 100)]
pub(crate) struct Cli {
    /// What to log, like `info` or `paxoskv_core=debug`; RUST_LOG says it as well
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
    /// Print a ticket: one line with which another machine's node comes in, secret included, and in a terminal a QR
    /// code of it
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
    /// What to log unless told: a node talks about itself, whoever types commands wants their output only.
    pub(crate) fn log_filter(&self) -> &'static str {
        match self {
            Self::Node(args) if !args.shell => "warn,paxoskv=info",
            Self::Node(_) | Self::Demo(_) => "warn",
            // What goes wrong is in the one line that they end with.
            _ => "error",
        }
    }
}

#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// How many nodes
    #[arg(long, env = "PAXOSKV_CLUSTER_SIZE", value_name = "N", default_value_t = 3, value_parser = sizes())]
    pub(crate) cluster_size: u8,
}

#[derive(Args, Debug)]
#[command(after_help = "\
`paxoskv node 1`, `paxoskv node 2` and `paxoskv node 3` in three terminals find one another: each looks for the \
others on ports 7401 and following of this machine, or else at the addresses of --join.")]
pub(crate) struct NodeArgs {
    /// The seat to take, from 1 to the cluster's size, or `_`: the lowest that is free on this machine [default with a
    /// ticket: the seat that this machine had, else the lowest that is free in the cluster]
    #[arg(env = "PAXOSKV_SEAT", value_name = "SEAT|_", required_unless_present = "ticket")]
    pub(crate) seat: Option<SeatArg>,
    /// What `paxoskv ticket` printed: the cluster's name and size, where its nodes are, and its secret
    #[arg(long, env = "PAXOSKV_TICKET", value_name = "TICKET",
          conflicts_with_all = ["cluster", "cluster_size", "secret_file"])]
    pub(crate) ticket: Option<Ticket>,
    /// Read commands from the terminal, or from a pipe; the node leaves at the end of the input
    #[arg(long, env = "PAXOSKV_SHELL", action = ArgAction::SetTrue)]
    pub(crate) shell: bool,
    /// The cluster's name
    #[arg(long, env = "PAXOSKV_CLUSTER", value_name = "NAME", default_value = "default")]
    pub(crate) cluster: String,
    /// How many seats the cluster has
    #[arg(long, env = "PAXOSKV_CLUSTER_SIZE", value_name = "N", default_value_t = 3, value_parser = sizes())]
    pub(crate) cluster_size: u8,
    /// The folder for this seat's data [default: $XDG_DATA_HOME/paxoskv/CLUSTER/SEAT]; with `_`, one for each seat
    /// in it
    #[arg(long, env = "PAXOSKV_DATA", value_name = "DIR", conflicts_with = "memory")]
    pub(crate) data: Option<PathBuf>,
    /// Keep the data in memory: when the node stops, its vote is lost, and the seat with it
    #[arg(long, env = "PAXOSKV_MEMORY", action = ArgAction::SetTrue)]
    pub(crate) memory: bool,
    /// Where to listen [default: 127.0.0.1, port 7400 + SEAT]; beyond loopback only with a secret
    #[arg(long, env = "PAXOSKV_LISTEN", value_name = "ADDR")]
    pub(crate) listen: Option<String>,
    /// Where another node is, host:port or ws://… or wss://…, or for libp2p a multiaddr; can be repeated [default: the
    /// usual ports of this machine; with libp2p and a secret, whoever is on the local network]
    #[arg(long, env = "PAXOSKV_JOIN", value_name = "ADDR", value_delimiter = ',')]
    pub(crate) join: Vec<String>,
    /// How seats link to one another [default: ws; with a ticket, as it says]
    #[arg(long, env = "PAXOSKV_TRANSPORT", value_delimiter = ',')]
    pub(crate) transport: Vec<TransportArg>,
    /// Where to listen over libp2p, like /ip4/0.0.0.0/tcp/7411 or /ip4/0.0.0.0/udp/7411/quic-v1 or, for WebSocket,
    /// /ip4/0.0.0.0/tcp/7421/ws; can be repeated [default: /ip4/0.0.0.0/tcp/0 with a secret, else
    /// /ip4/127.0.0.1/tcp/, port 7410 + SEAT]
    #[arg(long, env = "PAXOSKV_LIBP2P_LISTEN", value_name = "MULTIADDR", value_delimiter = ',')]
    pub(crate) libp2p_listen: Vec<String>,
    /// A file with the cluster's secret, which all its nodes share
    #[arg(long, env = "PAXOSKV_SECRET_FILE", value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
    /// A web page's origin, like https://example.org, that may link to this node; can be repeated
    #[arg(long, env = "PAXOSKV_ALLOW_ORIGIN", value_name = "URL", value_delimiter = ',')]
    pub(crate) allow_origin: Vec<String>,
    /// A name by which others call this machine, like example.org; can be repeated
    #[arg(long, env = "PAXOSKV_ALLOW_HOST", value_name = "NAME", value_delimiter = ',')]
    pub(crate) allow_host: Vec<String>,
    /// A peer that is silent for so long is taken for lost; 60ms at least
    #[arg(long, env = "PAXOSKV_PEER_TIMEOUT", value_name = "TIME", default_value = "3s", value_parser = time)]
    pub(crate) peer_timeout: Duration,
    /// Who is lost to a quorum for so long is gone, and what is bound to its sessions with it; all seats should agree
    /// on it; 20ms at least
    #[arg(long, env = "PAXOSKV_SESSION_GRACE", value_name = "TIME", default_value = "1s", value_parser = time)]
    pub(crate) session_grace: Duration,
}

/// A seat, or the lowest that is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SeatArg {
    Lowest,
    Seat(u8),
}

impl std::str::FromStr for SeatArg {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse() {
            _ if text == "_" => Ok(Self::Lowest),
            Ok(seat) if paxoskv::Seat::new(seat).is_some() => Ok(Self::Seat(seat)),
            _ => Err(format!("expected a seat from 1 to {}, or _", paxoskv::Seat::MAX)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransportArg {
    /// WebSocket
    Ws,
    /// libp2p: TCP, QUIC, relays, nodes that find each other on the local network
    Libp2p,
}

/// A command that is done by an observer, and where it finds the cluster.
#[derive(Args, Debug)]
pub(crate) struct OneShot<T: Args> {
    #[command(flatten)]
    pub(crate) op: T,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct Reach {
    /// Where a node is, host:port or ws://… or wss://… or a multiaddr; can be repeated [default: ports 7401 and
    /// following of this machine]
    #[arg(long, env = "PAXOSKV_AT", value_name = "ADDR", value_delimiter = ',')]
    pub(crate) at: Vec<String>,
    /// The cluster's name [default: whichever is there]
    #[arg(long, env = "PAXOSKV_CLUSTER", value_name = "NAME")]
    pub(crate) cluster: Option<String>,
    /// How many seats the cluster has [default: whatever the nodes say]
    #[arg(long, env = "PAXOSKV_CLUSTER_SIZE", value_name = "N", value_parser = sizes())]
    pub(crate) cluster_size: Option<u8>,
    /// A file with the cluster's secret
    #[arg(long, env = "PAXOSKV_SECRET_FILE", value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
}

/// One operation on the cluster, as one-shots and the shell have it.
#[derive(Debug)]
pub(crate) enum Operation {
    Put(PutArgs),
    Get(GetArgs),
    Erase(EraseArgs),
    Owner(OwnerArgs),
    Watch(WatchArgs),
    Keys(KeysArgs),
    Status(StatusArgs),
    CreateBucket(CreateBucketArgs),
    DropBucket(DropBucketArgs),
    Session(SessionArgs),
}

macro_rules! operation {
    ($($args:ident => $variant:ident),*) => {
        $(impl From<$args> for Operation {
            fn from(args: $args) -> Self {
                Self::$variant(args)
            }
        })*
        impl Operation {
            /// How long it may take, if that was said.
            pub(crate) fn timeout(&self) -> Option<Duration> {
                match self { $(Self::$variant(args) => args.call.timeout),* }
            }
        }
    };
}
operation!(
    PutArgs => Put, GetArgs => Get, EraseArgs => Erase, OwnerArgs => Owner, WatchArgs => Watch, KeysArgs => Keys,
    StatusArgs => Status, CreateBucketArgs => CreateBucket, DropBucketArgs => DropBucket, SessionArgs => Session
);

#[derive(Args, Clone, Debug)]
pub(crate) struct CallArgs {
    /// Wait no longer than this, like 500ms or 1m [default: 10s; in the shell, until Ctrl-C]
    #[arg(long, env = "PAXOSKV_TIMEOUT", value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
    /// Print JSON
    #[arg(long, env = "PAXOSKV_JSON", action = ArgAction::SetTrue)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct PutArgs {
    /// JSON where it parses as JSON, else a string
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: String,
    /// JSON where it parses as JSON, else a string; `-` reads standard input, `@FILE` a file, before the time of
    /// --timeout begins
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: String,
    /// Let anyone erase it
    #[arg(long, env = "PAXOSKV_ERASABLE", action = ArgAction::SetTrue)]
    pub(crate) erasable: bool,
    /// Make the key vacant after this time, like 30s or 1h: not before, by the clocks of the seats, but perhaps
    /// somewhat later
    #[arg(long, env = "PAXOSKV_UNTIL", value_name = "TIME", value_parser = time)]
    pub(crate) until: Option<Duration>,
    /// Make the key vacant once this one is, in the same instant
    #[arg(long, env = "PAXOSKV_BOUND_TO", value_name = "KEY", allow_negative_numbers = true)]
    pub(crate) bound_to: Option<String>,
    /// The bucket of the key of --bound-to [default: the one without a name]
    #[arg(
        long,
        env = "PAXOSKV_BOUND_TO_BUCKET",
        value_name = "NAME",
        default_value = "",
        hide_default_value = true
    )]
    pub(crate) bound_to_bucket: String,
    /// Make the key vacant once this session has ended; `session` in a node's shell tells its own
    #[arg(long, env = "PAXOSKV_BOUND_TO_SESSION", value_name = "ID")]
    pub(crate) bound_to_session: Option<SessionId>,
    /// In a shell: make the key vacant once the shell's node has left or is lost
    #[arg(long, env = "PAXOSKV_EPHEMERAL", action = ArgAction::SetTrue)]
    pub(crate) ephemeral: bool,
    /// The bucket to put into
    #[arg(long, env = "PAXOSKV_BUCKET", value_name = "NAME", default_value = "")]
    pub(crate) bucket: String,
    #[command(flatten)]
    pub(crate) call: CallArgs,
}

#[derive(Args, Debug)]
pub(crate) struct GetArgs {
    /// JSON where it parses as JSON, else a string
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: String,
    /// What to print where the key has no value
    #[arg(long, env = "PAXOSKV_DEFAULT", value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) default: Option<String>,
    /// Ask nobody: what one seat has learned. A key that it does not know may have a value all the same
    #[arg(long, env = "PAXOSKV_LOCAL", action = ArgAction::SetTrue)]
    pub(crate) local: bool,
    /// Where the key has no value, wait until it has one
    #[arg(long, env = "PAXOSKV_WAIT", action = ArgAction::SetTrue, conflicts_with = "local")]
    pub(crate) wait: bool,
    /// The bucket to look into
    #[arg(long, env = "PAXOSKV_BUCKET", value_name = "NAME", default_value = "")]
    pub(crate) bucket: String,
    #[command(flatten)]
    pub(crate) call: CallArgs,
}

#[derive(Args, Debug)]
pub(crate) struct EraseArgs {
    /// JSON where it parses as JSON, else a string
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: String,
    /// The bucket to look into
    #[arg(long, env = "PAXOSKV_BUCKET", value_name = "NAME", default_value = "")]
    pub(crate) bucket: String,
    #[command(flatten)]
    pub(crate) call: CallArgs,
}

#[derive(Args, Debug)]
pub(crate) struct OwnerArgs {
    /// JSON where it parses as JSON, else a string
    #[arg(allow_negative_numbers = true)]
    pub(crate) key: String,
    /// The bucket to look into
    #[arg(long, env = "PAXOSKV_BUCKET", value_name = "NAME", default_value = "")]
    pub(crate) bucket: String,
    #[command(flatten)]
    pub(crate) call: CallArgs,
}

#[derive(Args, Debug)]
pub(crate) struct WatchArgs {
    /// JSON where it parses as JSON, else a string
    #[arg(allow_negative_numbers = true, required_unless_present = "prefix", conflicts_with = "prefix")]
    pub(crate) key: Option<String>,
    /// Only states of this generation and later ones
    #[arg(long, env = "PAXOSKV_FROM", value_name = "GENERATION", conflicts_with = "prefix")]
    pub(crate) from: Option<u64>,
    /// Watch all text keys that begin so
    #[arg(long, env = "PAXOSKV_PREFIX")]
    pub(crate) prefix: Option<String>,
    /// The bucket to look into
    #[arg(long, env = "PAXOSKV_BUCKET", value_name = "NAME", default_value = "")]
    pub(crate) bucket: String,
    #[command(flatten)]
    pub(crate) call: WatchCallArgs,
}

#[derive(Args, Debug)]
pub(crate) struct WatchCallArgs {
    /// Watch no longer than this [default: until Ctrl-C]
    #[arg(long, env = "PAXOSKV_TIMEOUT", value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
    /// For the sake of uniformity: it prints JSON in any case
    #[arg(long = "json", env = "PAXOSKV_JSON", action = ArgAction::SetTrue)]
    pub(crate) _json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct CreateBucketArgs {
    /// The bucket's name
    pub(crate) name: String,
    /// Let anyone drop it, and all its keys with it
    #[arg(long, env = "PAXOSKV_DROPPABLE", action = ArgAction::SetTrue)]
    pub(crate) droppable: bool,
    #[command(flatten)]
    pub(crate) call: CallArgs,
}

#[derive(Args, Debug)]
pub(crate) struct DropBucketArgs {
    /// The bucket's name
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) call: CallArgs,
}

#[derive(Args, Debug)]
pub(crate) struct SessionArgs {
    #[command(flatten)]
    pub(crate) call: CallArgs,
}

#[derive(Args, Debug)]
#[command(after_help = "\
The command has the lock's fencing token in PAXOSKV_FENCING_TOKEN: higher for each holder, so what it acts upon can \
turn away whoever held the lock before. It is told to end (SIGTERM) when the lock is lost, and made to (SIGKILL) 2 s \
later; its own children are its own affair. The exit status is the command's, 128 and the signal if one ended it.")]
pub(crate) struct LockArgs {
    /// The lock's name
    pub(crate) name: String,
    /// Wait for the lock no longer than this [default: for ever]
    #[arg(long, env = "PAXOSKV_TIMEOUT", value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// What to run, and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Args, Debug)]
pub(crate) struct KeysArgs {
    /// Only text keys that begin so
    #[arg(default_value = "", hide_default_value = true)]
    pub(crate) prefix: String,
    /// The bucket to list
    #[arg(long, env = "PAXOSKV_BUCKET", value_name = "NAME", default_value = "")]
    pub(crate) bucket: String,
    #[command(flatten)]
    pub(crate) call: CallArgs,
}

#[derive(Args, Debug)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    pub(crate) call: CallArgs,
}

#[derive(Args, Debug)]
pub(crate) struct TicketArgs {
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Wait no longer than this for a node to answer [default: 10s]
    #[arg(long, env = "PAXOSKV_TIMEOUT", value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,
}

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

fn sizes() -> clap::builder::RangedI64ValueParser<u8> {
    clap::value_parser!(u8).range(1..=i64::from(paxoskv::Seat::MAX))
}

fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|e| format!("{e}; expected a time like 500ms, 10s or 1m"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.trim_end_matches('s').parse().map_err(|_| "expected seconds, like 10 or 0.5")?;
    if (0.001..=1e6).contains(&seconds) { Ok(seconds) } else { Err("expected 0.001 to 1000000".into()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

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
