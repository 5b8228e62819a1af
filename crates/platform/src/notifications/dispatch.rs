//! Sending what is in the outbox.
//!
//! A node takes a message with a lease, so that no two send it. Before a provider is called, the
//! row says so: whoever finds a message in that state later, because its node died or no answer
//! came, asks the provider whether it took it before sending again.

use std::time::Duration;

use apiverse_connectors::messages::{Email, SendError};
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_store::{NotificationOutcome, NotificationRow, StoreError};
use chrono::{DateTime, TimeDelta, Utc};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Content;
use crate::platform::Platform;

/// How long a node keeps a message to itself: longer than a look-up and an attempt can take.
const LEASE: TimeDelta = TimeDelta::seconds(40);
/// Messages of one node under way at once.
const AT_ONCE: usize = 4;
/// The outbox is looked at this often even when nobody says that there is something in it: for
/// other nodes' messages, and those whose time comes.
const TICK: Duration = Duration::from_secs(2);
/// The first pause after a failure; it doubles with each further one.
const FIRST_PAUSE: TimeDelta = TimeDelta::seconds(2);
const LONGEST_PAUSE: TimeDelta = TimeDelta::minutes(15);
/// Providers list what they took with some delay: asked earlier, they would say no.
const BEFORE_ASKING: TimeDelta = TimeDelta::seconds(60);
/// A message that could not be sent for so long is of no use to anybody any more.
const GIVE_UP: TimeDelta = TimeDelta::hours(72);
/// How long settled messages are kept.
const KEEP: TimeDelta = TimeDelta::days(30);
/// How long it is remembered where somebody signed in.
const KEEP_PLACES: TimeDelta = TimeDelta::days(180);

impl Platform {
    /// Sends what comes into the outbox until `stop`; what is being sent then is finished.
    pub async fn run_outbox(&self, stop: CancellationToken) {
        let mut forgotten = self.now();
        loop {
            let workers = (0..AT_ONCE).map(|_| self.dispatch_due(&stop));
            for outcome in futures_util::future::join_all(workers).await {
                if let Err(error) = outcome {
                    tracing::warn!(error = error.cause(), "the outbox cannot be worked on");
                }
            }
            let now = self.now();
            if now - forgotten > TimeDelta::hours(1) {
                forgotten = now;
                if let Err(error) = self.forget(now).await {
                    tracing::warn!(error = error.cause(), "cannot forget old messages");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.inner.messages.wake.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
    }

    /// Forgets what is of no use any more.
    async fn forget(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        self.store().challenges_forget(now).await?;
        self.store().ceremonies_forget(now).await?;
        self.store().phone_codes_forget(now).await?;
        self.audit_forget(now).await?;
        self.store().notifications_forget(now - KEEP).await?;
        self.store()
            .account_tokens_forget(now, now - KEEP_PLACES)
            .await?;
        Ok(())
    }

    /// Sends what is due now; how many messages were worked on.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn dispatch_due(&self, stop: &CancellationToken) -> Result<usize, StoreError> {
        let lease = Uuid::from_bytes(self.inner.clock.random());
        let mut count = 0;
        while !stop.is_cancelled() {
            let now = self.now();
            let claimed = self
                .store()
                .notification_claim(lease, now, now + LEASE)
                .await?;
            let Some(row) = claimed else { break };
            self.dispatch(row, lease).await?;
            count += 1;
        }
        Ok(count)
    }

    async fn dispatch(&self, mut row: NotificationRow, lease: Uuid) -> Result<(), StoreError> {
        if row.status == "requested" {
            let Some(prepared) = self.prepare(row, lease).await? else {
                return Ok(());
            };
            row = prepared;
        }
        let outcome = self.attempt(&row, lease).await?;
        if let Some(outcome) = outcome {
            self.inner.meters.count_message(outcome.status);
            tracing::debug!(
                id = %row.id,
                event = row.event,
                status = outcome.status,
                error = outcome.error,
                "worked on a message"
            );
            self.store()
                .notification_settle(row.id, lease, &outcome, self.now())
                .await?;
        }
        Ok(())
    }

    /// Makes the text of a message that was only asked for; `None` when it is for nobody.
    async fn prepare(
        &self,
        mut row: NotificationRow,
        lease: Uuid,
    ) -> Result<Option<NotificationRow>, StoreError> {
        let written = match NotificationEvent::parse(&row.event) {
            Some(NotificationEvent::PasswordReset) => self.write_password_reset(&mut row).await?,
            Some(NotificationEvent::EmailChange) => self.write_email_change(&mut row).await?,
            Some(NotificationEvent::EmailVerification) => self.write_registration(&mut row).await?,
            _ => false,
        };
        if !written {
            self.store().notification_drop(row.id, lease).await?;
            return Ok(None);
        }
        let ours = self
            .store()
            .notification_prepare(&row, lease, self.now())
            .await?;
        row.status = "pending".to_owned();
        Ok(ours.then_some(row))
    }

    /// One attempt; `None` when the lease was lost.
    async fn attempt(
        &self,
        row: &NotificationRow,
        lease: Uuid,
    ) -> Result<Option<NotificationOutcome>, StoreError> {
        let now = self.now();
        let config = &self.inner.config.messages;
        let erase = !config.show_content;
        let ended = |status, error: Option<String>, erase| {
            Some(NotificationOutcome {
                status,
                due_at: now,
                provider: None,
                provider_id: None,
                error,
                erase,
            })
        };
        let sender = match Channel::parse(&row.channel) {
            Some(Channel::Email) => config.mailgun.as_ref().map(Sender::Mailgun),
            Some(Channel::Sms) => config.twilio.as_ref().map(Sender::Twilio),
            Some(Channel::Webhook) => config.webhooks.as_ref().map(Sender::Webhook),
            None => None,
        };
        let Some(sender) = sender else {
            return Ok(ended("kept", None, false));
        };
        let suppressed = self
            .store()
            .suppression_get(&row.channel, &row.recipient)
            .await?;
        if let Some(reason) = suppressed {
            return Ok(ended("suppressed", Some(reason), erase));
        }
        let Some(content) = self.open_content::<Content>(row) else {
            let error = "its text cannot be read; was SECRET_KEY changed?".to_owned();
            return Ok(ended("failed", Some(error), erase));
        };
        let taken = |id: String| {
            Some(NotificationOutcome {
                status: "sent",
                due_at: now,
                provider: Some(sender.name()),
                provider_id: Some(id),
                error: None,
                erase,
            })
        };
        if matches!(row.status.as_str(), "sending" | "uncertain") {
            match sender.find(row, &content).await {
                Ok(Some(id)) => return Ok(taken(id)),
                Ok(None) => {}
                Err(error) => return Ok(Some(self.later(row, "uncertain", &error))),
            }
        }
        if !self
            .store()
            .notification_begin(row.id, lease, self.now())
            .await?
        {
            return Ok(None);
        }
        let report_to = format!("{}{}", self.base_url(), super::reports::TWILIO_PATH);
        let sent = match &sender {
            Sender::Webhook(client) => self.call_address(client, row, &content).await?,
            Sender::Mailgun(_) | Sender::Twilio(_) => sender.send(row, &content, &report_to).await,
        };
        Ok(match sent {
            Ok(id) => taken(id),
            Err(error @ SendError::Refused { .. }) => {
                ended("failed", Some(error.to_string()), erase)
            }
            Err(error @ SendError::NotTaken { .. }) => Some(self.later(row, "pending", &error)),
            Err(error @ SendError::Uncertain(_)) => Some(self.later(row, "uncertain", &error)),
        })
    }

    /// Puts a message off, or gives it up.
    fn later(
        &self,
        row: &NotificationRow,
        status: &'static str,
        error: &SendError,
    ) -> NotificationOutcome {
        let now = self.now();
        let give_up = now - row.created_at > GIVE_UP;
        let mut pause = pause(row.attempts, self.inner.clock.random());
        if let SendError::NotTaken {
            retry_after: Some(asked),
            ..
        } = error
        {
            pause = pause.max(TimeDelta::from_std(*asked).unwrap_or(LONGEST_PAUSE));
        }
        if status == "uncertain" {
            pause = pause.max(BEFORE_ASKING);
        }
        NotificationOutcome {
            status: if give_up { "failed" } else { status },
            due_at: now + pause,
            provider: None,
            provider_id: None,
            error: Some(error.to_string()),
            erase: give_up && !self.inner.config.messages.show_content,
        }
    }
}

/// Doubles with each attempt, and differs by up to a quarter, so that what failed together does
/// not come again together.
fn pause(attempts: i32, [random]: [u8; 1]) -> TimeDelta {
    let doublings = u32::try_from(attempts).unwrap_or(0).min(10);
    let pause = (FIRST_PAUSE * (1 << doublings)).min(LONGEST_PAUSE);
    pause + pause * i32::from(random) / 1024
}

/// The provider of a channel.
enum Sender<'a> {
    Mailgun(&'a apiverse_connectors::messages::Mailgun),
    Twilio(&'a apiverse_connectors::messages::Twilio),
    Webhook(&'a apiverse_connectors::messages::WebhookClient),
}

impl Sender<'_> {
    const fn name(&self) -> &'static str {
        match self {
            Self::Mailgun(_) => super::reports::MAILGUN,
            Self::Twilio(_) => super::reports::TWILIO,
            Self::Webhook(_) => "webhook",
        }
    }

    async fn send(
        &self,
        row: &NotificationRow,
        content: &Content,
        report_to: &str,
    ) -> Result<String, SendError> {
        match self {
            Self::Mailgun(mailgun) => {
                let id = row.id.to_string();
                let email = Email {
                    id: &id,
                    to: &row.recipient,
                    subject: &row.subject,
                    text: &content.text,
                    html: content.html.as_deref().unwrap_or_default(),
                    tag: &row.event,
                };
                mailgun.send(&email).await
            }
            Self::Twilio(twilio) => {
                // Twilio reports only to addresses it can reach.
                let report_to = Some(report_to).filter(|url| url.starts_with("https://"));
                twilio.send(&row.recipient, &content.text, report_to).await
            }
            // Its secret is the platform's to read.
            Self::Webhook(_) => Err(SendError::Refused {
                status: 0,
                reason: "it is for an address".to_owned(),
            }),
        }
    }

    async fn find(
        &self,
        row: &NotificationRow,
        content: &Content,
    ) -> Result<Option<String>, SendError> {
        match self {
            Self::Mailgun(mailgun) => mailgun.find(&row.id.to_string()).await,
            Self::Twilio(twilio) => {
                let since = date(row.created_at);
                twilio.find(&row.recipient, &content.text, &since).await
            }
            // A second call does no harm: it has the same id.
            Self::Webhook(_) => Ok(None),
        }
    }
}

fn date(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_quarter_of_an_hour() {
        let seconds = |attempts, random| pause(attempts, [random]).num_seconds();
        assert_eq!(seconds(0, 0), 2);
        assert_eq!(seconds(3, 0), 16);
        assert_eq!(seconds(3, 255), 19);
        assert_eq!(seconds(9, 0), 900);
        assert_eq!(seconds(i32::MAX, 0), 900);
        assert_eq!(seconds(-1, 0), 2);
    }
}
