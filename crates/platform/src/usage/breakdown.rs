//! Who and what calls belong to.

use std::collections::HashMap;

use apiverse_contract::page::check_limit;
use apiverse_contract::usage::{
    BreakdownRow, StatusClass, TopRow, UsageBreakdown, UsageDimension, UsageQuery, UsageSort,
    UsageValue,
};
use apiverse_contract::{ApiId, OrganizationId};
use apiverse_rollup::{Answer, Group, Question, Route, Sum, Value};
use uuid::Uuid;

use super::report::{most_steps, percentile, points, totals};
use super::{Span, UsageError, at, filter, steps};
use crate::actor::Actor;
use crate::fault::Invalid;
use crate::permissions::Permission;
use crate::platform::Platform;

/// Rows of a ranking when the caller names no limit.
const TOP: u32 = 10;
/// Calls below which a rate or a percentile says nothing.
const FEW: u64 = 10;

impl Platform {
    /// Calls by one dimension or two: the largest rows, and how many there are.
    ///
    /// # Errors
    /// See [`UsageError`].
    pub async fn usage_breakdown(
        &self,
        actor: &Actor,
        query: UsageQuery,
    ) -> Result<UsageBreakdown, UsageError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let limit = check_limit(query.limit.or(Some(TOP))).map_err(|error| Invalid(vec![error]))?;
        let by: Vec<UsageDimension> = [Some(query.by.unwrap_or(UsageDimension::Api)), query.and]
            .into_iter()
            .flatten()
            .collect();
        if by.len() == 2 && by[0] == by[1] {
            return Err(Invalid::one("and", "must be another one than `by`").into());
        }
        let zone = steps::zone(query.tz.as_deref())?;
        let (span, starts) = if query.series == Some(true) {
            let range = query
                .range(self.now())
                .map_err(|error| Invalid(vec![error]))?;
            let span = Span::of((range.from, range.to));
            (
                span,
                steps::steps(span, range.granularity, zone, most_steps()),
            )
        } else {
            (self.span(&query)?, Vec::new())
        };
        let question = Question {
            filter: filter::of_sums(&query)?,
            by: by.iter().map(|by| filter::dimension(*by)).collect(),
            latency: true,
            ..Question::default()
        };
        let answer = self.ask(organization_id, question.clone(), span).await?;
        let all = totals(&answer.total());
        let rows = answer.groups.len() as u64;
        let largest = largest(answer, query.sort.unwrap_or_default(), limit);
        let previous = if query.compare == Some(true) {
            let before = span.earlier(span.length_us());
            Some(by_values(
                self.ask(organization_id, question.clone(), before).await?,
            ))
        } else {
            None
        };
        let mut series = HashMap::new();
        // Nothing is not everything.
        if !starts.is_empty() && !largest.is_empty() {
            // Percentiles of every row's every step are more than anybody looks at.
            let question = Question {
                steps: starts.clone(),
                latency: false,
                only: largest.iter().map(|group| group.values.clone()).collect(),
                ..question
            };
            series = by_values(self.ask(organization_id, question, span).await?);
        }
        let mut names = Names::new(self, organization_id);
        let mut data = Vec::with_capacity(largest.len());
        for group in largest {
            let mut values = Vec::with_capacity(by.len());
            for (dimension, value) in by.iter().zip(&group.values) {
                values.push(names.value(*dimension, value).await?);
            }
            data.push(BreakdownRow {
                values,
                totals: totals(&group.total),
                previous: previous.as_ref().map(|previous| {
                    let before = previous.get(&group.values);
                    totals(before.map_or(&Sum::default(), |group| &group.total))
                }),
                series: series
                    .get(&group.values)
                    .map(|group| points(&starts, group))
                    .unwrap_or_default(),
            });
        }
        Ok(UsageBreakdown {
            from: at(span.from_us),
            to: at(span.to_us),
            starts: starts.into_iter().map(at).collect(),
            data,
            rows,
            totals: all,
        })
    }

    /// The APIs or keys with most calls, or what else is asked for.
    ///
    /// # Errors
    /// See [`UsageError`].
    pub async fn usage_top(
        &self,
        actor: &Actor,
        query: UsageQuery,
    ) -> Result<Vec<TopRow>, UsageError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let limit = check_limit(query.limit.or(Some(TOP))).map_err(|error| Invalid(vec![error]))?;
        let by = query.by.unwrap_or(UsageDimension::Api);
        let question = Question {
            filter: filter::of_sums(&query)?,
            by: vec![filter::dimension(by)],
            latency: true,
            ..Question::default()
        };
        let answer = self
            .ask(organization_id, question, self.span(&query)?)
            .await?;
        let mut names = Names::new(self, organization_id);
        let mut rows = Vec::new();
        for group in largest(answer, query.sort.unwrap_or_default(), limit) {
            let value = match group.values.first() {
                Some(value) => names.value(by, value).await?,
                None => continue,
            };
            rows.push(TopRow {
                id: value.id,
                name: value.name,
                calls: group.total.calls,
                errors: group.total.errors,
                p95_ms: percentile(&group.total, 0.95),
            });
        }
        Ok(rows)
    }
}

fn by_values(answer: Answer) -> HashMap<Vec<Value>, Group> {
    let groups = answer.groups.into_iter();
    groups.map(|group| (group.values.clone(), group)).collect()
}

/// The first `limit` groups; of equal ones the order is always the same.
fn largest(answer: Answer, sort: UsageSort, limit: u32) -> Vec<Group> {
    let mut ranked: Vec<(f64, Group)> = answer
        .groups
        .into_iter()
        .map(|group| (rank(&group.total, sort), group))
        .collect();
    ranked.sort_by(|(a, x), (b, y)| {
        (b.total_cmp(a))
            .then(y.total.calls.cmp(&x.total.calls))
            .then_with(|| x.values.cmp(&y.values))
    });
    ranked.truncate(limit as usize);
    ranked.into_iter().map(|(_, group)| group).collect()
}

#[expect(clippy::cast_precision_loss, reason = "compared, not counted")]
fn rank(sum: &Sum, sort: UsageSort) -> f64 {
    match sort {
        UsageSort::Calls => sum.calls as f64,
        UsageSort::Errors => sum.errors as f64,
        UsageSort::ErrorRate if sum.calls < FEW => -1.0,
        UsageSort::ErrorRate => sum.errors as f64 / sum.calls as f64,
        UsageSort::P95 if sum.calls < FEW => -1.0,
        UsageSort::P95 => percentile(sum, 0.95).unwrap_or(0.0),
        UsageSort::Bytes => sum.bytes_in as f64 + sum.bytes_out as f64,
    }
}

/// What values are called; each is looked up once.
pub(crate) struct Names<'a> {
    platform: &'a Platform,
    organization_id: OrganizationId,
    known: HashMap<(UsageDimension, Uuid), Option<String>>,
}

impl<'a> Names<'a> {
    pub(crate) fn new(platform: &'a Platform, organization_id: OrganizationId) -> Self {
        Self {
            platform,
            organization_id,
            known: HashMap::new(),
        }
    }

    pub(crate) async fn value(
        &mut self,
        dimension: UsageDimension,
        value: &Value,
    ) -> Result<UsageValue, UsageError> {
        let named = |id: Option<String>| UsageValue {
            dimension,
            name: id.clone(),
            id,
            api_id: None,
        };
        Ok(match value {
            // The keys a block had no room for.
            Value::Id(Some(id)) if id.is_max() => named(Some(apiverse_rollup::OTHER.to_owned())),
            Value::Id(None) if dimension == UsageDimension::Version => {
                named(Some("default".to_owned()))
            }
            Value::Id(None) => named(None),
            Value::Id(Some(id)) => UsageValue {
                name: self.name(dimension, *id).await?,
                ..named(Some(id.to_string()))
            },
            Value::Route(api, route) => UsageValue {
                api_id: api.map(ApiId),
                ..match route {
                    Route::None => named(None),
                    Route::Learned(text) => named(Some(text.to_string())),
                    Route::Configured(id) => UsageValue {
                        name: self.name(UsageDimension::Route, *id).await?,
                        ..named(Some(id.to_string()))
                    },
                }
            },
            Value::Method(method) => named(Some(method.as_str().to_owned())),
            Value::Number(class) if dimension == UsageDimension::StatusClass => {
                let class = StatusClass::ALL
                    .into_iter()
                    .find(|known| known.first_status() / 100 == *class);
                named(class.map(|class| class.as_str().to_owned()))
            }
            Value::Number(status) => named(Some(status.to_string())),
            Value::Error(code) => named(code.as_deref().map(str::to_owned)),
            Value::Cache(state) => named(state.map(|state| state.as_str().to_owned())),
        })
    }

    /// The name of an API, key, version or route.
    pub(crate) async fn name(
        &mut self,
        dimension: UsageDimension,
        id: Uuid,
    ) -> Result<Option<String>, UsageError> {
        if let Some(name) = self.known.get(&(dimension, id)) {
            return Ok(name.clone());
        }
        let (store, organization_id) = (self.platform.store(), self.organization_id);
        let name = match dimension {
            UsageDimension::Api => store.usage_api_name(organization_id, id).await?,
            UsageDimension::Key => store.usage_key_name(organization_id, id).await?,
            UsageDimension::Version => store.usage_version_name(organization_id, id).await?,
            UsageDimension::Route => store.usage_route_path(organization_id, id).await?,
            UsageDimension::Method
            | UsageDimension::Status
            | UsageDimension::StatusClass
            | UsageDimension::ErrorCode
            | UsageDimension::Cache => None,
        };
        self.known.insert((dimension, id), name.clone());
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(id: u128, calls: u64, errors: u64) -> Group {
        Group {
            values: vec![Value::Id(Some(Uuid::from_u128(id)))],
            total: Sum {
                calls,
                errors,
                bytes_out: 1000 - calls,
                ..Sum::default()
            },
            series: Vec::new(),
        }
    }

    #[test]
    fn rankings_are_stable_and_few_calls_have_no_rate() {
        let order = |sort| -> Vec<u128> {
            let answer = Answer {
                steps: Vec::new(),
                groups: vec![
                    group(1, 5, 5),
                    group(2, 100, 10),
                    group(4, 50, 20),
                    group(3, 50, 20),
                ],
            };
            let largest = largest(answer, sort, 3);
            let ids = largest.iter().map(|group| match &group.values[0] {
                Value::Id(Some(id)) => id.as_u128(),
                other => panic!("{other:?}"),
            });
            ids.collect()
        };
        assert_eq!(order(UsageSort::Calls), [2, 3, 4]);
        assert_eq!(order(UsageSort::Errors), [3, 4, 2]);
        assert_eq!(order(UsageSort::ErrorRate), [3, 4, 2]);
        assert_eq!(order(UsageSort::Bytes), [1, 3, 4]);
    }
}
