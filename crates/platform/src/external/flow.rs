//! A browser goes to sign in elsewhere and comes back.
//!
//! What was begun is kept by the browser alone, encrypted, in a cookie: whoever comes back without
//! it did not begin here. Nothing is stored for people who do not come back.

use apiverse_connectors::clerk::{DEV_BROWSER, HANDSHAKE};
use apiverse_connectors::oidc::{Attempt, ExternalUser, OidcError, Redirected};
use apiverse_contract::{SessionId, UserId};
use apiverse_store::UserRow;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_sessions::Session;
use uuid::Uuid;

use super::CLERK;
use super::identities::{LinkError, RecogniseError};
use crate::accounts::{LoginError, user_event};
use crate::actor::{Actor, RequestInfo};
use crate::fault::{
    Broken, ProviderAway, ProviderRefused, ProviderUnknown, ProviderUntrusted, SignInStale,
    StoreFault, operation_error,
};
use crate::platform::Platform;
use crate::session_store::keys;
use crate::sessions::broken_session;

operation_error! {
    /// Why nobody was signed in who came from elsewhere.
    ExternalSignInError {
        ProviderUnknown, ProviderAway, ProviderRefused, ProviderUntrusted, SignInStale,
        NotVouchedFor, AccountExists, AccountOff, IdentityTaken, Forbidden, UserGone,
        Broken,
    }
}

impl ExternalSignInError {
    /// What the sign-in page knows the reason by.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::ProviderUnknown(_) => "unknown",
            Self::ProviderAway(_) => "away",
            Self::ProviderRefused(_) => "refused",
            Self::ProviderUntrusted(_) => "untrusted",
            Self::SignInStale(_) => "stale",
            Self::NotVouchedFor(_) => "unconfirmed",
            Self::AccountExists(_) => "exists",
            Self::AccountOff(_) => "off",
            Self::IdentityTaken(_) => "taken",
            Self::Forbidden(_) => "step-up",
            Self::UserGone(_) => "signed-out",
            Self::Broken(_) | Self::Store(_) => "failed",
        }
    }
}

/// How long somebody may take elsewhere.
const PATIENCE: TimeDelta = TimeDelta::minutes(15);
/// What the cookie is encrypted for.
const CONTEXT: &[u8] = b"sign_in.begun";
const WAITING: &[u8] = b"sign_in.waiting";
/// Longer than any cookie of ours.
const LONGEST: usize = 4096;

/// What the browser keeps meanwhile.
#[derive(Serialize, Deserialize)]
struct Begun {
    slug: String,
    attempt: Attempt,
    next: String,
    /// Who wants to link, when it is not about signing in.
    link: Option<UserId>,
    expires_at: DateTime<Utc>,
}

/// Where to send a browser, and what it is to keep.
pub struct Departure {
    pub url: String,
    /// A cookie's value.
    pub cookie: String,
}

/// What became of somebody who came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    SignedIn {
        /// Where they wanted to go, not judged yet.
        next: String,
    },
    /// Their account has another way in.
    Linked,
    /// They are to go on, and come back again.
    Onward { url: String },
    /// The account wants its second factor; the sign-in goes on with this.
    CodeWanted { token: String, next: String },
}

/// Somebody who signed in elsewhere, with the session there if it is known.
struct Arrived {
    user: ExternalUser,
    session: Option<String>,
}

enum Step {
    Arrived(Arrived),
    Onward(String),
}

impl Platform {
    /// Begins signing in elsewhere; with `link`, linking who is signed in here to who they are
    /// there, for which they must have proved who they are a moment ago.
    ///
    /// # Errors
    /// See [`ExternalSignInError`].
    pub async fn external_begin(
        &self,
        slug: &str,
        next: &str,
        link: Option<&Actor>,
    ) -> Result<Departure, ExternalSignInError> {
        let now = self.now();
        let link = match link {
            Some(actor) => {
                actor.require_recent(now)?;
                Some(actor.account()?)
            }
            None => None,
        };
        let random = || self.inner.clock.random();
        let attempt = Attempt::new([random(), random(), random()]);
        let back = self.back(slug);
        let url = match (self.provider(slug), self.clerk()) {
            (Some(provider), _) => provider
                .begin(&attempt, &back, now)
                .await
                .map_err(|error| unwelcome(slug, &error))?,
            (None, Some(clerk)) if slug == CLERK => {
                clerk.sign_in_page(&with_state(&back, &attempt.state))
            }
            _ => return Err(ProviderUnknown.into()),
        };
        let begun = Begun {
            slug: slug.to_owned(),
            attempt,
            // Longer ones are somebody's joke, and cookies are small.
            next: Some(next)
                .filter(|next| next.len() <= 1024)
                .unwrap_or_default()
                .to_owned(),
            link,
            expires_at: now + PATIENCE,
        };
        let plain = serde_json::to_vec(&begun).map_err(|_| Broken)?;
        let cookie = URL_SAFE_NO_PAD.encode(self.inner.vault.seal(CONTEXT, &plain));
        Ok(Departure {
            url: url.into(),
            cookie,
        })
    }

    /// Goes on with somebody who came back: `cookie` is what their browser kept, `query` what they
    /// came with, `handshake` a cookie of Clerk's.
    ///
    /// # Errors
    /// See [`ExternalSignInError`].
    pub async fn external_finish(
        &self,
        (slug, query): (&str, &str),
        (cookie, handshake): (Option<&str>, Option<&str>),
        actor: Option<&Actor>,
        session: &Session,
        request: &RequestInfo,
    ) -> Result<Arrival, ExternalSignInError> {
        let begun = self.begun(slug, cookie).ok_or(SignInStale)?;
        // Somebody else may have signed in with this browser meanwhile.
        let linking = match begun.link {
            Some(user_id) => {
                let actor = actor.filter(|actor| actor.user_id == Some(user_id));
                Some(actor.ok_or(SignInStale)?)
            }
            None => None,
        };
        let answer = Answer::read(query);
        let step = if slug == CLERK {
            self.clerk_step(&begun, &answer, handshake).await?
        } else {
            self.oidc_step(&begun, &answer).await?
        };
        let arrived = match step {
            Step::Arrived(arrived) => arrived,
            Step::Onward(url) => return Ok(Arrival::Onward { url }),
        };
        if let Some(actor) = linking {
            self.identity_link(actor, &arrived.user)
                .await
                .map_err(link_error)?;
            return Ok(Arrival::Linked);
        }
        let user = self
            .recognise(request, &arrived.user)
            .await
            .map_err(recognise_error)?;
        self.let_in(&user, &arrived, session, request, begun.next)
            .await
    }

    async fn let_in(
        &self,
        user: &UserRow,
        arrived: &Arrived,
        session: &Session,
        request: &RequestInfo,
        next: String,
    ) -> Result<Arrival, ExternalSignInError> {
        let seen = arrived.user.second_factor;
        let wanted = if seen {
            None
        } else {
            self.challenge(user).await?
        };
        let action = match wanted {
            Some(_) => "user.second_factor_awaited",
            None => "user.signed_in",
        };
        let mut event = user_event(action, user);
        event.details = json!({
            "provider": self.issuer_name(&arrived.user.issuer),
            "issuer": arrived.user.issuer,
            "second_factor": seen,
        });
        let organization_id = self.first_organization(user.id).await?;
        let who = (Some(user.id), user.email.clone());
        let line = self.audit_line(organization_id, who, request, event);
        self.store().audit_insert(&line).await?;
        if let Some(wanted) = wanted {
            return Ok(Arrival::CodeWanted {
                token: wanted.token,
                next,
            });
        }
        self.session_for(user, session, request)
            .await
            .map_err(login_error)?;
        if seen {
            let write = async {
                session.insert(keys::SECOND_FACTOR, true).await?;
                session.save().await
            };
            write.await.map_err(broken_session)?;
        }
        if let Some(theirs) = &arrived.session {
            let ours: Option<Uuid> = session.get(keys::SESSION).await.map_err(broken_session)?;
            let ours = SessionId(ours.ok_or(Broken)?);
            self.store()
                .session_origin_insert(ours, &arrived.user.issuer, theirs)
                .await?;
        }
        Ok(Arrival::SignedIn { next })
    }

    async fn oidc_step(&self, begun: &Begun, answer: &Answer) -> Result<Step, ExternalSignInError> {
        let provider = self.provider(&begun.slug).ok_or(ProviderUnknown)?;
        let user = provider
            .finish(
                &begun.attempt,
                &answer.redirected,
                &self.back(&begun.slug),
                self.now(),
            )
            .await
            .map_err(|error| unwelcome(&begun.slug, &error))?;
        Ok(Step::Arrived(Arrived {
            user,
            session: None,
        }))
    }

    /// Back from Clerk's page, or from its handshake.
    async fn clerk_step(
        &self,
        begun: &Begun,
        answer: &Answer,
        handshake: Option<&str>,
    ) -> Result<Step, ExternalSignInError> {
        let clerk = self.clerk().ok_or(ProviderUnknown)?;
        if answer.redirected.state.as_deref() != Some(&begun.attempt.state) {
            return Err(SignInStale.into());
        }
        let now = self.now();
        let token = answer.handshake.as_deref();
        // A cookie may be left over from before; after the handshake it is not.
        let token = token.or(handshake.filter(|_| answer.is_after_handshake));
        let Some(token) = token else {
            if answer.is_after_handshake {
                return Err(ProviderRefused.into());
            }
            let back = with_state(&self.back(CLERK), &begun.attempt.state);
            let back = format!("{back}&step=handshake");
            let url = clerk
                .handshake_page(&back, answer.dev_browser.as_deref())
                .map_err(|_| Broken)?;
            return Ok(Step::Onward(url.into()));
        };
        let session = clerk
            .handshake_session(token, now)
            .await
            .map_err(|error| clerk_error(&error))?;
        let session = session.ok_or(ProviderRefused)?;
        let session = clerk
            .session(&session, &self.own_origin(), now)
            .await
            .map_err(|error| clerk_error(&error))?;
        let user = self
            .clerk_user(clerk, &session)
            .await
            .map_err(|error| clerk_error(&error))?;
        Ok(Step::Arrived(Arrived {
            user: user.ok_or(ProviderRefused)?,
            session: Some(session.session_id),
        }))
    }

    /// What a sign-in waits for, for the browser to keep until its code was typed.
    #[must_use]
    pub fn keep_waiting(&self, mfa_token: &str, next: &str) -> String {
        // Texts always have a JSON form.
        let plain = serde_json::to_vec(&(mfa_token, next)).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(self.inner.vault.seal(WAITING, &plain))
    }

    /// The token a waiting sign-in goes on with, and where its person wanted to go, not judged yet.
    #[must_use]
    pub fn waiting(&self, cookie: &str) -> Option<(String, String)> {
        let sealed = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let plain = self.inner.vault.open(WAITING, &sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    fn begun(&self, slug: &str, cookie: Option<&str>) -> Option<Begun> {
        let cookie = cookie.filter(|cookie| cookie.len() <= LONGEST)?;
        let sealed = URL_SAFE_NO_PAD.decode(cookie).ok()?;
        let plain = self.inner.vault.open(CONTEXT, &sealed).ok()?;
        let begun: Begun = serde_json::from_slice(&plain).ok()?;
        (begun.slug == slug && begun.expires_at > self.now()).then_some(begun)
    }

    /// Where a service sends browsers back to; it has the address in its settings too.
    fn back(&self, slug: &str) -> String {
        format!("{}/login/with/{slug}/callback", self.base_url())
    }

    /// Where we are reached, as browsers write origins.
    pub(super) fn own_origin(&self) -> String {
        url::Url::parse(self.base_url())
            .map(|url| url.origin().ascii_serialization())
            .unwrap_or_default()
    }
}

fn with_state(back: &str, state: &str) -> String {
    format!("{back}?state={state}")
}

/// What somebody came back with.
struct Answer {
    redirected: Redirected,
    handshake: Option<String>,
    dev_browser: Option<String>,
    is_after_handshake: bool,
}

impl Answer {
    fn read(query: &str) -> Self {
        let mut answer = Self {
            redirected: Redirected::default(),
            handshake: None,
            dev_browser: None,
            is_after_handshake: false,
        };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "code" => answer.redirected.code = Some(value),
                "state" => answer.redirected.state = Some(value),
                "iss" => answer.redirected.iss = Some(value),
                "error" => answer.redirected.error = Some(value),
                "step" => answer.is_after_handshake = value == "handshake",
                HANDSHAKE => answer.handshake = Some(value),
                DEV_BROWSER => answer.dev_browser = Some(value),
                _ => {}
            }
        }
        answer
    }
}

fn unwelcome(slug: &str, error: &OidcError) -> ExternalSignInError {
    tracing::warn!(provider = slug, %error, "nobody was signed in");
    match error {
        OidcError::Unavailable(_) => ProviderAway.into(),
        OidcError::Refused(_) => ProviderRefused.into(),
        OidcError::Discovery(_) | OidcError::NotAccepted(_) => ProviderUntrusted.into(),
    }
}

fn clerk_error(error: &apiverse_connectors::clerk::ClerkError) -> ExternalSignInError {
    use apiverse_connectors::clerk::ClerkError;
    tracing::warn!(provider = CLERK, %error, "nobody was signed in");
    match error {
        ClerkError::Unavailable(_) => ProviderAway.into(),
        ClerkError::NotAccepted(_) => ProviderUntrusted.into(),
    }
}

fn recognise_error(error: RecogniseError) -> ExternalSignInError {
    match error {
        RecogniseError::NotVouchedFor(kind) => kind.into(),
        RecogniseError::AccountExists(kind) => kind.into(),
        RecogniseError::AccountOff(kind) => kind.into(),
        RecogniseError::Broken(kind) => kind.into(),
        RecogniseError::Store(fault) => ExternalSignInError::Store(fault),
    }
}

fn link_error(error: LinkError) -> ExternalSignInError {
    match error {
        LinkError::Forbidden(kind) => kind.into(),
        LinkError::IdentityTaken(kind) => kind.into(),
        LinkError::NotVouchedFor(kind) => kind.into(),
        LinkError::UserGone(kind) => kind.into(),
        LinkError::Broken(kind) => kind.into(),
        LinkError::Store(fault) => ExternalSignInError::Store(fault),
    }
}

fn login_error(error: LoginError) -> ExternalSignInError {
    match error {
        LoginError::Store(StoreFault(error)) => error.into(),
        LoginError::WrongCredentials(_)
        | LoginError::PasskeyWrong(_)
        | LoginError::MfaRequired(_)
        | LoginError::CodeWrong(_)
        | LoginError::SlowDown(_)
        | LoginError::Busy(_)
        | LoginError::Broken(_) => Broken.into(),
    }
}
