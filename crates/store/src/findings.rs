//! What was unusual, what is not to be told, and who looks.

use apiverse_contract::{ApiId, FindingId, MuteId, OrganizationId};
use serde_json::Value;
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::audit::insert_audit;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};

/// Something unusual. Times are microseconds since 1970.
#[derive(Clone, Debug, PartialEq)]
pub struct FindingRow {
    pub id: FindingId,
    pub organization_id: OrganizationId,
    pub api_id: Option<ApiId>,
    /// Empty: the API as a whole.
    pub route: String,
    pub metric: String,
    pub state: String,
    pub above: bool,
    pub started_us: i64,
    pub ended_us: Option<i64>,
    pub worst_us: i64,
    pub value: f64,
    pub expected: f64,
    pub score: f64,
    /// What explains it.
    pub parts: Value,
    pub acknowledged_us: Option<i64>,
    pub acknowledged_by: Option<String>,
    pub note: Option<String>,
}

/// Findings that are not to be told; `None` stands for any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MuteRow {
    pub id: MuteId,
    pub organization_id: OrganizationId,
    pub api_id: Option<ApiId>,
    pub route: Option<String>,
    pub metric: Option<String>,
    pub until_us: Option<i64>,
    pub created_by: String,
    pub created_us: i64,
}

/// Which findings are meant; `None`: any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingFilter {
    pub organization_id: OrganizationId,
    pub api_id: Option<ApiId>,
    pub state: Option<String>,
    pub metric: Option<String>,
    pub acknowledged: Option<bool>,
}

from_row! {
    FindingRow, row => FindingRow {
        id: FindingId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        api_id: Some(row.try_get::<Uuid, _>("api_id")?).filter(|id| !id.is_nil()).map(ApiId),
        route: row.try_get("route")?,
        metric: row.try_get("metric")?,
        state: row.try_get("state")?,
        above: row.try_get("above")?,
        started_us: row.try_get("started_us")?,
        ended_us: row.try_get("ended_us")?,
        worst_us: row.try_get("worst_us")?,
        value: row.try_get("value")?,
        expected: row.try_get("expected")?,
        score: row.try_get("score")?,
        parts: row.try_get::<Json<Value>, _>("parts")?.0,
        acknowledged_us: row.try_get("acknowledged_us")?,
        acknowledged_by: row.try_get("acknowledged_by")?,
        note: row.try_get("note")?,
    };
    MuteRow, row => MuteRow {
        id: MuteId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        api_id: row.try_get::<Option<Uuid>, _>("api_id")?.map(ApiId),
        route: row.try_get("route")?,
        metric: row.try_get("metric")?,
        until_us: row.try_get("until_us")?,
        created_by: row.try_get("created_by")?,
        created_us: row.try_get("created_us")?,
    };
}

impl Store {
    /// Stores findings. One that is known, by what it is of and when it began, is brought up to
    /// date; what people said about it stays.
    ///
    /// # Errors
    /// When the database fails; then none is stored.
    pub async fn findings_put(&self, rows: &[FindingRow]) -> Result<()> {
        const SQL: &str = "INSERT INTO usage_findings (id, organization_id, api_id, route, metric, \
             state, above, started_us, ended_us, worst_us, value, expected, score, parts) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) \
             ON CONFLICT (organization_id, api_id, route, metric, started_us) DO UPDATE SET \
             state = excluded.state, above = excluded.above, ended_us = excluded.ended_us, \
             worst_us = excluded.worst_us, value = excluded.value, expected = excluded.expected, \
             score = excluded.score, parts = excluded.parts";
        with_transaction!(self, tx => {
            for row in rows {
                sqlx::query(SQL)
                    .bind(row.id.0)
                    .bind(row.organization_id.0)
                    .bind(row.api_id.map_or(Uuid::nil(), |id| id.0))
                    .bind(&row.route)
                    .bind(&row.metric)
                    .bind(&row.state)
                    .bind(row.above)
                    .bind(row.started_us)
                    .bind(row.ended_us)
                    .bind(row.worst_us)
                    .bind(row.value)
                    .bind(row.expected)
                    .bind(row.score)
                    .bind(Json(&row.parts))
                    .execute(&mut *tx)
                    .await?;
            }
        });
        Ok(())
    }

    /// Latest beginning first; `before` continues after one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn findings_list(
        &self,
        filter: &FindingFilter,
        before: Option<(i64, FindingId)>,
        limit: u32,
    ) -> Result<Vec<FindingRow>> {
        const SQL: &str = "SELECT * FROM usage_findings WHERE organization_id = $1 \
             AND ($2 IS NULL OR api_id = $2) AND ($3 IS NULL OR state = $3) \
             AND ($4 IS NULL OR metric = $4) \
             AND ($5 IS NULL OR (acknowledged_us IS NOT NULL) = $5) \
             AND ($6 IS NULL OR started_us < $6 OR (started_us = $6 AND id < $7)) \
             ORDER BY started_us DESC, id DESC LIMIT $8";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(filter.organization_id.0)
            .bind(filter.api_id.map(|id| id.0))
            .bind(filter.state.as_deref())
            .bind(filter.metric.as_deref())
            .bind(filter.acknowledged)
            .bind(before.map(|(at, _)| at))
            .bind(before.map(|(_, id)| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// All that began since a time, in no order.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn findings_since(
        &self,
        organization_id: OrganizationId,
        since_us: i64,
    ) -> Result<Vec<FindingRow>> {
        const SQL: &str =
            "SELECT * FROM usage_findings WHERE organization_id = $1 AND started_us >= $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(since_us)
            .fetch_all(pool)
            .await?))
    }

    /// One finding.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finding_get(
        &self,
        organization_id: OrganizationId,
        id: FindingId,
    ) -> Result<Option<FindingRow>> {
        const SQL: &str = "SELECT * FROM usage_findings WHERE organization_id = $1 AND id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// Notes that somebody has seen a finding, or (`None`) takes that back. False when there is
    /// no such finding.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn finding_acknowledge(
        &self,
        organization_id: OrganizationId,
        id: FindingId,
        by: Option<(i64, &str)>,
        note: Option<&str>,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE usage_findings SET acknowledged_us = $3, acknowledged_by = $4, \
             note = $5 WHERE organization_id = $1 AND id = $2";
        Ok(with_transaction!(self, tx => {
            let done = sqlx::query(SQL)
                .bind(organization_id.0)
                .bind(id.0)
                .bind(by.map(|(at, _)| at))
                .bind(by.map(|(_, who)| who))
                .bind(note)
                .execute(&mut *tx)
                .await?
                .rows_affected() == 1;
            if done {
                insert_audit!(audit, &mut *tx);
            }
            done
        }))
    }

    /// Forgets findings that began before a time; how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn findings_forget(&self, before_us: i64) -> Result<u64> {
        const SQL: &str = "DELETE FROM usage_findings WHERE started_us < $1";
        Ok(with_pool!(self, pool =>
            sqlx::query(SQL).bind(before_us).execute(pool).await?.rows_affected()))
    }

    /// The latest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mutes_list(&self, organization_id: OrganizationId) -> Result<Vec<MuteRow>> {
        const SQL: &str =
            "SELECT * FROM usage_mutes WHERE organization_id = $1 ORDER BY id DESC LIMIT 500";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .fetch_all(pool)
            .await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn mute_insert(&self, row: &MuteRow, audit: &AuditRow) -> Result<()> {
        const SQL: &str = "INSERT INTO usage_mutes \
             (id, organization_id, api_id, route, metric, until_us, created_by, created_us) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        with_transaction!(self, tx => {
            sqlx::query(SQL)
                .bind(row.id.0)
                .bind(row.organization_id.0)
                .bind(row.api_id.map(|id| id.0))
                .bind(row.route.as_deref())
                .bind(row.metric.as_deref())
                .bind(row.until_us)
                .bind(&row.created_by)
                .bind(row.created_us)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
        });
        Ok(())
    }

    /// False when there is no such mute.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn mute_delete(
        &self,
        organization_id: OrganizationId,
        id: MuteId,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM usage_mutes WHERE organization_id = $1 AND id = $2";
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

    /// Organizations that had calls since a time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_organizations(&self, since_us: i64) -> Result<Vec<OrganizationId>> {
        // Blocks of hours, without keys.
        const SQL: &str = "SELECT DISTINCT organization_id FROM usage_blocks \
             WHERE step = 1 AND view = 0 AND start_us >= $1";
        let ids: Vec<Uuid> = with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(since_us)
            .fetch_all(pool)
            .await?);
        Ok(ids.into_iter().map(OrganizationId).collect())
    }

    /// Takes or keeps a task that only one node does, until `until_us`. False: another has it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lease_take(
        &self,
        name: &str,
        holder: Uuid,
        now_us: i64,
        until_us: i64,
    ) -> Result<bool> {
        const SQL: &str = "INSERT INTO node_leases (name, holder, until_us) VALUES ($1, $2, $4) \
             ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_us = excluded.until_us \
             WHERE node_leases.holder = excluded.holder OR node_leases.until_us <= $3";
        let taken = with_pool!(self, pool => sqlx::query(SQL)
            .bind(name)
            .bind(holder)
            .bind(now_us)
            .bind(until_us)
            .execute(pool)
            .await?
            .rows_affected());
        Ok(taken == 1)
    }
}
