//! Registering where accounts begin with a link sent by e-mail.
//!
//! Whoever registers is told the same, after the same time, whether there is an account with the
//! address or not. Nothing is stored of who has not followed the link: what they chose is in the
//! link itself, encrypted. Whose mail is read elsewhere gets an account only with the password that
//! was chosen with that very link, so registering somebody else's address gives nothing.

use apiverse_contract::notifications::NotificationEvent;
use apiverse_store::{NotificationRow, StoreError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use crate::accounts::{Newcomer, RegisterError};
use crate::actor::RequestInfo;
use crate::fault::{Broken, LinkInvalid};
use crate::links::EmailVerifyError;
use crate::platform::Platform;

/// How long the link to an account that is not there yet is good.
const LIFETIME: TimeDelta = TimeDelta::hours(24);
/// What it is encrypted for.
const CONTEXT: &[u8] = b"registration.link";
/// What its token begins with; other links' tokens are letters and digits only.
const TAG: &str = "r-";
/// Longer than any token that was ever sent.
const LONGEST: usize = 4096;

/// What is in the link.
#[derive(Serialize, Deserialize)]
struct Offer {
    newcomer: Newcomer,
    expires_at: DateTime<Utc>,
}

impl Platform {
    /// Has the mail written, or another one if there is an account: that is looked up when its turn
    /// comes. An address that was written to too often gets none, and nobody is told.
    pub(crate) async fn ask_to_register(
        &self,
        request: &RequestInfo,
        newcomer: Newcomer,
    ) -> Result<Result<(), RegisterError>, StoreError> {
        let email = newcomer.email.clone();
        match self.inner.throttle.mail(&email, request.ip, self.now()) {
            Ok(true) => {}
            Ok(false) => return Ok(Ok(())),
            Err(slow) => return Ok(Err(slow.into())),
        }
        let event = NotificationEvent::EmailVerification;
        let asked = self.ask_for(event, &email, &newcomer).await?;
        Ok(asked.map_err(RegisterError::from))
    }

    /// Makes the mail with the link to a new account, or the one that says that there is one.
    pub(crate) async fn write_registration(
        &self,
        row: &mut NotificationRow,
    ) -> Result<bool, StoreError> {
        let Some(newcomer) = self.open_content::<Newcomer>(row) else {
            return Ok(false);
        };
        let user = self.store().user_by_email(&row.recipient).await?;
        if let Some(user) = user {
            if !user.is_active {
                return Ok(false);
            }
            row.user_id = Some(user.id);
            let event = NotificationEvent::AccountExists;
            return Ok(self.write_linked(row, event, "/login", Vec::new()).is_ok());
        }
        let offer = Offer {
            newcomer,
            expires_at: self.now() + LIFETIME,
        };
        let values = vec![("expires", Self::moment(offer.expires_at))];
        let Ok(plain) = serde_json::to_vec(&offer) else {
            return Ok(false);
        };
        let token = URL_SAFE_NO_PAD.encode(self.inner.vault.seal(CONTEXT, &plain));
        let path = format!("/verify-email?token={TAG}{token}");
        let event = NotificationEvent::EmailVerification;
        Ok(self.write_linked(row, event, &path, values).is_ok())
    }

    /// Whether a link's token is one of these.
    pub(crate) fn is_registration(token: &str) -> bool {
        token.starts_with(TAG) && token.len() <= LONGEST
    }

    /// Makes the account of a link. Followed twice, it finds the account there and says no more
    /// than that it is not good any more.
    pub(crate) async fn register_by_link(
        &self,
        request: &RequestInfo,
        token: &str,
    ) -> Result<(), EmailVerifyError> {
        let offer = self.open_offer(token).ok_or(LinkInvalid)?;
        if offer.expires_at <= self.now() {
            return Err(LinkInvalid.into());
        }
        match self.add_user(request, offer.newcomer, true).await {
            Ok(_) => Ok(()),
            Err(RegisterError::EmailTaken(_)) => Err(LinkInvalid.into()),
            Err(RegisterError::Store(fault)) => Err(EmailVerifyError::Store(fault)),
            Err(
                RegisterError::Invalid(_)
                | RegisterError::SlowDown(_)
                | RegisterError::Busy(_)
                | RegisterError::Broken(_),
            ) => Err(Broken.into()),
        }
    }

    fn open_offer(&self, token: &str) -> Option<Offer> {
        let sealed = URL_SAFE_NO_PAD.decode(token.strip_prefix(TAG)?).ok()?;
        let plain = self.inner.vault.open(CONTEXT, &sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}
