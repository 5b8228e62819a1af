//! Errors by kind and place, those first that were not there before.

use std::collections::HashMap;

use apiverse_contract::page::check_limit;
use apiverse_contract::usage::{ErrorRow, Granularity, UsageDimension, UsageQuery};
use apiverse_contract::{ApiId, Page};
use apiverse_rollup::{Dimension, Filter, Group, Question, Route, Sum, Value};
use chrono_tz::Tz;

use super::breakdown::Names;
use super::report::most_steps;
use super::{UsageError, at, filter, steps};
use crate::actor::Actor;
use crate::fault::Invalid;
use crate::permissions::Permission;
use crate::platform::Platform;

const BY: [Dimension; 3] = [Dimension::Route, Dimension::Status, Dimension::ErrorCode];
/// Ranges up to this long are told in hours, longer ones in days.
const HOURS_US: i64 = 14 * 86_400 * 1_000_000;
/// Longest range: the series that says when an error was first seen has a step for each day.
const LONGEST_US: i64 = 1400 * 86_400 * 1_000_000;

impl Platform {
    /// Errors of the range by API, route, status and code: new ones first, then the most frequent.
    /// New is what did not happen in the time before, which is as long as the range.
    ///
    /// # Errors
    /// See [`UsageError`].
    pub async fn usage_errors(
        &self,
        actor: &Actor,
        query: UsageQuery,
    ) -> Result<Page<ErrorRow>, UsageError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let limit = check_limit(query.limit).map_err(|error| Invalid(vec![error]))?;
        let span = self.span(&query)?;
        if span.length_us() > LONGEST_US {
            return Err(Invalid::one("from", "must be at most 1400 days before `to`").into());
        }
        let granularity = if span.length_us() <= HOURS_US {
            Granularity::Hour
        } else {
            Granularity::Day
        };
        let starts = steps::steps(span, granularity, Tz::UTC, most_steps());
        let question = Question {
            filter: Filter {
                errors_only: true,
                ..filter::of_sums(&query)?
            },
            by: BY.to_vec(),
            ..Question::default()
        };
        let before_span = span.earlier(span.length_us());
        let before = self.ask(organization_id, question.clone(), before_span);
        let before = before.await?;
        let before: HashMap<Vec<Value>, u64> = before
            .groups
            .into_iter()
            .map(|group| (group.values, group.total.calls))
            .collect();
        let answer = self.ask(organization_id, question.clone(), span).await?;
        let mut found: Vec<(u64, Group)> = answer
            .groups
            .into_iter()
            .map(|group| (before.get(&group.values).copied().unwrap_or(0), group))
            .collect();
        found.sort_by(|(a_before, a), (b_before, b)| {
            (*b_before == 0)
                .cmp(&(*a_before == 0))
                .then(b.total.calls.cmp(&a.total.calls))
                .then_with(|| a.values.cmp(&b.values))
        });
        found.truncate(limit as usize);
        if found.is_empty() {
            return Ok(Page {
                data: Vec::new(),
                next_cursor: None,
            });
        }
        // When they were seen is asked for those that are told only: there may be very many.
        let question = Question {
            steps: starts.clone(),
            only: found
                .iter()
                .map(|(_, group)| group.values.clone())
                .collect(),
            ..question
        };
        let series = self.ask(organization_id, question, span).await?.groups;
        let mut series: HashMap<Vec<Value>, Vec<Sum>> = series
            .into_iter()
            .map(|group| (group.values, group.series))
            .collect();
        let mut names = Names::new(self, organization_id);
        let mut data = Vec::with_capacity(found.len());
        for (calls_before, group) in found {
            let [
                Value::Route(api, route),
                Value::Number(status),
                Value::Error(code),
            ] = group.values.as_slice()
            else {
                continue;
            };
            let (route, route_name) = match route {
                Route::None => (None, None),
                Route::Learned(text) => (Some(text.to_string()), Some(text.to_string())),
                Route::Configured(id) => (
                    Some(id.to_string()),
                    names.name(UsageDimension::Route, *id).await?,
                ),
            };
            let has_any = |step: &Sum| step.calls > 0;
            let series = series.remove(&group.values).unwrap_or_default();
            let first = series.iter().position(has_any).unwrap_or(0);
            let last = series.iter().rposition(has_any).unwrap_or(0);
            let step = |n: usize| at(starts.get(n).copied().unwrap_or(span.from_us));
            data.push(ErrorRow {
                api_id: api.map(ApiId),
                api_name: match api {
                    Some(api) => names.name(UsageDimension::Api, *api).await?,
                    None => None,
                },
                route,
                route_name,
                status: u16::try_from(*status).unwrap_or(0),
                error_code: code.as_deref().map(str::to_owned),
                calls: group.total.calls,
                calls_before,
                is_new: calls_before == 0,
                first_seen: step(first),
                last_seen: step(last),
            });
        }
        Ok(Page {
            data,
            next_cursor: None,
        })
    }
}
