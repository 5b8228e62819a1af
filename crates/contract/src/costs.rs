//! What calls cost: price rules, costs, budgets.
//!
//! Prices and amounts are in micros: millionths of the currency's main unit, so that a call may
//! cost 0.0004 EUR (400). Amounts are exact sums of prices; rounding to cents is for who shows them.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::usage::{StatusClass, UsageValue};
use crate::{ApiId, BudgetId, FieldError, KeyId, PriceRuleId, Validation};

/// Most tiers of a rule.
pub const MAX_TIERS: usize = 10;
/// Most classes and codes of a rule.
pub const MAX_STATUSES: usize = 20;
/// Dearest price of a unit: a thousand.
pub const MAX_PRICE_MICROS: i64 = 1_000_000_000;

/// What is paid for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PriceUnit {
    #[default]
    Call,
    /// 1,000,000 bytes of requests.
    MegabyteIn,
    /// 1,000,000 bytes of answers.
    MegabyteOut,
    /// 1,000,000 tokens that language models read, where a policy counts them.
    MillionTokensIn,
    /// 1,000,000 tokens that language models wrote.
    MillionTokensOut,
}

/// Answers that are paid for: those of a class, or with one status. Written `2xx` and `429`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum PricedStatus {
    Class(StatusClass),
    Code(u16),
}

impl std::fmt::Display for PricedStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Class(class) => f.write_str(class.as_str()),
            Self::Code(code) => write!(f, "{code}"),
        }
    }
}

impl From<PricedStatus> for String {
    fn from(status: PricedStatus) -> Self {
        status.to_string()
    }
}

impl TryFrom<String> for PricedStatus {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl std::str::FromStr for PricedStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let class = StatusClass::ALL
            .into_iter()
            .find(|class| class.as_str() == text);
        if let Some(class) = class {
            return Ok(Self::Class(class));
        }
        match text.parse() {
            // Three digits and no sign, as statuses are written.
            Ok(code @ 200..=599) if text.len() == 3 => Ok(Self::Code(code)),
            _ => Err("must be classes and codes of answers, as `2xx` and `429`".to_owned()),
        }
    }
}

/// One tier: what a unit costs until so many are used in a month of the calendar (UTC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PriceTier {
    /// Units of a month up to which this price holds; the last tier has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up_to: Option<u64>,
    /// Millionths of the currency's main unit.
    pub price_micros: i64,
}

/// What is asked to create or replace a price rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutPriceRule {
    pub name: String,
    /// Any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<ApiId>,
    /// A configured route's id, or a learned route as `/users/{id}`; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Answers that are paid for, classes (`2xx`) and codes (`429`); all when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub statuses: Vec<PricedStatus>,
    /// Whether answers of the gateway's own, which the upstream knows nothing of, are paid for.
    #[serde(default)]
    pub refused: bool,
    /// Whether answers from the cache are.
    #[serde(default)]
    pub cached: bool,
    #[serde(default)]
    pub unit: PriceUnit,
    /// ISO 4217, as `EUR`.
    pub currency: String,
    /// Ascending.
    pub tiers: Vec<PriceTier>,
    /// The first day it holds (UTC).
    pub from: NaiveDate,
    /// The first day it does not hold any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NaiveDate>,
}

/// A price rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PriceRuleView {
    pub id: PriceRuleId,
    #[serde(flatten)]
    pub rule: PutPriceRule,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

impl PutPriceRule {
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
            self.currency.len() == 3 && self.currency.bytes().all(|b| b.is_ascii_uppercase()),
            "currency",
            "must be three capitals, as `EUR`",
        );
        v.check(
            (1..=MAX_TIERS).contains(&self.tiers.len()),
            "tiers",
            "must be 1 to 10",
        );
        let prices = self.tiers.iter().map(|tier| tier.price_micros);
        v.check(
            prices
                .clone()
                .all(|price| (0..=MAX_PRICE_MICROS).contains(&price)),
            "tiers",
            "must have prices of 0 to 1000000000 micros",
        );
        let bounds: Vec<Option<u64>> = self.tiers.iter().map(|tier| tier.up_to).collect();
        let ascends = bounds.windows(2).all(|pair| match (pair[0], pair[1]) {
            (Some(first), Some(second)) => first < second,
            (Some(_), None) => true,
            (None, _) => false,
        });
        v.check(
            ascends
                && bounds.last().is_some_and(Option::is_none)
                && bounds.first() != Some(&Some(0)),
            "tiers",
            "must ascend by `up_to`, and only the last one is without",
        );
        v.check(
            self.to.is_none_or(|to| self.from < to),
            "to",
            "must be after `from`",
        );
        v.check(
            self.route
                .as_deref()
                .is_none_or(|route| (1..=500).contains(&route.len())),
            "route",
            "must have 1 to 500 characters",
        );
        v.check(
            self.statuses.len() <= MAX_STATUSES,
            "statuses",
            "must be at most 20",
        );
        v.finish()
    }
}

/// What costs are told by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CostDimension {
    #[default]
    Api,
    Key,
    Route,
    Rule,
}

/// `GET /costs`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct CostQuery {
    /// The first day (UTC); the first of this month when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<NaiveDate>,
    /// The day after the last; tomorrow when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<NaiveDate>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(inline))]
    pub by: Option<CostDimension>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub api_id: Option<ApiId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub key_id: Option<KeyId>,
}

/// An amount of one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Amount {
    pub currency: String,
    /// Millionths of the main unit.
    pub micros: i64,
}

/// Costs of one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CostDay {
    pub day: NaiveDate,
    pub amounts: Vec<Amount>,
}

/// One row of costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CostRow {
    /// The API, key or route; absent for rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<UsageValue>,
    /// The rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<PriceRuleId>,
    pub name: Option<String>,
    pub amounts: Vec<Amount>,
}

/// `GET /costs`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CostReport {
    pub from: NaiveDate,
    pub to: NaiveDate,
    pub totals: Vec<Amount>,
    pub days: Vec<CostDay>,
    /// The dearest first; at most 200.
    pub data: Vec<CostRow>,
}

/// What is asked to create or replace a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PutBudget {
    pub name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_id: Option<ApiId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<KeyId>,
    /// For a month of the calendar (UTC).
    pub amount_micros: i64,
    pub currency: String,
    /// Percent at which it is told: ascending, 1 to 1000.
    pub thresholds: Vec<u16>,
    /// Whether calls are refused once it is spent, until the month is over.
    #[serde(default)]
    pub block: bool,
}

impl PutBudget {
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
        v.check(self.amount_micros > 0, "amount_micros", "must be above 0");
        v.check(
            self.currency.len() == 3 && self.currency.bytes().all(|b| b.is_ascii_uppercase()),
            "currency",
            "must be three capitals, as `EUR`",
        );
        let ascend = self.thresholds.windows(2).all(|pair| pair[0] < pair[1]);
        let fit = self
            .thresholds
            .iter()
            .all(|percent| (1..=1000).contains(percent));
        v.check(
            ascend && fit && (1..=10).contains(&self.thresholds.len()),
            "thresholds",
            "must be 1 to 10 numbers, ascending, of 1 to 1000",
        );
        v.finish()
    }
}

/// A budget, and how far it is used this month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BudgetView {
    pub id: BudgetId,
    #[serde(flatten)]
    pub budget: PutBudget,
    pub spent_micros: i64,
    /// What the month comes to when it goes on as until now.
    pub projected_micros: i64,
    pub percent: f64,
    /// The thresholds that are reached.
    pub reached: Vec<u16>,
    /// Until when calls are refused, as it is spent; `null`: they are not.
    pub blocked_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priced_statuses_are_classes_and_codes() {
        let read: Vec<PricedStatus> =
            serde_json::from_str(r#"["2xx", "429"]"#).expect("classes and codes");
        let expected = [
            PricedStatus::Class(StatusClass::Success),
            PricedStatus::Code(429),
        ];
        assert_eq!(read, expected);
        let written = serde_json::to_string(&read).expect("writes");
        assert_eq!(written, r#"["2xx","429"]"#);
        for bad in ["", "2", "1xx", "2XX", "199", "600", "+20", "0200"] {
            assert!(bad.parse::<PricedStatus>().is_err(), "{bad}");
        }
    }
}
