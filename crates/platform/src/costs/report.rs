//! What calls cost: by what, and day by day.

use std::collections::{BTreeMap, HashMap};

use apiverse_contract::alerts::AlertFilter;
use apiverse_contract::costs::{
    Amount, CostDay, CostDimension, CostQuery, CostReport, CostRow, PriceUnit, PricedStatus,
};
use apiverse_contract::usage::UsageDimension;
use apiverse_contract::{OrganizationId, PriceRuleId};
use apiverse_rollup::{Dimension, Filter, Question, Route, Sum, Value};
use apiverse_store::PriceRuleRow;
use chrono::{Days, NaiveDate};

use super::price::{SCALE, cost, micros, share};
use super::{CostError, first_of_month, midnight};
use crate::actor::Actor;
use crate::fault::Invalid;
use crate::permissions::Permission;
use crate::platform::Platform;
use crate::usage::{Names, Span};

/// Rows of a report.
const ROWS: usize = 200;
/// Longest range, days.
const LONGEST: i64 = 400;

/// One call's share of costs: when, whose, by which rule, how much (millionths of micros).
pub(super) struct Item {
    pub(super) day: NaiveDate,
    pub(super) api: Option<uuid::Uuid>,
    pub(super) key: Option<uuid::Uuid>,
    value: Value,
    rule: PriceRuleId,
    pub(super) currency: String,
    pub(super) cost: i128,
}

/// What costs are asked for.
#[derive(Clone, Copy)]
pub(super) struct Wanted {
    pub(super) from: NaiveDate,
    pub(super) to: NaiveDate,
    pub(super) by: Dimension,
    /// Whether APIs and keys are told apart too, for a filter.
    pub(super) with_api: bool,
    pub(super) with_key: bool,
}

impl Platform {
    /// What calls cost.
    ///
    /// # Errors
    /// See [`CostError`].
    pub async fn cost_report(
        &self,
        actor: &Actor,
        query: CostQuery,
    ) -> Result<CostReport, CostError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let today = self.now().date_naive();
        let from = query.from.unwrap_or_else(|| first_of_month(today));
        let tomorrow = today.checked_add_days(Days::new(1)).unwrap_or(today);
        let to = query.to.unwrap_or(tomorrow);
        if from >= to {
            return Err(Invalid::one("from", "must be before `to`").into());
        }
        if (to - from).num_days() > LONGEST {
            return Err(Invalid::one("from", "must be at most 400 days before `to`").into());
        }
        let by = query.by.unwrap_or_default();
        let wanted = Wanted {
            from,
            to,
            by: match by {
                CostDimension::Api | CostDimension::Rule => Dimension::Api,
                CostDimension::Key => Dimension::Key,
                CostDimension::Route => Dimension::Route,
            },
            with_api: query.api_id.is_some(),
            with_key: query.key_id.is_some(),
        };
        let _turn = self.turn(organization_id).await?;
        let rules = self.store().price_rules_list(organization_id).await?;
        let mut items = self.items(organization_id, &rules, wanted).await?;
        items.retain(|item| {
            query.api_id.is_none_or(|id| item.api == Some(id.0))
                && query.key_id.is_none_or(|id| item.key == Some(id.0))
        });
        let mut totals: BTreeMap<String, i128> = BTreeMap::new();
        let mut days: BTreeMap<NaiveDate, BTreeMap<String, i128>> = BTreeMap::new();
        let mut rows: HashMap<(Option<PriceRuleId>, Option<Value>), BTreeMap<String, i128>> =
            HashMap::new();
        for item in items {
            let row = match by {
                CostDimension::Rule => (Some(item.rule), None),
                _ => (None, Some(item.value)),
            };
            for amounts in [
                &mut totals,
                days.entry(item.day).or_default(),
                rows.entry(row).or_default(),
            ] {
                *amounts.entry(item.currency.clone()).or_default() += item.cost;
            }
        }
        let mut ranked: Vec<_> = rows.into_iter().collect();
        let dearest = |amounts: &BTreeMap<String, i128>| amounts.values().copied().max();
        ranked.sort_by(|a, b| {
            dearest(&b.1)
                .cmp(&dearest(&a.1))
                .then_with(|| a.0.cmp(&b.0))
        });
        ranked.truncate(ROWS);
        let mut names = Names::new(self, organization_id);
        let mut data = Vec::with_capacity(ranked.len());
        for ((rule_id, value), amounts) in ranked {
            let dimension = match by {
                CostDimension::Key => UsageDimension::Key,
                CostDimension::Route => UsageDimension::Route,
                CostDimension::Api | CostDimension::Rule => UsageDimension::Api,
            };
            let value = match value {
                Some(value) => Some(names.value(dimension, &value).await?),
                None => None,
            };
            let rule = rules.iter().find(|rule| Some(rule.id) == rule_id);
            data.push(CostRow {
                name: match (rule, &value) {
                    (Some(rule), _) => Some(rule.rule.name.clone()),
                    (None, Some(value)) => value.name.clone(),
                    (None, None) => None,
                },
                value,
                rule_id,
                amounts: amounts_of(amounts),
            });
        }
        Ok(CostReport {
            from,
            to,
            totals: amounts_of(totals),
            days: days
                .into_iter()
                .map(|(day, amounts)| CostDay {
                    day,
                    amounts: amounts_of(amounts),
                })
                .collect(),
            data,
        })
    }

    /// What the calls of the day cost so far, in whole units of a currency.
    pub(crate) async fn cost_of_today(
        &self,
        organization_id: OrganizationId,
        currency: Option<&str>,
        filter: &AlertFilter,
    ) -> Result<f64, CostError> {
        let today = self.now().date_naive();
        let wanted = Wanted {
            from: today,
            to: today.checked_add_days(Days::new(1)).unwrap_or(today),
            by: match filter.route {
                Some(_) => Dimension::Route,
                None => Dimension::Api,
            },
            with_api: filter.api_id.is_some(),
            with_key: filter.key_id.is_some(),
        };
        let rules = self.store().price_rules_list(organization_id).await?;
        let items = self.items(organization_id, &rules, wanted).await?;
        let of_route = |value: &Value| match (&filter.route, value) {
            (Some(wanted), Value::Route(_, found)) => route(wanted) == *found,
            (wanted, _) => wanted.is_none(),
        };
        let cost = items.iter().filter(|item| {
            Some(item.currency.as_str()) == currency
                && filter.api_id.is_none_or(|id| item.api == Some(id.0))
                && filter.key_id.is_none_or(|id| item.key == Some(id.0))
                && of_route(&item.value)
        });
        let cost = micros(cost.map(|item| item.cost).sum());
        #[expect(clippy::cast_precision_loss, reason = "compared, not counted")]
        let whole = cost as f64 / 1_000_000.0;
        Ok(whole)
    }

    /// What each rule made the calls of each day cost.
    pub(super) async fn items(
        &self,
        organization_id: OrganizationId,
        rules: &[PriceRuleRow],
        wanted: Wanted,
    ) -> Result<Vec<Item>, CostError> {
        let mut items = Vec::new();
        for row in rules {
            let rule = &row.rule;
            // From the first of the month, as tiers are.
            let begin = first_of_month(wanted.from).max(rule.from);
            let end = rule.to.map_or(wanted.to, |to| to.min(wanted.to));
            if begin >= end {
                continue;
            }
            let days: Vec<NaiveDate> = begin.iter_days().take_while(|day| *day < end).collect();
            let mut by = vec![wanted.by];
            for (dimension, is_wanted) in [
                (Dimension::Api, wanted.with_api),
                (Dimension::Key, wanted.with_key),
            ] {
                if is_wanted && !by.contains(&dimension) {
                    by.push(dimension);
                }
            }
            let (mut status_classes, mut status_codes) = (Vec::new(), Vec::new());
            for status in &rule.statuses {
                match status {
                    PricedStatus::Class(class) => status_classes.push(class.first_status() / 100),
                    PricedStatus::Code(code) => status_codes.push(i32::from(*code)),
                }
            }
            let question = Question {
                filter: Filter {
                    api: rule.api_id.map(|id| id.0),
                    route: rule.route.as_deref().map(route),
                    status_classes,
                    status_codes,
                    served_only: !rule.refused,
                    uncached_only: !rule.cached,
                    ..Filter::default()
                },
                by: by.clone(),
                steps: days.iter().map(|day| midnight(*day)).collect(),
                ..Question::default()
            };
            let span = Span {
                from_us: midnight(begin),
                to_us: midnight(end),
            };
            let answer = self.answer(organization_id, question, span).await?;
            let (mut month, mut used) = (first_of_month(begin), 0);
            for (at, day) in days.iter().enumerate() {
                if first_of_month(*day) != month {
                    month = first_of_month(*day);
                    used = 0;
                }
                let of = |group: &apiverse_rollup::Group| {
                    group.series.get(at).map_or(0, |sum| units(sum, rule.unit))
                };
                let whole: i128 = answer.groups.iter().map(of).sum();
                let costs = cost(&rule.tiers, used, whole);
                used += whole;
                if *day < wanted.from || whole == 0 {
                    continue;
                }
                for group in &answer.groups {
                    let part = of(group);
                    if part == 0 {
                        continue;
                    }
                    let id = |wanted: Dimension| {
                        let at = by.iter().position(|dimension| *dimension == wanted)?;
                        match group.values.get(at) {
                            Some(Value::Id(id)) => *id,
                            _ => None,
                        }
                    };
                    let Some(value) = group.values.first() else {
                        continue;
                    };
                    items.push(Item {
                        day: *day,
                        api: id(Dimension::Api),
                        key: id(Dimension::Key),
                        value: value.clone(),
                        rule: row.id,
                        currency: rule.currency.clone(),
                        cost: share(costs, part, whole),
                    });
                }
            }
        }
        Ok(items)
    }
}

fn amounts_of(amounts: BTreeMap<String, i128>) -> Vec<Amount> {
    let amounts = amounts.into_iter();
    amounts
        .map(|(currency, cost)| Amount {
            currency,
            micros: micros(cost),
        })
        .collect()
}

fn units(sum: &Sum, unit: PriceUnit) -> i128 {
    match unit {
        PriceUnit::Call => i128::from(sum.calls) * SCALE,
        PriceUnit::MegabyteIn => sum.bytes_in.into(),
        PriceUnit::MegabyteOut => sum.bytes_out.into(),
        PriceUnit::MillionTokensIn => sum.tokens_in.into(),
        PriceUnit::MillionTokensOut => sum.tokens_out.into(),
    }
}

fn route(text: &str) -> Route {
    match text.parse() {
        Ok(id) => Route::Configured(id),
        Err(_) => Route::Learned(text.into()),
    }
}
