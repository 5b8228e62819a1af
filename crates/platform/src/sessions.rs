//! Sessions: who a request is from, and how being signed in ends.

use apiverse_connectors::clerk::Clerk;
use apiverse_contract::access_tokens::ACCESS_TOKEN_TAG;
use apiverse_contract::auth::{RefreshRequest, Role, SessionKind, SessionView, TokenResponse};
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_contract::{OrganizationId, SessionId, UserId};
use apiverse_settings::Secret;
use apiverse_store::{RefreshUse, SessionRow, StoreError, UserRow};
use chrono::{DateTime, Duration, Utc};
use serde_json::json;
use tower_sessions::Session;
use uuid::Uuid;

use crate::actor::{Actor, RequestInfo, Via};
use crate::clock::new_id;
use crate::device;
use crate::fault::{
    Broken, RefreshInvalid, SessionGone, StoreFault, TokenInvalid, operation_error,
};
use crate::notifications::Notice;
use crate::platform::{Event, Platform};
use crate::session_store::keys;
use crate::tokens::Tokens;

operation_error! {
    /// Why an access token gave no actor.
    BearerError {
        TokenInvalid, ProviderAway, NotVouchedFor, AccountExists, AccountOff, SlowDown, Broken
    }
}
operation_error! {
    /// Why a refresh token gave no new tokens.
    RefreshError { RefreshInvalid, Broken }
}
operation_error! {
    /// Why a session could not be read.
    SessionActorError { Broken }
}
operation_error! {
    /// Why sessions were not listed.
    SessionListError { SessionGone }
}
operation_error! {
    /// Why a session was not ended.
    SessionRevokeError { SessionGone }
}
operation_error! {
    /// Why signing out failed.
    LogoutError { Broken }
}
operation_error! {
    /// Why signing out of the console failed.
    SignOutError { Broken }
}

impl Platform {
    /// Who an `Authorization: Bearer` value is: an access token, or `UNIFIED_API_KEY`.
    ///
    /// # Errors
    /// See [`BearerError`].
    pub async fn actor_from_bearer(
        &self,
        request: &RequestInfo,
        token: &str,
    ) -> Result<Actor, BearerError> {
        if let Some(unified) = &self.inner.config.unified_api_key
            && is_unified(unified, token)
        {
            return self.unified_actor(request).await;
        }
        if token.starts_with(ACCESS_TOKEN_TAG) {
            return self.actor_from_access_token(request, token).await;
        }
        if let Some(clerk) = self.clerk()
            && Clerk::is_token(token)
        {
            return self.actor_from_clerk(clerk, request, token).await;
        }
        let now = self.now();
        let claims = self.inner.tokens.read_access(token, now)?;
        let session = self.store().session_get(SessionId(claims.sid), now).await?;
        let session = session
            .filter(|session| session.user_id == Some(UserId(claims.sub)))
            .ok_or(TokenInvalid)?;
        let via = Via::Token(session.id);
        let actor = self.member(&session, via, request).await?;
        let actor = actor.ok_or(TokenInvalid)?;
        self.touch(&session, now).await?;
        Ok(actor)
    }

    /// Acts as an admin of the oldest organization: what a first automation works on.
    async fn unified_actor(&self, request: &RequestInfo) -> Result<Actor, BearerError> {
        let organization = self
            .store()
            .organization_first()
            .await?
            .ok_or(TokenInvalid)?;
        Ok(Actor {
            user_id: None,
            name: "unified_api_key".to_owned(),
            organization_id: organization.id,
            role: Role::Admin,
            via: Via::UnifiedKey,
            request: request.clone(),
            grant: None,
            needs_two_factor: false,
            authenticated_at: None,
        })
    }

    /// Who a browser's session is; `None` when nobody is signed in with it.
    ///
    /// # Errors
    /// See [`SessionActorError`].
    pub async fn actor_from_session(
        &self,
        session: &Session,
        request: &RequestInfo,
    ) -> Result<Option<Actor>, SessionActorError> {
        let read = async {
            let session_id: Option<Uuid> = session.get(keys::SESSION).await?;
            Ok::<_, tower_sessions::session::Error>(session_id)
        };
        let Some(session_id) = read.await.map_err(broken_session)? else {
            return Ok(None);
        };
        let now = self.now();
        let found = self.store().session_get(SessionId(session_id), now).await?;
        let Some(row) = found else {
            return Ok(None);
        };
        let actor = self.member(&row, Via::Browser(row.id), request).await?;
        if actor.is_some() {
            self.touch(&row, now).await?;
        }
        Ok(actor)
    }

    /// The actor a session's user is in the organization it acts in: the chosen one while they are
    /// in it, else the one joined first, else one of their own that is made for them. `None` when the account is gone
    /// or off, or has another password since the session began.
    async fn member(
        &self,
        session: &SessionRow,
        via: Via,
        request: &RequestInfo,
    ) -> Result<Option<Actor>, StoreError> {
        let Some(user_id) = session.user_id else {
            return Ok(None);
        };
        let user = self.store().user_get(user_id).await?;
        let Some(user) = user.filter(|user| {
            user.is_active && user.credentials_version == session.credentials_version
        }) else {
            return Ok(None);
        };
        let mut found = match session.organization_id {
            Some(id) => self.store().membership_get(id, user_id).await?,
            None => None,
        };
        if found.is_none() {
            found = self.store().membership_first(user_id).await?;
        }
        let (organization, membership) = match found {
            Some(found) => found,
            None => self.personal_organization(&user, request).await?,
        };
        let Some(role) = Role::parse(&membership.role) else {
            return Ok(None);
        };
        let needs_two_factor = organization.require_two_factor
            && !has_external_factor(session)
            && !self.has_second_factor(user_id).await?;
        Ok(Some(Actor {
            user_id: Some(user_id),
            name: user.email,
            organization_id: organization.id,
            role,
            via,
            request: request.clone(),
            grant: None,
            needs_two_factor,
            authenticated_at: Some(session.authenticated_at),
        }))
    }

    /// Notes the use of a session, at most once a minute.
    async fn touch(&self, session: &SessionRow, now: DateTime<Utc>) -> Result<(), StoreError> {
        if now - session.last_seen_at < Duration::seconds(60) {
            return Ok(());
        }
        self.store().session_touch(session.id, now).await
    }

    /// New tokens for a user who has just proved who they are.
    pub(crate) async fn issue_tokens(
        &self,
        user: &UserRow,
        request: &RequestInfo,
    ) -> Result<TokenResponse, IssueError> {
        let now = self.now();
        let id = new_id!(self.inner.clock, SessionId);
        let lifetime = Duration::from_std(self.inner.config.refresh_lifetime).unwrap_or_default();
        let session = SessionRow {
            id,
            kind: "token".to_owned(),
            user_id: Some(user.id),
            // A family is found through its refresh tokens; the row only needs a value of its own.
            token_hash: self.inner.clock.random::<32>().to_vec(),
            data: "{}".to_owned(),
            ip: request.ip.map(|ip| ip.to_string()),
            user_agent: short_agent(request.user_agent.as_deref()),
            created_at: now,
            last_seen_at: now,
            expires_at: now + lifetime,
            credentials_version: user.credentials_version,
            organization_id: None,
            authenticated_at: now,
        };
        if !self.store().session_insert(&session).await? {
            return Err(Broken.into());
        }
        self.next_tokens(user.id, id, now).await
    }

    pub(crate) async fn next_tokens(
        &self,
        user_id: UserId,
        session_id: SessionId,
        now: DateTime<Utc>,
    ) -> Result<TokenResponse, IssueError> {
        let config = &self.inner.config;
        let access_token = self.inner.tokens.access(
            user_id,
            session_id,
            now,
            config.jwt_lifetime,
            self.inner.clock.random(),
        )?;
        let refresh_token = Tokens::refresh(self.inner.clock.random());
        let hash = self
            .inner
            .tokens
            .refresh_hash(&refresh_token)
            .ok_or(Broken)?;
        let expires_at = now + Duration::from_std(config.refresh_lifetime).unwrap_or_default();
        if let Err(error) = self
            .store()
            .refresh_insert(&hash, session_id, expires_at)
            .await
        {
            // The family may have ended since it was read, by another use of the same token or a
            // new password: no fault of ours.
            return match self.store().session_get(session_id, now).await? {
                Some(_) => Err(error.into()),
                None => Err(IssueError::Ended),
            };
        }
        Ok(TokenResponse {
            access_token,
            refresh_token,
            token_type: "bearer".to_owned(),
            expires_in: config.jwt_lifetime.as_secs(),
        })
    }

    /// Exchanges a refresh token. One that was used before ends its family: somebody has a copy,
    /// and it cannot be told who.
    ///
    /// # Errors
    /// See [`RefreshError`].
    pub async fn refresh(
        &self,
        request: &RequestInfo,
        input: RefreshRequest,
    ) -> Result<TokenResponse, RefreshError> {
        let now = self.now();
        let hash = self
            .inner
            .tokens
            .refresh_hash(&input.refresh_token)
            .ok_or(RefreshInvalid)?;
        let session = match self.store().refresh_use(&hash, now).await? {
            RefreshUse::Fresh(session) => session,
            RefreshUse::Reused(session) => {
                self.note_reuse(&session, request).await?;
                return Err(RefreshInvalid.into());
            }
            RefreshUse::Unknown => return Err(RefreshInvalid.into()),
        };
        let user_id = session.user_id.ok_or(RefreshInvalid)?;
        let user = self.store().user_get(user_id).await?;
        if !user.is_some_and(|user| {
            user.is_active && user.credentials_version == session.credentials_version
        }) {
            return Err(RefreshInvalid.into());
        }
        self.touch(&session, now).await?;
        Ok(self.next_tokens(user_id, session.id, now).await?)
    }

    /// Tells the user's organization that somebody has a copy of a refresh token.
    async fn note_reuse(
        &self,
        session: &SessionRow,
        request: &RequestInfo,
    ) -> Result<(), StoreError> {
        let organization_id = match session.user_id {
            Some(user_id) => self.first_organization(user_id).await?,
            None => None,
        };
        let line = self.audit_line(
            organization_id,
            (None, "unknown".to_owned()),
            request,
            session_event("session.refresh_reused", session.id),
        );
        self.store().audit_insert(&line).await?;
        tracing::warn!(session = %session.id, "a refresh token was used twice");
        let user = match session.user_id {
            Some(user_id) => self.store().user_get(user_id).await?,
            None => None,
        };
        if let Some(user) = user {
            self.tell(Notice {
                event: NotificationEvent::RefreshTokenReused,
                channel: Channel::Email,
                to: &user.email,
                user_id: Some(user.id),
                organization_id: None,
                cause: session.id.to_string(),
                link: Some("/console/settings".to_owned()),
                values: self.whence(request),
            })
            .await;
        }
        Ok(())
    }

    pub(crate) async fn first_organization(
        &self,
        user_id: UserId,
    ) -> Result<Option<OrganizationId>, StoreError> {
        let first = self.store().membership_first(user_id).await?;
        Ok(first.map(|(organization, _)| organization.id))
    }

    /// Ends the session the actor came with.
    ///
    /// # Errors
    /// See [`LogoutError`].
    pub async fn logout(&self, actor: &Actor) -> Result<(), LogoutError> {
        let (Some(user_id), Some(session_id)) = (actor.user_id, actor.session_id()) else {
            return Ok(());
        };
        let line = self.audit(actor, session_event("session.ended", session_id));
        self.store()
            .session_revoke(user_id, session_id, &line)
            .await?;
        Ok(())
    }

    /// Ends a browser's session, in the database and in the browser.
    ///
    /// # Errors
    /// See [`SignOutError`].
    pub async fn sign_out(
        &self,
        session: &Session,
        request: &RequestInfo,
    ) -> Result<(), SignOutError> {
        let read = async {
            let user_id: Option<Uuid> = session.get(keys::USER).await?;
            let session_id: Option<Uuid> = session.get(keys::SESSION).await?;
            Ok::<_, tower_sessions::session::Error>(user_id.zip(session_id))
        };
        if let Some((user_id, session_id)) = read.await.map_err(broken_session)? {
            self.note_sign_out(UserId(user_id), SessionId(session_id), request)
                .await?;
        }
        session
            .flush()
            .await
            .map_err(|error| broken_session(error).into())
    }

    /// Ends the row with its audit line; one that is over already leaves no second line.
    async fn note_sign_out(
        &self,
        user_id: UserId,
        session_id: SessionId,
        request: &RequestInfo,
    ) -> Result<(), StoreError> {
        let Some(user) = self.store().user_get(user_id).await? else {
            return Ok(());
        };
        let line = self.audit_line(
            self.first_organization(user_id).await?,
            (Some(user_id), user.email),
            request,
            session_event("session.ended", session_id),
        );
        self.store()
            .session_revoke(user_id, session_id, &line)
            .await?;
        Ok(())
    }

    /// Everywhere the user is signed in, newest use first.
    ///
    /// # Errors
    /// See [`SessionListError`].
    pub async fn sessions(&self, actor: &Actor) -> Result<Vec<SessionView>, SessionListError> {
        let Ok(user_id) = actor.account() else {
            return Ok(Vec::new());
        };
        let rows = self.store().sessions_of_user(user_id, self.now()).await?;
        let current = actor.session_id();
        Ok(rows
            .into_iter()
            .map(|row| SessionView {
                id: row.id,
                kind: if row.kind == "token" {
                    SessionKind::Token
                } else {
                    SessionKind::Browser
                },
                ip: row.ip,
                device: device::describe(row.user_agent.as_deref()),
                user_agent: row.user_agent,
                created_at: row.created_at,
                last_seen_at: row.last_seen_at,
                expires_at: row.expires_at,
                current: Some(row.id) == current,
            })
            .collect())
    }

    /// Ends all of the user's sessions but the one the actor came with; how many.
    ///
    /// # Errors
    /// See [`SessionRevokeError`].
    pub async fn sessions_revoke_others(&self, actor: &Actor) -> Result<u64, SessionRevokeError> {
        let user_id = actor.account().map_err(|_| SessionGone)?;
        let event = Event {
            action: "session.others_revoked",
            target_type: "user",
            target_id: user_id.to_string(),
            details: json!({}),
        };
        let line = self.audit(actor, event);
        let ended = self
            .store()
            .sessions_revoke_others(user_id, actor.session_id(), &line)
            .await?;
        Ok(ended)
    }

    /// Ends one of the user's sessions.
    ///
    /// # Errors
    /// See [`SessionRevokeError`].
    pub async fn session_revoke(
        &self,
        actor: &Actor,
        id: SessionId,
    ) -> Result<(), SessionRevokeError> {
        let user_id = actor.account().map_err(|_| SessionGone)?;
        let line = self.audit(actor, session_event("session.revoked", id));
        if self.store().session_revoke(user_id, id, &line).await? {
            Ok(())
        } else {
            Err(SessionGone.into())
        }
    }
}

/// Whether a second factor was seen by the service the user signed in with.
fn has_external_factor(session: &SessionRow) -> bool {
    let data: Option<serde_json::Value> = serde_json::from_str(&session.data).ok();
    data.is_some_and(|data| data[keys::SECOND_FACTOR] == true)
}

/// Why tokens could not be made.
#[derive(Debug)]
pub(crate) enum IssueError {
    Broken(Broken),
    /// The session they were to belong to is over.
    Ended,
    Store(StoreError),
}

impl From<Broken> for IssueError {
    fn from(kind: Broken) -> Self {
        Self::Broken(kind)
    }
}

impl From<StoreError> for IssueError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<IssueError> for RefreshError {
    fn from(error: IssueError) -> Self {
        match error {
            IssueError::Broken(kind) => kind.into(),
            IssueError::Ended => RefreshInvalid.into(),
            IssueError::Store(error) => Self::Store(StoreFault(error)),
        }
    }
}

fn session_event(action: &str, id: SessionId) -> Event<'_> {
    Event {
        action,
        target_type: "session",
        target_id: id.to_string(),
        details: json!({}),
    }
}

/// The session layer hides what its store said; the log has it from there.
pub(crate) fn broken_session(error: tower_sessions::session::Error) -> Broken {
    tracing::error!(%error, "a session could not be read or written");
    Broken
}

/// Hashes first, so that the comparison takes the same time for any length and content.
fn is_unified(unified: &Secret, token: &str) -> bool {
    blake3::hash(unified.expose().as_bytes()) == blake3::hash(token.as_bytes())
}

/// User agents are shown to their owner only, and none needs more.
pub(crate) fn short_agent(agent: Option<&str>) -> Option<String> {
    agent.map(|agent| {
        agent
            .chars()
            .filter(|c| !c.is_control())
            .take(300)
            .collect()
    })
}
