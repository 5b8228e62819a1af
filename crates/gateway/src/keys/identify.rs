//! From a text to the key it is.

use std::cell::Cell;
use std::sync::Arc;

use apiverse_contract::{ErrorCode, KeyId, key_format};
use apiverse_settings::vault::Vault;
use argon2::{Argon2, PasswordHash, PasswordVerifier};

use super::TICKET_TAG;
use super::cache::{TextHash, Verdict, VerifiedKeys};
use crate::meters::Meters;
use crate::snapshot::{KeyRecord, Secret, Snapshot};

/// The text is no key that may call now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IdentifyError {
    #[error("the api key is not valid")]
    Invalid,
    /// The address has sent too many wrong texts to look at another.
    #[error("too many wrong keys from one address")]
    TooManyGuesses,
    /// It is one, but its time is over.
    #[error("the api key has expired")]
    Expired {
        /// Whose it was, so that the call shows up there.
        key: KeyId,
        organization: apiverse_contract::OrganizationId,
    },
}

impl IdentifyError {
    pub(crate) const fn code(self) -> ErrorCode {
        match self {
            Self::Invalid => ErrorCode::InvalidApiKey,
            Self::TooManyGuesses => ErrorCode::TooManyAttempts,
            Self::Expired { .. } => ErrorCode::ExpiredApiKey,
        }
    }
}

/// What identification needs beside the text.
pub(crate) struct Identifier<'a> {
    pub(crate) snapshot: &'a Snapshot,
    pub(crate) vault: &'a Vault,
    pub(crate) meters: &'a Meters,
    /// The process's random key for [`TextHash`].
    pub(crate) hash_key: &'a [u8; 32],
    /// Microseconds since 1970.
    pub(crate) now_us: i64,
    /// Whether a text that was never seen may cost a hash.
    pub(crate) may_guess: bool,
    /// Whether it did, and was wrong.
    pub(crate) guessed_wrong: Cell<bool>,
}

impl Identifier<'_> {
    /// The key that `text` is. Cheap refusals come first: shape and checksum, then the index by
    /// prefix, then what was verified before; only then Argon2, about ten microseconds.
    pub(crate) fn identify(
        &self,
        text: &[u8],
        verified: &mut VerifiedKeys,
    ) -> Result<Arc<KeyRecord>, IdentifyError> {
        let found = if text.starts_with(TICKET_TAG) {
            self.by_ticket(text)
        } else {
            self.by_text(text, verified)
        };
        if matches!(found, Err(IdentifyError::Invalid)) {
            self.meters.key_refused.increment(1);
        }
        let key = found?;
        match key.expires_at_us {
            Some(at) if at <= self.now_us => Err(expired(&key)),
            _ => Ok(key),
        }
    }

    fn by_ticket(&self, text: &[u8]) -> Result<Arc<KeyRecord>, IdentifyError> {
        self.vault
            .verify_ticket(text, self.now_us / 1_000_000)
            .and_then(|id| self.snapshot.key(id))
            .cloned()
            .ok_or(IdentifyError::Invalid)
    }

    fn by_text(
        &self,
        text: &[u8],
        verified: &mut VerifiedKeys,
    ) -> Result<Arc<KeyRecord>, IdentifyError> {
        let parsed = key_format::parse(text).ok_or(IdentifyError::Invalid)?;
        let key = self
            .snapshot
            .key_by_prefix(parsed.lookup_prefix.as_bytes())
            .ok_or(if self.may_guess || !self.snapshot.lacks_keys() {
                IdentifyError::Invalid
            } else {
                // It was not looked for.
                IdentifyError::TooManyGuesses
            })?;

        let hash = text_hash(self.hash_key, text);
        let verdict = match verified.get(&hash, key.stamp) {
            Some(verdict) => {
                self.meters.key_hit.increment(1);
                verdict
            }
            None => {
                if !self.may_guess {
                    return Err(IdentifyError::TooManyGuesses);
                }
                self.meters.key_miss.increment(1);
                let verdict = verify(key, parsed.lookup_prefix.as_bytes(), text);
                self.guessed_wrong.set(matches!(verdict, Verdict::Wrong));
                verified.put(hash, key.stamp, verdict);
                verdict
            }
        };
        let until = match verdict {
            Verdict::Wrong => return Err(IdentifyError::Invalid),
            Verdict::Current => None,
            Verdict::Previous => key
                .previous
                .as_ref()
                .and_then(|secret| secret.expires_at_us),
        };
        if until.is_some_and(|at| at <= self.now_us) {
            return Err(expired(key));
        }
        if self.snapshot.lacks_keys() {
            key.was_used();
        }
        Ok(Arc::clone(key))
    }
}

fn expired(key: &KeyRecord) -> IdentifyError {
    IdentifyError::Expired {
        key: key.id,
        organization: key.organization_id,
    }
}

fn text_hash(key: &[u8; 32], text: &[u8]) -> TextHash {
    let mut hash = [0; 16];
    hash.copy_from_slice(&blake3::keyed_hash(key, text).as_bytes()[..16]);
    hash
}

/// Which of the key's secrets the text is. The prefix says which one it could be, so that at most
/// one hash is computed.
fn verify(key: &KeyRecord, prefix: &[u8], text: &[u8]) -> Verdict {
    let matches = |secret: &Secret| {
        secret.prefix == *prefix
            && PasswordHash::new(&secret.hash)
                .is_ok_and(|hash| Argon2::default().verify_password(text, &hash).is_ok())
    };
    if matches(&key.current) {
        Verdict::Current
    } else if key.previous.as_deref().is_some_and(matches) {
        Verdict::Previous
    } else {
        Verdict::Wrong
    }
}
