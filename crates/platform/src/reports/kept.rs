//! Reports that are kept.

use apiverse_contract::page::check_limit;
use apiverse_contract::reports::{ReportStatus, ReportView, ReportsQuery};
use apiverse_contract::{Page, ReportId};
use apiverse_store::ReportRow;
use bytes::Bytes;
use chrono_tz::Tz;
use serde_json::json;

use super::make::away;
use super::{ReportsError, at};
use crate::actor::Actor;
use crate::cursor;
use crate::fault::{Invalid, ReportGone};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

/// Reports that are forgotten in one go.
const BATCH: u32 = 100;

/// What a report is kept as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportFile {
    Html,
    Csv,
}

impl ReportFile {
    pub(super) const ALL: [Self; 2] = [Self::Html, Self::Csv];

    /// What names of such files end with.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Csv => "csv",
        }
    }

    pub(super) fn object(self, key: &str) -> String {
        format!("{key}.{}", self.extension())
    }
}

impl Platform {
    /// Reports, the latest first.
    ///
    /// # Errors
    /// See [`ReportsError`].
    pub async fn reports_list(
        &self,
        actor: &Actor,
        query: ReportsQuery,
    ) -> Result<Page<ReportView>, ReportsError> {
        let permit = actor.require(Permission::UsageRead)?;
        let limit = check_limit(query.limit).map_err(|error| Invalid(vec![error]))?;
        let before = cursor::to_id(query.cursor.as_deref())?.map(ReportId);
        let rows = self
            .store()
            .reports_list(
                permit.organization_id(),
                query.schedule_id,
                before,
                limit + 1,
            )
            .await?;
        Ok(Page::from_rows(rows, limit, |row| cursor::of_id(row.id.0)).map(view))
    }

    /// One report.
    ///
    /// # Errors
    /// See [`ReportsError`].
    pub async fn report_get(
        &self,
        actor: &Actor,
        id: ReportId,
    ) -> Result<ReportView, ReportsError> {
        self.report_found(actor, id).await.map(view)
    }

    async fn report_found(&self, actor: &Actor, id: ReportId) -> Result<ReportRow, ReportsError> {
        let permit = actor.require(Permission::UsageRead)?;
        let found = self.store().report_get(permit.organization_id(), id);
        found.await?.ok_or_else(|| ReportGone.into())
    }

    /// A report's file, and the name it is saved under.
    ///
    /// # Errors
    /// See [`ReportsError`].
    pub async fn report_file(
        &self,
        actor: &Actor,
        id: ReportId,
        file: ReportFile,
    ) -> Result<(String, Bytes), ReportsError> {
        let row = self.report_found(actor, id).await?;
        if row.status != ReportStatus::Ready.as_str() {
            return Err(ReportGone.into());
        }
        let object = file.object(&row.object_key);
        let found = self.inner.config.reports.objects.get(&object).await;
        let bytes = found.map_err(|error| away(&error))?.ok_or(ReportGone)?;
        let name = format!("report-{}.{}", view(row).first_day, file.extension());
        Ok((name, bytes))
    }

    /// Deletes a report and its files.
    ///
    /// # Errors
    /// See [`ReportsError`].
    pub async fn report_delete(&self, actor: &Actor, id: ReportId) -> Result<(), ReportsError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let row = self.report_found(actor, id).await?;
        // First, since they are found by the row.
        self.delete_files(&row.object_key).await?;
        let audit = self.audit(
            actor,
            Event {
                action: "report.deleted",
                target_type: "report",
                target_id: id.to_string(),
                details: json!({ "name": row.name }),
            },
        );
        let done = self
            .store()
            .report_delete(permit.organization_id(), id, Some(&audit))
            .await?;
        if done { Ok(()) } else { Err(ReportGone.into()) }
    }

    /// Deletes reports that were kept long enough, and those of organizations that are gone.
    ///
    /// # Errors
    /// When the database or the report store fails.
    pub async fn forget_reports(&self) -> Result<(), ReportsError> {
        let kept = self.inner.config.reports.kept.as_micros();
        let now_us = self.now().timestamp_micros();
        let before_us = now_us.saturating_sub(i64::try_from(kept).unwrap_or(i64::MAX));
        loop {
            let rows = self.store().reports_over(before_us, BATCH).await?;
            let is_last = rows.len() < BATCH as usize;
            for row in rows {
                self.delete_files(&row.object_key).await?;
                self.store()
                    .report_delete(row.organization_id, row.id, None)
                    .await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

pub(super) fn view(row: ReportRow) -> ReportView {
    let zone = row.time_zone.parse().unwrap_or(Tz::UTC);
    let day = |us| at(us).with_timezone(&zone).date_naive();
    ReportView {
        first_day: day(row.from_us),
        last_day: day(row.to_us - 1),
        id: row.id,
        schedule_id: row.schedule_id,
        name: row.name,
        api_id: row.api_id,
        from: at(row.from_us),
        to: at(row.to_us),
        time_zone: row.time_zone,
        made_at: at(row.made_us),
        status: if row.status == ReportStatus::Ready.as_str() {
            ReportStatus::Ready
        } else {
            ReportStatus::Failed
        },
        problem: row.problem,
        size: u64::try_from(row.size).unwrap_or(0),
        headline: row.headline,
        created_by: row.created_by,
    }
}
