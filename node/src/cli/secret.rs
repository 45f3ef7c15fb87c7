//! The cluster's secret, from a file.

use std::path::Path;

use paxoskv::Secret;

use super::failure::Failure;

/// Reads the secret, if a file is named.
pub(crate) fn read(file: Option<&Path>) -> Result<Option<Secret>, Failure> {
    let Some(file) = file else { return Ok(None) };
    let failed = |e: String| Failure::error(format!("cannot read the secret in {}: {e}", file.display()));
    let contents = std::fs::read(file).map_err(|e| failed(e.to_string()))?;
    Secret::new(&contents).map(Some).map_err(|e| failed(e.to_string()))
}
