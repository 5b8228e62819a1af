//! Accounts: registering, signing in, the profile, the password.

use apiverse_contract::auth::{
    ChangePassword, LoginRequest, MeView, OrganizationView, PASSWORD_MAX, RegisterRequest, Role,
    TokenResponse, UpdateProfile, UserView, password_problem,
};
use apiverse_contract::validation::slugify;
use apiverse_contract::{FieldError, OrganizationId, SessionId, UserId};
use apiverse_store::{Conflict, MembershipRow, OrganizationRow, StoreError, UserRow};
use serde_json::json;
use tower_sessions::Session;
use uuid::Uuid;

use crate::actor::{Actor, RequestInfo};
use crate::clock::new_id;
use crate::fault::{
    Busy, EmailTaken, Invalid, StoreFault, UserGone, WrongCredentials, operation_error,
};
use crate::passwords::Verdict;
use crate::platform::{Event, Platform};
use crate::session_store::keys;
use crate::sessions::{IssueError, broken_session, short_agent};

operation_error! {
    /// Why nobody was registered.
    RegisterError { Invalid, EmailTaken, SlowDown, Busy, Broken }
}
operation_error! {
    /// Why nobody was signed in.
    LoginError { WrongCredentials, SlowDown, Busy, Broken }
}
operation_error! {
    /// Why the profile was not shown.
    MeError { UserGone }
}
operation_error! {
    /// Why the profile was not changed.
    UpdateProfileError { Invalid, UserGone }
}
operation_error! {
    /// Why the password was not changed.
    ChangePasswordError { Invalid, SlowDown, Busy, UserGone }
}

/// How often another slug is tried for a new organization.
const SLUG_TRIES: u32 = 20;

/// E-mail addresses are kept and compared in lower case: no mail system of today tells
/// `Ada@` from `ada@`, people do not either. A blank around a new one is refused, not
/// mended: an address is taken as typed.
pub(crate) fn normal_email(email: &str) -> String {
    email.to_lowercase()
}

impl Platform {
    /// Creates an account with an organization of its own.
    ///
    /// # Errors
    /// See [`RegisterError`].
    pub async fn register(
        &self,
        request: &RequestInfo,
        mut input: RegisterRequest,
    ) -> Result<UserView, RegisterError> {
        input.email = normal_email(&input.email);
        input.validate().map_err(Invalid)?;
        self.inner.throttle.register(request.ip, self.now())?;
        self.add_user(request, input).await
    }

    /// Registers without the throttle, for the command line and the first start. The input was
    /// validated and its e-mail address is normal.
    pub(crate) async fn add_user(
        &self,
        request: &RequestInfo,
        input: RegisterRequest,
    ) -> Result<UserView, RegisterError> {
        let email = input.email;
        let password_hash = self
            .inner
            .passwords
            .hash(input.password, self.inner.clock.random())
            .await?;
        let now = self.now();
        let full_name = input
            .full_name
            .map(|name| name.trim().to_owned())
            .filter(|name| !name.is_empty());
        let user = UserRow {
            id: new_id!(self.inner.clock, UserId),
            email,
            password_hash,
            full_name,
            is_active: true,
            created_at: now,
            updated_at: now,
        };
        let local_part = user.email.split('@').next().unwrap_or_default();
        let owner = user.full_name.as_deref().unwrap_or(local_part);
        let base = slugify(owner);
        let mut organization = OrganizationRow {
            id: new_id!(self.inner.clock, OrganizationId),
            name: format!("{owner}'s organization"),
            slug: base.clone(),
            created_at: now,
            updated_at: now,
        };
        let membership = MembershipRow {
            organization_id: organization.id,
            user_id: user.id,
            role: Role::Owner.as_str().to_owned(),
            created_at: now,
        };
        for _ in 0..SLUG_TRIES {
            let line = self.audit_line(
                Some(organization.id),
                (Some(user.id), user.email.clone()),
                request,
                Event {
                    action: "user.registered",
                    target_type: "user",
                    target_id: user.id.to_string(),
                    details: json!({ "email": user.email, "organization": organization.name }),
                },
            );
            match self
                .store()
                .user_register(&user, &organization, &membership, &line)
                .await
            {
                Ok(()) => return Ok(view(user)),
                Err(StoreError::Conflict(Conflict::Email)) => return Err(EmailTaken.into()),
                Err(StoreError::Conflict(Conflict::OrganizationSlug)) => {
                    let [a, b, c]: [u8; 3] = self.inner.clock.random();
                    organization.slug = format!("{base}-{a:02x}{b:02x}{c:02x}");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(crate::fault::Broken.into())
    }

    /// Signs in for automation: an access token and a refresh token.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn login(
        &self,
        request: &RequestInfo,
        input: LoginRequest,
    ) -> Result<TokenResponse, LoginError> {
        let user = self.authenticate(request, input).await?;
        self.issue_tokens(&user, request)
            .await
            .map_err(|error| match error {
                IssueError::Broken(kind) => kind.into(),
                // Ended in between: by a change of the very password that was just right.
                IssueError::Ended => WrongCredentials.into(),
                IssueError::Store(error) => LoginError::Store(StoreFault(error)),
            })
    }

    /// Signs a browser in. Its session gets another id, so that one that was planted before is
    /// worth nothing.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn sign_in(
        &self,
        session: &Session,
        request: &RequestInfo,
        input: LoginRequest,
    ) -> Result<UserView, LoginError> {
        let user = self.authenticate(request, input).await?;
        let session_id: SessionId = new_id!(self.inner.clock, SessionId);
        let write = async {
            // A session of another user must not be taken over with what it holds. `flush` would
            // not do: it keeps the id the browser came with, also one that was never ours.
            session.clear().await;
            session.cycle_id().await?;
            session.insert(keys::USER, user.id.0).await?;
            session.insert(keys::SESSION, session_id.0).await?;
            session
                .insert(keys::IP, request.ip.map(|ip| ip.to_string()))
                .await?;
            session
                .insert(keys::AGENT, short_agent(request.user_agent.as_deref()))
                .await?;
            session.save().await
        };
        write.await.map_err(broken_session)?;
        Ok(view(user))
    }

    /// Checks e-mail and password. Unknown addresses cost and answer the same as wrong passwords.
    async fn authenticate(
        &self,
        request: &RequestInfo,
        input: LoginRequest,
    ) -> Result<UserRow, LoginError> {
        let email = normal_email(input.email.trim());
        let now = self.now();
        let attempt = self.inner.throttle.login(&email, request.ip, now).await?;
        let user = self.store().user_by_email(&email).await?;
        // Asked for nobody's too: the number of queries must not tell whether there is an account.
        let user_id = user.as_ref().map_or(UserId(Uuid::nil()), |user| user.id);
        let organization_id = self.first_organization(user_id).await?;
        let salt = self.inner.clock.random();
        let verdict = if input.password.chars().count() > PASSWORD_MAX {
            Verdict::Wrong
        } else {
            let stored = user.as_ref().map(|user| user.password_hash.clone());
            self.inner
                .passwords
                .verify(input.password.clone(), stored)
                .await?
        };
        let known = user.as_ref().map(|user| user.id);
        let Some(mut user) = user.filter(|user| user.is_active && verdict != Verdict::Wrong) else {
            attempt.failed();
            self.note_failed_login(&email, known, organization_id, request)
                .await?;
            return Err(WrongCredentials.into());
        };
        attempt.succeeded();
        let mut action = "user.signed_in";
        if verdict == Verdict::RightButOld {
            user.password_hash = self.inner.passwords.hash(input.password, salt).await?;
            user.updated_at = self.now();
            action = "user.signed_in_and_rehashed";
        }
        let line = self.audit_line(
            organization_id,
            (Some(user.id), user.email.clone()),
            request,
            user_event(action, &user),
        );
        if verdict == Verdict::RightButOld {
            self.store().user_update(&user, &line).await?;
        } else {
            self.store().audit_insert(&line).await?;
        }
        Ok(user)
    }

    /// The organization of an existing account sees failed attempts; others leave a line nobody's
    /// organization owns.
    async fn note_failed_login(
        &self,
        email: &str,
        user_id: Option<UserId>,
        organization_id: Option<OrganizationId>,
        request: &RequestInfo,
    ) -> Result<(), StoreError> {
        let shown: String = email
            .chars()
            .filter(|c| !c.is_control())
            .take(254)
            .collect();
        let line = self.audit_line(
            organization_id,
            (None, "unknown".to_owned()),
            request,
            Event {
                action: "user.sign_in_failed",
                target_type: "user",
                target_id: user_id.map_or_else(|| "unknown".to_owned(), |id| id.to_string()),
                details: json!({ "email": shown }),
            },
        );
        self.store().audit_insert(&line).await
    }

    /// The user and the organization they act in.
    ///
    /// # Errors
    /// See [`MeError`].
    pub async fn me(&self, actor: &Actor) -> Result<MeView, MeError> {
        let user_id = actor.user_id.ok_or(UserGone)?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let found = self
            .store()
            .membership_get(actor.organization_id, user_id)
            .await?;
        let (organization, _) = found.ok_or(UserGone)?;
        Ok(MeView {
            user: view(user),
            organization: OrganizationView {
                id: organization.id,
                name: organization.name,
                slug: organization.slug,
                role: actor.role,
            },
        })
    }

    /// Changes what the user says of themself.
    ///
    /// # Errors
    /// See [`UpdateProfileError`].
    pub async fn update_profile(
        &self,
        actor: &Actor,
        input: UpdateProfile,
    ) -> Result<MeView, UpdateProfileError> {
        input.validate().map_err(Invalid)?;
        let user_id = actor.user_id.ok_or(UserGone)?;
        let mut user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let before = user.full_name.clone();
        let new_name = input.full_name.apply(before.clone());
        user.full_name = new_name.map(|name| name.trim().to_owned());
        user.updated_at = self.now();
        let mut event = user_event("user.updated", &user);
        event.details = json!({ "full_name": { "before": before, "after": user.full_name } });
        self.store()
            .user_update(&user, &self.audit(actor, event))
            .await?;
        self.me(actor).await.map_err(|error| match error {
            MeError::UserGone(kind) => kind.into(),
            MeError::Store(fault) => UpdateProfileError::Store(fault),
        })
    }

    /// Changes the password. Every other session and refresh token of the user ends.
    ///
    /// # Errors
    /// See [`ChangePasswordError`].
    pub async fn change_password(
        &self,
        actor: &Actor,
        input: ChangePassword,
    ) -> Result<(), ChangePasswordError> {
        let user_id = actor.user_id.ok_or(UserGone)?;
        let mut user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        if let Some(message) = password_problem(&input.new_password, &user.email) {
            return Err(Invalid::one("new_password", message).into());
        }
        let ip = actor.request.ip;
        let attempt = self
            .inner
            .throttle
            .login(&user.email, ip, self.now())
            .await?;
        let too_long = input.current_password.chars().count() > PASSWORD_MAX;
        let verdict = if too_long {
            Verdict::Wrong
        } else {
            let stored = Some(user.password_hash.clone());
            self.inner
                .passwords
                .verify(input.current_password, stored)
                .await?
        };
        if verdict == Verdict::Wrong {
            attempt.failed();
            let error = FieldError::new("current_password", "is not your password");
            return Err(Invalid(vec![error]).into());
        }
        attempt.succeeded();
        user.password_hash = self
            .inner
            .passwords
            .hash(input.new_password, self.inner.clock.random())
            .await?;
        user.updated_at = self.now();
        let line = self.audit(actor, user_event("user.password_changed", &user));
        self.store().user_update(&user, &line).await?;
        self.store()
            .sessions_revoke_others(user_id, actor.session_id())
            .await?;
        Ok(())
    }
}

impl From<Busy> for IssueError {
    fn from(_: Busy) -> Self {
        Self::Broken(crate::fault::Broken)
    }
}

pub(crate) fn user_event<'a>(action: &'a str, user: &UserRow) -> Event<'a> {
    Event {
        action,
        target_type: "user",
        target_id: user.id.to_string(),
        details: json!({}),
    }
}

pub(crate) fn view(user: UserRow) -> UserView {
    UserView {
        id: user.id,
        email: user.email,
        full_name: user.full_name,
        is_active: user.is_active,
        created_at: user.created_at,
    }
}
