//! Making the reports that are due, on one node.
//!
//! A report is noted in one transaction with the mails that are owed for it and with when the next
//! is due, and only if nobody has done so since the schedule was read. So a node that dies in
//! between, and two that both believe to have the lease, keep one report and mail it once.

use std::time::Duration;

use apiverse_store::{ReportRow, ReportScheduleRow};
use uuid::Uuid;

use super::ReportsError;
use super::calendar::{Calendar, before, midnight_us};
use super::content::Wanted;
use super::zone;
use crate::fault::Fault;
use crate::platform::Platform;

/// How often it is looked whether a report is due.
const EVERY: Duration = Duration::from_secs(15);
/// A node that dies is followed by another after this.
const LEASE_US: i64 = 120_000_000;
const LEASE: &str = "reports";
/// What could not be made is tried again after this.
const AGAIN_US: i64 = 300_000_000;
/// Schedules that are read at once.
const BATCH: u32 = 50;
/// Rounds between two looks for what need not be kept any more: an hour.
const FORGET: u64 = 240;

impl Platform {
    /// Makes reports until the runtime ends. Of several nodes one does.
    pub async fn watch_reports(&self) {
        let holder = Uuid::from_bytes(self.inner.clock.random());
        let mut rounds = 0_u64;
        loop {
            tokio::time::sleep(EVERY).await;
            if let Err(error) = self.reports_round(holder, rounds).await {
                tracing::warn!(%error, "nobody makes reports right now");
            }
            rounds += 1;
        }
    }

    async fn reports_round(&self, holder: Uuid, round: u64) -> Result<(), ReportsError> {
        if !self.reports_lease(holder).await? {
            return Ok(());
        }
        self.make_due_reports(holder).await?;
        if round.is_multiple_of(FORGET) {
            self.forget_reports().await?;
        }
        Ok(())
    }

    async fn reports_lease(&self, holder: Uuid) -> Result<bool, ReportsError> {
        let now_us = self.now().timestamp_micros();
        let until_us = now_us.saturating_add(LEASE_US);
        let taken = self.store().lease_take(LEASE, holder, now_us, until_us);
        Ok(taken.await?)
    }

    /// Makes what is due now, as long as it is this holder's turn; how many reports were made.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn make_due_reports(&self, holder: Uuid) -> Result<usize, ReportsError> {
        let now_us = self.now().timestamp_micros();
        let mut made = 0;
        for row in self.store().report_schedules_due(now_us, BATCH).await? {
            // Renewed for each: one may take long.
            if !self.reports_lease(holder).await? {
                break;
            }
            match self.make_due_report(&row).await {
                Ok(true) => made += 1,
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(%error, schedule_id = %row.id, "a report is not made");
                }
            }
        }
        Ok(made)
    }

    /// Makes the latest report of a schedule that was read. Of those that were missed only this
    /// one is made. False when somebody else did, or it could not be made.
    pub(crate) async fn make_due_report(
        &self,
        row: &ReportScheduleRow,
    ) -> Result<bool, ReportsError> {
        let schedule = &row.schedule;
        let zone = zone(&schedule.time_zone)?;
        let now = self.now();
        let calendar = Calendar::new(schedule, zone);
        let range = calendar.last(now);
        let wanted = Wanted {
            organization_id: row.organization_id,
            name: schedule.name.clone(),
            api_id: schedule.api_id,
            zone,
            range,
            before: before(range.from, schedule.period),
            from_us: midnight_us(range.from, zone),
            to_us: midnight_us(range.to, zone),
        };
        let next_us = calendar.next_us(now);
        let created_by = row.created_by.clone();
        let report = match self
            .make_report(&wanted, Some(row.id), created_by.clone())
            .await
        {
            Ok(report) => report,
            Err(error) => {
                let failed = ReportRow {
                    problem: Some(error.detail()),
                    ..self.report_row(&wanted, Some(row.id), created_by)
                };
                let again_us = now.timestamp_micros().saturating_add(AGAIN_US).min(next_us);
                self.store()
                    .report_note(row, again_us, &failed, &[])
                    .await?;
                return Err(error);
            }
        };
        let noted = async {
            let cause = format!("{}:{}", row.id, wanted.from_us);
            let messages = self
                .report_messages(&wanted, &report.headline, &cause, &schedule.recipients)
                .await?;
            let noted = self
                .store()
                .report_note(row, next_us, &report, &messages)
                .await?;
            Ok::<_, ReportsError>((noted, !messages.is_empty()))
        };
        match noted.await {
            Ok((true, is_told)) => {
                if is_told {
                    self.wake_outbox();
                }
                Ok(true)
            }
            Ok((false, _)) => {
                self.discard_files(&report.object_key).await;
                Ok(false)
            }
            // The row may be there all the same: files without a row are better than a row
            // without files.
            Err(error) => Err(error),
        }
    }
}
