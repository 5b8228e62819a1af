//! Reports: summaries of usage over a day, a week or a month, and when they are made.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::costs::Amount;
use crate::patch::Patch;
use crate::validation::is_name;
use crate::{ApiId, FieldError, ReportId, ReportScheduleId, UserId, Validation};

/// Most recipients of a schedule or report.
pub const MAX_RECIPIENTS: usize = 100;
/// Longest range of a report that is asked for, days.
pub const MAX_DAYS: i64 = 400;

/// How long a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReportPeriod {
    Day,
    /// From Monday on.
    Week,
    Month,
}

impl ReportPeriod {
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == text)
    }
}

/// `POST /report-schedules`, and what is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateReportSchedule {
    pub name: String,
    pub period: ReportPeriod,
    /// Only calls of this API; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<ApiId>,
    /// Members of the organization who get a mail about each report. Who is not a member any more
    /// gets none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<UserId>,
    /// The time zone that days begin in, as `Europe/Berlin`.
    #[serde(default = "utc")]
    pub time_zone: String,
    /// The hour of the day, in that time zone, from which on the report of the period before is
    /// made: 0 to 23.
    #[serde(default = "morning")]
    pub hour: u8,
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn utc() -> String {
    "UTC".to_owned()
}

const fn morning() -> u8 {
    8
}

const fn yes() -> bool {
    true
}

impl CreateReportSchedule {
    /// # Errors
    /// Every field that is not acceptable, as far as it can be judged without a look-up.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        v.check(
            is_name(&self.name, 100),
            "name",
            "must have 1 to 100 characters",
        );
        v.check(self.hour <= 23, "hour", "must be 0 to 23");
        check_recipients(&mut v, &self.recipients);
        v.finish()
    }
}

fn check_recipients(v: &mut Validation, recipients: &[UserId]) {
    v.check(
        recipients.len() <= MAX_RECIPIENTS,
        "recipients",
        "must be at most 100",
    );
}

/// `PATCH /report-schedules/{id}`: what is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateReportSchedule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<ReportPeriod>,
    /// `null`: calls of all APIs.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<ApiId>))]
    pub api_id: Patch<ApiId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients: Option<Vec<UserId>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hour: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl UpdateReportSchedule {
    /// The schedule after the change.
    #[must_use]
    pub fn apply(self, old: CreateReportSchedule) -> CreateReportSchedule {
        CreateReportSchedule {
            name: self.name.unwrap_or(old.name),
            period: self.period.unwrap_or(old.period),
            api_id: self.api_id.apply(old.api_id),
            recipients: self.recipients.unwrap_or(old.recipients),
            time_zone: self.time_zone.unwrap_or(old.time_zone),
            hour: self.hour.unwrap_or(old.hour),
            enabled: self.enabled.unwrap_or(old.enabled),
        }
    }
}

/// When reports are made, and for whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportScheduleView {
    pub id: ReportScheduleId,
    #[serde(flatten)]
    pub schedule: CreateReportSchedule,
    /// `null` without an API, and when it does not exist any more.
    pub api_name: Option<String>,
    /// When the next report is made; `null` while it is switched off.
    pub next_due: Option<DateTime<Utc>>,
    /// Who made the schedule.
    pub created_by: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// `POST /reports`: a report of some days, made at once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateReport {
    /// The title; what it is about when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The first day.
    pub from: NaiveDate,
    /// The day after the last. Of a day that is not over, the report has what there is.
    pub to: NaiveDate,
    /// The time zone that days begin in.
    #[serde(default = "utc")]
    pub time_zone: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<ApiId>,
    /// Members of the organization who get a mail about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recipients: Vec<UserId>,
}

impl CreateReport {
    /// # Errors
    /// Every field that is not acceptable, as far as it can be judged without a look-up.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        if let Some(name) = &self.name {
            v.check(is_name(name, 100), "name", "must have 1 to 100 characters");
        }
        v.check(self.from < self.to, "from", "must be before `to`");
        v.check(
            (self.to - self.from).num_days() <= MAX_DAYS,
            "from",
            "must be at most 400 days before `to`",
        );
        check_recipients(&mut v, &self.recipients);
        v.finish()
    }
}

/// Whether a report is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ReportStatus {
    Ready,
    /// It could not be made yet; it is tried again until the next one is due.
    Failed,
}

impl ReportStatus {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Failed => "failed",
        }
    }
}

/// The numbers a report begins with, beside those of the time before.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportHeadline {
    pub calls: u64,
    pub calls_before: u64,
    /// Answers with status 400 and above.
    pub errors: u64,
    pub errors_before: u64,
    /// Milliseconds; `null` without calls.
    pub p95_ms: Option<f64>,
    pub p95_ms_before: Option<f64>,
    /// What the calls cost, where there are prices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub costs: Vec<Amount>,
}

impl ReportHeadline {
    /// Percent of calls that were errors; `None` without calls.
    #[must_use]
    pub fn error_percent(&self) -> Option<f64> {
        percent(self.errors, self.calls)
    }

    /// The same of the time before.
    #[must_use]
    pub fn error_percent_before(&self) -> Option<f64> {
        percent(self.errors_before, self.calls_before)
    }
}

/// How many percent of `whole` a part is; `None` of nothing.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
pub fn percent(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 * 100.0 / whole as f64)
}

/// A report that is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReportView {
    pub id: ReportId,
    /// The schedule it was made by, even when that is gone; `null`: somebody asked for it.
    pub schedule_id: Option<ReportScheduleId>,
    pub name: String,
    pub api_id: Option<ApiId>,
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// The time zone its days begin in.
    pub time_zone: String,
    /// Its days there.
    pub first_day: NaiveDate,
    pub last_day: NaiveDate,
    pub made_at: DateTime<Utc>,
    pub status: ReportStatus,
    /// Why it could not be made, in one sentence.
    pub problem: Option<String>,
    /// Bytes of both files.
    pub size: u64,
    pub headline: ReportHeadline,
    /// Who asked for it, or who made its schedule.
    pub created_by: String,
}

/// Which reports are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct ReportsQuery {
    /// Only those of a schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub schedule_id: Option<ReportScheduleId>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> CreateReportSchedule {
        serde_json::from_str(r#"{ "name": "weekly", "period": "week" }"#).expect("a schedule")
    }

    #[test]
    fn a_schedule_needs_little_and_a_change_leaves_the_rest() {
        let old = schedule();
        assert_eq!(old.validate(), Ok(()));
        assert_eq!(
            (old.time_zone.as_str(), old.hour, old.enabled),
            ("UTC", 8, true)
        );
        let change: UpdateReportSchedule =
            serde_json::from_str(r#"{ "hour": 24, "api_id": null }"#).expect("a change");
        let new = change.apply(old.clone());
        assert_eq!((new.name.as_str(), new.hour), ("weekly", 24));
        let errors = new.validate().expect_err("there is no such hour");
        assert_eq!(errors[0].field, "hour");
    }

    #[test]
    fn a_range_has_a_beginning_before_its_end() {
        let of = |from: &str, to: &str| {
            let report: CreateReport =
                serde_json::from_value(serde_json::json!({ "from": from, "to": to }))
                    .expect("a report");
            report.validate().is_ok()
        };
        assert!(of("2026-01-01", "2026-01-02"));
        assert!(!of("2026-01-01", "2026-01-01"));
        assert!(!of("2024-01-01", "2026-01-01"));
    }
}
