//! The cluster's secret, from a file.

use std::path::Path;

use paxoskv::Secret;

use super::failure::Failure;

/// Reads the secret, if a file is named. The file can be a pipe that somebody has yet to write to, so it is read on a
/// thread of its own.
pub(crate) async fn read(file: Option<&Path>) -> Result<Option<Secret>, Failure> {
    let Some(file) = file.map(Path::to_path_buf) else { return Ok(None) };
    let shown = file.display().to_string();
    let failed = |e: String| Failure::error(format!("cannot read the secret in {shown}: {e}"));
    let reading = tokio::task::spawn_blocking(move || std::fs::read(file));
    let contents = reading.await.map_err(|e| failed(e.to_string()))?.map_err(|e| failed(e.to_string()))?;
    Secret::new(&contents).map(Some).map_err(|e| failed(e.to_string()))
}
