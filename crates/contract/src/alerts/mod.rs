//! Alerts: rules over usage, what they found, when they are not to be told, and whom they tell.

mod objectives;
mod rule;
mod webhooks;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{AlertRuleId, FieldError, IncidentId, SilenceId, Validation};

pub use objectives::{
    Burn, Objective, PutSlo, SloPoint, SloReport, SloState, SloView, default_burns,
};
pub use rule::{
    AbsenceCondition, AlertCondition, AlertFilter, AlertMetric, AlertNotify, AlertSeverity,
    BurnCondition, BurnWindow, ComparedTo, Direction, PutAlertRule, RatioCondition,
    ThresholdCondition,
};
pub use webhooks::{AlertWebhookView, CreateAlertWebhook, CreatedAlertWebhook, WebhookTopic};

/// Where a rule stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// All is as it should be.
    #[default]
    Ok,
    /// Its condition holds, not yet for as long as it must.
    Pending,
    Firing,
}

impl AlertState {
    pub const ALL: [Self; 3] = [Self::Ok, Self::Pending, Self::Firing];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Pending => "pending",
            Self::Firing => "firing",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// A rule, and where it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlertRuleView {
    pub id: AlertRuleId,
    #[serde(flatten)]
    pub rule: PutAlertRule,
    /// The condition in one sentence.
    pub summary: String,
    pub state: AlertState,
    /// Since when it is in this state.
    pub since: Option<DateTime<Utc>>,
    /// What was last measured; `null`: there were no calls, or too few.
    pub value: Option<f64>,
    /// Up to when calls were looked at.
    pub looked_at: Option<DateTime<Utc>>,
    /// Until when nobody is told of it.
    pub silenced_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// Once that a rule fired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IncidentView {
    pub id: IncidentId,
    pub rule_id: AlertRuleId,
    /// As it was called then.
    pub rule_name: String,
    pub severity: AlertSeverity,
    /// What was found, in one sentence.
    pub summary: String,
    /// When the condition began to hold.
    pub began_at: DateTime<Utc>,
    pub fired_at: DateTime<Utc>,
    /// `null` while it fires.
    pub resolved_at: Option<DateTime<Utc>>,
    /// What was measured when it fired.
    pub value: Option<f64>,
    /// Whether anybody was told; not when it was silenced.
    pub told: bool,
}

/// Which incidents are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct IncidentsQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub rule_id: Option<AlertRuleId>,
    /// Only those that fire now, or only those that do not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firing: Option<bool>,
    /// Rows a page, 1 to 200; 50 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
    /// `next_cursor` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<String>,
}

/// `POST /alerts/silences`: until when nobody is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateSilence {
    /// All rules when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<AlertRuleId>,
    pub until: DateTime<Utc>,
    /// Why: 1 to 500 characters.
    pub reason: String,
}

impl CreateSilence {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, now: DateTime<Utc>) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        let length = self.reason.trim().chars().count();
        v.check(
            (1..=500).contains(&length),
            "reason",
            "must have 1 to 500 characters",
        );
        v.check(self.until > now, "until", "must be in the future");
        v.check(
            (self.until - now).num_days() <= 90,
            "until",
            "must be within 90 days; a rule that nobody wants is better switched off",
        );
        v.finish()
    }
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SilenceView {
    pub id: SilenceId,
    pub rule_id: Option<AlertRuleId>,
    pub rule_name: Option<String>,
    pub until: DateTime<Utc>,
    pub reason: String,
    pub created_by: String,
    pub created_at: DateTime<Utc>,
}

/// Once that a rule would have fired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PreviewedIncident {
    pub fired_at: DateTime<Utc>,
    /// `null`: it would fire now.
    pub resolved_at: Option<DateTime<Utc>>,
    pub value: Option<f64>,
}

/// What was measured at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MeasuredPoint {
    pub at: DateTime<Utc>,
    pub value: Option<f64>,
}

/// How often a rule would have fired.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AlertPreview {
    pub from: DateTime<Utc>,
    pub to: DateTime<Utc>,
    /// The condition in one sentence.
    pub summary: String,
    /// It is looked at so often here; the rule itself is looked at each minute.
    pub step_minutes: u32,
    pub incidents: Vec<PreviewedIncident>,
    pub points: Vec<MeasuredPoint>,
    /// Where it fires, in the unit of the points.
    pub threshold: Option<f64>,
}
