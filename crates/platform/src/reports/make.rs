//! Making a report: its two files, its row, and who is told.

use apiverse_connectors::objects::ObjectError;
use apiverse_contract::notifications::{Channel, NotificationEvent};
use apiverse_contract::reports::{CreateReport, ReportHeadline, ReportStatus, ReportView};
use apiverse_contract::{OrganizationId, ReportScheduleId, UserId};
use apiverse_store::{NotificationRow, ReportRow};
use bytes::Bytes;
use serde_json::json;

use super::calendar::{Range, midnight_us};
use super::content::Wanted;
use super::figures::{change, grouped, milliseconds, money, percent};
use super::kept::{ReportFile, view};
use super::{ReportsError, page, zone};
use crate::actor::Actor;
use crate::clock::new_id;
use crate::fault::{Invalid, ReportStoreAway};
use crate::notifications::Notice;
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

impl Platform {
    /// Makes a report of some days at once.
    ///
    /// # Errors
    /// See [`ReportsError`].
    pub async fn report_create(
        &self,
        actor: &Actor,
        input: CreateReport,
    ) -> Result<ReportView, ReportsError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let organization_id = permit.organization_id();
        input.validate().map_err(Invalid)?;
        let zone = zone(&input.time_zone)?;
        self.check_report_api(organization_id, input.api_id).await?;
        self.check_recipients(organization_id, &input.recipients, &[])
            .await?;
        let from_us = midnight_us(input.from, zone);
        let now_us = self.now().timestamp_micros();
        if from_us >= now_us {
            return Err(Invalid::one("from", "must not be in the future").into());
        }
        let days = input.to - input.from;
        let wanted = Wanted {
            organization_id,
            name: match input.name {
                Some(name) => name.trim().to_owned(),
                None => "Usage report".to_owned(),
            },
            api_id: input.api_id,
            zone,
            range: Range {
                from: input.from,
                to: input.to,
            },
            before: input.from.checked_sub_signed(days).unwrap_or(input.from),
            from_us,
            to_us: midnight_us(input.to, zone).min(now_us),
        };
        let report = self.make_report(&wanted, None, actor.name.clone()).await?;
        let cause = report.id.to_string();
        let messages = self
            .report_messages(&wanted, &report.headline, &cause, &input.recipients)
            .await?;
        let audit = self.audit(
            actor,
            Event {
                action: "report.made",
                target_type: "report",
                target_id: report.id.to_string(),
                details: json!({
                    "name": report.name, "from": input.from, "to": input.to,
                    "api_id": input.api_id, "recipients": input.recipients,
                }),
            },
        );
        self.store()
            .report_insert(&report, &messages, &audit)
            .await?;
        if !messages.is_empty() {
            self.wake_outbox();
        }
        Ok(view(report))
    }

    /// Writes the files of a report. Nobody finds them before its row is stored.
    pub(super) async fn make_report(
        &self,
        wanted: &Wanted,
        schedule_id: Option<ReportScheduleId>,
        created_by: String,
    ) -> Result<ReportRow, ReportsError> {
        let (content, headline) = self.report_content(wanted).await?;
        let html = page::html(&content)?;
        let csv = page::csv(&content);
        let size = html.len() + csv.len();
        // Not named for the report: two nodes that make the same one must not take each other's
        // files away.
        let attempt = new_id!(self.inner.clock, ReportId);
        let report = ReportRow {
            object_key: format!("{}/{attempt}", wanted.organization_id),
            status: ReportStatus::Ready.as_str().to_owned(),
            size: i64::try_from(size).unwrap_or(i64::MAX),
            headline,
            ..self.report_row(wanted, schedule_id, created_by)
        };
        let files = [(ReportFile::Html, html), (ReportFile::Csv, csv)];
        for (file, text) in files {
            let name = file.object(&report.object_key);
            let kept = self
                .inner
                .config
                .reports
                .objects
                .put(&name, Bytes::from(text));
            if let Err(error) = kept.await {
                self.discard_files(&report.object_key).await;
                return Err(away(&error).into());
            }
        }
        Ok(report)
    }

    /// The row of a report that is not made yet.
    pub(super) fn report_row(
        &self,
        wanted: &Wanted,
        schedule_id: Option<ReportScheduleId>,
        created_by: String,
    ) -> ReportRow {
        ReportRow {
            id: new_id!(self.inner.clock, ReportId),
            organization_id: wanted.organization_id,
            schedule_id,
            name: wanted.name.clone(),
            api_id: wanted.api_id,
            from_us: wanted.from_us,
            to_us: wanted.to_us,
            time_zone: wanted.zone.name().to_owned(),
            made_us: self.now().timestamp_micros(),
            status: ReportStatus::Failed.as_str().to_owned(),
            problem: None,
            size: 0,
            object_key: String::new(),
            headline: ReportHeadline::default(),
            created_by,
        }
    }

    /// Deletes files that no row speaks of. Those that stay are of no use to anybody, and seen by
    /// nobody.
    pub(super) async fn discard_files(&self, object_key: &str) {
        if let Err(error) = self.delete_files(object_key).await {
            tracing::warn!(error = %error, object_key, "files of a report stay behind");
        }
    }

    pub(super) async fn delete_files(&self, object_key: &str) -> Result<(), ReportStoreAway> {
        if object_key.is_empty() {
            return Ok(());
        }
        for file in ReportFile::ALL {
            let name = file.object(object_key);
            let gone = self.inner.config.reports.objects.delete(&name).await;
            gone.map_err(|error| away(&error))?;
        }
        Ok(())
    }

    /// Mails to those of the recipients who are members now and want to hear of reports.
    pub(super) async fn report_messages(
        &self,
        wanted: &Wanted,
        headline: &ReportHeadline,
        cause: &str,
        recipients: &[UserId],
    ) -> Result<Vec<NotificationRow>, ReportsError> {
        let organization_id = wanted.organization_id;
        let organization = self.organization_name(organization_id).await?;
        let event = NotificationEvent::ReportReady;
        let mut rows = Vec::new();
        for user_id in recipients {
            let found = self.store().member_get(organization_id, *user_id).await?;
            let Some(member) = found else { continue };
            if !self.wants(*user_id, event, Channel::Email).await? {
                continue;
            }
            let mut values = vec![
                ("report", wanted.name.clone()),
                ("range", wanted.words()),
                ("organization", organization.clone()),
            ];
            values.extend(words(headline));
            let notice = Notice {
                event,
                channel: Channel::Email,
                to: &member.email,
                user_id: Some(*user_id),
                organization_id: Some(organization_id),
                cause: format!("{cause}:{user_id}"),
                link: Some("/console/reports".to_owned()),
                values,
            };
            // What cannot be written is in the log already.
            rows.extend(self.message(notice).ok());
        }
        Ok(rows)
    }

    async fn organization_name(
        &self,
        organization_id: OrganizationId,
    ) -> Result<String, ReportsError> {
        let found = self.store().organization_get(organization_id).await?;
        Ok(found.map(|found| found.name).unwrap_or_default())
    }
}

/// The store's reason is for the log.
pub(super) fn away(error: &ObjectError) -> ReportStoreAway {
    let mut reason = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        reason.push_str(": ");
        reason.push_str(&inner.to_string());
        cause = inner.source();
    }
    tracing::warn!(error = reason, "the report store cannot be used");
    ReportStoreAway
}

/// The headline of a report, as a mail says it.
#[expect(
    clippy::cast_precision_loss,
    reason = "a change in percent, for people"
)]
fn words(headline: &ReportHeadline) -> Vec<(&'static str, String)> {
    let change = change(
        Some(headline.calls as f64),
        Some(headline.calls_before as f64),
    );
    let mut values = vec![
        (
            "calls",
            format!("{} calls ({change})", grouped(headline.calls)),
        ),
        (
            "errors",
            format!(
                "{} of them errors (before: {})",
                percent(headline.error_percent()).text,
                percent(headline.error_percent_before()).text
            ),
        ),
        (
            "latency",
            format!(
                "p95 {} (before: {})",
                milliseconds(headline.p95_ms).text,
                milliseconds(headline.p95_ms_before).text
            ),
        ),
    ];
    if !headline.costs.is_empty() {
        let costs = headline.costs.iter();
        let costs: Vec<String> = costs
            .map(|amount| money(amount.micros, &amount.currency).text)
            .collect();
        values.push(("costs", costs.join(", ")));
    }
    values
}
