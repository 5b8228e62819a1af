//! Tokens kept until shortly before they expire, one fetch at a time for each API.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use super::{AccessToken, ClientCredentials, TokenError, fetch_token};
use crate::egress::EgressPolicy;

/// A token is renewed this long before it expires, or a tenth of its lifetime if that is less.
const RENEW_BEFORE: Duration = Duration::from_secs(30);
/// Lifetime of a token whose server does not tell it.
const UNTOLD_LIFETIME: Duration = Duration::from_secs(5 * 60);
/// A token is renewed at least this often, however long it claims to live.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// How long a failure is answered from memory, so that a dead endpoint is not hammered.
const REMEMBER_FAILURE: Duration = Duration::from_secs(1);
/// A token this young that an upstream refuses was not refused for its age: another one would
/// fare no better, and every call would fetch one.
const TOO_YOUNG_TO_BE_STALE: Duration = Duration::from_secs(10);

/// The tokens of this process, by the id of what they are for.
///
/// `version` says which configuration a token belongs to: a token of another version is not
/// used. `now` is the caller's clock.
pub struct TokenCache {
    client: reqwest::Client,
    policy: EgressPolicy,
    slots: RwLock<HashMap<Uuid, Arc<Slot>>>,
}

#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    /// Held by the one caller that fetches; the others wait here for its result.
    flight: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    version: u64,
    token: Option<Token>,
    failure: Option<Failure>,
}

struct Token {
    value: Arc<str>,
    fetched_at: Instant,
    renew_at: Instant,
    expires_at: Instant,
}

struct Failure {
    error: TokenError,
    until: Instant,
}

impl State {
    /// What can be answered without a fetch.
    fn answer(&self, version: u64, now: Instant) -> Option<Result<Arc<str>, TokenError>> {
        if self.version != version {
            return None;
        }
        let failure = self.failure.as_ref().filter(|failure| now < failure.until);
        if let Some(token) = &self.token {
            // While it cannot be renewed, a token is good to its very end.
            let good_until = if failure.is_some() {
                token.expires_at
            } else {
                token.renew_at
            };
            if now < good_until {
                return Some(Ok(Arc::clone(&token.value)));
            }
        }
        failure.map(|failure| Err(failure.error.clone()))
    }
}

impl TokenCache {
    /// An empty cache. `client` makes the requests, within its own time limit.
    #[must_use]
    pub fn new(client: reqwest::Client, policy: EgressPolicy) -> Self {
        Self {
            client,
            policy,
            slots: RwLock::default(),
        }
    }

    /// The token for `id`, if it is at hand: no waiting, no fetch.
    #[must_use]
    pub fn cached(&self, id: Uuid, version: u64, now: Instant) -> Option<Arc<str>> {
        let slots = self.slots.read();
        let state = slots.get(&id)?.state.lock();
        state.answer(version, now)?.ok()
    }

    /// The token for `id`, fetched if need be. Callers that come while it is being fetched wait
    /// for that fetch, and share its token or its failure; a failure is remembered for a second.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn token(
        &self,
        id: Uuid,
        version: u64,
        cfg: &ClientCredentials,
        now: Instant,
    ) -> Result<Arc<str>, TokenError> {
        let slot = self.slot(id);
        if let Some(answer) = slot.state.lock().answer(version, now) {
            return answer;
        }
        let _flight = slot.flight.lock().await;
        if let Some(answer) = slot.state.lock().answer(version, now) {
            return answer;
        }

        let started = Instant::now();
        let fetched = fetch_token(&self.client, &self.policy, cfg).await;
        let took = started.elapsed();

        let mut state = slot.state.lock();
        if state.version != version {
            *state = State {
                version,
                ..State::default()
            };
        }
        match fetched {
            // Counted from before the fetch: the token is at most that old.
            Ok(fetched) => {
                state.failure = None;
                let token = state.token.insert(Token::new(fetched, now));
                Ok(Arc::clone(&token.value))
            }
            Err(error) => {
                tracing::warn!(%id, %error, "no token from the token endpoint");
                // Counted from after it, or a slow failure would be forgotten on arrival.
                let until = now + took + REMEMBER_FAILURE;
                state.failure = Some(Failure {
                    error: error.clone(),
                    until,
                });
                state.answer(version, now + took).unwrap_or(Err(error))
            }
        }
    }

    /// Forgets the token for `id`, and the last failure: for when its API is deleted or an
    /// operator asks. After an upstream's 401, use [`TokenCache::reject`].
    pub fn invalidate(&self, id: Uuid) {
        if let Some(slot) = self.slots.read().get(&id) {
            let mut state = slot.state.lock();
            state.token = None;
            state.failure = None;
        }
    }

    /// An upstream answered 401 to `token`: forgets it, and says whether another try makes sense.
    ///
    /// It does not when the token is new (10 s), since the upstream then refuses the client and
    /// not the token. A token that was replaced meanwhile stays.
    #[must_use]
    pub fn reject(&self, id: Uuid, token: &str, now: Instant) -> bool {
        let slots = self.slots.read();
        let Some(slot) = slots.get(&id) else {
            return true;
        };
        let mut state = slot.state.lock();
        let Some(current) = &state.token else {
            return true;
        };
        if *current.value != *token {
            return true;
        }
        if now.saturating_duration_since(current.fetched_at) < TOO_YOUNG_TO_BE_STALE {
            return false;
        }
        state.token = None;
        true
    }

    fn slot(&self, id: Uuid) -> Arc<Slot> {
        if let Some(slot) = self.slots.read().get(&id) {
            return Arc::clone(slot);
        }
        Arc::clone(self.slots.write().entry(id).or_default())
    }
}

impl Token {
    fn new(fetched: AccessToken, now: Instant) -> Self {
        let lifetime = fetched
            .expires_in
            .unwrap_or(UNTOLD_LIFETIME)
            .min(MAX_LIFETIME);
        let margin = RENEW_BEFORE.min(lifetime / 10);
        Self {
            value: fetched.token.expose().into(),
            fetched_at: now,
            renew_at: now + lifetime - margin,
            expires_at: now + lifetime,
        }
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("len", &self.slots.read().len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use super::super::test_server::{self, TestServer};
    use super::*;

    const ID: Uuid = Uuid::from_u128(7);
    const SECOND: Duration = Duration::from_secs(1);

    /// Hands out `token-1`, `token-2` … with this lifetime.
    async fn numbered(expires_in: &'static str) -> TestServer {
        let count = AtomicUsize::new(0);
        TestServer::start(move |_| {
            let number = count.fetch_add(1, Ordering::SeqCst) + 1;
            test_server::token(&format!("token-{number}"), expires_in)
        })
        .await
    }

    fn cache(server: &TestServer) -> TokenCache {
        TokenCache::new(server.client(), test_server::policy())
    }

    #[tokio::test]
    async fn a_token_is_kept_until_30_s_before_it_expires() {
        let server = numbered("3600").await;
        let (cache, cfg, start) = (cache(&server), server.credentials(), Instant::now());
        assert_eq!(cache.cached(ID, 1, start), None);
        assert_eq!(&*cache.token(ID, 1, &cfg, start).await.unwrap(), "token-1");
        let just_before = start + 3570 * SECOND - Duration::from_millis(1);
        assert_eq!(cache.cached(ID, 1, just_before).as_deref(), Some("token-1"));
        assert_eq!(
            &*cache.token(ID, 1, &cfg, just_before).await.unwrap(),
            "token-1"
        );
        assert_eq!(server.requests().len(), 1);
        let then = start + 3570 * SECOND;
        assert_eq!(cache.cached(ID, 1, then), None);
        assert_eq!(&*cache.token(ID, 1, &cfg, then).await.unwrap(), "token-2");
        assert_eq!(server.requests().len(), 2);
    }

    #[tokio::test]
    async fn short_untold_and_endless_lifetimes_have_their_limits() {
        for (expires_in, good_for) in [("60", 54), ("null", 270), ("1e18", 24 * 3600 - 30)] {
            let server = numbered(expires_in).await;
            let (cache, cfg, start) = (cache(&server), server.credentials(), Instant::now());
            cache.token(ID, 1, &cfg, start).await.unwrap();
            let end = start + good_for * SECOND;
            assert!(cache.cached(ID, 1, end - SECOND).is_some(), "{expires_in}");
            assert!(cache.cached(ID, 1, end).is_none(), "{expires_in}");
        }
    }

    #[tokio::test]
    async fn concurrent_callers_share_one_fetch() {
        let server = numbered("3600").await;
        let (cache, cfg, now) = (cache(&server), server.credentials(), Instant::now());
        server.close();
        let callers = (0..50).map(|_| cache.token(ID, 1, &cfg, now));
        let all = futures_util::future::join_all(callers);
        let release = async {
            while server.requests().is_empty() {
                tokio::task::yield_now().await;
            }
            server.open();
        };
        let (tokens, ()) = tokio::join!(all, release);
        assert!(tokens.iter().all(|token| token.as_deref() == Ok("token-1")));
        assert_eq!(server.requests().len(), 1);
    }

    #[tokio::test]
    async fn ids_do_not_wait_for_each_other() {
        let server = numbered("3600").await;
        let (cache, cfg, now) = (cache(&server), server.credentials(), Instant::now());
        server.close();
        let others = [1, 2, 3].map(|id| cache.token(Uuid::from_u128(id), 1, &cfg, now));
        let release = async {
            while server.requests().len() < 3 {
                tokio::task::yield_now().await;
            }
            server.open();
        };
        let (tokens, ()) = tokio::join!(futures_util::future::join_all(others), release);
        assert!(tokens.iter().all(Result::is_ok));
    }

    #[tokio::test]
    async fn a_caller_that_hangs_up_leaves_the_fetch_to_the_next() {
        let server = numbered("3600").await;
        let (cache, cfg, now) = (cache(&server), server.credentials(), Instant::now());
        server.close();
        {
            let first = cache.token(ID, 1, &cfg, now);
            let asked = async {
                while server.requests().is_empty() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                _ = first => panic!("answers are held back"),
                () = asked => {}
            }
        }
        server.open();
        assert_eq!(&*cache.token(ID, 1, &cfg, now).await.unwrap(), "token-2");
    }

    #[tokio::test]
    async fn a_failure_is_shared_and_remembered_for_a_second() {
        let server = TestServer::start(|_| test_server::answer("503 Away", "")).await;
        let (cache, cfg, now) = (cache(&server), server.credentials(), Instant::now());
        let callers = (0..20).map(|_| cache.token(ID, 1, &cfg, now));
        for result in futures_util::future::join_all(callers).await {
            assert_eq!(
                result,
                Err(TokenError::Refused {
                    status: 503,
                    code: "unknown"
                })
            );
        }
        assert_eq!(server.requests().len(), 1);
        assert!(cache.token(ID, 1, &cfg, now + SECOND / 2).await.is_err());
        assert_eq!(server.requests().len(), 1);
        // The fetch itself took some of the second; a minute is surely over it.
        assert!(cache.token(ID, 1, &cfg, now + 60 * SECOND).await.is_err());
        assert_eq!(server.requests().len(), 2);
    }

    #[tokio::test]
    async fn while_it_cannot_be_renewed_a_token_serves_to_its_end() {
        let broken = Arc::new(AtomicBool::new(false));
        let switch = Arc::clone(&broken);
        let server = TestServer::start(move |_| match switch.load(Ordering::SeqCst) {
            true => test_server::answer("503 Away", ""),
            false => test_server::token("good", "3600"),
        })
        .await;
        let (cache, cfg, start) = (cache(&server), server.credentials(), Instant::now());
        cache.token(ID, 1, &cfg, start).await.unwrap();
        broken.store(true, Ordering::SeqCst);
        let late = start + 3580 * SECOND;
        assert_eq!(cache.token(ID, 1, &cfg, late).await.as_deref(), Ok("good"));
        assert_eq!(server.requests().len(), 2);
        assert_eq!(cache.cached(ID, 1, late).as_deref(), Some("good"));
        assert!(
            cache
                .token(ID, 1, &cfg, start + 3600 * SECOND)
                .await
                .is_err()
        );
    }

    #[tokio::test]
    async fn another_version_is_another_token() {
        let server = numbered("3600").await;
        let (cache, cfg, now) = (cache(&server), server.credentials(), Instant::now());
        cache.token(ID, 1, &cfg, now).await.unwrap();
        assert_eq!(cache.cached(ID, 2, now), None);
        assert_eq!(&*cache.token(ID, 2, &cfg, now).await.unwrap(), "token-2");
        assert_eq!(cache.cached(ID, 1, now), None);
    }

    #[tokio::test]
    async fn an_invalidated_token_is_fetched_anew() {
        let server = numbered("3600").await;
        let (cache, cfg, now) = (cache(&server), server.credentials(), Instant::now());
        cache.invalidate(ID);
        cache.token(ID, 1, &cfg, now).await.unwrap();
        cache.invalidate(ID);
        assert_eq!(cache.cached(ID, 1, now), None);
        assert_eq!(&*cache.token(ID, 1, &cfg, now).await.unwrap(), "token-2");
    }

    #[tokio::test]
    async fn only_the_rejected_token_goes_and_only_when_it_is_old() {
        let server = numbered("3600").await;
        let (cache, cfg, now) = (cache(&server), server.credentials(), Instant::now());
        assert!(cache.reject(ID, "token-0", now));
        cache.token(ID, 1, &cfg, now).await.unwrap();
        assert!(!cache.reject(ID, "token-1", now + 9 * SECOND));
        assert!(cache.reject(ID, "token-0", now + 60 * SECOND));
        assert_eq!(cache.cached(ID, 1, now).as_deref(), Some("token-1"));
        assert!(cache.reject(ID, "token-1", now + 60 * SECOND));
        assert_eq!(cache.cached(ID, 1, now), None);
    }

    #[tokio::test]
    async fn debug_shows_no_token() {
        let server = numbered("3600").await;
        let cache = cache(&server);
        cache
            .token(ID, 1, &server.credentials(), Instant::now())
            .await
            .unwrap();
        assert_eq!(format!("{cache:?}"), "TokenCache { len: 1, .. }");
    }
}
