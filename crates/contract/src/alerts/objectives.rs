//! Objectives (SLOs) and their error budgets.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::BurnWindow;
use crate::{ApiId, FieldError, SloId, Validation};

/// Which calls are good.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Objective {
    /// Those that were not answered with 500 and above.
    Availability,
    /// Those that were answered in time.
    Latency {
        /// 1 to 600000.
        milliseconds: u32,
    },
}

/// What is asked to create or replace an objective.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutSlo {
    pub name: String,
    pub api_id: ApiId,
    /// A configured route's id, or a learned route as `/users/{id}`; the whole API when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    pub objective: Objective,
    /// So many percent of calls are to be good: 50 to 99.999.
    pub target: f64,
    /// In the last so many days: 7, 28 or 30.
    pub days: u32,
}

impl PutSlo {
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
        v.check(
            (50.0..=99.999).contains(&self.target),
            "target",
            "must be 50 to 99.999 percent",
        );
        v.check(
            matches!(self.days, 7 | 28 | 30),
            "days",
            "must be 7, 28 or 30",
        );
        if let Objective::Latency { milliseconds } = self.objective {
            v.check(
                (1..=600_000).contains(&milliseconds),
                "objective.milliseconds",
                "must be 1 to 600000",
            );
        }
        v.check(
            self.route
                .as_deref()
                .is_none_or(|route| (1..=500).contains(&route.len())),
            "route",
            "must have 1 to 500 characters",
        );
        v.finish()
    }

    /// The share of calls that may be bad.
    #[must_use]
    pub fn allowance(&self) -> f64 {
        (100.0 - self.target) / 100.0
    }
}

/// How fast a budget burns over pairs of times, after Google's SRE workbook (chapter 5): 2 % of
/// it in an hour, 5 % in six hours. Over 30 days that is 14.4 and 6 times as fast as it lasts.
#[must_use]
pub fn default_burns(days: u32) -> Vec<BurnWindow> {
    let hours = f64::from(days) * 24.0;
    [(0.02, 1.0, 60, 5), (0.05, 6.0, 360, 30)]
        .into_iter()
        .map(|(part, long, long_minutes, short_minutes)| BurnWindow {
            long_minutes,
            short_minutes,
            factor: (part * hours / long * 100.0).round() / 100.0,
        })
        .collect()
}

/// How an objective is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SloState {
    /// There were no calls.
    NoCalls,
    Met,
    /// A quarter of the budget is left, or less.
    AtRisk,
    /// There is no budget left.
    Missed,
}

/// How fast the budget burns now: over a long time and over a short one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Burn {
    #[serde(flatten)]
    pub window: BurnWindow,
    /// `null`: there were no calls.
    pub long: Option<f64>,
    pub short: Option<f64>,
    /// Whether both are beyond the factor.
    pub is_fast: bool,
}

/// An objective, and how it is met.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SloView {
    pub id: SloId,
    #[serde(flatten)]
    pub slo: PutSlo,
    pub api_name: Option<String>,
    pub state: SloState,
    pub calls: u64,
    pub bad: u64,
    /// Percent of calls that were good; `null`: there were none.
    pub achieved: Option<f64>,
    /// Percent of the budget that is left; below 0 when more was used than there was.
    pub budget_left: f64,
    /// How fast it burns: 1 lasts just to the end.
    pub burns: Vec<Burn>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// The budget at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SloPoint {
    pub at: DateTime<Utc>,
    /// Percent of the budget of the days before that was left.
    pub budget_left: f64,
    /// Calls since the point before.
    pub calls: u64,
    pub bad: u64,
}

/// An objective with its budget over time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SloReport {
    #[serde(flatten)]
    pub view: SloView,
    pub points: Vec<SloPoint>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn budgets_burn_as_the_workbook_says() {
        let factors = |days| -> Vec<f64> {
            let burns = default_burns(days).into_iter();
            burns.map(|burn| burn.factor).collect()
        };
        assert_eq!(factors(30), [14.4, 6.0]);
        assert_eq!(factors(7), [3.36, 1.4]);
    }
}
