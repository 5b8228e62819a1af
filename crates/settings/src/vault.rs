//! Encryption of secrets at rest, and keys for other purposes, all derived from `SECRET_KEY`.
//!
//! AES-256-GCM under a key derived by HKDF-SHA256 (RFC 5869). A sealed value names the key it was
//! sealed under, so that `SECRET_KEY` can be rotated: what was sealed before opens as long as the
//! old secret is in `SECRET_KEY_PREVIOUS`, and is sealed anew under the current one when written.
//!
//! | bytes | content |
//! | --- | --- |
//! | 1 | version, now 1 |
//! | 4 | key id |
//! | 12 | nonce, random |
//! | rest | ciphertext and 16 bytes of tag |
//!
//! Random nonces are safe for 2³² values under one key (NIST SP 800-38D, 8.3), far beyond the
//! number of credentials an installation stores.

mod ticket;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::secret::Secret;

const VERSION: u8 = 1;
const KEY_ID_LEN: usize = 4;
const NONCE_LEN: usize = 12;
const TAG_LEN: usize = 16;
const HEADER_LEN: usize = 1 + KEY_ID_LEN + NONCE_LEN;
/// Separates these keys from any other use of the same secret.
const SALT: &[u8] = b"apiverse vault v1";

/// Why a sealed value did not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, or of a version this program does not know.
    #[error("sealed value is malformed")]
    Malformed,
    /// Sealed under a secret that is neither current nor previous.
    #[error("sealed value was sealed under an unknown key")]
    UnknownKey,
    /// Changed after sealing, or sealed for another context.
    #[error("sealed value does not authenticate")]
    Rejected,
}

/// Seals and opens secrets at rest; derives keys; signs explorer tickets.
pub struct Vault {
    current: DerivedKey,
    previous: Vec<DerivedKey>,
}

/// Everything that is derived from one secret.
struct DerivedKey {
    id: [u8; KEY_ID_LEN],
    root: Zeroizing<[u8; 32]>,
    cipher: Aes256Gcm,
    ticket: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for Vault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Vault")
            .field("previous", &self.previous.len())
            .finish_non_exhaustive()
    }
}

impl Vault {
    /// A vault that seals under `current`, and opens what was sealed under it or any of `previous`.
    #[must_use]
    pub fn new(current: &Secret, previous: &[Secret]) -> Self {
        Self {
            current: DerivedKey::new(current),
            previous: previous.iter().map(DerivedKey::new).collect(),
        }
    }

    /// Encrypts `plaintext` for `context`, which names the place the value is kept in
    /// (`apis.auth:{id}`): it opens only there, so that rows cannot be swapped.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "AES-GCM fails only beyond 64 GiB, which no value in memory here reaches"
    )]
    pub fn seal(&self, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let nonce: [u8; NONCE_LEN] = rand::random();
        let ciphertext = self
            .current
            .cipher
            .encrypt(
                &Nonce::from(nonce),
                Payload {
                    msg: plaintext,
                    aad: context,
                },
            )
            .expect("AES-GCM fails only beyond 64 GiB, which no value in memory here reaches");
        let mut sealed = Vec::with_capacity(HEADER_LEN + ciphertext.len());
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.current.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&ciphertext);
        sealed
    }

    /// Decrypts what [`Vault::seal`] made for the same `context`.
    ///
    /// # Errors
    /// [`OpenError`]; which of them it is may be logged, it says nothing about the content.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (id, nonce, ciphertext) = split(sealed).ok_or(OpenError::Malformed)?;
        let mut outcome = Err(OpenError::UnknownKey);
        for key in self.keys().filter(|key| key.id == id) {
            let payload = Payload {
                msg: ciphertext,
                aad: context,
            };
            match key.cipher.decrypt(&Nonce::from(nonce), payload) {
                Ok(plaintext) => return Ok(Zeroizing::new(plaintext)),
                // Ids are short, two keys may share one.
                Err(_) => outcome = Err(OpenError::Rejected),
            }
        }
        outcome
    }

    /// Whether the value is sealed under the current key. If not, seal it anew when there is an
    /// occasion, so that the previous secret can be given up one day.
    #[must_use]
    pub fn is_current(&self, sealed: &[u8]) -> bool {
        split(sealed).is_some_and(|(id, _, _)| id == self.current.id)
    }

    /// A key for another purpose (HKDF, the purpose as `info`): different purposes have independent
    /// keys, the same purpose the same key on every node.
    #[must_use]
    pub fn derive_key(&self, purpose: &str) -> [u8; 32] {
        *expand(&self.current.root, &["apiverse/derive/", purpose])
    }

    fn keys(&self) -> impl Iterator<Item = &DerivedKey> {
        std::iter::once(&self.current).chain(&self.previous)
    }
}

impl DerivedKey {
    fn new(secret: &Secret) -> Self {
        let (extracted, _) = Hkdf::<Sha256>::extract(Some(SALT), secret.expose().as_bytes());
        let root = Zeroizing::new(<[u8; 32]>::from(extracted));
        let fingerprint = expand(&root, &["apiverse/key-id"]);
        let mut id = [0; KEY_ID_LEN];
        id.copy_from_slice(&fingerprint[..KEY_ID_LEN]);
        let sealing = expand(&root, &["apiverse/seal"]);
        let cipher = Aes256Gcm::new(&(*sealing).into());
        let ticket = expand(&root, &["apiverse/explorer-ticket"]);
        Self {
            id,
            root,
            cipher,
            ticket,
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "both lengths are 32 bytes, which SHA-256 and HKDF (RFC 5869) always take"
)]
fn expand(root: &[u8; 32], info: &[&str]) -> Zeroizing<[u8; 32]> {
    let hkdf = Hkdf::<Sha256>::from_prk(root).expect("32 bytes are the length of SHA-256");
    let info: Vec<&[u8]> = info.iter().map(|part| part.as_bytes()).collect();
    let mut key = Zeroizing::new([0; 32]);
    hkdf.expand_multi_info(&info, &mut *key)
        .expect("32 bytes are within 255 times the hash");
    key
}

/// Key id, nonce, ciphertext with tag.
fn split(sealed: &[u8]) -> Option<([u8; KEY_ID_LEN], [u8; NONCE_LEN], &[u8])> {
    let (&version, rest) = sealed.split_first()?;
    let (id, rest) = rest.split_first_chunk::<KEY_ID_LEN>()?;
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_LEN>()?;
    (version == VERSION && ciphertext.len() >= TAG_LEN).then_some((*id, *nonce, ciphertext))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vault(current: &str, previous: &[&str]) -> Vault {
        let previous: Vec<Secret> = previous.iter().map(|text| Secret::from(*text)).collect();
        Vault::new(&Secret::from(current), &previous)
    }

    #[test]
    fn opens_what_it_sealed() {
        let vault = vault("one", &[]);
        for plaintext in [&b""[..], b"token", &[0; 10_000]] {
            let sealed = vault.seal(b"apis.auth:1", plaintext);
            assert_eq!(sealed.len(), HEADER_LEN + plaintext.len() + TAG_LEN);
            assert_eq!(
                vault.open(b"apis.auth:1", &sealed).unwrap().as_slice(),
                plaintext
            );
        }
        assert_ne!(
            vault.seal(b"c", b"same"),
            vault.seal(b"c", b"same"),
            "nonces differ"
        );
    }

    #[test]
    fn opens_only_in_its_context() {
        let vault = vault("one", &[]);
        let sealed = vault.seal(b"apis.auth:1", b"token");
        assert_eq!(
            vault.open(b"apis.auth:2", &sealed),
            Err(OpenError::Rejected)
        );
    }

    #[test]
    fn every_changed_bit_is_noticed() {
        let vault = vault("one", &[]);
        let sealed = vault.seal(b"c", b"token");
        for at in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[at / 8] ^= 1 << (at % 8);
            assert!(vault.open(b"c", &changed).is_err(), "bit {at}");
        }
        for len in 0..sealed.len() {
            assert!(vault.open(b"c", &sealed[..len]).is_err(), "cut to {len}");
        }
    }

    #[test]
    fn secrets_rotate() {
        let sealed = vault("old", &[]).seal(b"c", b"token");
        let rotated = vault("new", &["older", "old"]);
        assert_eq!(rotated.open(b"c", &sealed).unwrap().as_slice(), b"token");
        assert!(!rotated.is_current(&sealed));
        let anew = rotated.seal(b"c", b"token");
        assert!(rotated.is_current(&anew));
        assert_eq!(
            vault("old", &[]).open(b"c", &anew),
            Err(OpenError::UnknownKey)
        );
        assert_eq!(
            vault("new", &[]).open(b"c", &sealed),
            Err(OpenError::UnknownKey)
        );
    }

    #[test]
    fn purposes_have_their_own_keys() {
        let one = vault("one", &[]);
        assert_eq!(
            one.derive_key("sessions"),
            vault("one", &["zero"]).derive_key("sessions")
        );
        assert_ne!(one.derive_key("sessions"), one.derive_key("key-cache"));
        assert_ne!(
            one.derive_key("sessions"),
            vault("two", &[]).derive_key("sessions")
        );
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(
            format!("{:?}", vault("one", &["zero"])),
            "Vault { previous: 1, .. }"
        );
    }
}
