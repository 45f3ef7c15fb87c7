//! Put, get, watch and so on, on a cluster that this process is linked to.

use std::io::Read;
use std::time::SystemTime;

use futures::StreamExt;
use paxoskv::{Bucket, BucketKind, Cluster, Error, Generation, Key, Value, json};

use super::args::{
    CreateBucketArgs, DropBucketArgs, EraseArgs, GetArgs, KeysArgs, Operation, OwnerArgs, PutArgs,
    SessionArgs, StatusArgs, WatchArgs,
};
use super::deadline::Deadline;
use super::failure::{Exit, Failure};
use super::output;

/// A value that is read can be no longer than this, whatever the cluster's limit is.
const LONGEST_INPUT: u64 = 64 << 20;

/// What `-` as a value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dash {
    /// All of standard input.
    StandardInput,
    /// Nothing, since the commands come from standard input.
    Commands,
}

/// Fails for what a one-shot command cannot do.
pub(crate) fn check(operation: &Operation) -> Result<(), Failure> {
    match operation {
        Operation::Put(args) if args.ephemeral => Err(Failure::new(
            Exit::Usage,
            "--ephemeral binds the key to this command's own node, which leaves at once: put it in a node's shell, \
             or bind it with --bound-to-session, or run a command with `paxoskv lock`",
        )),
        _ => Ok(()),
    }
}

/// What an operation takes beside its arguments.
pub(crate) struct Input {
    /// The CBOR of a put's value.
    value: Vec<u8>,
}

/// Reads what an operation takes. A value may be typed, or computed, which takes the time that it takes: an operation's
/// own time begins later.
pub(crate) async fn read_input(operation: &Operation, dash: Dash) -> Result<Input, Failure> {
    match operation {
        Operation::Put(args) => Ok(Input { value: value(&args.value, dash).await? }),
        _ => Ok(Input { value: Vec::new() }),
    }
}

/// Does one operation, and prints its result.
pub(crate) async fn run(
    cluster: &Cluster,
    operation: &Operation,
    input: Input,
    deadline: Deadline,
) -> Result<(), Failure> {
    match operation {
        Operation::Put(args) => put(cluster, args, deadline, input.value).await,
        Operation::Get(args) => get(cluster, args, deadline).await,
        Operation::Erase(args) => erase(cluster, args, deadline).await,
        Operation::Owner(args) => owner(cluster, args, deadline).await,
        Operation::Keys(args) => keys(cluster, args, deadline).await,
        Operation::CreateBucket(args) => create_bucket(cluster, args, deadline).await,
        Operation::DropBucket(args) => drop_bucket(cluster, args, deadline).await,
        Operation::Session(args) => session(cluster, args, deadline).await,
        Operation::Status(args) => status(cluster, args, deadline).await,
        // The end of a watch's time is no failure.
        Operation::Watch(args) => match deadline.left() {
            Some(left) => tokio::time::timeout(left, watch(cluster, args)).await.unwrap_or(Ok(())),
            None => watch(cluster, args).await,
        },
    }
}

/// Gives a call the time that is left, if there is a limit. The call keeps to it in all of its steps.
macro_rules! timed {
    ($call:expr, $deadline:expr) => {
        match $deadline.left() {
            Some(left) => $call.timeout(left),
            None => $call,
        }
    };
}

async fn put(cluster: &Cluster, args: &PutArgs, deadline: Deadline, value: Vec<u8>) -> Result<(), Failure> {
    let mut put = cluster.put(key(&args.key)?, Value::from_cbor(value)?).bucket(&args.bucket);
    if args.erasable {
        put = put.erasable();
    }
    if let Some(until) = args.until {
        let moment = SystemTime::now().checked_add(until);
        put = put
            .until(moment.ok_or_else(|| Failure::new(Exit::Usage, "--until is later than clocks can tell"))?);
    }
    if let Some(parent) = &args.bound_to {
        put = put.bound_to_key_in(&args.bound_to_bucket, key(parent)?);
    }
    if let Some(session) = args.bound_to_session {
        put = put.bound_to_peer(session);
    }
    if args.ephemeral {
        put = put.bound_to(&timed!(cluster.session(), deadline).await?);
    }
    output::line(&output::chosen(&timed!(put, deadline).await?, args.call.json))
}

async fn get(cluster: &Cluster, args: &GetArgs, deadline: Deadline) -> Result<(), Failure> {
    let default = args.default.as_deref().map(json::from_argument).transpose()?;
    let mut get = timed!(cluster.get(key(&args.key)?), deadline).bucket(&args.bucket);
    if args.local {
        get = get.local();
    }
    if args.wait {
        get = get.wait();
    }
    let found = match get.await {
        Err(Error::Timeout { .. }) if args.wait => {
            let message = format!("{} has no value yet; --timeout waits longer", args.key);
            return Err(Failure::new(Exit::Unavailable, message));
        }
        found => found?,
    };
    match (found, default) {
        (Some(found), _) => output::line(&output::found(&found, args.call.json)),
        (None, Some(default)) => output::line(&output::default(&default, args.call.json)),
        (None, None) => {
            if args.call.json {
                output::line("null")?;
            }
            Err(absent(&args.key, args.local))
        }
    }
}

async fn erase(cluster: &Cluster, args: &EraseArgs, deadline: Deadline) -> Result<(), Failure> {
    // Wrong arguments are found first. If something is invalid after that, it is to erase this entry.
    let key = key(&args.key)?;
    Bucket::new(&args.bucket)?;
    match timed!(cluster.erase(key), deadline).bucket(&args.bucket).await {
        Ok(true) if args.call.json => output::line(r#"{"erased":true}"#),
        Ok(true) => Ok(()),
        Ok(false) => {
            if args.call.json {
                output::line(r#"{"erased":false}"#)?;
            }
            Err(absent(&args.key, false))
        }
        Err(Error::InvalidArgument { why }) => Err(Failure::error(why)),
        Err(error) => Err(error.into()),
    }
}

/// A key without an owner is as absent as one without a value, but the message is another.
async fn owner(cluster: &Cluster, args: &OwnerArgs, deadline: Deadline) -> Result<(), Failure> {
    let found = timed!(cluster.get(key(&args.key)?), deadline).bucket(&args.bucket).await?;
    match found.as_ref().map(|found| found.owner()) {
        Some(Some(owner)) => output::line(&output::session(owner, args.call.json)),
        found => {
            if args.call.json {
                output::line("null")?;
            }
            Err(match found {
                Some(_) => Failure::new(Exit::Absent, format!("{} is bound to no session", args.key)),
                None => absent(&args.key, false),
            })
        }
    }
}

async fn watch(cluster: &Cluster, args: &WatchArgs) -> Result<(), Failure> {
    if let Some(text) = &args.key {
        let mut states = cluster.watch(key(text)?).bucket(&args.bucket);
        if let Some(from) = args.from {
            states = states.from(Generation(from));
        }
        while let Some(state) = states.next().await {
            output::line_at_leisure(output::state(None, &state?)).await?;
        }
    } else {
        let prefix = args.prefix.as_deref().unwrap_or_default();
        let mut states = cluster.watch_prefix(prefix).bucket(&args.bucket);
        while let Some(state) = states.next().await {
            let (key, state) = state?;
            output::line_at_leisure(output::state(Some(&key), &state)).await?;
        }
    }
    Ok(())
}

async fn create_bucket(
    cluster: &Cluster,
    args: &CreateBucketArgs,
    deadline: Deadline,
) -> Result<(), Failure> {
    let wanted = if args.droppable { BucketKind::Droppable } else { BucketKind::Plain };
    let kind = match timed!(cluster.create_bucket(&args.name, wanted), deadline).await? {
        BucketKind::Plain => "plain",
        BucketKind::Droppable => "droppable",
    };
    if (kind == "droppable") != args.droppable {
        return Err(Failure::error(format!("bucket {:?} is there already, and is {kind}", args.name)));
    }
    output::line(&if args.call.json { format!(r#"{{"bucket":"{kind}"}}"#) } else { kind.to_owned() })
}

async fn drop_bucket(cluster: &Cluster, args: &DropBucketArgs, deadline: Deadline) -> Result<(), Failure> {
    // A wrong name is found first. If something is invalid after that, it is to drop this bucket.
    if Bucket::new(&args.name)? == Bucket::default() {
        return Err(Failure::new(Exit::Usage, "the bucket without a name is always there"));
    }
    match timed!(cluster.drop_bucket(&args.name), deadline).await {
        Ok(true) if args.call.json => output::line(r#"{"dropped":true}"#),
        Ok(true) => Ok(()),
        Ok(false) => {
            if args.call.json {
                output::line(r#"{"dropped":false}"#)?;
            }
            Err(Failure::new(Exit::Absent, format!("there is no bucket {:?}", args.name)))
        }
        Err(Error::InvalidArgument { why }) => Err(Failure::error(why)),
        Err(error) => Err(error.into()),
    }
}

async fn session(cluster: &Cluster, args: &SessionArgs, deadline: Deadline) -> Result<(), Failure> {
    let session = timed!(cluster.session(), deadline).await?;
    output::line(&output::session(session.id(), args.call.json))
}

async fn keys(cluster: &Cluster, args: &KeysArgs, deadline: Deadline) -> Result<(), Failure> {
    let mut keys = timed!(cluster.keys(&args.prefix), deadline).bucket(&args.bucket);
    while let Some(listed) = keys.next().await {
        output::line(&output::listed(&listed?, args.call.json))?;
    }
    Ok(())
}

async fn status(cluster: &Cluster, args: &StatusArgs, deadline: Deadline) -> Result<(), Failure> {
    let status = timed!(cluster.status(), deadline).await?;
    output::line(&output::status(&status, args.call.json))
}

fn key(text: &str) -> Result<Key, Error> {
    Key::from_cbor(&json::from_argument(text)?)
}

fn absent(key: &str, local: bool) -> Failure {
    let message = if local {
        format!("this seat has learned no value for {key}; without --local the other seats are asked, too")
    } else {
        format!("{key} has no value; put gives it one")
    };
    Failure::new(Exit::Absent, message)
}

/// The CBOR of a value, read on a thread of its own, so that the command can be stopped meanwhile.
async fn value(text: &str, dash: Dash) -> Result<Vec<u8>, Failure> {
    let text = text.to_owned();
    let reading = tokio::task::spawn_blocking(move || read_value(&text, dash));
    reading.await.unwrap_or_else(|e| Err(Failure::error(format!("cannot read the value: {e}"))))
}

/// The CBOR of a value as it was typed. `-` is standard input, `@FILE` a file.
fn read_value(text: &str, dash: Dash) -> Result<Vec<u8>, Failure> {
    match text.strip_prefix('@') {
        Some(file) => read_from(file, || std::fs::File::open(file)),
        None if text == "-" && dash == Dash::Commands => Err(Failure::new(
            Exit::Usage,
            "`-` is standard input, where the commands come from: use @FILE, or \"-\" in quotes twice ('\"-\"') for a dash",
        )),
        None if text == "-" => read_from("standard input", || Ok(std::io::stdin().lock())),
        None => Ok(json::from_argument(text)?),
    }
}

/// JSON where the text is JSON; else a string, without the newline that ends most files. Bytes that are no text are a byte
/// string.
fn read_from<R: Read>(name: &str, open: impl FnOnce() -> std::io::Result<R>) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let size = open()
        .and_then(|input| input.take(LONGEST_INPUT + 1).read_to_end(&mut bytes))
        .map_err(|e| Failure::error(format!("cannot read the value from {name}: {e}")))?
        as u64;
    if size > LONGEST_INPUT {
        return Err(Error::TooLarge { what: "value".into(), size, limit: LONGEST_INPUT }.into());
    }
    match String::from_utf8(bytes) {
        Ok(text) => {
            let text =
                text.strip_suffix('\n').map(|text| text.strip_suffix('\r').unwrap_or(text)).unwrap_or(&text);
            Ok(json::from_argument(text)?)
        }
        Err(error) => Ok(json::byte_string(error.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<u8> {
        read_from("test", || Ok(bytes)).expect("a value")
    }

    #[test]
    fn a_file_holds_json_or_text_or_bytes() {
        assert_eq!(read(b"{\"a\":1}\n"), b"\xa1\x61a\x01");
        assert_eq!(read(b"me\n"), b"\x62me");
        assert_eq!(read(b"two\nlines\r\n"), b"\x69two\nlines");
        assert_eq!(read(b"\xff\xfe"), b"\x42\xff\xfe");
        assert_eq!(read(b""), b"\x60");
    }

    #[test]
    fn a_missing_file_is_named() {
        let failure = read_value("@/no/such/file", Dash::StandardInput).expect_err("no file");
        assert!(failure.message.contains("/no/such/file"), "{}", failure.message);
        assert_eq!(failure.exit, Exit::Error);
    }

    #[test]
    fn a_script_is_not_its_own_value() {
        assert_eq!(read_value("-", Dash::Commands).expect_err("a script").exit, Exit::Usage);
    }
}
