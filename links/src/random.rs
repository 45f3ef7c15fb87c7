//! Random numbers of the system, or of the browser.

/// How long a nonce is, in bytes.
pub const NONCE_LEN: usize = 32;

/// A random number that is used once.
pub type Nonce = [u8; NONCE_LEN];

/// The system gave no random numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the system gave no random numbers: see to it that its random source works")]
pub struct NoRandomness;

/// Random bytes that cannot be guessed.
///
/// # Errors
///
/// [`NoRandomness`], which a working system never returns.
pub fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}
