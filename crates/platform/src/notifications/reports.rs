//! What providers report of messages they took.

use apiverse_connectors::messages::SignatureError;
use apiverse_contract::notifications::Channel;
use apiverse_store::ProviderReport;

use crate::fault::{NothingThere, SignatureWrong, operation_error};
use crate::platform::Platform;

operation_error! {
    /// Why a report was not believed.
    ReportError { NothingThere, SignatureWrong }
}

pub(super) const MAILGUN: &str = "mailgun";
pub(super) const TWILIO: &str = "twilio";
/// Where Twilio reports to; its signature covers the address.
pub(super) const TWILIO_PATH: &str = "/webhooks/twilio";

impl From<SignatureError> for ReportError {
    fn from(error: SignatureError) -> Self {
        tracing::warn!(%error, "a provider's report was refused");
        SignatureWrong.into()
    }
}

impl Platform {
    /// Takes a report of Mailgun. One that was heard before changes nothing.
    ///
    /// # Errors
    /// See [`ReportError`].
    pub async fn mailgun_report(&self, body: &[u8]) -> Result<(), ReportError> {
        let mailgun = self.inner.config.messages.mailgun.as_ref();
        let mailgun = mailgun.ok_or(NothingThere)?;
        let now = self.now();
        let event = mailgun.read_report(body, now.timestamp())?;
        let reason = event.reason.clone().unwrap_or_else(|| event.event.clone());
        let came_back = event.event == "failed" && event.is_permanent;
        let status = match event.event.as_str() {
            "delivered" => Some("delivered"),
            _ if came_back => Some("failed"),
            _ => None,
        };
        let is_unwanted = matches!(event.event.as_str(), "complained" | "unsubscribed");
        let recipient = crate::accounts::normal_email(&event.recipient);
        let hold_back = (came_back || is_unwanted) && !recipient.is_empty();
        let receipt = blake3::hash(event.token.as_bytes());
        let report = ProviderReport {
            provider: MAILGUN,
            receipt: receipt.as_bytes(),
            provider_id: &event.message_id,
            status,
            error: came_back.then_some(reason.as_str()),
            suppress: hold_back.then_some((Channel::Email.as_str(), &recipient, &reason)),
            now,
        };
        self.store().notification_report(&report).await?;
        Ok(())
    }

    /// Takes a report of Twilio. One that was heard before changes nothing.
    ///
    /// # Errors
    /// See [`ReportError`].
    pub async fn twilio_report(&self, body: &[u8], signature: &str) -> Result<(), ReportError> {
        let twilio = self.inner.config.messages.twilio.as_ref();
        let twilio = twilio.ok_or(NothingThere)?;
        let url = format!("{}{TWILIO_PATH}", self.base_url());
        let event = twilio.read_report(&url, body, signature)?;
        let status = match event.status.as_str() {
            "delivered" => Some("delivered"),
            "failed" | "undelivered" => Some("failed"),
            _ => None,
        };
        let reason = event.error_code.map(|code| format!("twilio error {code}"));
        let reason = reason.unwrap_or_else(|| event.status.clone());
        let hold_back = event.is_hopeless() && !event.to.is_empty();
        let receipt = blake3::hash(format!("{}:{}", event.sid, event.status).as_bytes());
        let report = ProviderReport {
            provider: TWILIO,
            receipt: receipt.as_bytes(),
            provider_id: &event.sid,
            status,
            error: (status == Some("failed")).then_some(reason.as_str()),
            suppress: hold_back.then_some((Channel::Sms.as_str(), &event.to, &reason)),
            now: self.now(),
        };
        self.store().notification_report(&report).await?;
        Ok(())
    }
}
