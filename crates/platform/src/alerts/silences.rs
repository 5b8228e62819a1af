//! Times in which nobody is told, and tries of who would be.

use apiverse_contract::alerts::{CreateSilence, SilenceView};
use apiverse_contract::{AlertRuleId, Page, SilenceId};
use apiverse_store::SilenceRow;
use serde_json::json;
use uuid::Uuid;

use super::rules::names_of;
use super::words::Named;
use super::{AlertError, MOST, at};
use crate::actor::Actor;
use crate::clock::new_id;
use crate::fault::{Invalid, SilenceGone, TooMany};
use crate::notifications::Word;
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

impl Platform {
    /// Silences that are not over, the latest first.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn silences_list(&self, actor: &Actor) -> Result<Page<SilenceView>, AlertError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let now_us = self.now().timestamp_micros();
        let rows = self.store().silences_list(organization_id, now_us).await?;
        let rules = self.store().alert_rules_list(organization_id).await?;
        let names = names_of(&rules);
        let view = |row: SilenceRow| SilenceView {
            id: row.id,
            rule_name: row.rule_id.and_then(|id| names.get(&id).cloned()),
            rule_id: row.rule_id,
            until: at(row.until_us),
            reason: row.reason,
            created_by: row.created_by,
            created_at: at(row.created_us),
        };
        Ok(Page {
            data: rows.into_iter().map(view).collect(),
            next_cursor: None,
        })
    }

    /// Tells nobody of a rule, or of any, for a while.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn silence_create(
        &self,
        actor: &Actor,
        input: CreateSilence,
    ) -> Result<SilenceView, AlertError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let now = self.now();
        input.validate(now).map_err(Invalid)?;
        let organization_id = permit.organization_id();
        let rule_name = match input.rule_id {
            Some(id) => Some(self.rule_row(actor, id).await?.rule.name),
            None => None,
        };
        let now_us = now.timestamp_micros();
        let silences = self.store().silences_list(organization_id, now_us).await?;
        if silences.len() >= MOST {
            return Err(TooMany.into());
        }
        let row = SilenceRow {
            id: new_id!(self.inner.clock, SilenceId),
            organization_id,
            rule_id: input.rule_id,
            until_us: input.until.timestamp_micros(),
            reason: input.reason.trim().to_owned(),
            created_by: actor.name.clone(),
            created_us: now_us,
        };
        let audit = self.audit(
            actor,
            Event {
                action: "silence.created",
                target_type: "silence",
                target_id: row.id.to_string(),
                details: json!({
                    "rule_id": row.rule_id, "until": input.until, "reason": row.reason,
                }),
            },
        );
        self.store().silence_insert(&row, &audit).await?;
        Ok(SilenceView {
            id: row.id,
            rule_id: row.rule_id,
            rule_name,
            until: at(row.until_us),
            reason: row.reason,
            created_by: row.created_by,
            created_at: at(row.created_us),
        })
    }

    /// Ends a silence.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn silence_delete(&self, actor: &Actor, id: SilenceId) -> Result<(), AlertError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let audit = self.audit(
            actor,
            Event {
                action: "silence.deleted",
                target_type: "silence",
                target_id: id.to_string(),
                details: json!({}),
            },
        );
        let done = self
            .store()
            .silence_delete(permit.organization_id(), id, &audit)
            .await?;
        if done {
            Ok(())
        } else {
            Err(SilenceGone.into())
        }
    }

    /// Tells whom a rule tells, as a try; how many messages that are.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn alert_rule_test(&self, actor: &Actor, id: AlertRuleId) -> Result<u32, AlertError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let organization_id = permit.organization_id();
        let row = self.rule_row(actor, id).await?;
        let condition = Named::new(self, organization_id)
            .condition(&row.rule)
            .await?;
        let title = format!("Test: {}", row.rule.name);
        let summary = format!(
            "{} tries whether you hear of this alert. It is not firing. Its condition: {condition}",
            actor.name
        );
        let now_us = self.now().timestamp_micros();
        let data = json!({
            "rule_id": row.id,
            "rule_name": row.rule.name,
            "severity": row.rule.severity,
            "summary": condition,
            "url": format!("{}/console/alerts", self.base_url()),
        });
        let word = self
            .alert_word(&row, "alert.test", title, summary, now_us, data)
            .await?;
        let try_id = Uuid::from_bytes(self.inner.clock.random());
        let word = Word {
            cause: format!("{}:test:{try_id}", row.id),
            ..word
        };
        let messages = self.messages_of(organization_id, &word).await?;
        for message in &messages {
            self.store().notification_insert(message).await?;
        }
        self.wake_outbox();
        Ok(u32::try_from(messages.len()).unwrap_or(u32::MAX))
    }
}
