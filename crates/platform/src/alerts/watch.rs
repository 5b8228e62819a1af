//! Looking at rules each minute, on one node.
//!
//! What is found is noted in one transaction with the messages that are owed for it, and only if
//! nobody has noted anything since the rule was read. So a node that dies in between, and two that
//! both believe to have the lease, tell nothing twice and forget nothing.

use std::time::Duration;

use apiverse_contract::OrganizationId;
use apiverse_contract::alerts::{AlertCondition, AlertSeverity, AlertState};
use apiverse_contract::notifications::NotificationEvent;
use apiverse_store::{AlertRuleRow, AlertStanding, IncidentRow, SilenceRow};
use serde_json::{Value, json};
use uuid::Uuid;

use super::measure::Measured;
use super::rules::silenced_until;
use super::state::{Change, Patience, Standing};
use super::words::{self, Named};
use super::{AlertError, MINUTE_US, at, last_minute};
use crate::clock::new_id;
use crate::notifications::{Addresses, Word};
use crate::platform::Platform;

/// How often rules are looked at; a rule is measured once a minute.
const EVERY: Duration = Duration::from_secs(10);
/// A node that dies is followed by another after this.
const LEASE_US: i64 = MINUTE_US;
const LEASE: &str = "alerts";
/// How long incidents are kept.
const KEPT_US: i64 = 400 * 1440 * MINUTE_US;

impl Platform {
    /// Looks at alert rules until the runtime ends. Of several nodes one does.
    pub async fn watch_alerts(&self) {
        let holder = Uuid::from_bytes(self.inner.clock.random());
        let mut rounds = 0_u64;
        loop {
            tokio::time::sleep(EVERY).await;
            let now_us = self.now().timestamp_micros();
            let until_us = now_us.saturating_add(LEASE_US);
            let is_ours = self.store().lease_take(LEASE, holder, now_us, until_us);
            let done = match is_ours.await {
                Ok(true) => self.look_at_all_alerts(now_us, rounds).await,
                Ok(false) => Ok(()),
                Err(error) => Err(error.into()),
            };
            rounds += 1;
            if let Err(error) = done {
                tracing::warn!(%error, "nobody looks at alerts right now");
            }
        }
    }

    async fn look_at_all_alerts(&self, now_us: i64, round: u64) -> Result<(), AlertError> {
        for organization_id in self.store().alert_organizations().await? {
            if let Err(error) = self.look_at_alerts(organization_id).await {
                tracing::warn!(%error, %organization_id, "nobody looks at alerts there");
            }
        }
        // Once an hour.
        if round.is_multiple_of(360) {
            self.store()
                .incidents_forget(now_us.saturating_sub(KEPT_US))
                .await?;
        }
        Ok(())
    }

    /// Measures the rules of an organization that were not yet in this minute, and notes and tells
    /// what changes.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look_at_alerts(&self, organization_id: OrganizationId) -> Result<(), AlertError> {
        let now_us = self.now().timestamp_micros();
        let to_us = last_minute(now_us);
        let mut silences = None;
        for row in self.store().alert_rules_list(organization_id).await? {
            if !row.rule.enabled || row.standing.looked_us >= to_us {
                continue;
            }
            if silences.is_none() {
                silences = Some(self.store().silences_list(organization_id, now_us).await?);
            }
            let of_rule = silences.as_deref().unwrap_or_default();
            if let Err(error) = self.look_at_rule(&row, of_rule, to_us).await {
                let id = row.id;
                tracing::warn!(%error, %organization_id, %id, "an alert rule is not looked at");
            }
        }
        Ok(())
    }

    async fn look_at_rule(
        &self,
        row: &AlertRuleRow,
        silences: &[SilenceRow],
        to_us: i64,
    ) -> Result<(), AlertError> {
        let rule = &row.rule;
        if let AlertCondition::Absence(one) = &rule.condition {
            // Nothing is missed before it could have been seen.
            let since_us = row.updated_at.timestamp_micros();
            if to_us - since_us < i64::from(one.minutes) * MINUTE_US {
                return Ok(());
            }
        }
        let measured = self
            .measure(row.organization_id, &rule.condition, &rule.filter, to_us)
            .await?;
        let Some(measured) = measured else {
            return Ok(());
        };
        let patience = Patience {
            for_us: i64::from(rule.for_minutes) * MINUTE_US,
            calm_us: i64::from(rule.resolve_after_minutes) * MINUTE_US,
        };
        let before = Standing {
            state: AlertState::parse(&row.standing.state).unwrap_or_default(),
            since_us: row.standing.since_us,
            calm_us: row.standing.calm_us,
        };
        let (next, change) = before.next(to_us, measured.judged, patience);
        let is_silenced = silenced_until(silences, row.id).is_some();
        let incident = self
            .incident(row, measured, change, to_us, is_silenced)
            .await?;
        let messages = match &incident {
            Some((incident, Some(kind))) => {
                let word = self.word_of(row, incident, kind).await?;
                self.messages_of(row.organization_id, &word).await?
            }
            _ => Vec::new(),
        };
        let standing = AlertStanding {
            state: next.state.as_str().to_owned(),
            since_us: next.since_us,
            calm_us: next.calm_us,
            value: measured.value,
            looked_us: to_us,
            incident_id: match (&incident, next.state) {
                (Some((incident, _)), AlertState::Firing) => Some(incident.id),
                (None, AlertState::Firing) => row.standing.incident_id,
                _ => None,
            },
            turn: row.standing.turn,
        };
        let incident = incident.as_ref().map(|(incident, _)| incident);
        let noted = self
            .store()
            .alert_note(row, &standing, incident, &messages)
            .await?;
        if noted && !messages.is_empty() {
            self.wake_outbox();
        }
        Ok(())
    }

    /// What is to be written of an incident, and what is to be told of it; `None`: nothing new.
    async fn incident(
        &self,
        row: &AlertRuleRow,
        measured: Measured,
        change: Change,
        to_us: i64,
        is_silenced: bool,
    ) -> Result<Option<(IncidentRow, Option<&'static str>)>, AlertError> {
        let organization_id = row.organization_id;
        if let Change::Fires { began_us } = change {
            let summary = Named::new(self, organization_id)
                .condition(&row.rule)
                .await?;
            let incident = IncidentRow {
                id: new_id!(self.inner.clock, IncidentId),
                organization_id,
                rule_id: row.id,
                rule_name: row.rule.name.clone(),
                severity: row.rule.severity.as_str().to_owned(),
                summary: words::found(&row.rule.condition, &summary, measured.value),
                began_us,
                fired_us: to_us,
                resolved_us: None,
                value: measured.value,
                told: !is_silenced,
            };
            return Ok(Some((incident, (!is_silenced).then_some("alert.fired"))));
        }
        let Some(id) = row.standing.incident_id else {
            return Ok(None);
        };
        let Some(incident) = self.store().incident_get(organization_id, id).await? else {
            return Ok(None);
        };
        if change == Change::Resolves {
            // Nobody is told of the end of what they were not told of.
            let is_told = incident.told && !is_silenced;
            let over = IncidentRow {
                resolved_us: Some(to_us),
                ..incident
            };
            return Ok(Some((over, is_told.then_some("alert.resolved"))));
        }
        // A silence is over, and it fires still.
        if !incident.told && !is_silenced {
            let told = IncidentRow {
                told: true,
                ..incident
            };
            return Ok(Some((told, Some("alert.fired"))));
        }
        Ok(None)
    }

    async fn word_of<'a>(
        &self,
        row: &'a AlertRuleRow,
        incident: &IncidentRow,
        kind: &'static str,
    ) -> Result<Word<'a>, AlertError> {
        let is_over = kind == "alert.resolved";
        let title = if is_over {
            format!("Resolved: {}", incident.rule_name)
        } else if row.rule.severity == AlertSeverity::Critical {
            format!("Critical: {}", incident.rule_name)
        } else {
            format!("Firing: {}", incident.rule_name)
        };
        let moment_us = incident.resolved_us.unwrap_or(incident.fired_us);
        let data = json!({
            "incident_id": incident.id,
            "rule_id": row.id,
            "rule_name": incident.rule_name,
            "severity": incident.severity,
            "summary": incident.summary,
            "value": incident.value,
            "filter": row.rule.filter,
            "condition": row.rule.condition,
            "began_at": at(incident.began_us),
            "fired_at": at(incident.fired_us),
            "resolved_at": incident.resolved_us.map(at),
            "url": format!("{}/console/alerts", self.base_url()),
        });
        self.alert_word(row, kind, title, incident.summary.clone(), moment_us, data)
            .await
            .map(|word| Word {
                cause: format!("{}:{kind}", incident.id),
                ..word
            })
    }

    /// A word about a rule, whose cause the caller knows.
    pub(super) async fn alert_word<'a>(
        &self,
        row: &'a AlertRuleRow,
        kind: &'static str,
        title: String,
        summary: String,
        moment_us: i64,
        data: Value,
    ) -> Result<Word<'a>, AlertError> {
        let found = self.store().organization_get(row.organization_id).await?;
        let organization = found.map(|found| found.name).unwrap_or_default();
        Ok(Word {
            event: NotificationEvent::Alert,
            roles: &row.rule.notify.roles,
            addresses: Addresses::Named(&row.rule.notify.webhook_ids),
            cause: String::new(),
            link: "/console/alerts".to_owned(),
            values: vec![
                ("title", title.clone()),
                ("rule", row.rule.name.clone()),
                ("organization", organization),
                ("summary", summary),
                ("at", Self::moment(at(moment_us))),
            ],
            kind,
            title,
            data,
        })
    }
}
