//! Put, get, erase, keys and status, done on a cluster that is at hand.

use std::io::Read;
use std::pin::pin;
use std::time::Duration;

use futures::StreamExt;
use paxoskv::{Bucket, Cluster, Error, Key, Value, json};

use super::args::{EraseArgs, GetArgs, KeysArgs, Operation, PutArgs, StatusArgs};
use super::failure::{Exit, Failure};
use super::output;

/// A value that is typed can be no longer than this in any case, whatever the cluster's limit is.
const LONGEST_INPUT: u64 = 64 << 20;

/// How much longer than the call's own timeout is waited for its answer.
const SLACK: Duration = Duration::from_millis(500);

/// What `-` as a value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dash {
    /// All of standard input.
    StandardInput,
    /// Nothing: standard input is where the commands come from.
    Commands,
}

/// Does one operation and prints what comes of it.
pub(crate) async fn run(
    cluster: &Cluster,
    operation: &Operation,
    timeout: Option<Duration>,
    dash: Dash,
) -> Result<(), Failure> {
    let done = async {
        match operation {
            Operation::Put(args) => put(cluster, args, timeout, dash).await,
            Operation::Get(args) => get(cluster, args, timeout).await,
            Operation::Erase(args) => erase(cluster, args, timeout).await,
            Operation::Keys(args) => keys(cluster, args).await,
            Operation::Status(args) => status(cluster, args, timeout).await,
        }
    };
    match timeout {
        // The calls keep to it themselves, except those of more than one step.
        Some(timeout) => tokio::time::timeout(timeout.saturating_add(SLACK), done)
            .await
            .unwrap_or_else(|_| Err(Error::Timeout {}.into())),
        None => done.await,
    }
}

async fn put(
    cluster: &Cluster,
    args: &PutArgs,
    timeout: Option<Duration>,
    dash: Dash,
) -> Result<(), Failure> {
    let value = Value::from_cbor(read_value(&args.value, dash)?);
    let mut put = cluster.put_cbor(key(&args.key), value).bucket(&args.bucket);
    if args.erasable {
        put = put.erasable();
    }
    if let Some(timeout) = timeout {
        put = put.timeout(timeout);
    }
    output::line(&output::chosen(&put.await?, args.call.json))
}

async fn get(cluster: &Cluster, args: &GetArgs, timeout: Option<Duration>) -> Result<(), Failure> {
    let default = args.default.as_deref().map(json::from_argument).transpose()?;
    let mut get = cluster.get_cbor(key(&args.key)).bucket(&args.bucket);
    if args.local {
        get = get.local();
    }
    if let Some(timeout) = timeout {
        get = get.timeout(timeout);
    }
    match (get.await?, default) {
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

async fn erase(cluster: &Cluster, args: &EraseArgs, timeout: Option<Duration>) -> Result<(), Failure> {
    // What is wrong with the arguments is found first: after that, what is invalid is to erase this entry.
    let key = key(&args.key)?;
    Bucket::new(&args.bucket)?;
    let mut erase = cluster.erase_cbor(Ok(key)).bucket(&args.bucket);
    if let Some(timeout) = timeout {
        erase = erase.timeout(timeout);
    }
    match erase.await {
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

async fn keys(cluster: &Cluster, args: &KeysArgs) -> Result<(), Failure> {
    let mut keys = pin!(cluster.keys(Bucket::new(&args.bucket)?, &args.prefix));
    while let Some(listed) = keys.next().await {
        output::line(&output::listed(&listed?, args.call.json))?;
    }
    Ok(())
}

async fn status(cluster: &Cluster, args: &StatusArgs, timeout: Option<Duration>) -> Result<(), Failure> {
    let mut status = cluster.status();
    if let Some(timeout) = timeout {
        status = status.timeout(timeout);
    }
    output::line(&output::status(&status.await?, args.call.json))
}

fn key(text: &str) -> Result<Key, Error> {
    Key::from_cbor(&json::from_argument(text)?)
}

fn absent(key: &str, local: bool) -> Failure {
    let message = if local {
        format!("this seat has learned no value for {key}; without --local the others are asked, too")
    } else {
        format!("{key} has no value; put gives it one")
    };
    Failure::new(Exit::Absent, message)
}

/// The CBOR of a value as it was typed: `-` is standard input, `@FILE` a file.
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

/// JSON where it is JSON; else a string, without the newline that ends most files; else, if it is no text, bytes.
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
