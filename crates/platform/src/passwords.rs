//! Hashing of passwords and of API keys, both Argon2id (RFC 9106).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use tokio::sync::Semaphore;

use crate::fault::{Broken, Busy};

/// OWASP's parameters for passwords: 19 MiB, two passes, one lane.
const PASSWORD: (u32, u32) = (19 * 1024, 2);
/// The least Argon2 takes: an API key has 256 random bits, which no amount of hashing protects
/// better, and the gateway checks one in about ten microseconds.
const API_KEY: (u32, u32) = (8, 1);
/// Callers that may wait for a free core; more are turned away, or memory would grow with them.
const QUEUE: usize = 64;

fn argon2((memory_kib, passes): (u32, u32)) -> Result<Argon2<'static>, Broken> {
    let params = Params::new(memory_kib, passes, 1, None).map_err(|_| Broken)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(text: &str, salt: &[u8; 16], parameters: (u32, u32)) -> Result<String, Broken> {
    let hash = argon2(parameters)?
        .hash_password_with_salt(text.as_bytes(), salt)
        .map_err(|_| Broken)?;
    Ok(hash.to_string())
}

/// The stored form of an API key.
pub fn hash_api_key(key: &str, salt: &[u8; 16]) -> Result<String, Broken> {
    hash(key, salt, API_KEY)
}

/// Hashes passwords on as many threads as there are cores, never more.
pub struct Passwords {
    cores: Arc<Semaphore>,
    waiting: AtomicUsize,
    /// Checked against when there is no account, so that both answers take the same time.
    dummy: String,
}

/// Whether a password was right, and whether its hash should be made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Right,
    /// Right, but hashed with parameters of another time.
    RightButOld,
    Wrong,
}

impl Passwords {
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let dummy = hash("nobody has this password", &[7; 16], PASSWORD).unwrap_or_default();
        Self {
            cores: Arc::new(Semaphore::new(cores)),
            waiting: AtomicUsize::new(0),
            dummy,
        }
    }

    /// # Errors
    /// [`Busy`] when too many are waiting.
    pub async fn hash(&self, password: String, salt: [u8; 16]) -> Result<String, Busy> {
        self.on_a_core(move || hash(&password, &salt, PASSWORD))
            .await?
            .map_err(|_| Busy)
    }

    /// Checks a password; against nothing anybody has when `stored` is `None`.
    ///
    /// # Errors
    /// [`Busy`] when too many are waiting.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<Verdict, Busy> {
        let known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.dummy.clone());
        let verdict = self.on_a_core(move || verify(&password, &stored)).await?;
        Ok(if known { verdict } else { Verdict::Wrong })
    }

    /// Does slow work on as many threads as there are cores.
    ///
    /// # Errors
    /// [`Busy`] when too many are waiting.
    pub async fn on_a_core<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let place = Place::take(&self.waiting).ok_or(Busy)?;
        let permit = Arc::clone(&self.cores)
            .acquire_owned()
            .await
            .map_err(|_| Busy)?;
        // The permit moves in: a caller that hangs up does not free the core that still works.
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            work()
        });
        drop(place);
        done.await.map_err(|_| Busy)
    }
}

/// A place in the queue, given back however the caller leaves.
struct Place<'a>(&'a AtomicUsize);

impl<'a> Place<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        if waiting.fetch_add(1, Ordering::Relaxed) >= QUEUE {
            waiting.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self(waiting))
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn verify(password: &str, stored: &str) -> Verdict {
    let Ok(parsed) = PasswordHash::new(stored) else {
        return Verdict::Wrong;
    };
    // The parameters are those of the stored hash, whatever this instance has.
    if Argon2::default()
        .verify_password(password.as_bytes(), &parsed)
        .is_err()
    {
        return Verdict::Wrong;
    }
    let current = Params::try_from(&parsed)
        .is_ok_and(|params| (params.m_cost(), params.t_cost()) == PASSWORD);
    if current {
        Verdict::Right
    } else {
        Verdict::RightButOld
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn right_wrong_and_unknown() {
        let passwords = Passwords::new();
        let stored = passwords
            .hash("a password".into(), [1; 16])
            .await
            .expect("hashes");
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        let verify = |password: &str, stored: Option<&str>| {
            passwords.verify(password.to_owned(), stored.map(str::to_owned))
        };
        assert_eq!(
            verify("a password", Some(&stored)).await,
            Ok(Verdict::Right)
        );
        assert_eq!(verify("another", Some(&stored)).await, Ok(Verdict::Wrong));
        assert_eq!(
            verify("nobody has this password", None).await,
            Ok(Verdict::Wrong)
        );
        assert_eq!(verify("x", Some("not a hash")).await, Ok(Verdict::Wrong));
        let old = hash("a password", &[1; 16], (1024, 1)).expect("hashes");
        assert_eq!(
            verify("a password", Some(&old)).await,
            Ok(Verdict::RightButOld)
        );
    }
}
