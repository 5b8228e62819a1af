//! The second factor: authenticator apps (TOTP, RFC 6238), recovery codes, and the second half of a
//! sign-in; proving who one is again before something dangerous.

use apiverse_contract::UserId;
use apiverse_contract::auth::{TokenResponse, UserView};
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_contract::passkeys::PasskeyAnswer;
use apiverse_contract::two_factor::{
    MfaMethod, MfaRequest, RecoveryCodes, RequireTwoFactor, StepUpRequest, TotpCode, TotpSetup,
    TwoFactorView,
};
use apiverse_store::{ChallengeRow, NotificationRow, StoreError, TotpRow, UserRow};
use chrono::TimeDelta;
use qrcode::QrCode;
use qrcode::render::svg;
use serde_json::json;
use totp_rs::{Algorithm, Builder, Secret, Totp};
use tower_sessions::Session;

use crate::accounts::{LoginError, user_event};
use crate::actor::{Actor, RequestInfo};
use crate::fault::{
    Broken, CodeWrong, Invalid, MfaRequired, OrganizationGone, TwoFactorOff, TwoFactorOn, UserGone,
    WrongCredentials, operation_error,
};
use crate::notifications::Notice;
use crate::organizations::organization_event;
use crate::permissions::Permission;
use crate::phones::end_of;
use crate::platform::Platform;
use crate::tokens::Tokens;

operation_error! {
    /// Why it was not told how the second factor stands.
    TwoFactorError { UserGone }
}
operation_error! {
    /// Why no authenticator app is set up.
    TotpBeginError { Forbidden, TwoFactorOn, UserGone, Broken }
}
operation_error! {
    /// Why the second factor is not switched on.
    TotpConfirmError { Invalid, TwoFactorOn, TwoFactorOff, UserGone, Broken }
}
operation_error! {
    /// Why the second factor is not switched off.
    TotpRemoveError { Forbidden, TwoFactorOff, UserGone, Broken }
}
operation_error! {
    /// Why there are no new recovery codes.
    RecoveryError { Forbidden, TwoFactorOff, UserGone }
}
operation_error! {
    /// Why nobody is trusted anew.
    StepUpError { Invalid, CodeWrong, SlowDown, Busy, UserGone, Broken }
}
operation_error! {
    /// Why members are not asked for a second factor.
    RequireTwoFactorError { Forbidden, TwoFactorOff, OrganizationGone }
}

/// How long a sign-in waits for its second factor, and how many codes it may try.
const CHALLENGE_LIFETIME: TimeDelta = TimeDelta::minutes(5);
const CHALLENGE_ATTEMPTS: i32 = 5;
/// How long somebody is trusted with dangerous things after they proved who they are.
pub(crate) const RECENT: TimeDelta = TimeDelta::minutes(10);
const RECOVERY_CODES: usize = 10;
/// No letters or digits that look alike; 32 of them, so that five bits are one.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
const ISSUER: &str = "APIverse";

impl Platform {
    /// How the actor's second factor stands.
    ///
    /// # Errors
    /// See [`TwoFactorError`].
    pub async fn two_factor(&self, actor: &Actor) -> Result<TwoFactorView, TwoFactorError> {
        let user_id = actor.account()?;
        let factors = self.store().second_factors(user_id).await?;
        let phone = self.store().phone_get(user_id).await?;
        let phone = phone.filter(|phone| phone.confirmed_at.is_some());
        let left = self.store().recovery_left(user_id).await?;
        let organization = self.store().organization_get(actor.organization_id).await?;
        Ok(TwoFactorView {
            totp: factors.totp > 0,
            passkeys: u32::try_from(factors.passkeys).unwrap_or(0),
            phone: phone.map(|phone| end_of(&phone.phone)),
            recovery_codes_left: u32::try_from(left).unwrap_or(0),
            required: organization.is_some_and(|found| found.require_two_factor),
            recently_proved: actor.require_recent(self.now()).is_ok(),
            passkeys_offered: self.relying_party().is_some(),
            sms_offered: self.sms_offered(),
        })
    }

    pub(crate) async fn has_second_factor(&self, user_id: UserId) -> Result<bool, StoreError> {
        Ok(!self.methods(user_id).await?.is_empty())
    }

    /// How a user can prove who they are besides their password; none without a second factor.
    async fn methods(&self, user_id: UserId) -> Result<Vec<MfaMethod>, StoreError> {
        let factors = self.store().second_factors(user_id).await?;
        let mut methods = Vec::new();
        if factors.passkeys > 0 {
            methods.push(MfaMethod::Passkey);
        }
        if factors.totp > 0 {
            methods.push(MfaMethod::Totp);
        }
        if factors.phones > 0 {
            methods.push(MfaMethod::Sms);
        }
        if !methods.is_empty() {
            methods.push(MfaMethod::RecoveryCode);
        }
        Ok(methods)
    }

    /// Recovery codes for somebody's first second factor, and their hashes; none for another one.
    pub(crate) async fn first_codes(
        &self,
        user_id: UserId,
    ) -> Result<(Vec<String>, Vec<[u8; 32]>), StoreError> {
        if self.has_second_factor(user_id).await? {
            return Ok((Vec::new(), Vec::new()));
        }
        let codes = self.new_codes();
        let hashes = self.hash_codes(user_id, &codes);
        Ok((codes, hashes))
    }

    /// A secret for an authenticator app. It is in force once a code of it was seen.
    ///
    /// # Errors
    /// See [`TotpBeginError`].
    pub async fn totp_begin(&self, actor: &Actor) -> Result<TotpSetup, TotpBeginError> {
        let user_id = actor.account()?;
        actor.require_recent(self.now())?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let secret: [u8; 20] = self.inner.clock.random();
        let row = TotpRow {
            user_id,
            secret: self
                .inner
                .vault
                .seal(secret_context(user_id).as_bytes(), &secret),
            last_step: 0,
            created_at: self.now(),
            confirmed_at: None,
        };
        if !self.store().totp_begin(&row).await? {
            return Err(TwoFactorOn.into());
        }
        let secret = Secret::from(secret).to_base32();
        let url = otpauth(&user.email, &secret);
        let code = QrCode::new(url.as_bytes()).map_err(|_| Broken)?;
        let qr_svg = code
            .render::<svg::Color<'_>>()
            .min_dimensions(200, 200)
            .build();
        Ok(TotpSetup {
            secret,
            url,
            qr_svg,
        })
    }

    /// Switches the second factor on: the app shows the right code.
    ///
    /// # Errors
    /// See [`TotpConfirmError`].
    pub async fn totp_confirm(
        &self,
        actor: &Actor,
        input: TotpCode,
    ) -> Result<RecoveryCodes, TotpConfirmError> {
        let user_id = actor.account()?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let row = self.store().totp_get(user_id).await?.ok_or(TwoFactorOff)?;
        if row.confirmed_at.is_some() {
            return Err(TwoFactorOn.into());
        }
        let totp = self.authenticator(&row)?;
        let wrong = || Invalid::one("code", "is not the code the app shows now");
        let step = self.step_of(&totp, &input.code).ok_or_else(wrong)?;
        let codes = self.new_codes();
        let line = self.audit(actor, user_event("user.two_factor_on", &user));
        let message = self.two_factor_message(&user, actor, "on", &line.id.to_string())?;
        let at = (user_id, step, self.now());
        let hashes = self.hash_codes(user_id, &codes);
        if !self
            .store()
            .totp_confirm(at, &hashes, &line, &[message])
            .await?
        {
            return Err(wrong().into());
        }
        self.wake_outbox();
        Ok(RecoveryCodes { codes })
    }

    /// Switches the second factor off.
    ///
    /// # Errors
    /// See [`TotpRemoveError`].
    pub async fn totp_remove(&self, actor: &Actor) -> Result<(), TotpRemoveError> {
        let user_id = actor.account()?;
        actor.require_recent(self.now())?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let line = self.audit(actor, user_event("user.two_factor_off", &user));
        let message = self.two_factor_message(&user, actor, "off", &line.id.to_string())?;
        if !self.store().totp_remove(user_id, &line, &[message]).await? {
            return Err(TwoFactorOff.into());
        }
        self.wake_outbox();
        Ok(())
    }

    /// New recovery codes in the place of the former ones.
    ///
    /// # Errors
    /// See [`RecoveryError`].
    pub async fn recovery_codes(&self, actor: &Actor) -> Result<RecoveryCodes, RecoveryError> {
        let user_id = actor.account()?;
        actor.require_recent(self.now())?;
        if !self.has_second_factor(user_id).await? {
            return Err(TwoFactorOff.into());
        }
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let codes = self.new_codes();
        let line = self.audit(actor, user_event("user.recovery_codes_renewed", &user));
        let hashes = self.hash_codes(user_id, &codes);
        self.store()
            .recovery_replace(user_id, &hashes, &line)
            .await?;
        Ok(RecoveryCodes { codes })
    }

    /// What a sign-in with the right password still wants; `None` without a second factor.
    pub(crate) async fn challenge(
        &self,
        user: &UserRow,
    ) -> Result<Option<MfaRequired>, StoreError> {
        let methods = self.methods(user.id).await?;
        if methods.is_empty() {
            return Ok(None);
        }
        let token = Tokens::link(self.inner.clock.random());
        let row = ChallengeRow {
            token_hash: self.inner.tokens.link_hash(&token).to_vec(),
            user_id: user.id,
            credentials_version: user.credentials_version,
            attempts_left: CHALLENGE_ATTEMPTS,
            expires_at: self.now() + CHALLENGE_LIFETIME,
        };
        self.store().challenge_insert(&row).await?;
        Ok(Some(MfaRequired { token, methods }))
    }

    /// The second half of a sign-in for automation.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn login_mfa(
        &self,
        request: &RequestInfo,
        input: MfaRequest,
    ) -> Result<TokenResponse, LoginError> {
        let user = self.second_half(request, input).await?;
        self.tokens_for(&user, request).await
    }

    /// The second half of a browser's sign-in.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn sign_in_mfa(
        &self,
        session: &Session,
        request: &RequestInfo,
        input: MfaRequest,
    ) -> Result<UserView, LoginError> {
        let user = self.second_half(request, input).await?;
        self.session_for(&user, session, request).await
    }

    async fn second_half(
        &self,
        request: &RequestInfo,
        input: MfaRequest,
    ) -> Result<UserRow, LoginError> {
        let hash = self.inner.tokens.link_hash(&input.mfa_token);
        let now = self.now();
        let waiting = self.store().challenge_attempt(&hash, now).await?;
        let waiting = waiting.ok_or(WrongCredentials)?;
        let user = self.store().user_get(waiting.user_id).await?;
        let user = user
            .filter(|user| {
                user.is_active && user.credentials_version == waiting.credentials_version
            })
            .ok_or(WrongCredentials)?;
        let attempt = self
            .inner
            .throttle
            .login(&user.email, request.ip, now)
            .await?;
        if input.method == MfaMethod::Totp {
            self.inner.throttle.code(user.id, now)?;
        }
        let proof = Proof {
            method: input.method,
            code: &input.code,
            passkey: input.passkey.as_ref(),
        };
        let is_right = self.is_right_proof(&user, request, proof).await?
            && self.store().challenge_take(&hash).await?;
        let organization_id = self.first_organization(user.id).await?;
        if !is_right {
            attempt.failed();
            let event = user_event("user.second_factor_failed", &user);
            let line = self.audit_line(
                organization_id,
                (None, "unknown".to_owned()),
                request,
                event,
            );
            self.store().audit_insert(&line).await?;
            return Err(CodeWrong.into());
        }
        attempt.succeeded();
        self.inner.throttle.code_was_right(user.id);
        let mut event = user_event("user.signed_in", &user);
        event.details = json!({ "second_factor": input.method.as_str() });
        let who = (Some(user.id), user.email.clone());
        let line = self.audit_line(organization_id, who, request, event);
        self.store().audit_insert(&line).await?;
        Ok(user)
    }

    /// Whether a proof is right, and uses it up.
    async fn is_right_proof(
        &self,
        user: &UserRow,
        request: &RequestInfo,
        proof: Proof<'_>,
    ) -> Result<bool, StoreError> {
        let (user_id, code) = (user.id, proof.code);
        match proof.method {
            MfaMethod::Passkey => match proof.passkey {
                Some(answer) => self.is_right_passkey(user, request, answer).await,
                None => Ok(false),
            },
            MfaMethod::Sms => self.is_right_second_sms(user_id, code).await,
            MfaMethod::Totp => {
                let row = self.store().totp_get(user_id).await?;
                let Some(row) = row.filter(|row| row.confirmed_at.is_some()) else {
                    return Ok(false);
                };
                let Ok(totp) = self.authenticator(&row) else {
                    return Ok(false);
                };
                match self.step_of(&totp, code) {
                    Some(step) => self.store().totp_use(user_id, step).await,
                    None => Ok(false),
                }
            }
            MfaMethod::RecoveryCode => {
                let hash = self.hash_code(user_id, code);
                self.store().recovery_use(user_id, &hash, self.now()).await
            }
        }
    }

    /// Proves who the actor is again: with their second factor, or without one their password. For
    /// ten minutes their session may do dangerous things.
    ///
    /// # Errors
    /// See [`StepUpError`].
    pub async fn step_up(&self, actor: &Actor, input: StepUpRequest) -> Result<(), StepUpError> {
        let user_id = actor.account()?;
        let session_id = actor.session_id().ok_or(UserGone)?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        if self.has_second_factor(user_id).await? {
            let code = input.code.unwrap_or_default();
            if code.is_empty() && input.passkey.is_none() {
                return Err(Invalid::one("code", "is required: there is a second factor").into());
            }
            let (ip, now) = (actor.request.ip, self.now());
            let attempt = self.inner.throttle.login(&user.email, ip, now).await?;
            let method = match (input.method, &input.passkey) {
                (Some(method), _) => method,
                (None, Some(_)) => MfaMethod::Passkey,
                (None, None) => MfaMethod::Totp,
            };
            let proof = Proof {
                method,
                code: &code,
                passkey: input.passkey.as_ref(),
            };
            if method == MfaMethod::Totp {
                self.inner.throttle.code(user_id, now)?;
            }
            let request = &actor.request;
            if !self.is_right_proof(&user, request, proof).await? {
                attempt.failed();
                return Err(CodeWrong.into());
            }
            attempt.succeeded();
            self.inner.throttle.code_was_right(user_id);
        } else {
            let Some(password) = input.password else {
                return Err(Invalid::one("password", "is required").into());
            };
            if !self.is_own_password(actor, &user, password).await?? {
                return Err(Invalid::one("password", "is not your password").into());
            }
        }
        let line = self.audit(actor, user_event("user.stepped_up", &user));
        self.store()
            .session_authenticated(session_id, self.now(), &line)
            .await?;
        Ok(())
    }

    /// Sets whether members need a second factor to act in the organization. Whoever asks for it
    /// has one: nobody locks themself out.
    ///
    /// # Errors
    /// See [`RequireTwoFactorError`].
    pub async fn organization_two_factor(
        &self,
        actor: &Actor,
        input: RequireTwoFactor,
    ) -> Result<(), RequireTwoFactorError> {
        let permit = actor.require(Permission::OrganizationWrite)?;
        if input.required
            && let Some(user_id) = actor.user_id
            && !self.has_second_factor(user_id).await?
        {
            return Err(TwoFactorOff.into());
        }
        let id = permit.organization_id();
        let details = json!({ "required": input.required });
        let event = organization_event("organization.two_factor", id, details);
        let line = self.audit(actor, event);
        if !self
            .store()
            .organization_require_two_factor(id, input.required, &line)
            .await?
        {
            return Err(OrganizationGone.into());
        }
        Ok(())
    }

    fn authenticator(&self, row: &TotpRow) -> Result<Totp, Broken> {
        let context = secret_context(row.user_id);
        let secret = self.inner.vault.open(context.as_bytes(), &row.secret);
        let secret = secret.map_err(|_| Broken)?;
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(1)
            .with_step_duration(30)
            .with_secret(secret.to_vec())
            .build()
            .map_err(|_| Broken)
    }

    /// The time step a code is of, now or one beside it.
    fn step_of(&self, totp: &Totp, code: &str) -> Option<i64> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        if code.len() != 6 || !code.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let now = u64::try_from(self.now().timestamp()).ok()?;
        totp.check(&code, now)
            .and_then(|step| i64::try_from(step).ok())
    }

    fn new_codes(&self) -> Vec<String> {
        (0..RECOVERY_CODES)
            .map(|_| recovery_code(self.inner.clock.random()))
            .collect()
    }

    fn hash_codes(&self, user_id: UserId, codes: &[String]) -> Vec<[u8; 32]> {
        codes
            .iter()
            .map(|code| self.hash_code(user_id, code))
            .collect()
    }

    /// Codes have 80 random bits: a keyed hash is enough.
    fn hash_code(&self, user_id: UserId, code: &str) -> [u8; 32] {
        let code: String = code
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        self.inner
            .tokens
            .link_hash(&format!("recovery:{user_id}:{code}"))
    }

    pub(crate) fn two_factor_message(
        &self,
        user: &UserRow,
        actor: &Actor,
        state: &str,
        cause: &str,
    ) -> Result<NotificationRow, Broken> {
        let mut values = self.whence(&actor.request);
        values.push(("state", state.to_owned()));
        self.message(Notice {
            event: NotificationEvent::TwoFactorChanged,
            channel: Channel::Email,
            to: &user.email,
            user_id: Some(user.id),
            organization_id: None,
            cause: cause.to_owned(),
            link: Some("/console/settings".to_owned()),
            values,
        })
    }
}

/// What is shown for a second factor.
#[derive(Clone, Copy)]
struct Proof<'a> {
    method: MfaMethod,
    code: &'a str,
    passkey: Option<&'a PasskeyAnswer>,
}

fn secret_context(user_id: UserId) -> String {
    format!("user_totp.secret:{user_id}")
}

/// What authenticator apps read: the key URI format.
fn otpauth(email: &str, secret: &str) -> String {
    let email: String = url::form_urlencoded::byte_serialize(email.as_bytes()).collect();
    format!(
        "otpauth://totp/{ISSUER}:{email}?secret={secret}&issuer={ISSUER}\
         &algorithm=SHA1&digits=6&period=30"
    )
}

/// 16 characters in four groups: 80 bits.
fn recovery_code(random: [u8; 16]) -> String {
    let mut code = String::with_capacity(19);
    for (n, byte) in random.into_iter().enumerate() {
        if n > 0 && n % 4 == 0 {
            code.push('-');
        }
        code.push(ALPHABET[usize::from(byte % 32)] as char);
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, for SHA-1: the last six of the eight digits there.
    #[test]
    fn codes_are_those_of_the_rfc() {
        let totp = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(1)
            .with_step_duration(30)
            .with_secret(b"12345678901234567890".to_vec())
            .build()
            .expect("builds");
        for (time, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_234_567_890, "005924"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(totp.check(code, time), Some(time / 30), "{code}");
            assert_eq!(totp.check(code, time + 90), None, "{code}");
        }
    }

    #[test]
    fn recovery_codes_have_their_shape() {
        let code = recovery_code([0, 31, 32, 255, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(code, "a9a9-bcde-fghi-jkmn");
        assert_eq!(
            otpauth("ada+x@example.com", "ABC"),
            "otpauth://totp/APIverse:ada%2Bx%40example.com?secret=ABC&issuer=APIverse\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
