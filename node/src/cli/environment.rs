//! Environment variables, as scripts and compose files set them. An empty one counts as unset. A switch's variable can be
//! `1`, `yes` or `on` as well as `true`.

use std::env;
use std::ffi::OsString;

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Command, Parser};

/// Values of a switch's variable with which the switch is off.
const OFF: [&str; 6] = ["0", "false", "f", "no", "n", "off"];

/// Reads a command line, and the environment with it.
pub(crate) fn parse<T: Parser>(
    words: impl IntoIterator<Item: Into<OsString> + Clone>,
) -> Result<T, clap::Error> {
    let mut command = tolerant(T::command());
    let mut matches = command.try_get_matches_from_mut(words)?;
    T::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

fn tolerant(command: Command) -> Command {
    command.mut_args(read_variable).mut_subcommands(tolerant)
}

fn read_variable(option: Arg) -> Arg {
    let Some(value) = option.get_env().and_then(env::var_os) else { return option };
    let switch = matches!(option.get_action(), ArgAction::SetTrue);
    // A switch that is off must not conflict with other options.
    let off = switch && OFF.iter().any(|off| value.eq_ignore_ascii_case(off));
    if value.is_empty() || off {
        option.env(None)
    } else if switch {
        option.value_parser(BoolishValueParser::new())
    } else {
        option
    }
}
