//! Links sent by e-mail: proving an address, a new password, a new address.

use apiverse_contract::UserId;
use apiverse_contract::auth::{
    ChangeEmail, EmailRequest, LinkRequest, PASSWORD_MAX, ResetPassword,
};
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_contract::validation::is_email;
use apiverse_store::{
    AccountTokenRow, Conflict, NotificationRow, PasswordChange, StoreError, UserRow,
};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::accounts::{normal_email, user_event};
use crate::actor::{Actor, RequestInfo};
use crate::fault::{Broken, Busy, Invalid, LinkInvalid, SlowDown, UserGone, operation_error};
use crate::notifications::Notice;
use crate::passwords::Verdict;
use crate::platform::{Event, Platform};
use crate::tokens::Tokens;

operation_error! {
    /// Why no mail was sent.
    VerificationError { SlowDown, UserGone, Broken }
}
operation_error! {
    /// Why an address was not taken for proved.
    EmailVerifyError { LinkInvalid, Broken }
}
operation_error! {
    /// Why no link for a new password was sent.
    ForgotPasswordError { Invalid, SlowDown, Broken }
}
operation_error! {
    /// Why no new password was set.
    ResetPasswordError { Invalid, LinkInvalid, Busy, Broken }
}
operation_error! {
    /// Why no link for a new address was sent.
    ChangeEmailError { Invalid, SlowDown, Busy, UserGone, Broken }
}
operation_error! {
    /// Why the address was not changed.
    ConfirmEmailError { LinkInvalid, Broken }
}

const VERIFY: &str = "verify_email";
const RESET: &str = "reset_password";
const CHANGE: &str = "change_email";

/// How long links live.
const VERIFY_LIFETIME: TimeDelta = TimeDelta::hours(72);
const RESET_LIFETIME: TimeDelta = TimeDelta::hours(2);

/// What a message is to be made of when its turn comes.
#[derive(Serialize, Deserialize)]
struct Asked {
    user_id: Option<UserId>,
    ip: Option<String>,
}

impl Platform {
    /// A fresh link: its row, and path and query of the page it leads to.
    fn link(
        &self,
        user_id: UserId,
        email: &str,
        (purpose, lifetime, page): (&str, TimeDelta, &str),
    ) -> (AccountTokenRow, String) {
        let secret = Tokens::link(self.inner.clock.random());
        let now = self.now();
        let row = AccountTokenRow {
            token_hash: self.inner.tokens.link_hash(&secret).to_vec(),
            user_id,
            purpose: purpose.to_owned(),
            email: email.to_owned(),
            created_at: now,
            expires_at: now + lifetime,
        };
        (row, format!("{page}?token={secret}"))
    }

    async fn link_row(
        &self,
        secret: &str,
        purpose: &str,
    ) -> Result<Option<AccountTokenRow>, StoreError> {
        let hash = self.inner.tokens.link_hash(secret);
        self.store()
            .account_token_get(&hash, purpose, self.now())
            .await
    }

    /// Sends the mail that proves an address.
    pub(crate) async fn send_verification(&self, user: &UserRow) -> Result<(), VerificationError> {
        let of = (VERIFY, VERIFY_LIFETIME, "/verify-email");
        let (token, link) = self.link(user.id, &user.email, of);
        let message = self.message(Notice {
            event: NotificationEvent::EmailVerification,
            channel: Channel::Email,
            to: &user.email,
            user_id: Some(user.id),
            organization_id: None,
            cause: self.one_time(),
            link: Some(link),
            values: vec![("expires", Self::moment(token.expires_at))],
        })?;
        self.store()
            .account_token_insert(&token, &[message])
            .await?;
        self.wake_outbox();
        Ok(())
    }

    /// Sends the actor the mail that proves their address once more; nothing when it is proved.
    ///
    /// # Errors
    /// See [`VerificationError`].
    pub async fn verification_resend(&self, actor: &Actor) -> Result<(), VerificationError> {
        let user_id = actor.account()?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        if user.email_verified_at.is_some() {
            return Ok(());
        }
        let (ip, now) = (actor.request.ip, self.now());
        if self.inner.throttle.mail(&user.email, ip, now)? {
            self.send_verification(&user).await?;
        }
        Ok(())
    }

    /// Takes an address for proved, by the link that was sent to it; makes its account, where
    /// accounts begin with a link.
    ///
    /// # Errors
    /// See [`EmailVerifyError`].
    pub async fn email_verify(
        &self,
        request: &RequestInfo,
        input: LinkRequest,
    ) -> Result<(), EmailVerifyError> {
        if Self::is_registration(&input.token) {
            return self.register_by_link(request, &input.token).await;
        }
        let token = self
            .link_row(&input.token, VERIFY)
            .await?
            .ok_or(LinkInvalid)?;
        let user = self.store().user_get(token.user_id).await?;
        let user = user.ok_or(LinkInvalid)?;
        let line = self.audit_line(
            self.first_organization(user.id).await?,
            (Some(user.id), user.email.clone()),
            request,
            user_event("user.email_verified", &user),
        );
        let now = self.now();
        if self.store().user_verify_email(&token, now, &line).await? {
            Ok(())
        } else {
            Err(LinkInvalid.into())
        }
    }

    /// Asks for a link to a new password. The answer is the same, and takes as long, whether there
    /// is such an account or not: that is looked up when the mail's turn comes.
    ///
    /// # Errors
    /// See [`ForgotPasswordError`].
    pub async fn password_forgot(
        &self,
        request: &RequestInfo,
        input: EmailRequest,
    ) -> Result<(), ForgotPasswordError> {
        let email = normal_email(input.email.trim());
        if !is_email(&email) {
            return Err(Invalid::one("email", "must be an e-mail address").into());
        }
        if !self.inner.throttle.mail(&email, request.ip, self.now())? {
            return Ok(());
        }
        let event = NotificationEvent::PasswordReset;
        let asked = Asked {
            user_id: None,
            ip: request.ip.map(|ip| ip.to_string()),
        };
        self.ask_for(event, &email, &asked).await??;
        Ok(())
    }

    /// Stores what is to become a message.
    pub(crate) async fn ask_for(
        &self,
        event: NotificationEvent,
        email: &str,
        asked: &impl Serialize,
    ) -> Result<Result<(), Broken>, StoreError> {
        let cause = self.one_time();
        let mut row = self.message_without_text(event, Channel::Email, email, cause, "requested");
        match self.seal_content(row.id, asked) {
            Ok(content) => row.content = Some(content),
            Err(broken) => return Ok(Err(broken)),
        }
        self.store().notification_insert(&row).await?;
        self.wake_outbox();
        Ok(Ok(()))
    }

    /// Makes the mail with the link to a new password; false when there is no such account.
    pub(crate) async fn write_password_reset(
        &self,
        row: &mut NotificationRow,
    ) -> Result<bool, StoreError> {
        let Some(asked) = self.open_content::<Asked>(row) else {
            return Ok(false);
        };
        let user = self.store().user_by_email(&row.recipient).await?;
        let Some(user) = user.filter(|user| user.is_active) else {
            return Ok(false);
        };
        let of = (RESET, RESET_LIFETIME, "/reset-password");
        let (token, link) = self.link(user.id, &user.email, of);
        let values = vec![
            ("ip", asked.ip.unwrap_or_default()),
            ("expires", Self::moment(token.expires_at)),
        ];
        row.user_id = Some(user.id);
        if self
            .write_linked(row, NotificationEvent::PasswordReset, &link, values)
            .is_err()
        {
            return Ok(false);
        }
        self.store().account_token_insert(&token, &[]).await?;
        let line = self.audit_line(
            self.first_organization(user.id).await?,
            (None, "unknown".to_owned()),
            &RequestInfo::default(),
            user_event("user.password_reset_requested", &user),
        );
        self.store().audit_insert(&line).await?;
        Ok(true)
    }

    /// Sets a new password by the link that was sent. All sessions end.
    ///
    /// # Errors
    /// See [`ResetPasswordError`].
    pub async fn password_reset_by_link(
        &self,
        request: &RequestInfo,
        input: ResetPassword,
    ) -> Result<(), ResetPasswordError> {
        let token = self
            .link_row(&input.token, RESET)
            .await?
            .ok_or(LinkInvalid)?;
        let user = self.store().user_get(token.user_id).await?;
        let user = user.filter(|user| user.is_active).ok_or(LinkInvalid)?;
        let problem = self
            .new_password_problem(&input.new_password, &user.email, user.full_name.as_deref())
            .await?;
        if let Some(message) = problem {
            return Err(Invalid::one("new_password", message).into());
        }
        let password_hash = self
            .inner
            .passwords
            .hash(input.new_password, self.inner.clock.random())
            .await?;
        let line = self.audit_line(
            self.first_organization(user.id).await?,
            (Some(user.id), user.email.clone()),
            request,
            user_event("user.password_reset", &user),
        );
        let message = self.password_changed_message(&user, request, &line.id.to_string())?;
        let change = PasswordChange {
            user_id: user.id,
            password_hash: &password_hash,
            keep: None,
            token_hash: Some(&token.token_hash),
            now: self.now(),
        };
        if !self
            .store()
            .user_set_password(&change, &line, &[message])
            .await?
        {
            return Err(LinkInvalid.into());
        }
        self.wake_outbox();
        Ok(())
    }

    pub(crate) fn password_changed_message(
        &self,
        user: &UserRow,
        request: &RequestInfo,
        cause: &str,
    ) -> Result<NotificationRow, Broken> {
        self.message(Notice {
            event: NotificationEvent::PasswordChanged,
            channel: Channel::Email,
            to: &user.email,
            user_id: Some(user.id),
            organization_id: None,
            cause: cause.to_owned(),
            link: None,
            values: self.whence(request),
        })
    }

    /// Asks for another e-mail address. It is taken once its link was followed; whether another
    /// account has it is not told.
    ///
    /// # Errors
    /// See [`ChangeEmailError`].
    pub async fn email_change(
        &self,
        actor: &Actor,
        input: ChangeEmail,
    ) -> Result<(), ChangeEmailError> {
        let user_id = actor.account()?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let new = normal_email(&input.new_email);
        if !is_email(&new) {
            return Err(Invalid::one("new_email", "must be an e-mail address").into());
        }
        if new == user.email {
            return Err(Invalid::one("new_email", "is your address already").into());
        }
        if !self
            .is_own_password(actor, &user, input.current_password)
            .await??
        {
            return Err(Invalid::one("current_password", "is not your password").into());
        }
        if !self
            .inner
            .throttle
            .mail(&new, actor.request.ip, self.now())?
        {
            return Ok(());
        }
        let asked = Asked {
            user_id: Some(user_id),
            ip: actor.request.ip.map(|ip| ip.to_string()),
        };
        self.ask_for(NotificationEvent::EmailChange, &new, &asked)
            .await??;
        let mut event = user_event("user.email_change_requested", &user);
        event.details = json!({ "email": { "before": user.email, "after": new } });
        self.store().audit_insert(&self.audit(actor, event)).await?;
        Ok(())
    }

    /// Makes the mail with the link that proves a new address; false when another account has it.
    pub(crate) async fn write_email_change(
        &self,
        row: &mut NotificationRow,
    ) -> Result<bool, StoreError> {
        let asked = self.open_content::<Asked>(row);
        let Some(user_id) = asked.and_then(|asked| asked.user_id) else {
            return Ok(false);
        };
        if self.store().user_by_email(&row.recipient).await?.is_some() {
            return Ok(false);
        }
        let of = (CHANGE, RESET_LIFETIME, "/confirm-email");
        let (token, link) = self.link(user_id, &row.recipient, of);
        let values = vec![("expires", Self::moment(token.expires_at))];
        row.user_id = Some(user_id);
        if self
            .write_linked(row, NotificationEvent::EmailChange, &link, values)
            .is_err()
        {
            return Ok(false);
        }
        self.store().account_token_insert(&token, &[]).await?;
        Ok(true)
    }

    /// Takes the new address, by the link that was sent to it. The former one is told.
    ///
    /// # Errors
    /// See [`ConfirmEmailError`].
    pub async fn email_confirm(
        &self,
        request: &RequestInfo,
        input: LinkRequest,
    ) -> Result<(), ConfirmEmailError> {
        let token = self
            .link_row(&input.token, CHANGE)
            .await?
            .ok_or(LinkInvalid)?;
        let user = self.store().user_get(token.user_id).await?;
        let user = user.filter(|user| user.is_active).ok_or(LinkInvalid)?;
        let line = self.audit_line(
            self.first_organization(user.id).await?,
            (Some(user.id), user.email.clone()),
            request,
            Event {
                action: "user.email_changed",
                target_type: "user",
                target_id: user.id.to_string(),
                details: json!({ "email": { "before": user.email, "after": token.email } }),
            },
        );
        let mut values = self.whence(request);
        values.push(("email", token.email.clone()));
        let message = self.message(Notice {
            event: NotificationEvent::EmailChanged,
            channel: Channel::Email,
            to: &user.email,
            user_id: Some(user.id),
            organization_id: None,
            cause: line.id.to_string(),
            link: None,
            values,
        })?;
        let changed = self
            .store()
            .user_change_email(&token, self.now(), &line, &[message])
            .await;
        match changed {
            Ok(true) => {
                self.wake_outbox();
                Ok(())
            }
            // Taken since the link was sent.
            Ok(false) | Err(StoreError::Conflict(Conflict::Email)) => Err(LinkInvalid.into()),
            Err(error) => Err(error.into()),
        }
    }

    /// Checks the password of somebody who is signed in, under the same throttle as a sign-in.
    pub(crate) async fn is_own_password(
        &self,
        actor: &Actor,
        user: &UserRow,
        password: String,
    ) -> Result<Result<bool, SlowDown>, Busy> {
        let (ip, now) = (actor.request.ip, self.now());
        let attempt = match self.inner.throttle.login(&user.email, ip, now).await {
            Ok(attempt) => attempt,
            Err(slow) => return Ok(Err(slow)),
        };
        let is_right = password.chars().count() <= PASSWORD_MAX && {
            let stored = Some(user.password_hash.clone());
            self.inner.passwords.verify(password, stored).await? != Verdict::Wrong
        };
        if is_right {
            attempt.succeeded();
        } else {
            attempt.failed();
        }
        Ok(Ok(is_right))
    }

    /// From where and when, as messages say it.
    pub(crate) fn whence(&self, request: &RequestInfo) -> Vec<(&'static str, String)> {
        vec![
            (
                "ip",
                request.ip.map(|ip| ip.to_string()).unwrap_or_default(),
            ),
            ("at", Self::moment(self.now())),
        ]
    }

    /// The cause of a message that is sent as often as it is asked for.
    pub(crate) fn one_time(&self) -> String {
        let random: [u8; 16] = self.inner.clock.random();
        uuid::Uuid::from_bytes(random).simple().to_string()
    }
}
