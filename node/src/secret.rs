//! The cluster's secret, for all transports and for tickets.

use std::fmt;

/// A cluster's secret, which only its members know. It is never shown.
///
/// It is not stretched: use random bytes, such as 32 from the system, not a password.
///
/// ```
/// let secret = paxoskv::Secret::new(b"what nobody can guess\n")?;
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// # Ok::<(), paxoskv::BadSecret>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    contents: Vec<u8>,
    ws: paxoskv_transport_ws::Secret,
    #[cfg(feature = "libp2p")]
    libp2p: paxoskv_transport_libp2p::Secret,
}

/// The bytes are no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cluster's secret is empty: put at least 16 random bytes into the secret file, or leave it out")]
pub struct BadSecret;

impl Secret {
    /// The secret in the contents of a file. Line ends at its end are ignored, since editors add them.
    ///
    /// # Errors
    /// [`BadSecret`] if nothing is left.
    pub fn new(contents: &[u8]) -> Result<Self, BadSecret> {
        let end = contents.iter().rposition(|byte| !matches!(byte, b'\n' | b'\r')).ok_or(BadSecret)?;
        let contents = contents[..=end].to_vec();
        let ws = paxoskv_transport_ws::Secret::new(&contents).map_err(|_| BadSecret)?;
        #[cfg(feature = "libp2p")]
        let libp2p = paxoskv_transport_libp2p::Secret::new(&contents).map_err(|_| BadSecret)?;
        Ok(Self {
            contents,
            ws,
            #[cfg(feature = "libp2p")]
            libp2p,
        })
    }

    /// The secret itself, for a ticket. Anybody who sees it can be a member.
    pub fn reveal(&self) -> &[u8] {
        &self.contents
    }

    pub(crate) fn for_ws(&self) -> paxoskv_transport_ws::Secret {
        self.ws.clone()
    }

    #[cfg(feature = "libp2p")]
    pub(crate) fn for_libp2p(&self) -> &paxoskv_transport_libp2p::Secret {
        &self.libp2p
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}
