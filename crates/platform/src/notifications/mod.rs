//! Messages to people. A message is written into the outbox together with what it tells about,
//! and sent from there: neither a crash nor a provider that is away loses one.

mod dispatch;
mod outbox;
mod reports;
mod templates;
mod webhooks;

use apiverse_connectors::messages::{Mailgun, Twilio, WebhookClient};
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_contract::{AlertWebhookId, NotificationId, OrganizationId, UserId};
use apiverse_store::{NotificationRow, StoreError};
use serde::{Deserialize, Serialize};

pub(crate) use outbox::preference_views;
pub use outbox::{
    MessagePreview, OutboxGetError, OutboxListError, PreferencesError, PreferencesPutError,
    SuppressionListError, SuppressionRemoveError, TemplateError,
};
pub use reports::ReportError;
pub(crate) use webhooks::{Addresses, Word, without_path};

use crate::clock::new_id;
use crate::fault::Broken;
use crate::platform::Platform;
use templates::Templates;

/// How messages leave the house.
#[derive(Clone, Debug, Default)]
pub struct MessagesConfig {
    /// Without it e-mail ends in the outbox.
    pub mailgun: Option<Mailgun>,
    /// Without it text messages end in the outbox.
    pub twilio: Option<Twilio>,
    /// Calls addresses of organizations. Without it such calls end in the outbox.
    pub webhooks: Option<WebhookClient>,
    /// Whether the outbox shows what is in a message: in development only, since its links open
    /// accounts.
    pub show_content: bool,
    /// Whether an account is made only once the link sent to its address is followed. Then nobody
    /// can find out by registering who has one.
    pub register_by_mail: bool,
}

/// What the services keep of messages.
#[derive(Default)]
pub(crate) struct Messages {
    templates: Templates,
    /// Told when there is something to send.
    wake: tokio::sync::Notify,
    base_url: std::sync::OnceLock<String>,
}

/// A message before it is in the outbox.
pub(crate) struct Notice<'a> {
    pub event: NotificationEvent,
    pub channel: Channel,
    pub to: &'a str,
    /// Whose it is, if it is an account's.
    pub user_id: Option<UserId>,
    pub organization_id: Option<OrganizationId>,
    /// What it is sent for: a second message for the same cause is not added.
    pub cause: String,
    /// Path and query of the page it leads to.
    pub link: Option<String>,
    /// What its template names.
    pub values: Vec<(&'static str, String)>,
}

/// What is encrypted in the outbox.
#[derive(Serialize, Deserialize)]
pub(crate) struct Content {
    pub text: String,
    pub html: Option<String>,
    pub link: Option<String>,
    /// The address that is called with the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<AlertWebhookId>,
}

impl Platform {
    /// Tells where people reach this installation; the first word counts. Links in messages begin
    /// with it.
    pub fn set_base_url(&self, url: &str) {
        let _ = self
            .inner
            .messages
            .base_url
            .set(url.trim_end_matches('/').to_owned());
    }

    pub(crate) fn base_url(&self) -> &str {
        let url = self.inner.messages.base_url.get();
        url.map_or("http://localhost:8000", String::as_str)
    }

    /// Makes the row of a message, its text in it. Nothing is sent before the row is stored.
    pub(crate) fn message(&self, notice: Notice<'_>) -> Result<NotificationRow, Broken> {
        let mut row = self.message_without_text(
            notice.event,
            notice.channel,
            notice.to,
            notice.cause,
            "pending",
        );
        row.user_id = notice.user_id;
        row.organization_id = notice.organization_id;
        let link = notice.link.map(|path| format!("{}{path}", self.base_url()));
        self.write_text(&mut row, notice.event, link, notice.values)?;
        Ok(row)
    }

    /// A message whose text is made when its turn comes.
    pub(crate) fn message_without_text(
        &self,
        event: NotificationEvent,
        channel: Channel,
        to: &str,
        cause: String,
        status: &str,
    ) -> NotificationRow {
        let now = self.now();
        NotificationRow {
            id: new_id!(self.inner.clock, NotificationId),
            organization_id: None,
            user_id: None,
            event: event.as_str().to_owned(),
            channel: channel.as_str().to_owned(),
            recipient: to.to_owned(),
            idempotency_key: format!("{}:{}:{cause}", event.as_str(), channel.as_str()),
            subject: String::new(),
            content: None,
            status: status.to_owned(),
            attempts: 0,
            due_at: now,
            leased_until: None,
            provider: None,
            provider_id: None,
            last_error: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// Puts subject and text into a row, the text encrypted.
    fn write_text(
        &self,
        row: &mut NotificationRow,
        event: NotificationEvent,
        link: Option<String>,
        values: Vec<(&'static str, String)>,
    ) -> Result<(), Broken> {
        let messages = &self.inner.messages;
        let text = messages
            .templates
            .render(event, self.base_url(), link.as_deref(), values)
            .map_err(|error| {
                tracing::error!(%error, event = event.as_str(), "a message could not be written");
                Broken
            })?;
        row.subject = text.subject;
        let is_email = row.channel == Channel::Email.as_str();
        let content = Content {
            text: if is_email { text.text } else { text.short },
            html: is_email.then_some(text.html),
            link,
            webhook: None,
        };
        row.content = Some(self.seal_content(row.id, &content)?);
        Ok(())
    }

    /// Writes the text of a row, with a link of this installation.
    pub(crate) fn write_linked(
        &self,
        row: &mut NotificationRow,
        event: NotificationEvent,
        path: &str,
        values: Vec<(&'static str, String)>,
    ) -> Result<(), Broken> {
        let link = format!("{}{path}", self.base_url());
        self.write_text(row, event, Some(link), values)
    }

    pub(crate) fn seal_content(
        &self,
        id: NotificationId,
        content: &impl Serialize,
    ) -> Result<Vec<u8>, Broken> {
        let plain = serde_json::to_vec(content).map_err(|_| Broken)?;
        Ok(self
            .inner
            .vault
            .seal(content_context(id).as_bytes(), &plain))
    }

    /// What was encrypted for a row; `None` when it is erased or cannot be read.
    pub(crate) fn open_content<T: serde::de::DeserializeOwned>(
        &self,
        row: &NotificationRow,
    ) -> Option<T> {
        let sealed = row.content.as_deref()?;
        let context = content_context(row.id);
        let plain = self.inner.vault.open(context.as_bytes(), sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }

    /// Whether a user wants to hear of this.
    pub(crate) async fn wants(
        &self,
        user_id: UserId,
        event: NotificationEvent,
        channel: Channel,
    ) -> Result<bool, StoreError> {
        if event.is_required() {
            return Ok(true);
        }
        let chosen = self.store().preferences_of(user_id).await?;
        let choice = chosen
            .iter()
            .find(|choice| choice.event == event.as_str() && choice.channel == channel.as_str());
        Ok(choice.map_or(channel == Channel::Email, |choice| choice.enabled))
    }

    /// Stores a message that stands for itself, if its user wants it. Failing to is no reason to
    /// fail what it tells about.
    pub(crate) async fn tell(&self, notice: Notice<'_>) {
        let (event, channel, user_id) = (notice.event, notice.channel, notice.user_id);
        let stored = async {
            if let Some(user_id) = user_id
                && !self.wants(user_id, event, channel).await?
            {
                return Ok(());
            }
            if let Ok(row) = self.message(notice) {
                self.store().notification_insert(&row).await?;
                self.wake_outbox();
            }
            Ok::<_, StoreError>(())
        };
        if let Err(error) = stored.await {
            tracing::error!(
                error = error.cause(),
                event = event.as_str(),
                "a message could not be put into the outbox"
            );
        }
    }

    /// There is something to send.
    pub(crate) fn wake_outbox(&self) {
        self.inner.messages.wake.notify_one();
    }

    /// When something happened, as messages say it.
    pub(crate) fn moment(at: chrono::DateTime<chrono::Utc>) -> String {
        at.format("%-d %B %Y, %H:%M UTC").to_string()
    }
}

fn content_context(id: NotificationId) -> String {
    format!("notifications.content:{id}")
}
