//! One line of the shell.

use clap::{Parser, Subcommand};

use crate::cli::args::{
    CreateBucketArgs, DropBucketArgs, EraseArgs, GetArgs, KeysArgs, Operation, OwnerArgs, PutArgs,
    SessionArgs, StatusArgs, WatchArgs,
};
use crate::cli::environment;
use crate::cli::failure::{Exit, Failure};

/// What a line asks for.
#[derive(Debug)]
pub(super) enum Line {
    Nothing,
    Exit,
    /// This text.
    Help(String),
    Operation(Operation),
}

#[derive(Parser)]
#[command(
    name = "",
    no_binary_name = true,
    help_template = "{subcommands}\n\nKEY and VALUE are JSON where they parse as JSON, else strings. Quote as in a \
shell: put point '{\"x\":1}'.\n`help COMMAND` tells more. Ctrl-C ends a call, Ctrl-D leaves.",
    disable_help_flag = true
)]
struct Grammar {
    #[command(subcommand)]
    command: Commands,
}

#[derive(Subcommand)]
enum Commands {
    /// Put a value for a key, unless it has one, and print the value that the key has
    Put(PutArgs),
    /// Print the value of a key
    Get(GetArgs),
    /// Make a key vacant whose value was put with --erasable
    Erase(EraseArgs),
    /// Print the session that a key is bound to
    Owner(OwnerArgs),
    /// Print the states of a key, or of many, as they change: one JSON object a line, until Ctrl-C
    Watch(WatchArgs),
    /// List the keys that have a value
    Keys(KeysArgs),
    /// Create or drop a bucket
    Bucket {
        #[command(subcommand)]
        command: BucketCommand,
    },
    /// Print the session of this node's own, which others can bind keys to
    Session(SessionArgs),
    /// Print the state of the cluster
    Status(StatusArgs),
    /// Leave
    #[command(visible_alias = "quit")]
    Exit,
}

#[derive(Subcommand)]
enum BucketCommand {
    /// Decide what a bucket is, before the first put into it does, and print what it is
    Create(CreateBucketArgs),
    /// Make all keys of a droppable bucket vacant, in one instant
    Drop(DropBucketArgs),
}

/// What can stand first in a line.
pub(super) const COMMANDS: [&str; 11] =
    ["put", "get", "erase", "owner", "watch", "keys", "bucket", "session", "status", "help", "exit"];

/// Reads one line: words as in a shell, with quotes, backslashes and `#` comments.
pub(super) fn parse(text: &str) -> Result<Line, Failure> {
    let Some(words) = shlex::split(text) else {
        return Err(Failure::new(Exit::Usage, "a quote is not closed, or the line ends in a backslash"));
    };
    if words.is_empty() {
        return Ok(Line::Nothing);
    }
    match environment::parse::<Grammar>(words).map(|line| line.command) {
        Ok(Commands::Put(args)) => Ok(Line::Operation(args.into())),
        Ok(Commands::Get(args)) => Ok(Line::Operation(args.into())),
        Ok(Commands::Erase(args)) => Ok(Line::Operation(args.into())),
        Ok(Commands::Owner(args)) => Ok(Line::Operation(args.into())),
        Ok(Commands::Watch(args)) => Ok(Line::Operation(args.into())),
        Ok(Commands::Bucket { command: BucketCommand::Create(args) }) => Ok(Line::Operation(args.into())),
        Ok(Commands::Bucket { command: BucketCommand::Drop(args) }) => Ok(Line::Operation(args.into())),
        Ok(Commands::Session(args)) => Ok(Line::Operation(args.into())),
        Ok(Commands::Keys(args)) => Ok(Line::Operation(args.into())),
        Ok(Commands::Status(args)) => Ok(Line::Operation(args.into())),
        Ok(Commands::Exit) => Ok(Line::Exit),
        Err(error) if !error.use_stderr() => Ok(Line::Help(error.to_string())),
        Err(error) => Err(Failure::usage(&error, "help")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_in_a_shell() {
        let Ok(Line::Operation(Operation::Put(put))) = parse(r#"put point '{"x": 1}' --erasable # why"#)
        else {
            panic!("a put")
        };
        assert_eq!((&*put.key, &*put.value, put.erasable), ("point", r#"{"x": 1}"#, true));
    }

    #[test]
    fn comments_and_empty_lines_ask_for_nothing() {
        for text in ["", "   ", "# put a b", "\t"] {
            assert!(matches!(parse(text), Ok(Line::Nothing)), "{text:?}");
        }
    }

    #[test]
    fn the_last_word_is_exit() {
        assert!(matches!(parse("exit"), Ok(Line::Exit)));
        assert!(matches!(parse("quit"), Ok(Line::Exit)));
    }

    #[test]
    fn help_lists_every_command() {
        let Ok(Line::Help(help)) = parse("help") else { panic!("help") };
        for command in COMMANDS {
            assert!(help.contains(command), "{command} in {help}");
        }
        assert!(matches!(parse("help put"), Ok(Line::Help(help)) if help.contains("--erasable")));
    }

    #[test]
    fn what_is_no_command_is_a_usage_error_of_one_line() {
        for text in ["frobnicate", "put a", "get", "put 'a b", "put a b --timeout soon"] {
            let failure = parse(text).expect_err(text);
            assert_eq!(failure.exit, Exit::Usage);
            assert!(!failure.message.contains('\n'), "{}", failure.message);
        }
    }
}
