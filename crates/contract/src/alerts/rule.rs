//! What is asked of a rule.

use serde::{Deserialize, Serialize};

use crate::auth::Role;
use crate::usage::StatusClass;
use crate::{AlertWebhookId, ApiId, FieldError, KeyId, SloId, Validation};

/// What a rule measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AlertMetric {
    #[default]
    Calls,
    /// Answers of 400 and above.
    Errors,
    /// Their share of calls, percent.
    ErrorRate,
    /// The share of answers of 500 and above, percent.
    ServerErrorRate,
    /// Answers of the gateway's own.
    Refused,
    /// Calls that a rate limit or a quota refused.
    LimitsHit,
    /// Milliseconds.
    P50,
    P95,
    P99,
    /// Bytes of requests and answers.
    Bytes,
    /// Of calls that could be answered from the cache, percent.
    CacheHitRatio,
    /// What the calls of the day (UTC) cost so far, in whole units of a currency.
    Cost,
}

impl AlertMetric {
    pub const ALL: [Self; 12] = [
        Self::Calls,
        Self::Errors,
        Self::ErrorRate,
        Self::ServerErrorRate,
        Self::Refused,
        Self::LimitsHit,
        Self::P50,
        Self::P95,
        Self::P99,
        Self::Bytes,
        Self::CacheHitRatio,
        Self::Cost,
    ];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Errors => "errors",
            Self::ErrorRate => "error_rate",
            Self::ServerErrorRate => "server_error_rate",
            Self::Refused => "refused",
            Self::LimitsHit => "limits_hit",
            Self::P50 => "p50",
            Self::P95 => "p95",
            Self::P99 => "p99",
            Self::Bytes => "bytes",
            Self::CacheHitRatio => "cache_hit_ratio",
            Self::Cost => "cost",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|metric| metric.as_str() == text)
    }

    /// As people call it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::Errors => "errors",
            Self::ErrorRate => "error rate",
            Self::ServerErrorRate => "server error rate",
            Self::Refused => "refused calls",
            Self::LimitsHit => "calls over a limit",
            Self::P50 => "median latency",
            Self::P95 => "p95 latency",
            Self::P99 => "p99 latency",
            Self::Bytes => "bytes",
            Self::CacheHitRatio => "cache hit ratio",
            Self::Cost => "cost of the day",
        }
    }

    /// What stands after its numbers; empty: it counts.
    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::ErrorRate | Self::ServerErrorRate | Self::CacheHitRatio => "%",
            Self::P50 | Self::P95 | Self::P99 => "ms",
            _ => "",
        }
    }

    /// Whether it needs latencies.
    #[must_use]
    pub const fn is_latency(self) -> bool {
        matches!(self, Self::P50 | Self::P95 | Self::P99)
    }
}

/// On which side of a threshold a rule fires.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    #[default]
    Above,
    Below,
}

/// A metric beyond a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ThresholdCondition {
    pub metric: AlertMetric,
    #[serde(default)]
    pub direction: Direction,
    /// Fires beyond it, in the metric's unit.
    pub value: f64,
    /// Resolves only when it is back at this; `value` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clear_value: Option<f64>,
    /// Of the last so many minutes, 1 to 1440; 5 when absent.
    #[serde(default = "five")]
    pub window_minutes: u32,
    /// With fewer calls in that time nothing is measured.
    #[serde(default)]
    pub min_calls: u64,
    /// Of `cost`: ISO 4217.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// What a time is compared to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ComparedTo {
    /// The time of the same length right before it.
    #[default]
    Before,
    DayBefore,
    WeekBefore,
}

/// A metric that is so many times what it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RatioCondition {
    pub metric: AlertMetric,
    #[serde(default)]
    pub direction: Direction,
    /// Fires beyond so many times: 2 is twice, 0.5 half.
    pub factor: f64,
    #[serde(default)]
    pub compared_to: ComparedTo,
    /// 1 to 1440; 60 when absent.
    #[serde(default = "sixty")]
    pub window_minutes: u32,
    /// With fewer calls then or now nothing is measured.
    #[serde(default)]
    pub min_calls: u64,
}

/// No calls.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AbsenceCondition {
    /// For so many minutes, 1 to 10080.
    pub minutes: u32,
}

/// An error budget that burns too fast: over a long time, and still over a short one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BurnWindow {
    pub long_minutes: u32,
    pub short_minutes: u32,
    /// How many times as fast as the budget lasts to the end of its time.
    pub factor: f64,
}

/// An objective whose budget burns too fast, over any pair of times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct BurnCondition {
    pub slo_id: SloId,
    /// Those of Google's SRE workbook when empty: 2 % of the budget in an hour, 5 % in six.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub windows: Vec<BurnWindow>,
}

/// When a rule fires.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum AlertCondition {
    Threshold(ThresholdCondition),
    Ratio(RatioCondition),
    Absence(AbsenceCondition),
    BurnRate(BurnCondition),
}

/// Which calls a rule is about; `null`: any.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AlertFilter {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<ApiId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// A configured route's id, or a learned route as `/users/{id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusClass>,
    /// As `upstream_timeout`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
}

/// Whom a rule tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AlertNotify {
    /// Members with these roles, by mail, as far as they want to hear of alerts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<Role>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub webhook_ids: Vec<AlertWebhookId>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AlertSeverity {
    /// Somebody looks at once.
    Critical,
    /// Somebody looks on the next day.
    #[default]
    Warning,
}

impl AlertSeverity {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "critical" => Self::Critical,
            _ => Self::Warning,
        }
    }
}

/// What is asked to create or replace a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutAlertRule {
    pub name: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub severity: AlertSeverity,
    pub condition: AlertCondition,
    #[serde(default)]
    pub filter: AlertFilter,
    /// How long the condition must hold before it fires, 0 to 1440.
    #[serde(default)]
    pub for_minutes: u32,
    /// How long it must not hold before that is resolved, 0 to 1440; 5 when absent.
    #[serde(default = "five")]
    pub resolve_after_minutes: u32,
    #[serde(default)]
    pub notify: AlertNotify,
}

const fn five() -> u32 {
    5
}

const fn sixty() -> u32 {
    60
}

const fn yes() -> bool {
    true
}

const DAY: u32 = 1440;

impl PutAlertRule {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        let length = self.name.trim().chars().count();
        v.check(
            (1..=100).contains(&length),
            "name",
            "must have 1 to 100 characters",
        );
        v.check(self.for_minutes <= DAY, "for_minutes", "must be 0 to 1440");
        v.check(
            self.resolve_after_minutes <= DAY,
            "resolve_after_minutes",
            "must be 0 to 1440",
        );
        let short = |text: &Option<String>, max: usize| {
            text.as_ref()
                .is_none_or(|text| (1..=max).contains(&text.len()))
        };
        for (ok, field, message) in [
            (
                short(&self.filter.route, 500),
                "filter.route",
                "must have 1 to 500 characters",
            ),
            (
                short(&self.filter.method, 20),
                "filter.method",
                "must have 1 to 20 characters",
            ),
            (
                short(&self.filter.error_code, 64),
                "filter.error_code",
                "must have 1 to 64 characters",
            ),
            (
                self.notify.roles.len() <= Role::ALL.len(),
                "notify.roles",
                "must name each role once",
            ),
            (
                self.notify.webhook_ids.len() <= 20,
                "notify.webhook_ids",
                "must be 20 at most",
            ),
        ] {
            v.check(ok, field, message);
        }
        match &self.condition {
            AlertCondition::Threshold(one) => one.validate(&self.filter, &mut v),
            AlertCondition::Ratio(one) => one.validate(&mut v),
            AlertCondition::Absence(one) => {
                v.check(
                    (1..=7 * DAY).contains(&one.minutes),
                    "condition.minutes",
                    "must be 1 to 10080",
                );
            }
            AlertCondition::BurnRate(one) => {
                v.check(
                    self.filter == AlertFilter::default(),
                    "filter",
                    "must be empty: the objective says which calls are meant",
                );
                one.validate(&mut v);
            }
        }
        v.finish()
    }
}

impl ThresholdCondition {
    fn validate(&self, filter: &AlertFilter, v: &mut Validation) {
        let is_number = |value: f64| value.is_finite() && (0.0..=1e15).contains(&value);
        v.check(
            is_number(self.value),
            "condition.value",
            "must be 0 or more",
        );
        let clears = self.clear_value.is_none_or(|clear| {
            is_number(clear)
                && match self.direction {
                    Direction::Above => clear <= self.value,
                    Direction::Below => clear >= self.value,
                }
        });
        v.check(
            clears,
            "condition.clear_value",
            "must be on the good side of `value`",
        );
        if self.metric.unit() == "%" {
            v.check(
                self.value <= 100.0,
                "condition.value",
                "must be 0 to 100 percent",
            );
        }
        v.check(
            (1..=DAY).contains(&self.window_minutes),
            "condition.window_minutes",
            "must be 1 to 1440",
        );
        let currency = self.currency.as_deref().unwrap_or_default();
        if self.metric == AlertMetric::Cost {
            v.check(
                currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase()),
                "condition.currency",
                "must be three capitals, as `EUR`",
            );
            v.check(
                filter.method.is_none() && filter.status.is_none() && filter.error_code.is_none(),
                "filter",
                "must be of an API, a key or a route: costs know nothing else",
            );
        }
    }
}

impl RatioCondition {
    fn validate(&self, v: &mut Validation) {
        v.check(
            self.factor.is_finite() && self.factor > 0.0 && self.factor <= 1e6,
            "condition.factor",
            "must be more than 0",
        );
        v.check(
            self.metric != AlertMetric::Cost,
            "condition.metric",
            "must not be the cost: it grows through the day",
        );
        v.check(
            (1..=DAY).contains(&self.window_minutes),
            "condition.window_minutes",
            "must be 1 to 1440",
        );
    }
}

impl BurnCondition {
    fn validate(&self, v: &mut Validation) {
        v.check(
            self.windows.len() <= 5,
            "condition.windows",
            "must be 5 at most",
        );
        for window in &self.windows {
            v.check(
                window.short_minutes >= 1
                    && window.short_minutes <= window.long_minutes
                    && window.long_minutes <= 7 * DAY,
                "condition.windows",
                "must be a short time within a long one of at most 10080 minutes",
            );
            v.check(
                window.factor.is_finite() && window.factor > 0.0 && window.factor <= 1e6,
                "condition.windows",
                "must have factors of more than 0",
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(condition: serde_json::Value) -> Result<PutAlertRule, serde_json::Error> {
        serde_json::from_value(serde_json::json!({ "name": "r", "condition": condition }))
    }

    #[test]
    fn rules_have_defaults_and_no_other_fields() {
        let short = serde_json::json!({ "kind": "threshold", "metric": "p95", "value": 300 });
        let rule_read = rule(short).expect("reads");
        assert!(rule_read.enabled && rule_read.resolve_after_minutes == 5);
        let AlertCondition::Threshold(condition) = &rule_read.condition else {
            panic!("{rule_read:?}");
        };
        assert_eq!(condition.window_minutes, 5);
        rule_read.validate().expect("is acceptable");
        let text = serde_json::to_value(&rule_read).expect("writes");
        let again: PutAlertRule = serde_json::from_value(text).expect("reads");
        assert_eq!(again, rule_read);
        let odd = serde_json::json!({ "kind": "absence", "minutes": 5, "hours": 1 });
        assert!(rule(odd).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for (condition, field) in [
            (
                serde_json::json!({ "kind": "threshold", "metric": "p95", "value": -1 }),
                "condition.value",
            ),
            (
                serde_json::json!({ "kind": "threshold", "metric": "error_rate", "value": 101 }),
                "condition.value",
            ),
            (
                serde_json::json!({ "kind": "threshold", "metric": "p95", "value": 5, "clear_value": 6 }),
                "condition.clear_value",
            ),
            (
                serde_json::json!({ "kind": "threshold", "metric": "cost", "value": 5 }),
                "condition.currency",
            ),
            (
                serde_json::json!({ "kind": "absence", "minutes": 0 }),
                "condition.minutes",
            ),
            (
                serde_json::json!({ "kind": "ratio", "metric": "calls", "factor": 0 }),
                "condition.factor",
            ),
        ] {
            let errors = rule(condition.clone()).expect("reads").validate();
            let errors = errors.expect_err("is refused");
            assert_eq!(errors[0].field, field, "{condition}");
        }
    }
}
