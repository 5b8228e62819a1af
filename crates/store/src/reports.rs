//! When reports are made, and those that are kept.

use apiverse_contract::reports::{CreateReportSchedule, ReportHeadline};
use apiverse_contract::{ApiId, OrganizationId, ReportId, ReportScheduleId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::audit::insert_audit;
use crate::notifications::{NotificationRow, insert_notification};
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};

/// When reports are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportScheduleRow {
    pub id: ReportScheduleId,
    pub organization_id: OrganizationId,
    pub schedule: CreateReportSchedule,
    pub created_by: String,
    /// When the next one is to be made; `None`: never.
    pub due_us: Option<i64>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A report that is kept, or could not be made.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportRow {
    pub id: ReportId,
    pub organization_id: OrganizationId,
    pub schedule_id: Option<ReportScheduleId>,
    pub name: String,
    pub api_id: Option<ApiId>,
    pub from_us: i64,
    pub to_us: i64,
    pub time_zone: String,
    pub made_us: i64,
    /// `ready` or `failed`.
    pub status: String,
    pub problem: Option<String>,
    pub size: i64,
    /// Its files are named for it.
    pub object_key: String,
    pub headline: ReportHeadline,
    pub created_by: String,
}

from_row! {
    ReportScheduleRow, row => ReportScheduleRow {
        id: ReportScheduleId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        schedule: row.try_get::<Json<CreateReportSchedule>, _>("document")?.0,
        created_by: row.try_get("created_by")?,
        due_us: row.try_get("due_us")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
    ReportRow, row => ReportRow {
        id: ReportId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        schedule_id: row.try_get::<Option<Uuid>, _>("schedule_id")?.map(ReportScheduleId),
        name: row.try_get("name")?,
        api_id: row.try_get::<Option<Uuid>, _>("api_id")?.map(ApiId),
        from_us: row.try_get("from_us")?,
        to_us: row.try_get("to_us")?,
        time_zone: row.try_get("time_zone")?,
        made_us: row.try_get("made_us")?,
        status: row.try_get("status")?,
        problem: row.try_get("problem")?,
        size: row.try_get("size")?,
        object_key: row.try_get("object_key")?,
        headline: row.try_get::<Json<ReportHeadline>, _>("headline")?.0,
        created_by: row.try_get("created_by")?,
    };
}

/// Puts a report where none is yet, or in the place of one that failed.
const PUT_REPORT: &str = "INSERT INTO reports (id, organization_id, schedule_id, name, api_id, \
     from_us, to_us, time_zone, made_us, status, problem, size, object_key, headline, created_by) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
     ON CONFLICT (schedule_id, from_us, to_us) DO UPDATE SET name = excluded.name, \
     api_id = excluded.api_id, time_zone = excluded.time_zone, made_us = excluded.made_us, \
     status = excluded.status, problem = excluded.problem, size = excluded.size, \
     object_key = excluded.object_key, headline = excluded.headline \
     WHERE reports.status = 'failed'";

macro_rules! put_report {
    ($row:expr, $executor:expr) => {
        sqlx::query(PUT_REPORT)
            .bind($row.id.0)
            .bind($row.organization_id.0)
            .bind($row.schedule_id.map(|id| id.0))
            .bind(&$row.name)
            .bind($row.api_id.map(|id| id.0))
            .bind($row.from_us)
            .bind($row.to_us)
            .bind(&$row.time_zone)
            .bind($row.made_us)
            .bind(&$row.status)
            .bind(&$row.problem)
            .bind($row.size)
            .bind(&$row.object_key)
            .bind(Json(&$row.headline))
            .bind(&$row.created_by)
            .execute($executor)
            .await?
            .rows_affected()
    };
}

impl Store {
    /// All schedules, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn report_schedules_list(
        &self,
        organization_id: OrganizationId,
    ) -> Result<Vec<ReportScheduleRow>> {
        const SQL: &str =
            "SELECT * FROM report_schedules WHERE organization_id = $1 ORDER BY id LIMIT 500";
        Ok(with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(organization_id.0).fetch_all(pool).await?))
    }

    /// One schedule.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn report_schedule_get(
        &self,
        organization_id: OrganizationId,
        id: ReportScheduleId,
    ) -> Result<Option<ReportScheduleRow>> {
        const SQL: &str = "SELECT * FROM report_schedules WHERE organization_id = $1 AND id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// Schedules whose time has come, of any organization, those that wait longest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn report_schedules_due(
        &self,
        now_us: i64,
        limit: u32,
    ) -> Result<Vec<ReportScheduleRow>> {
        const SQL: &str =
            "SELECT * FROM report_schedules WHERE due_us <= $1 ORDER BY due_us, id LIMIT $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(now_us)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// Creates or replaces a schedule.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn report_schedule_put(
        &self,
        row: &ReportScheduleRow,
        audit: &AuditRow,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO report_schedules \
             (id, organization_id, document, created_by, due_us, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (id) DO UPDATE SET \
             document = excluded.document, due_us = excluded.due_us, \
             updated_at = excluded.updated_at \
             WHERE report_schedules.organization_id = excluded.organization_id";
        with_transaction!(self, tx => {
            sqlx::query(SQL)
                .bind(row.id.0)
                .bind(row.organization_id.0)
                .bind(Json(&row.schedule))
                .bind(&row.created_by)
                .bind(row.due_us)
                .bind(row.created_at)
                .bind(row.updated_at)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
        });
        Ok(())
    }

    /// False when there is no such schedule. What it made stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn report_schedule_delete(
        &self,
        organization_id: OrganizationId,
        id: ReportScheduleId,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM report_schedules WHERE organization_id = $1 AND id = $2";
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

    /// Notes a report of a schedule with the messages that are owed for it, and when the next is
    /// due: all of it, or nothing. False when the schedule was changed or deleted since it was
    /// read, or somebody else has made the report; then no report is noted.
    ///
    /// # Errors
    /// When the database fails; then nothing is noted.
    pub async fn report_note(
        &self,
        read: &ReportScheduleRow,
        due_us: i64,
        report: &ReportRow,
        messages: &[NotificationRow],
    ) -> Result<bool> {
        const SQL: &str = "UPDATE report_schedules SET due_us = $4 \
             WHERE organization_id = $1 AND id = $2 AND due_us = $3 AND updated_at = $5";
        Ok(with_transaction!(self, tx => {
            let moved = sqlx::query(SQL)
                .bind(read.organization_id.0)
                .bind(read.id.0)
                .bind(read.due_us)
                .bind(due_us)
                .bind(read.updated_at)
                .execute(&mut *tx)
                .await?
                .rows_affected() == 1;
            let made = moved && put_report!(report, &mut *tx) == 1;
            if made {
                for message in messages {
                    insert_notification!(message, &mut *tx);
                }
            }
            made
        }))
    }

    /// Keeps a report somebody asked for, with the messages that are owed for it.
    ///
    /// # Errors
    /// When the database fails; then nothing is noted.
    pub async fn report_insert(
        &self,
        report: &ReportRow,
        messages: &[NotificationRow],
        audit: &AuditRow,
    ) -> Result<()> {
        with_transaction!(self, tx => {
            put_report!(report, &mut *tx);
            for message in messages {
                insert_notification!(message, &mut *tx);
            }
            insert_audit!(audit, &mut *tx);
        });
        Ok(())
    }

    /// The latest first; `before` continues after one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reports_list(
        &self,
        organization_id: OrganizationId,
        schedule_id: Option<ReportScheduleId>,
        before: Option<ReportId>,
        limit: u32,
    ) -> Result<Vec<ReportRow>> {
        const SQL: &str = "SELECT * FROM reports WHERE organization_id = $1 \
             AND ($2 IS NULL OR schedule_id = $2) AND ($3 IS NULL OR id < $3) \
             ORDER BY id DESC LIMIT $4";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(schedule_id.map(|id| id.0))
            .bind(before.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// One report.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn report_get(
        &self,
        organization_id: OrganizationId,
        id: ReportId,
    ) -> Result<Option<ReportRow>> {
        const SQL: &str = "SELECT * FROM reports WHERE organization_id = $1 AND id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// False when there is no such report.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn report_delete(
        &self,
        organization_id: OrganizationId,
        id: ReportId,
        audit: Option<&AuditRow>,
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM reports WHERE organization_id = $1 AND id = $2";
        Ok(with_transaction!(self, tx => {
            let done = sqlx::query(SQL)
                .bind(organization_id.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?
                .rows_affected() == 1;
            if let (true, Some(audit)) = (done, audit) {
                insert_audit!(audit, &mut *tx);
            }
            done
        }))
    }

    /// Reports that need not be kept: made before a time, or of an organization that is gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn reports_over(&self, before_us: i64, limit: u32) -> Result<Vec<ReportRow>> {
        const SQL: &str = "SELECT * FROM reports WHERE made_us < $1 OR NOT EXISTS \
             (SELECT 1 FROM organizations o WHERE o.id = reports.organization_id) \
             ORDER BY id LIMIT $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(before_us)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }
}
