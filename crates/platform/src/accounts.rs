//! Accounts: registering, signing in, the profile, the password.

use apiverse_contract::auth::{
    ChangePassword, LoginRequest, MeView, OrganizationView, PASSWORD_MAX, RegisterRequest, Role,
    TokenResponse, UpdateProfile, UserView,
};
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_contract::validation::slugify;
use apiverse_contract::{OrganizationId, SessionId, UserId};
use apiverse_store::{
    Conflict, IdentityRow, MembershipRow, OrganizationRow, PasswordChange, Place, StoreError,
    UserRow,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_sessions::Session;
use uuid::Uuid;

use crate::actor::{Actor, RequestInfo};
use crate::clock::new_id;
use crate::device;
use crate::fault::{
    Busy, EmailTaken, Invalid, StoreFault, UserGone, WrongCredentials, operation_error,
};
use crate::notifications::Notice;
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
    LoginError { WrongCredentials, PasskeyWrong, MfaRequired, CodeWrong, SlowDown, Busy, Broken }
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
    ChangePasswordError { Invalid, SlowDown, Busy, UserGone, Broken }
}

/// What became of a registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    Account(UserView),
    /// The answer to everybody where accounts begin with a link: also when there is an account.
    LinkSent,
}

/// Somebody who is to have an account.
#[derive(Serialize, Deserialize)]
pub(crate) struct Newcomer {
    pub email: String,
    /// Argon2id, PHC string.
    pub password_hash: String,
    pub full_name: Option<String>,
}

/// What became of adding somebody who signed in elsewhere.
pub(crate) enum AddedAs {
    New(UserRow),
    /// They have an account already.
    Known,
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
    /// Creates an account with an organization of its own; where registering goes by e-mail, sends
    /// its address a link that does.
    ///
    /// # Errors
    /// See [`RegisterError`].
    pub async fn register(
        &self,
        request: &RequestInfo,
        mut input: RegisterRequest,
    ) -> Result<Registered, RegisterError> {
        input.email = normal_email(&input.email);
        input.validate().map_err(Invalid)?;
        self.inner.throttle.register(request.ip, self.now())?;
        let problem = self
            .new_password_problem(&input.password, &input.email, input.full_name.as_deref())
            .await?;
        if let Some(message) = problem {
            return Err(Invalid::one("password", message).into());
        }
        let newcomer = self.newcomer(input).await?;
        if self.inner.config.messages.register_by_mail {
            self.ask_to_register(request, newcomer).await??;
            return Ok(Registered::LinkSent);
        }
        let user = self.add_user(request, newcomer, false).await?;
        // The account is there; a mail that could not be written can be asked for again.
        if let Err(error) = self.send_verification(&user).await {
            tracing::error!(%error, "the mail to prove an address could not be written");
        }
        Ok(Registered::Account(view(user)))
    }

    /// What of an account its owner says; the password hashed. The input was validated and its
    /// e-mail address is normal.
    pub(crate) async fn newcomer(&self, input: RegisterRequest) -> Result<Newcomer, Busy> {
        let salt = self.inner.clock.random();
        Ok(Newcomer {
            email: input.email,
            password_hash: self.inner.passwords.hash(input.password, salt).await?,
            full_name: input
                .full_name
                .map(|name| name.trim().to_owned())
                .filter(|name| !name.is_empty()),
        })
    }

    /// Registers without the throttle, for the command line, the first start and a link too: those
    /// vouch for the address.
    pub(crate) async fn add_user(
        &self,
        request: &RequestInfo,
        newcomer: Newcomer,
        is_verified: bool,
    ) -> Result<UserRow, RegisterError> {
        let added = self
            .add_user_known(request, newcomer, is_verified, |_| None)
            .await?;
        match added {
            AddedAs::New(user) => Ok(user),
            AddedAs::Known => Err(crate::fault::Broken.into()),
        }
    }

    /// The same for somebody who signed in elsewhere.
    pub(crate) async fn add_user_as(
        &self,
        request: &RequestInfo,
        newcomer: Newcomer,
        is_verified: bool,
        identity: impl Fn(UserId) -> IdentityRow,
    ) -> Result<AddedAs, RegisterError> {
        self.add_user_known(request, newcomer, is_verified, |id| Some(identity(id)))
            .await
    }

    async fn add_user_known(
        &self,
        request: &RequestInfo,
        newcomer: Newcomer,
        is_verified: bool,
        identity: impl Fn(UserId) -> Option<IdentityRow>,
    ) -> Result<AddedAs, RegisterError> {
        let now = self.now();
        let user = UserRow {
            id: new_id!(self.inner.clock, UserId),
            email: newcomer.email,
            password_hash: newcomer.password_hash,
            full_name: newcomer.full_name,
            is_active: true,
            email_verified_at: is_verified.then_some(now),
            credentials_version: 1,
            time_zone: None,
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
            require_two_factor: false,
            created_at: now,
            updated_at: now,
        };
        let membership = MembershipRow {
            organization_id: organization.id,
            user_id: user.id,
            role: Role::Owner.as_str().to_owned(),
            created_at: now,
        };
        let known_by = identity(user.id);
        for _ in 0..SLUG_TRIES {
            let line = self.audit_line(
                Some(organization.id),
                (Some(user.id), user.email.clone()),
                request,
                Event {
                    action: "user.registered",
                    target_type: "user",
                    target_id: user.id.to_string(),
                    details: match &known_by {
                        Some(identity) => json!({ "email": user.email,
                            "organization": organization.name, "issuer": identity.issuer }),
                        None => json!({ "email": user.email, "organization": organization.name }),
                    },
                },
            );
            match self
                .store()
                .user_register_as(
                    &user,
                    (&organization, &membership),
                    known_by.as_ref(),
                    &line,
                )
                .await
            {
                Ok(true) => return Ok(AddedAs::New(user)),
                Ok(false) => return Ok(AddedAs::Known),
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
        if let Some(wanted) = self.challenge(&user).await? {
            return Err(wanted.into());
        }
        self.tokens_for(&user, request).await
    }

    /// Tokens for a user who has proved who they are.
    pub(crate) async fn tokens_for(
        &self,
        user: &UserRow,
        request: &RequestInfo,
    ) -> Result<TokenResponse, LoginError> {
        self.note_place(user, request).await;
        self.issue_tokens(user, request)
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
        if let Some(wanted) = self.challenge(&user).await? {
            return Err(wanted.into());
        }
        self.session_for(&user, session, request).await
    }

    /// A browser's session for a user who has proved who they are.
    pub(crate) async fn session_for(
        &self,
        user: &UserRow,
        session: &Session,
        request: &RequestInfo,
    ) -> Result<UserView, LoginError> {
        let session_id: SessionId = new_id!(self.inner.clock, SessionId);
        let write = async {
            // A session of another user must not be taken over with what it holds. `flush` would
            // not do: it keeps the id the browser came with, also one that was never ours.
            session.clear().await;
            session.cycle_id().await?;
            session.insert(keys::USER, user.id.0).await?;
            session.insert(keys::SESSION, session_id.0).await?;
            session
                .insert(keys::VERSION, user.credentials_version)
                .await?;
            session
                .insert(keys::IP, request.ip.map(|ip| ip.to_string()))
                .await?;
            session
                .insert(keys::AGENT, short_agent(request.user_agent.as_deref()))
                .await?;
            session.save().await
        };
        write.await.map_err(broken_session)?;
        self.note_place(user, request).await;
        Ok(view(user.clone()))
    }

    /// Tells a user who signed in from where they never did before. That failing is no reason not
    /// to let them in.
    async fn note_place(&self, user: &UserRow, request: &RequestInfo) {
        let device = device::describe(request.user_agent.as_deref());
        let network = request.ip.map(network).unwrap_or_default();
        let place = blake3::hash(format!("{device}\0{network}").as_bytes());
        let now = self.now();
        match self
            .store()
            .place_note(user.id, place.as_bytes(), now)
            .await
        {
            Ok(Place::New) => {
                let mut values = self.whence(request);
                values.push(("device", device));
                self.tell(Notice {
                    event: NotificationEvent::SignInFromNewPlace,
                    channel: Channel::Email,
                    to: &user.email,
                    user_id: Some(user.id),
                    organization_id: None,
                    cause: self.one_time(),
                    link: Some("/console/settings".to_owned()),
                    values,
                })
                .await;
            }
            Ok(Place::Known | Place::First) => {}
            Err(error) => {
                tracing::warn!(error = error.cause(), "a place of a sign-in was not noted");
            }
        }
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
            // An account without a password costs what an unknown one does.
            let stored = user.as_ref().map(|user| user.password_hash.clone());
            let stored = stored.filter(|hash| !hash.is_empty());
            self.inner
                .passwords
                .verify(input.password.clone(), stored)
                .await?
        };
        let known = user.as_ref().map(|user| user.id);
        let Some(user) = user.filter(|user| user.is_active && verdict != Verdict::Wrong) else {
            attempt.failed();
            self.note_failed_login(&email, known, organization_id, request)
                .await?;
            return Err(WrongCredentials.into());
        };
        // With a second factor, half a sign-in gives nobody a fresh allowance.
        let is_half = self.has_second_factor(user.id).await?;
        if is_half {
            drop(attempt);
        } else {
            attempt.succeeded();
        }
        let rehashed = if verdict == Verdict::RightButOld {
            Some(self.inner.passwords.hash(input.password, salt).await?)
        } else {
            None
        };
        let action = match (is_half, &rehashed) {
            (true, _) => "user.second_factor_awaited",
            (false, Some(_)) => "user.signed_in_and_rehashed",
            (false, None) => "user.signed_in",
        };
        let line = self.audit_line(
            organization_id,
            (Some(user.id), user.email.clone()),
            request,
            user_event(action, &user),
        );
        match rehashed {
            Some(hash) => {
                let former = &user.password_hash;
                self.store()
                    .user_rehash(user.id, former, &hash, &line)
                    .await?;
            }
            None => self.store().audit_insert(&line).await?,
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

    /// The time zone that was chosen by whoever asks; none by what is no person.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn time_zone(&self, actor: &Actor) -> Result<Option<String>, MeError> {
        let Some(id) = actor.user_id else {
            return Ok(None);
        };
        let user = self.store().user_get(id).await?;
        Ok(user.and_then(|user| user.time_zone))
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
        let user_id = actor.account()?;
        let mut user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let before = user.full_name.clone();
        let new_name = input.full_name.apply(before.clone());
        user.full_name = new_name.map(|name| name.trim().to_owned());
        let zone_before = user.time_zone.clone();
        if let Some(name) = input.time_zone.value() {
            crate::zones::known(name)?;
        }
        user.time_zone = input.time_zone.apply(zone_before.clone());
        user.updated_at = self.now();
        let mut event = user_event("user.updated", &user);
        event.details = json!({ "full_name": { "before": before, "after": user.full_name } });
        if user.time_zone != zone_before {
            event.details["time_zone"] = json!({ "before": zone_before, "after": user.time_zone });
        }
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
        let user_id = actor.account()?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let problem = self
            .new_password_problem(&input.new_password, &user.email, user.full_name.as_deref())
            .await?;
        if let Some(message) = problem {
            return Err(Invalid::one("new_password", message).into());
        }
        if !self
            .is_own_password(actor, &user, input.current_password)
            .await??
        {
            return Err(Invalid::one("current_password", "is not your password").into());
        }
        let password_hash = self
            .inner
            .passwords
            .hash(input.new_password, self.inner.clock.random())
            .await?;
        let line = self.audit(actor, user_event("user.password_changed", &user));
        let cause = line.id.to_string();
        let message = self.password_changed_message(&user, &actor.request, &cause)?;
        let change = PasswordChange {
            user_id,
            password_hash: &password_hash,
            keep: actor.session_id(),
            token_hash: None,
            now: self.now(),
        };
        if !self
            .store()
            .user_set_password(&change, &line, &[message])
            .await?
        {
            return Err(UserGone.into());
        }
        self.wake_outbox();
        Ok(())
    }
}

/// The part of an address that stays the same while its owner stays where they are.
fn network(ip: std::net::IpAddr) -> String {
    use std::net::IpAddr;
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [a, b, c, _] = ip.octets();
            format!("{a}.{b}.{c}")
        }
        IpAddr::V6(ip) => {
            let [a, b, c, ..] = ip.segments();
            format!("{a:x}:{b:x}:{c:x}")
        }
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
        email_verified: user.email_verified_at.is_some(),
        time_zone: user.time_zone,
        created_at: user.created_at,
    }
}
