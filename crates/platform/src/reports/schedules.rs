//! When reports are made.

use apiverse_contract::reports::{CreateReportSchedule, ReportScheduleView, UpdateReportSchedule};
use apiverse_contract::usage::UsageDimension;
use apiverse_contract::{ApiId, OrganizationId, Page, ReportScheduleId, UserId};
use apiverse_store::ReportScheduleRow;
use serde_json::json;

use super::calendar::Calendar;
use super::{MOST, ReportsError, at, zone};
use crate::actor::Actor;
use crate::clock::new_id;
use crate::fault::{Invalid, ReportScheduleGone, TooMany};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};
use crate::usage::Names;

impl Platform {
    /// All schedules, the oldest first.
    ///
    /// # Errors
    /// See [`ReportsError`].
    pub async fn report_schedules_list(
        &self,
        actor: &Actor,
    ) -> Result<Page<ReportScheduleView>, ReportsError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let rows = self.store().report_schedules_list(organization_id).await?;
        Ok(Page {
            data: self.schedule_views(organization_id, rows).await?,
            next_cursor: None,
        })
    }

    /// One schedule.
    ///
    /// # Errors
    /// See [`ReportsError`].
    pub async fn report_schedule_get(
        &self,
        actor: &Actor,
        id: ReportScheduleId,
    ) -> Result<ReportScheduleView, ReportsError> {
        let permit = actor.require(Permission::UsageRead)?;
        let row = self.schedule_row(permit.organization_id(), id).await?;
        self.schedule_view(row).await
    }

    async fn schedule_row(
        &self,
        organization_id: OrganizationId,
        id: ReportScheduleId,
    ) -> Result<ReportScheduleRow, ReportsError> {
        let found = self.store().report_schedule_get(organization_id, id);
        found.await?.ok_or_else(|| ReportScheduleGone.into())
    }

    async fn schedule_view(
        &self,
        row: ReportScheduleRow,
    ) -> Result<ReportScheduleView, ReportsError> {
        let views = self.schedule_views(row.organization_id, vec![row]).await?;
        views
            .into_iter()
            .next()
            .ok_or_else(|| ReportScheduleGone.into())
    }

    async fn schedule_views(
        &self,
        organization_id: OrganizationId,
        rows: Vec<ReportScheduleRow>,
    ) -> Result<Vec<ReportScheduleView>, ReportsError> {
        let mut names = Names::new(self, organization_id);
        let mut views = Vec::with_capacity(rows.len());
        for mut row in rows {
            row.schedule.recipients = self
                .still_members(organization_id, row.schedule.recipients)
                .await?;
            views.push(ReportScheduleView {
                id: row.id,
                api_name: match row.schedule.api_id {
                    Some(id) => names.name(UsageDimension::Api, id.0).await?,
                    None => None,
                },
                next_due: row.due_us.map(at),
                created_by: row.created_by,
                created_at: row.created_at,
                updated_at: row.updated_at,
                schedule: row.schedule,
            });
        }
        Ok(views)
    }

    /// Those of them who are in the organization.
    async fn still_members(
        &self,
        organization_id: OrganizationId,
        users: Vec<UserId>,
    ) -> Result<Vec<UserId>, ReportsError> {
        let mut members = Vec::with_capacity(users.len());
        for user_id in users {
            let found = self.store().member_get(organization_id, user_id).await?;
            if found.is_some() {
                members.push(user_id);
            }
        }
        Ok(members)
    }

    /// Creates a schedule.
    ///
    /// # Errors
    /// See [`ReportsError`].
    pub async fn report_schedule_create(
        &self,
        actor: &Actor,
        schedule: CreateReportSchedule,
    ) -> Result<ReportScheduleView, ReportsError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let organization_id = permit.organization_id();
        let schedule = self
            .checked_schedule(organization_id, schedule, None)
            .await?;
        let there = self.store().report_schedules_list(organization_id).await?;
        if there.len() >= MOST {
            return Err(TooMany.into());
        }
        let now = self.now();
        let row = ReportScheduleRow {
            id: new_id!(self.inner.clock, ReportScheduleId),
            organization_id,
            due_us: self.next_due(&schedule)?,
            schedule,
            created_by: actor.name.clone(),
            created_at: now,
            updated_at: now,
        };
        self.put_schedule(actor, "report_schedule.created", row)
            .await
    }

    /// Changes a schedule.
    ///
    /// # Errors
    /// See [`ReportsError`].
    pub async fn report_schedule_update(
        &self,
        actor: &Actor,
        id: ReportScheduleId,
        change: UpdateReportSchedule,
    ) -> Result<ReportScheduleView, ReportsError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let organization_id = permit.organization_id();
        let old = self.schedule_row(organization_id, id).await?;
        let schedule = change.apply(old.schedule.clone());
        let schedule = self
            .checked_schedule(organization_id, schedule, Some(&old.schedule))
            .await?;
        let row = ReportScheduleRow {
            due_us: self.next_due(&schedule)?,
            schedule,
            updated_at: self.now(),
            ..old
        };
        self.put_schedule(actor, "report_schedule.updated", row)
            .await
    }

    fn next_due(&self, schedule: &CreateReportSchedule) -> Result<Option<i64>, Invalid> {
        let calendar = Calendar::new(schedule, zone(&schedule.time_zone)?);
        Ok(schedule.enabled.then(|| calendar.next_us(self.now())))
    }

    /// A schedule that is acceptable. What it names must be there, unless it was named before.
    async fn checked_schedule(
        &self,
        organization_id: OrganizationId,
        mut schedule: CreateReportSchedule,
        old: Option<&CreateReportSchedule>,
    ) -> Result<CreateReportSchedule, ReportsError> {
        schedule.validate().map_err(Invalid)?;
        schedule.name = schedule.name.trim().to_owned();
        zone(&schedule.time_zone)?;
        let old_api = old.and_then(|old| old.api_id);
        if schedule.api_id != old_api {
            self.check_report_api(organization_id, schedule.api_id)
                .await?;
        }
        let known = old.map_or(&[][..], |old| &old.recipients);
        self.check_recipients(organization_id, &schedule.recipients, known)
            .await?;
        schedule.recipients = self
            .still_members(organization_id, schedule.recipients)
            .await?;
        schedule.recipients.sort_unstable();
        schedule.recipients.dedup();
        Ok(schedule)
    }

    pub(super) async fn check_report_api(
        &self,
        organization_id: OrganizationId,
        api_id: Option<ApiId>,
    ) -> Result<(), ReportsError> {
        let Some(id) = api_id else { return Ok(()) };
        let name = self.store().usage_api_name(organization_id, id.0).await?;
        if name.is_none() {
            return Err(Invalid::one("api_id", "must be an API of your organization").into());
        }
        Ok(())
    }

    /// Refuses whoever is not a member: reports are mailed to nobody else.
    pub(super) async fn check_recipients(
        &self,
        organization_id: OrganizationId,
        recipients: &[UserId],
        known: &[UserId],
    ) -> Result<(), ReportsError> {
        for user_id in recipients.iter().filter(|id| !known.contains(id)) {
            let found = self.store().member_get(organization_id, *user_id).await?;
            if found.is_none() {
                let message = "must be members of your organization";
                return Err(Invalid::one("recipients", message).into());
            }
        }
        Ok(())
    }

    async fn put_schedule(
        &self,
        actor: &Actor,
        action: &str,
        row: ReportScheduleRow,
    ) -> Result<ReportScheduleView, ReportsError> {
        let audit = self.audit(
            actor,
            Event {
                action,
                target_type: "report_schedule",
                target_id: row.id.to_string(),
                details: json!({ "schedule": row.schedule }),
            },
        );
        self.store().report_schedule_put(&row, &audit).await?;
        self.schedule_view(row).await
    }

    /// Deletes a schedule; what it made stays.
    ///
    /// # Errors
    /// See [`ReportsError`].
    pub async fn report_schedule_delete(
        &self,
        actor: &Actor,
        id: ReportScheduleId,
    ) -> Result<(), ReportsError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let audit = self.audit(
            actor,
            Event {
                action: "report_schedule.deleted",
                target_type: "report_schedule",
                target_id: id.to_string(),
                details: json!({}),
            },
        );
        let done = self
            .store()
            .report_schedule_delete(permit.organization_id(), id, &audit)
            .await?;
        if done {
            Ok(())
        } else {
            Err(ReportScheduleGone.into())
        }
    }
}
