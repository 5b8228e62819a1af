//! Rules that alert, where each stands, what they found, and silences.

use apiverse_contract::alerts::PutAlertRule;
use apiverse_contract::{AlertRuleId, IncidentId, OrganizationId, SilenceId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::audit::insert_audit;
use crate::notifications::{NotificationRow, insert_notification};
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};

/// A rule, and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRuleRow {
    pub id: AlertRuleId,
    pub organization_id: OrganizationId,
    pub rule: PutAlertRule,
    pub standing: AlertStanding,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Where a rule stands. Times are microseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertStanding {
    /// `ok`, `pending` or `firing`.
    pub state: String,
    /// Since when.
    pub since_us: Option<i64>,
    /// Since when its condition does not hold any more, while it fires.
    pub calm_us: Option<i64>,
    /// What was last measured.
    pub value: Option<f64>,
    /// Up to when calls were looked at; 0: never.
    pub looked_us: i64,
    /// What it fires for now.
    pub incident_id: Option<IncidentId>,
    /// Counts what was noted.
    pub turn: i64,
}

impl Default for AlertStanding {
    fn default() -> Self {
        Self {
            state: "ok".to_owned(),
            since_us: None,
            calm_us: None,
            value: None,
            looked_us: 0,
            incident_id: None,
            turn: 0,
        }
    }
}

/// Once that a rule fired.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentRow {
    pub id: IncidentId,
    pub organization_id: OrganizationId,
    pub rule_id: AlertRuleId,
    pub rule_name: String,
    pub severity: String,
    pub summary: String,
    pub began_us: i64,
    pub fired_us: i64,
    pub resolved_us: Option<i64>,
    pub value: Option<f64>,
    pub told: bool,
}

/// A time in which nobody is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SilenceRow {
    pub id: SilenceId,
    pub organization_id: OrganizationId,
    /// `None`: of any rule.
    pub rule_id: Option<AlertRuleId>,
    pub until_us: i64,
    pub reason: String,
    pub created_by: String,
    pub created_us: i64,
}

/// Which incidents are meant; `None`: any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncidentFilter {
    pub organization_id: OrganizationId,
    pub rule_id: Option<AlertRuleId>,
    pub firing: Option<bool>,
}

from_row! {
    AlertRuleRow, row => AlertRuleRow {
        id: AlertRuleId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        rule: row.try_get::<Json<PutAlertRule>, _>("document")?.0,
        standing: AlertStanding {
            state: row.try_get("state")?,
            since_us: row.try_get("since_us")?,
            calm_us: row.try_get("calm_us")?,
            value: row.try_get("value")?,
            looked_us: row.try_get("looked_us")?,
            incident_id: row.try_get::<Option<Uuid>, _>("incident_id")?.map(IncidentId),
            turn: row.try_get("turn")?,
        },
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
    IncidentRow, row => IncidentRow {
        id: IncidentId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        rule_id: AlertRuleId(row.try_get("rule_id")?),
        rule_name: row.try_get("rule_name")?,
        severity: row.try_get("severity")?,
        summary: row.try_get("summary")?,
        began_us: row.try_get("began_us")?,
        fired_us: row.try_get("fired_us")?,
        resolved_us: row.try_get("resolved_us")?,
        value: row.try_get("value")?,
        told: row.try_get("told")?,
    };
    SilenceRow, row => SilenceRow {
        id: SilenceId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        rule_id: row.try_get::<Option<Uuid>, _>("rule_id")?.map(AlertRuleId),
        until_us: row.try_get("until_us")?,
        reason: row.try_get("reason")?,
        created_by: row.try_get("created_by")?,
        created_us: row.try_get("created_us")?,
    };
}

impl Store {
    /// All rules, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_rules_list(
        &self,
        organization_id: OrganizationId,
    ) -> Result<Vec<AlertRuleRow>> {
        const SQL: &str =
            "SELECT * FROM alert_rules WHERE organization_id = $1 ORDER BY id LIMIT 500";
        Ok(with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(organization_id.0).fetch_all(pool).await?))
    }

    /// One rule.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_rule_get(
        &self,
        organization_id: OrganizationId,
        id: AlertRuleId,
    ) -> Result<Option<AlertRuleRow>> {
        const SQL: &str = "SELECT * FROM alert_rules WHERE organization_id = $1 AND id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// Organizations that have rules.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_organizations(&self) -> Result<Vec<OrganizationId>> {
        const SQL: &str = "SELECT DISTINCT organization_id FROM alert_rules";
        let ids: Vec<Uuid> = with_pool!(self, pool =>
            sqlx::query_scalar(SQL).fetch_all(pool).await?);
        Ok(ids.into_iter().map(OrganizationId).collect())
    }

    /// Creates or replaces a rule. One that is replaced begins anew, and what it fires for is
    /// over at `updated_at`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_rule_put(&self, row: &AlertRuleRow, audit: &AuditRow) -> Result<()> {
        const SQL: &str = "INSERT INTO alert_rules \
             (id, organization_id, document, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET \
             document = excluded.document, updated_at = excluded.updated_at, state = 'ok', \
             since_us = NULL, calm_us = NULL, value = NULL, looked_us = 0, incident_id = NULL, \
             turn = alert_rules.turn + 1 \
             WHERE alert_rules.organization_id = excluded.organization_id";
        const OVER: &str = "UPDATE alert_incidents SET resolved_us = $3 \
             WHERE organization_id = $1 AND rule_id = $2 AND resolved_us IS NULL";
        with_transaction!(self, tx => {
            sqlx::query(SQL)
                .bind(row.id.0)
                .bind(row.organization_id.0)
                .bind(Json(&row.rule))
                .bind(row.created_at)
                .bind(row.updated_at)
                .execute(&mut *tx)
                .await?;
            sqlx::query(OVER)
                .bind(row.organization_id.0)
                .bind(row.id.0)
                .bind(row.updated_at.timestamp_micros())
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
        });
        Ok(())
    }

    /// False when there is no such rule.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn alert_rule_delete(
        &self,
        organization_id: OrganizationId,
        id: AlertRuleId,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM alert_rules WHERE organization_id = $1 AND id = $2";
        Ok(with_transaction!(self, tx => {
            let done = sqlx::query(SQL)
                .bind(organization_id.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?
                .rows_affected() == 1;
            if done {
                insert_audit!(audit, &mut *tx);
            }
            done
        }))
    }

    /// Notes where a rule stands now, with what it fires for and the messages that are owed for
    /// it: all of it, or nothing. False when somebody else has noted something since the rule was
    /// read, or it was replaced or deleted.
    ///
    /// # Errors
    /// When the database fails; then nothing is noted.
    pub async fn alert_note(
        &self,
        read: &AlertRuleRow,
        standing: &AlertStanding,
        incident: Option<&IncidentRow>,
        messages: &[NotificationRow],
    ) -> Result<bool> {
        const SQL: &str = "UPDATE alert_rules SET state = $4, since_us = $5, calm_us = $6, \
             value = $7, looked_us = $8, incident_id = $9, turn = turn + 1 \
             WHERE organization_id = $1 AND id = $2 AND turn = $3";
        const INCIDENT: &str = "INSERT INTO alert_incidents (id, organization_id, rule_id, \
             rule_name, severity, summary, began_us, fired_us, resolved_us, value, told) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (id) DO UPDATE SET resolved_us = excluded.resolved_us, \
             told = excluded.told";
        Ok(with_transaction!(self, tx => {
            let done = sqlx::query(SQL)
                .bind(read.organization_id.0)
                .bind(read.id.0)
                .bind(read.standing.turn)
                .bind(&standing.state)
                .bind(standing.since_us)
                .bind(standing.calm_us)
                .bind(standing.value)
                .bind(standing.looked_us)
                .bind(standing.incident_id.map(|id| id.0))
                .execute(&mut *tx)
                .await?
                .rows_affected() == 1;
            if done {
                if let Some(row) = incident {
                    sqlx::query(INCIDENT)
                        .bind(row.id.0)
                        .bind(row.organization_id.0)
                        .bind(row.rule_id.0)
                        .bind(&row.rule_name)
                        .bind(&row.severity)
                        .bind(&row.summary)
                        .bind(row.began_us)
                        .bind(row.fired_us)
                        .bind(row.resolved_us)
                        .bind(row.value)
                        .bind(row.told)
                        .execute(&mut *tx)
                        .await?;
                }
                for message in messages {
                    insert_notification!(message, &mut *tx);
                }
            }
            done
        }))
    }

    /// One incident.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn incident_get(
        &self,
        organization_id: OrganizationId,
        id: IncidentId,
    ) -> Result<Option<IncidentRow>> {
        const SQL: &str = "SELECT * FROM alert_incidents WHERE organization_id = $1 AND id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// The latest first; `before` continues after one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn incidents_list(
        &self,
        filter: IncidentFilter,
        before: Option<(i64, IncidentId)>,
        limit: u32,
    ) -> Result<Vec<IncidentRow>> {
        const SQL: &str = "SELECT * FROM alert_incidents WHERE organization_id = $1 \
             AND ($2 IS NULL OR rule_id = $2) AND ($3 IS NULL OR (resolved_us IS NULL) = $3) \
             AND ($4 IS NULL OR fired_us < $4 OR (fired_us = $4 AND id < $5)) \
             ORDER BY fired_us DESC, id DESC LIMIT $6";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(filter.organization_id.0)
            .bind(filter.rule_id.map(|id| id.0))
            .bind(filter.firing)
            .bind(before.map(|(at, _)| at))
            .bind(before.map(|(_, id)| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// Forgets incidents that were over before a time, and silences that were; how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn incidents_forget(&self, before_us: i64) -> Result<u64> {
        const INCIDENTS: &str = "DELETE FROM alert_incidents WHERE resolved_us < $1";
        const SILENCES: &str = "DELETE FROM alert_silences WHERE until_us < $1";
        Ok(with_transaction!(self, tx => {
            let mut gone = 0;
            for sql in [INCIDENTS, SILENCES] {
                gone += sqlx::query(sql).bind(before_us).execute(&mut *tx).await?.rows_affected();
            }
            gone
        }))
    }

    /// Silences that are not over, the latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn silences_list(
        &self,
        organization_id: OrganizationId,
        now_us: i64,
    ) -> Result<Vec<SilenceRow>> {
        const SQL: &str = "SELECT * FROM alert_silences \
             WHERE organization_id = $1 AND until_us > $2 ORDER BY id DESC LIMIT 500";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(now_us)
            .fetch_all(pool)
            .await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn silence_insert(&self, row: &SilenceRow, audit: &AuditRow) -> Result<()> {
        const SQL: &str = "INSERT INTO alert_silences \
             (id, organization_id, rule_id, until_us, reason, created_by, created_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)";
        with_transaction!(self, tx => {
            sqlx::query(SQL)
                .bind(row.id.0)
                .bind(row.organization_id.0)
                .bind(row.rule_id.map(|id| id.0))
                .bind(row.until_us)
                .bind(&row.reason)
                .bind(&row.created_by)
                .bind(row.created_us)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
        });
        Ok(())
    }

    /// False when there is no such silence.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn silence_delete(
        &self,
        organization_id: OrganizationId,
        id: SilenceId,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM alert_silences WHERE organization_id = $1 AND id = $2";
        Ok(with_transaction!(self, tx => {
            let done = sqlx::query(SQL)
                .bind(organization_id.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?
                .rows_affected() == 1;
            if done {
                insert_audit!(audit, &mut *tx);
            }
            done
        }))
    }
}
