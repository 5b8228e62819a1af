//! Rules, and what they found.

use std::collections::HashMap;

use apiverse_contract::alerts::{
    AlertCondition, AlertRuleView, AlertSeverity, AlertState, IncidentView, IncidentsQuery,
    PutAlertRule,
};
use apiverse_contract::page::check_limit;
use apiverse_contract::{AlertRuleId, Page, SloId};
use apiverse_store::{AlertRuleRow, AlertStanding, IncidentFilter, IncidentRow, SilenceRow};
use serde_json::json;

use super::words::Named;
use super::{AlertError, MOST, at};
use crate::actor::Actor;
use crate::clock::new_id;
use crate::cursor;
use crate::fault::{AlertRuleGone, Invalid, TooMany};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

impl Platform {
    /// All rules, the oldest first, and where each stands.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn alert_rules_list(&self, actor: &Actor) -> Result<Page<AlertRuleView>, AlertError> {
        let permit = actor.require(Permission::UsageRead)?;
        let rows = self
            .store()
            .alert_rules_list(permit.organization_id())
            .await?;
        let data = self.rule_views(actor, rows).await?;
        Ok(Page {
            data,
            next_cursor: None,
        })
    }

    /// One rule.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn alert_rule_get(
        &self,
        actor: &Actor,
        id: AlertRuleId,
    ) -> Result<AlertRuleView, AlertError> {
        actor.require(Permission::UsageRead)?;
        let row = self.rule_row(actor, id).await?;
        self.rule_view(actor, row).await
    }

    pub(super) async fn rule_row(
        &self,
        actor: &Actor,
        id: AlertRuleId,
    ) -> Result<AlertRuleRow, AlertError> {
        let found = self
            .store()
            .alert_rule_get(actor.organization_id, id)
            .await?;
        found.ok_or_else(|| AlertRuleGone.into())
    }

    async fn rule_view(
        &self,
        actor: &Actor,
        row: AlertRuleRow,
    ) -> Result<AlertRuleView, AlertError> {
        let views = self.rule_views(actor, vec![row]).await?;
        views.into_iter().next().ok_or_else(|| AlertRuleGone.into())
    }

    async fn rule_views(
        &self,
        actor: &Actor,
        rows: Vec<AlertRuleRow>,
    ) -> Result<Vec<AlertRuleView>, AlertError> {
        let organization_id = actor.organization_id;
        let now_us = self.now().timestamp_micros();
        let silences = self.store().silences_list(organization_id, now_us).await?;
        let mut named = Named::new(self, organization_id);
        let mut views = Vec::with_capacity(rows.len());
        for row in rows {
            let standing = row.standing;
            views.push(AlertRuleView {
                summary: named.condition(&row.rule).await?,
                state: AlertState::parse(&standing.state).unwrap_or_default(),
                since: standing.since_us.map(at),
                value: standing.value,
                looked_at: (standing.looked_us > 0).then(|| at(standing.looked_us)),
                silenced_until: silenced_until(&silences, row.id).map(at),
                id: row.id,
                rule: row.rule,
                created_at: row.created_at,
                updated_at: row.updated_at,
            });
        }
        Ok(views)
    }

    /// Creates a rule.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn alert_rule_create(
        &self,
        actor: &Actor,
        rule: PutAlertRule,
    ) -> Result<AlertRuleView, AlertError> {
        let permit = actor.require(Permission::UsageWrite)?;
        self.check_rule(actor, &rule).await?;
        let organization_id = permit.organization_id();
        if self.store().alert_rules_list(organization_id).await?.len() >= MOST {
            return Err(TooMany.into());
        }
        let now = self.now();
        let row = AlertRuleRow {
            id: new_id!(self.inner.clock, AlertRuleId),
            organization_id,
            rule,
            standing: AlertStanding::default(),
            created_at: now,
            updated_at: now,
        };
        self.put_alert_rule(actor, "alert_rule.created", row).await
    }

    /// Replaces a rule, which begins anew.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn alert_rule_replace(
        &self,
        actor: &Actor,
        id: AlertRuleId,
        rule: PutAlertRule,
    ) -> Result<AlertRuleView, AlertError> {
        actor.require(Permission::UsageWrite)?;
        self.check_rule(actor, &rule).await?;
        let row = AlertRuleRow {
            rule,
            updated_at: self.now(),
            standing: AlertStanding::default(),
            ..self.rule_row(actor, id).await?
        };
        self.put_alert_rule(actor, "alert_rule.updated", row).await
    }

    /// Switches a rule on or off. One that was off begins anew; one that is as it shall be stays.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn alert_rule_switch(
        &self,
        actor: &Actor,
        id: AlertRuleId,
        enabled: bool,
    ) -> Result<(), AlertError> {
        actor.require(Permission::UsageWrite)?;
        let row = self.rule_row(actor, id).await?;
        if row.rule.enabled != enabled {
            let rule = PutAlertRule {
                enabled,
                ..row.rule
            };
            self.alert_rule_replace(actor, id, rule).await?;
        }
        Ok(())
    }

    async fn put_alert_rule(
        &self,
        actor: &Actor,
        action: &str,
        row: AlertRuleRow,
    ) -> Result<AlertRuleView, AlertError> {
        let audit = self.audit(
            actor,
            Event {
                action,
                target_type: "alert_rule",
                target_id: row.id.to_string(),
                details: json!({ "rule": row.rule }),
            },
        );
        self.store().alert_rule_put(&row, &audit).await?;
        self.rule_view(actor, row).await
    }

    /// Whether a rule is acceptable, and what it names is there.
    pub(super) async fn check_rule(
        &self,
        actor: &Actor,
        rule: &PutAlertRule,
    ) -> Result<(), AlertError> {
        rule.validate().map_err(Invalid)?;
        let organization_id = actor.organization_id;
        if let AlertCondition::BurnRate(condition) = &rule.condition {
            self.check_slo(actor, condition.slo_id).await?;
        }
        if !rule.notify.webhook_ids.is_empty() {
            let known = self.store().alert_webhooks_list(organization_id).await?;
            let is_known = |id| known.iter().any(|webhook| webhook.id == id);
            if !rule.notify.webhook_ids.iter().all(|id| is_known(*id)) {
                let message = "must be webhooks of your organization";
                return Err(Invalid::one("notify.webhook_ids", message).into());
            }
        }
        Ok(())
    }

    async fn check_slo(&self, actor: &Actor, id: SloId) -> Result<(), AlertError> {
        if self
            .store()
            .slo_get(actor.organization_id, id)
            .await?
            .is_none()
        {
            let message = "must be an objective of your organization";
            return Err(Invalid::one("condition.slo_id", message).into());
        }
        Ok(())
    }

    /// Deletes a rule, and its history.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn alert_rule_delete(
        &self,
        actor: &Actor,
        id: AlertRuleId,
    ) -> Result<(), AlertError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let audit = self.audit(
            actor,
            Event {
                action: "alert_rule.deleted",
                target_type: "alert_rule",
                target_id: id.to_string(),
                details: json!({}),
            },
        );
        let done = self
            .store()
            .alert_rule_delete(permit.organization_id(), id, &audit)
            .await?;
        if done {
            Ok(())
        } else {
            Err(AlertRuleGone.into())
        }
    }

    /// What fired, the latest first.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn incidents_list(
        &self,
        actor: &Actor,
        query: IncidentsQuery,
    ) -> Result<Page<IncidentView>, AlertError> {
        let permit = actor.require(Permission::UsageRead)?;
        let limit = check_limit(query.limit).map_err(|error| Invalid(vec![error]))?;
        let before = cursor::to_incident(query.cursor.as_deref())?;
        let filter = IncidentFilter {
            organization_id: permit.organization_id(),
            rule_id: query.rule_id,
            firing: query.firing,
        };
        let rows = self
            .store()
            .incidents_list(filter, before, limit + 1)
            .await?;
        let page = Page::from_rows(rows, limit, |row| cursor::of_incident(row.fired_us, row.id));
        Ok(page.map(incident_view))
    }
}

/// Until when nobody is told of a rule; `None`: they are.
pub(super) fn silenced_until(silences: &[SilenceRow], id: AlertRuleId) -> Option<i64> {
    let of_rule = silences
        .iter()
        .filter(|silence| silence.rule_id.is_none_or(|of| of == id));
    of_rule.map(|silence| silence.until_us).max()
}

fn incident_view(row: IncidentRow) -> IncidentView {
    IncidentView {
        id: row.id,
        rule_id: row.rule_id,
        rule_name: row.rule_name,
        severity: AlertSeverity::parse(&row.severity),
        summary: row.summary,
        began_at: at(row.began_us),
        fired_at: at(row.fired_us),
        resolved_at: row.resolved_us.map(at),
        value: row.value,
        told: row.told,
    }
}

/// Names of rules by their ids.
pub(super) fn names_of(rows: &[AlertRuleRow]) -> HashMap<AlertRuleId, String> {
    let rows = rows.iter();
    rows.map(|row| (row.id, row.rule.name.clone())).collect()
}
