//! The default folder for a node's data.

use std::env;
use std::path::PathBuf;

use paxoskv_core::Seat;

/// `$XDG_DATA_HOME/paxoskv`, by default `~/.local/share/paxoskv`; `None` where there is no home either.
pub(crate) fn data_home() -> Option<PathBuf> {
    // The XDG specification ignores relative paths.
    let xdg = env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let data = xdg.or_else(|| env::home_dir().map(|home| home.join(".local/share")))?;
    Some(data.join("paxoskv"))
}

/// The folder of a seat's store: `$XDG_DATA_HOME/paxoskv/CLUSTER/SEAT`. `None` where neither `XDG_DATA_HOME` nor a
/// home directory is known.
///
/// Bytes of the cluster's name that could lead out of the folder are written as `%` and two hexadecimal digits.
pub fn data_folder(cluster: &str, seat: Seat) -> Option<PathBuf> {
    Some(data_home()?.join(component(cluster)).join(seat.get().to_string()))
}

fn component(name: &str) -> String {
    let plain = |at: usize, byte: u8| {
        byte.is_ascii_alphanumeric() || b"-_".contains(&byte) || (byte == b'.' && at > 0)
    };
    let bytes = name.bytes().enumerate();
    let escaped: String = bytes
        .map(|(at, byte)| if plain(at, byte) { char::from(byte).into() } else { format!("%{byte:02x}") })
        .collect();
    // The empty name becomes a percent sign alone, which is none of the escapes above.
    if escaped.is_empty() { "%".into() } else { escaped }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_name_stays_within_the_folder() {
        for (name, expected) in [
            ("demo", "demo"),
            ("a.b-c_d", "a.b-c_d"),
            ("..", "%2e."),
            ("a/b", "a%2fb"),
            ("", "%"),
            ("%", "%25"),
            ("é", "%c3%a9"),
        ] {
            assert_eq!(component(name), expected);
        }
    }
}
