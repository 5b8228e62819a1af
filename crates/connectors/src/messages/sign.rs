//! Signatures of providers over what they report.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// Why a report is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// A part of it is missing or cannot be read.
    #[error("the report is malformed")]
    Malformed,
    /// It was signed too long ago, or is not signed yet.
    #[error("the report is not of this time")]
    Stale,
    /// The signature is not the provider's.
    #[error("the signature does not fit")]
    Wrong,
}

/// HMAC-SHA-256 (RFC 2104) over `message`, compared in constant time.
pub(super) fn verify_sha256(
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let mut mac =
        <Hmac<Sha256> as KeyInit>::new_from_slice(key).map_err(|_| SignatureError::Wrong)?;
    mac.update(message);
    mac.verify_slice(signature)
        .map_err(|_| SignatureError::Wrong)
}

/// HMAC-SHA-1 (RFC 2104) over `message`, compared in constant time.
pub(super) fn verify_sha1(
    key: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let mut mac =
        <Hmac<Sha1> as KeyInit>::new_from_slice(key).map_err(|_| SignatureError::Wrong)?;
    mac.update(message);
    mac.verify_slice(signature)
        .map_err(|_| SignatureError::Wrong)
}

/// Hex digits to bytes.
pub(super) fn unhex(text: &str) -> Option<Vec<u8>> {
    let bytes = text.as_bytes();
    if !bytes.len().is_multiple_of(2) {
        return None;
    }
    let digit = |b: u8| (b as char).to_digit(16);
    bytes
        .chunks_exact(2)
        .map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok())
        .collect()
}
