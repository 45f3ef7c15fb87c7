//! A node's key pair on libp2p, kept beside its store.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::Path;

use paxoskv_transport_libp2p::Identity;

use crate::native::StartError;

/// The file in a node's data folder.
const FILE: &str = "libp2p.key";

/// The identity that is kept in a folder, or a new one, which is kept there from then on, for its owner's eyes only.
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

/// Under another name first: a crash leaves no half of a file. Nobody else writes here, since the store is locked.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("key.new");
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
    fn it_stays_the_same_and_is_its_owners() {
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
    fn what_is_none_is_an_error_and_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), b"garbage").unwrap();
        let error = kept_in(folder.path()).unwrap_err().to_string();
        assert!(error.contains("libp2p.key") && error.contains("no key pair"), "{error}");
        assert_eq!(fs::read(folder.path().join(FILE)).unwrap(), b"garbage");
    }
}
