//! Messages to addresses of an organization, and to its members who want them.

use apiverse_connectors::SecretString;
use apiverse_connectors::messages::{SendError, WebhookClient};
use apiverse_contract::alerts::WebhookTopic;
use apiverse_contract::auth::Role;
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_contract::{AlertWebhookId, OrganizationId};
use apiverse_store::{AlertWebhookRow, NotificationRow, StoreError};
use serde_json::{Value, json};

use super::{Content, Notice};
use crate::platform::Platform;

/// Members that are written to, at most.
const MEMBERS: u32 = 500;

/// Which addresses are told.
pub(crate) enum Addresses<'a> {
    Named(&'a [AlertWebhookId]),
    /// Those that want to hear of this.
    Of(WebhookTopic),
}

/// Something an organization is told, by mail and by its addresses.
pub(crate) struct Word<'a> {
    pub event: NotificationEvent,
    /// Members with these roles.
    pub roles: &'a [Role],
    pub addresses: Addresses<'a>,
    /// What it is told for: it is told once.
    pub cause: String,
    /// Path of the page it leads to.
    pub link: String,
    /// What the template of the mail names.
    pub values: Vec<(&'static str, String)>,
    /// What addresses are told: as `alert.fired`.
    pub kind: &'static str,
    /// One line, for the list of messages.
    pub title: String,
    pub data: Value,
}

impl Platform {
    /// The messages of a word. Nothing is sent before they are stored.
    pub(crate) async fn messages_of(
        &self,
        organization_id: OrganizationId,
        word: &Word<'_>,
    ) -> Result<Vec<NotificationRow>, StoreError> {
        let mut rows = Vec::new();
        if !word.roles.is_empty() {
            let members = self
                .store()
                .member_list(organization_id, None, MEMBERS)
                .await?;
            for member in members {
                let has_role = word.roles.iter().any(|role| role.as_str() == member.role);
                if !has_role
                    || !self
                        .wants(member.user_id, word.event, Channel::Email)
                        .await?
                {
                    continue;
                }
                let notice = Notice {
                    event: word.event,
                    channel: Channel::Email,
                    to: &member.email,
                    user_id: Some(member.user_id),
                    organization_id: Some(organization_id),
                    cause: format!("{}:{}", word.cause, member.user_id),
                    link: Some(word.link.clone()),
                    values: word.values.clone(),
                };
                // What cannot be written is in the log already.
                rows.extend(self.message(notice).ok());
            }
        }
        for webhook in self.store().alert_webhooks_list(organization_id).await? {
            let is_meant = match word.addresses {
                Addresses::Named(ids) => ids.contains(&webhook.id),
                Addresses::Of(topic) => webhook.topics.contains(&topic),
            };
            if is_meant {
                rows.extend(self.webhook_message(&webhook, word));
            }
        }
        Ok(rows)
    }

    fn webhook_message(
        &self,
        webhook: &AlertWebhookRow,
        word: &Word<'_>,
    ) -> Option<NotificationRow> {
        let cause = format!("{}:{}", word.cause, webhook.id);
        let (event, channel) = (word.event, Channel::Webhook);
        let mut row = self.message_without_text(
            event,
            channel,
            &without_path(&webhook.url),
            cause,
            "pending",
        );
        row.organization_id = Some(webhook.organization_id);
        row.subject.clone_from(&word.title);
        let body = json!({
            "type": word.kind,
            "timestamp": self.now(),
            "data": word.data,
        });
        let content = Content {
            text: body.to_string(),
            html: None,
            link: None,
            webhook: Some(webhook.id),
        };
        row.content = Some(self.seal_content(row.id, &content).ok()?);
        Some(row)
    }

    /// Stores a word that stands for itself. Failing to is no reason to fail what it tells about.
    pub(crate) async fn say(&self, organization_id: OrganizationId, word: &Word<'_>) {
        let stored = async {
            for row in self.messages_of(organization_id, word).await? {
                self.store().notification_insert(&row).await?;
            }
            self.wake_outbox();
            Ok::<_, StoreError>(())
        };
        if let Err(error) = stored.await {
            tracing::error!(
                error = error.cause(),
                event = word.event.as_str(),
                "a message could not be put into the outbox"
            );
        }
    }

    /// Calls the address of a message.
    pub(super) async fn call_address(
        &self,
        client: &WebhookClient,
        row: &NotificationRow,
        content: &Content,
    ) -> Result<Result<String, SendError>, StoreError> {
        let gone = |reason: &str| SendError::Refused {
            status: 0,
            reason: reason.to_owned(),
        };
        let (Some(organization_id), Some(id)) = (row.organization_id, content.webhook) else {
            return Ok(Err(gone("it is for no address")));
        };
        let found = self.store().alert_webhook_get(organization_id, id).await?;
        let Some(webhook) = found else {
            return Ok(Err(gone("the address was taken away")));
        };
        let Some(secret) = self.open_webhook_secret(&webhook) else {
            return Ok(Err(gone(
                "its secret cannot be read; was SECRET_KEY changed?",
            )));
        };
        let (id, now) = (row.id.to_string(), self.now().timestamp());
        let sent = client
            .send(&webhook.url, &secret, &id, now, &content.text)
            .await;
        Ok(sent.map(|_| id))
    }

    fn open_webhook_secret(&self, webhook: &AlertWebhookRow) -> Option<SecretString> {
        let context = secret_context(webhook.id);
        let vault = &self.inner.vault;
        let plain = vault.open(context.as_bytes(), &webhook.secret).ok()?;
        let text = std::str::from_utf8(&plain).ok()?;
        Some(SecretString::from(text))
    }

    pub(crate) fn seal_webhook_secret(&self, id: AlertWebhookId, secret: &str) -> Vec<u8> {
        let context = secret_context(id);
        self.inner.vault.seal(context.as_bytes(), secret.as_bytes())
    }
}

fn secret_context(id: AlertWebhookId) -> String {
    format!("alert_webhooks.secret:{id}")
}

/// Scheme and host of an address: many services put a secret into the path.
pub(crate) fn without_path(url: &str) -> String {
    match url::Url::parse(url) {
        Ok(url) => format!("{}/…", url.origin().ascii_serialization()),
        Err(_) => "…".to_owned(),
    }
}
