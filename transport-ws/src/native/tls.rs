//! TLS, for dialing `wss://`. Listening is for a proxy in front of the node: links are encrypted without it.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::config::WsConfig;

/// Trusts the system's certificates, those of `SSL_CERT_FILE` instead if that is set, and the configured ones.
///
/// # Errors
///
/// If there is nothing to trust; for people.
pub(super) async fn connector(config: &WsConfig) -> Result<TlsConnector, String> {
    let extra = config.extra_roots.clone();
    // Reads files.
    let found = tokio::task::spawn_blocking(move || {
        let native = rustls_native_certs::load_native_certs();
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(native.certs);
        roots.add_parsable_certificates(extra.into_iter().map(CertificateDer::from));
        (roots, native.errors)
    });
    let (roots, errors) = found.await.map_err(|error| format!("cannot read the certificates: {error}"))?;
    if roots.is_empty() {
        let why = errors.first().map(|error| format!(" ({error})")).unwrap_or_default();
        return Err(format!(
            "no certificates to trust were found{why}: install ca-certificates or set SSL_CERT_FILE"
        ));
    }
    // Named here, since rustls panics where a process has several providers and none was chosen.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("cannot set up TLS: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
