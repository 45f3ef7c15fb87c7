//! The operations on a cluster, which are commands of the program and of the shell.

use std::time::Duration;

use clap::{ArgAction, Args};
use paxoskv::SessionId;

use super::parse::time;
use super::reach::Reach;

/// A command that an observer does, and where the observer finds the cluster.
#[derive(Args, Debug)]
pub(crate) struct OneShot<T: Args> {
    #[command(flatten)]
    pub(crate) op: T,
    #[command(flatten)]
    pub(crate) reach: Reach,
}

/// One operation on the cluster, of the program or of its shell.
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
            /// How long it may take, if there is a limit.
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
    /// Take no longer than this for the whole command, like 500ms or 1m [default: 10s; in the shell, until Ctrl-C]
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
    /// In a shell: make the key vacant once the shell's node has left, or has been suspected for too long
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
    /// Only what one seat has learned, without asking the others. A key that it does not know may have a value all the same
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
    /// Accepted by all commands; this one prints JSON in any case
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
