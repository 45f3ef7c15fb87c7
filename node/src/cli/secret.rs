//! The cluster's secret, from a file.

use std::path::Path;

use paxoskv::ws::Secret;

use super::failure::Failure;

/// Reads the secret, if a file is named. White space around it is not part of it: editors end files with a newline.
pub(crate) fn read(file: Option<&Path>) -> Result<Option<Secret>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let name = file.display();
    let bytes =
        std::fs::read(file).map_err(|e| Failure::error(format!("cannot read the secret in {name}: {e}")))?;
    match bytes.trim_ascii() {
        [] => Err(Failure::error(format!(
            "the secret in {name} is empty: write some 32 random characters there"
        ))),
        secret => Ok(Some(Secret(secret.to_vec()))),
    }
}
