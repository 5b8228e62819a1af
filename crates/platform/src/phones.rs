//! Codes by text message as a second factor.

use apiverse_contract::UserId;
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_contract::passkeys::MfaToken;
use apiverse_contract::two_factor::{AddPhone, RecoveryCodes, TotpCode};
use apiverse_store::{NotificationRow, PhoneCodeRow, PhoneRow, StoreError};
use chrono::TimeDelta;

use crate::accounts::user_event;
use crate::actor::{Actor, RequestInfo};
use crate::fault::{
    Broken, CodeWrong, Invalid, SmsOff, TwoFactorOff, TwoFactorOn, UserGone, WrongCredentials,
    operation_error,
};
use crate::notifications::Notice;
use crate::platform::Platform;

operation_error! {
    /// Why no code was sent to a new telephone.
    PhoneAddError { Forbidden, Invalid, TwoFactorOn, SmsOff, SlowDown, UserGone, Broken }
}
operation_error! {
    /// Why a telephone is not in force.
    PhoneConfirmError { CodeWrong, TwoFactorOff, UserGone, Broken }
}
operation_error! {
    /// Why a telephone was not removed.
    PhoneRemoveError { Forbidden, TwoFactorOff, UserGone, Broken }
}
operation_error! {
    /// Why no code was sent.
    PhoneCodeError { WrongCredentials, TwoFactorOff, SmsOff, SlowDown, UserGone, Broken }
}

const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(5);
const CODE_ATTEMPTS: i32 = 5;
const CONFIRM: &str = "confirm";
const SECOND_FACTOR: &str = "second_factor";

impl Platform {
    /// Whether text messages leave the house, or are shown in development.
    pub(crate) fn sms_offered(&self) -> bool {
        let messages = &self.inner.config.messages;
        messages.twilio.is_some() || messages.show_content
    }

    /// Sends a code to a telephone. It is a second factor once the code was seen.
    ///
    /// # Errors
    /// See [`PhoneAddError`].
    pub async fn phone_add(&self, actor: &Actor, input: AddPhone) -> Result<(), PhoneAddError> {
        let user_id = actor.account()?;
        actor.require_recent(self.now())?;
        let Some(phone) = input.normal() else {
            let text = "must be a number with its country code, like +4915112345678";
            return Err(Invalid::one("phone", text).into());
        };
        if !self.sms_offered() {
            return Err(SmsOff.into());
        }
        self.inner.throttle.sms(&phone, user_id, self.now())?;
        let (code, message) = self.phone_code((user_id, &phone), CONFIRM)?;
        let row = PhoneRow {
            user_id,
            phone,
            created_at: self.now(),
            confirmed_at: None,
        };
        if !self.store().phone_begin(&row, &code, &message).await? {
            return Err(TwoFactorOn.into());
        }
        self.wake_outbox();
        Ok(())
    }

    /// Puts a telephone in force with the code that was sent to it.
    ///
    /// # Errors
    /// See [`PhoneConfirmError`].
    pub async fn phone_confirm(
        &self,
        actor: &Actor,
        input: TotpCode,
    ) -> Result<RecoveryCodes, PhoneConfirmError> {
        let user_id = actor.account()?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let row = self.store().phone_get(user_id).await?;
        let row = row
            .filter(|row| row.confirmed_at.is_none())
            .ok_or(TwoFactorOff)?;
        if !self.is_right_sms(user_id, CONFIRM, &input.code).await? {
            return Err(CodeWrong.into());
        }
        let (codes, hashes) = self.first_codes(user_id).await?;
        let line = self.audit(actor, user_event("user.phone_added", &user));
        let message = self.two_factor_message(&user, actor, "on", &line.id.to_string())?;
        let confirmed = self
            .store()
            .phone_confirm(&row, self.now(), &hashes, (&line, &message))
            .await?;
        if !confirmed {
            return Err(CodeWrong.into());
        }
        self.wake_outbox();
        Ok(RecoveryCodes { codes })
    }

    /// Sends no more codes to the telephone.
    ///
    /// # Errors
    /// See [`PhoneRemoveError`].
    pub async fn phone_remove(&self, actor: &Actor) -> Result<(), PhoneRemoveError> {
        let user_id = actor.account()?;
        actor.require_recent(self.now())?;
        let user = self.store().user_get(user_id).await?.ok_or(UserGone)?;
        let line = self.audit(actor, user_event("user.phone_removed", &user));
        let message = self.two_factor_message(&user, actor, "off", &line.id.to_string())?;
        if !self.store().phone_remove(user_id, &line, &message).await? {
            return Err(TwoFactorOff.into());
        }
        self.wake_outbox();
        Ok(())
    }

    /// Sends a code in the middle of a sign-in.
    ///
    /// # Errors
    /// See [`PhoneCodeError`].
    pub async fn phone_mfa_code(
        &self,
        _request: &RequestInfo,
        input: MfaToken,
    ) -> Result<(), PhoneCodeError> {
        let hash = self.inner.tokens.link_hash(&input.mfa_token);
        let waiting = self.store().challenge_get(&hash, self.now()).await?;
        let waiting = waiting.ok_or(WrongCredentials)?;
        self.send_phone_code(waiting.user_id).await
    }

    /// Sends the actor a code, to prove who they are again.
    ///
    /// # Errors
    /// See [`PhoneCodeError`].
    pub async fn phone_step_up_code(&self, actor: &Actor) -> Result<(), PhoneCodeError> {
        let user_id = actor.account()?;
        self.send_phone_code(user_id).await
    }

    async fn send_phone_code(&self, user_id: UserId) -> Result<(), PhoneCodeError> {
        let row = self.store().phone_get(user_id).await?;
        let row = row
            .filter(|row| row.confirmed_at.is_some())
            .ok_or(TwoFactorOff)?;
        if !self.sms_offered() {
            return Err(SmsOff.into());
        }
        self.inner.throttle.sms(&row.phone, user_id, self.now())?;
        let (code, message) = self.phone_code((user_id, &row.phone), SECOND_FACTOR)?;
        self.store().phone_code_put(&code, &message).await?;
        self.wake_outbox();
        Ok(())
    }

    /// A fresh code and the message that brings it.
    fn phone_code(
        &self,
        (user_id, phone): (UserId, &str),
        purpose: &str,
    ) -> Result<(PhoneCodeRow, NotificationRow), Broken> {
        let code = six_digits(self.inner.clock.random());
        let row = PhoneCodeRow {
            user_id,
            purpose: purpose.to_owned(),
            code_hash: self.sms_hash(user_id, purpose, &code).to_vec(),
            attempts_left: CODE_ATTEMPTS,
            expires_at: self.now() + CODE_LIFETIME,
        };
        let message = self.message(Notice {
            event: NotificationEvent::SecondFactorCode,
            channel: Channel::Sms,
            to: phone,
            user_id: Some(user_id),
            organization_id: None,
            cause: self.one_time(),
            link: None,
            values: vec![("code", code)],
        })?;
        Ok((row, message))
    }

    /// Whether a code is the one that was sent to sign in with, and uses it up.
    pub(crate) async fn is_right_second_sms(
        &self,
        user_id: UserId,
        code: &str,
    ) -> Result<bool, StoreError> {
        self.is_right_sms(user_id, SECOND_FACTOR, code).await
    }

    async fn is_right_sms(
        &self,
        user_id: UserId,
        purpose: &str,
        code: &str,
    ) -> Result<bool, StoreError> {
        let code: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        let hash = self.sms_hash(user_id, purpose, &code);
        self.store()
            .phone_code_use((user_id, purpose), &hash, self.now())
            .await
    }

    /// A keyed hash: without the key, a million codes would be tried in no time.
    fn sms_hash(&self, user_id: UserId, purpose: &str, code: &str) -> [u8; 32] {
        let text = format!("sms:{user_id}:{purpose}:{code}");
        self.inner.tokens.link_hash(&text)
    }
}

/// Six decimal digits of random bytes; 2⁶⁴ is so many that none is likelier than another.
fn six_digits(random: [u8; 8]) -> String {
    format!("{:06}", u64::from_le_bytes(random) % 1_000_000)
}

/// As much of a number as tells its owner which it is.
pub(crate) fn end_of(phone: &str) -> String {
    let end: String = phone
        .chars()
        .skip(phone.chars().count().saturating_sub(3))
        .collect();
    format!("… {end}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_six_digits() {
        assert_eq!(six_digits([0; 8]), "000000");
        assert_eq!(six_digits(1_000_042_u64.to_le_bytes()), "000042");
    }

    #[test]
    fn numbers_are_normal_or_none() {
        let normal = |text: &str| {
            AddPhone {
                phone: text.to_owned(),
            }
            .normal()
        };
        assert_eq!(
            normal(" +49 (151) 123-456.78"),
            Some("+4915112345678".to_owned())
        );
        for wrong in ["015112345678", "+0151123456", "+49", "+49x5112345678", ""] {
            assert_eq!(normal(wrong), None, "{wrong}");
        }
        assert_eq!(end_of("+4915112345678"), "… 678");
    }
}
