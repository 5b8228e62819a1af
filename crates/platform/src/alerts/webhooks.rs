//! Addresses of an organization that are told.

use apiverse_connectors::http::check_url;
use apiverse_connectors::messages::webhook_secret;
use apiverse_contract::alerts::{AlertWebhookView, CreateAlertWebhook, CreatedAlertWebhook};
use apiverse_contract::notifications::NotificationEvent;
use apiverse_contract::{AlertWebhookId, Page};
use apiverse_store::AlertWebhookRow;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::{AlertError, MOST, at};
use crate::actor::Actor;
use crate::clock::new_id;
use crate::fault::{AlertWebhookGone, Invalid, TooMany};
use crate::notifications::{Addresses, Word, without_path};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

impl Platform {
    /// All addresses, the oldest first.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn alert_webhooks_list(
        &self,
        actor: &Actor,
    ) -> Result<Page<AlertWebhookView>, AlertError> {
        let permit = actor.require(Permission::UsageRead)?;
        let rows = self
            .store()
            .alert_webhooks_list(permit.organization_id())
            .await?;
        // Whoever may not change them is not shown addresses: some are secrets themselves.
        let is_shown = actor.require(Permission::UsageWrite).is_ok();
        let view = |row| {
            let mut view = view(row);
            if !is_shown {
                view.url = without_path(&view.url);
            }
            view
        };
        Ok(Page {
            data: rows.into_iter().map(view).collect(),
            next_cursor: None,
        })
    }

    /// Adds an address. Its secret is shown this once.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn alert_webhook_create(
        &self,
        actor: &Actor,
        input: CreateAlertWebhook,
    ) -> Result<CreatedAlertWebhook, AlertError> {
        let permit = actor.require(Permission::UsageWrite)?;
        input.validate().map_err(Invalid)?;
        let organization_id = permit.organization_id();
        self.check_address(&input.url)?;
        if self
            .store()
            .alert_webhooks_list(organization_id)
            .await?
            .len()
            >= MOST
        {
            return Err(TooMany.into());
        }
        let secret = webhook_secret(self.inner.clock.random());
        let id = new_id!(self.inner.clock, AlertWebhookId);
        let row = AlertWebhookRow {
            id,
            organization_id,
            name: input.name.trim().to_owned(),
            url: input.url,
            topics: input.topics,
            secret: self.seal_webhook_secret(id, &secret),
            created_by: actor.name.clone(),
            created_us: self.now().timestamp_micros(),
        };
        let audit = self.audit(
            actor,
            Event {
                action: "alert_webhook.created",
                target_type: "alert_webhook",
                target_id: id.to_string(),
                details: json!({ "name": row.name, "url": without_path(&row.url) }),
            },
        );
        self.store().alert_webhook_insert(&row, &audit).await?;
        Ok(CreatedAlertWebhook {
            webhook: view(row),
            secret,
        })
    }

    fn check_address(&self, text: &str) -> Result<(), Invalid> {
        let url = Url::parse(text).map_err(|_| Invalid::one("url", "must be a URL"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Invalid::one("url", "must be without a name and a password"));
        }
        let policy = &self.inner.config.egress;
        check_url(policy, &url).map_err(|error| Invalid::one("url", error.to_string()))?;
        if self.inner.config.secure_cookies && url.scheme() != "https" {
            return Err(Invalid::one("url", "must begin with https://"));
        }
        Ok(())
    }

    /// Takes an address away; rules tell it nothing any more.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn alert_webhook_delete(
        &self,
        actor: &Actor,
        id: AlertWebhookId,
    ) -> Result<(), AlertError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let audit = self.audit(
            actor,
            Event {
                action: "alert_webhook.deleted",
                target_type: "alert_webhook",
                target_id: id.to_string(),
                details: json!({}),
            },
        );
        let done = self
            .store()
            .alert_webhook_delete(permit.organization_id(), id, &audit)
            .await?;
        if done {
            Ok(())
        } else {
            Err(AlertWebhookGone.into())
        }
    }

    /// Calls an address, as a try.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn alert_webhook_test(
        &self,
        actor: &Actor,
        id: AlertWebhookId,
    ) -> Result<(), AlertError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let organization_id = permit.organization_id();
        let found = self.store().alert_webhook_get(organization_id, id).await?;
        let webhook = found.ok_or(AlertWebhookGone)?;
        let try_id = Uuid::from_bytes(self.inner.clock.random());
        let ids = [id];
        let word = Word {
            event: NotificationEvent::Alert,
            roles: &[],
            addresses: Addresses::Named(&ids),
            cause: format!("{id}:test:{try_id}"),
            link: "/console/alerts".to_owned(),
            values: Vec::new(),
            kind: "alert.test",
            title: format!("Test of {}", webhook.name),
            data: json!({ "webhook_id": id, "name": webhook.name, "tried_by": actor.name }),
        };
        for message in self.messages_of(organization_id, &word).await? {
            self.store().notification_insert(&message).await?;
        }
        self.wake_outbox();
        Ok(())
    }
}

fn view(row: AlertWebhookRow) -> AlertWebhookView {
    AlertWebhookView {
        id: row.id,
        name: row.name,
        url: row.url,
        topics: row.topics,
        created_by: row.created_by,
        created_at: at(row.created_us),
    }
}
