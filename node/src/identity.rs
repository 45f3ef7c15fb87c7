//! The files for libp2p beside a node's store: its key pair, and the port that the system gave it, so that addresses that
//! others remember stay right.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use paxoskv_transport_libp2p::Identity;

use crate::start_error::StartError;

/// The files in a node's data folder.
const FILE: &str = "libp2p.key";
const PORT: &str = "libp2p.port";

/// Reads the identity in a folder. If there is none, makes one and writes it there, readable by its owner only.
pub(crate) fn kept_in(folder: &Path) -> Result<Identity, StartError> {
    let path = folder.join(FILE);
    let failed = |reason: String| StartError::Identity { path: path.clone(), reason };
    match fs::read(&path) {
        Ok(bytes) => Identity::from_bytes(&bytes).map_err(|error| failed(error.to_string())),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let identity = Identity::generate();
            write(&path, &identity.to_bytes()).map_err(|error| failed(error.to_string()))?;
            Ok(identity)
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Reads the port that the node in a folder had last, if any.
pub(crate) fn port_kept_in(folder: &Path) -> Option<u16> {
    fs::read_to_string(folder.join(PORT)).ok()?.trim().parse().ok()
}

/// Writes the TCP port of these addresses for the next start. A failure is logged, and does not keep the node from starting.
pub(crate) fn keep_port(folder: &Path, multiaddrs: &[String]) {
    let port = multiaddrs.iter().find_map(|address| {
        let mut parts = address.split('/').skip_while(|part| *part != "tcp");
        parts.nth(1)?.parse::<u16>().ok()
    });
    if let Some(port) = port.filter(|port| port_kept_in(folder) != Some(*port))
        && let Err(error) = write(&folder.join(PORT), format!("{port}\n").as_bytes())
    {
        tracing::warn!(%error, "the port for libp2p is not kept for the next start");
    }
}

/// Writes a file under another name first, so that a crash leaves no half of it. The store's lock keeps other processes out.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("new");
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_stays_the_same_and_only_its_owner_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = kept_in(folder.path()).unwrap();
        assert_eq!(kept_in(folder.path()).unwrap().peer_id(), first.peer_id());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn the_port_is_the_one_of_the_addresses() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(port_kept_in(folder.path()), None);
        keep_port(
            folder.path(),
            &["/ip4/10.0.0.1/udp/7/quic-v1/p2p/x".into(), "/ip4/10.0.0.1/tcp/8/p2p/x".into()],
        );
        assert_eq!(port_kept_in(folder.path()), Some(8));
        keep_port(folder.path(), &[]);
        assert_eq!(port_kept_in(folder.path()), Some(8));
        fs::write(folder.path().join(PORT), "garbage").unwrap();
        assert_eq!(port_kept_in(folder.path()), None);
    }

    #[test]
    fn a_file_without_a_key_pair_is_an_error_and_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), b"garbage").unwrap();
        let error = kept_in(folder.path()).unwrap_err().to_string();
        assert!(error.contains("libp2p.key") && error.contains("no key pair"), "{error}");
        assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), b"garbage");
    }
}
