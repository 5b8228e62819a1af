//! Looking for what is unusual: every few minutes, on one node.

use std::collections::HashMap;
use std::time::Duration;

use apiverse_contract::alerts::WebhookTopic;
use apiverse_contract::insights::{FindingMetric, FindingPart, FindingState};
use apiverse_contract::notifications::NotificationEvent;
use apiverse_contract::usage::UsageDimension;
use apiverse_contract::{ApiId, OrganizationId};
use apiverse_insight::{Contribution, Finding, Kind, Options, contributions, detect_weighted};
use apiverse_rollup::{Dimension, Filter, Group, Question, Route, Step, Sum, Value};
use apiverse_store::FindingRow;
use serde_json::json;
use uuid::Uuid;

use super::view::is_muted;
use crate::clock::new_id;
use crate::notifications::{Addresses, Word};
use crate::permissions::Permission;
use crate::platform::Platform;
use crate::usage::{Names, Span, UsageError};

const MINUTE_US: i64 = 60_000_000;
/// Width of what is looked at.
const STEP_US: i64 = 5 * MINUTE_US;
/// How often it is.
const EVERY: Duration = Duration::from_secs(150);
/// A node that dies is followed by another after this.
const LEASE_US: i64 = 10 * MINUTE_US;
/// How far back: as long as sums by minute are kept, at most.
const DAYS: i64 = 7;
/// Routes and APIs that are looked at, those with most calls.
const MOST: usize = 100;
/// Fewer calls in all that time say nothing.
const FEWEST: u64 = 100;
/// How much is read at once.
const PART_US: i64 = 6 * 60 * MINUTE_US;
/// Findings of one series that are stored at most, the latest.
const FINDINGS: usize = 50;
/// Parts of an explanation.
const PARTS: usize = 5;
/// How long findings are kept.
const KEPT_US: i64 = 400 * 1440 * MINUTE_US;
/// What began longer ago is no news: it was there when somebody looked first.
const TOLD_US: i64 = 6 * 60 * MINUTE_US;
const LEASE: &str = "insights";

impl Platform {
    /// Looks for what is unusual until the runtime ends. Of several nodes one does.
    pub async fn watch_insights(&self) {
        let holder = Uuid::from_bytes(self.inner.clock.random());
        loop {
            tokio::time::sleep(EVERY).await;
            let now_us = self.now().timestamp_micros();
            let until_us = now_us.saturating_add(LEASE_US);
            let is_ours = self
                .store()
                .lease_take(LEASE, holder, now_us, until_us)
                .await;
            let done = match is_ours {
                Ok(true) => {
                    let done = self.look_everywhere(now_us).await;
                    self.inner.meters.insights_at.set(now_us as f64 / 1e6);
                    done
                }
                Ok(false) => Ok(()),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = done {
                self.inner.meters.insights_failed.increment(1);
                tracing::warn!(%error, "nobody looks for what is unusual right now");
            }
        }
    }

    async fn look_everywhere(&self, now_us: i64) -> Result<(), UsageError> {
        let organizations = self
            .store()
            .usage_organizations(now_us.saturating_sub(2 * 60 * MINUTE_US))
            .await?;
        for organization_id in organizations {
            if let Err(error) = self.look_and_tell(organization_id, true).await {
                tracing::warn!(%error, %organization_id, "nobody looks for what is unusual there");
            }
        }
        self.store()
            .findings_forget(now_us.saturating_sub(KEPT_US))
            .await?;
        Ok(())
    }

    /// Looks at the last days of an organization, and stores what is unusual, of which nobody is
    /// told; how many findings there are.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look_for_findings(
        &self,
        organization_id: OrganizationId,
    ) -> Result<usize, UsageError> {
        self.look_and_tell(organization_id, false).await
    }

    async fn look_and_tell(
        &self,
        organization_id: OrganizationId,
        tells: bool,
    ) -> Result<usize, UsageError> {
        let now_us = self.now().timestamp_micros();
        let kept = self.inner.config.minutes_kept.as_secs() / 86_400;
        let days = DAYS.min(i64::try_from(kept).unwrap_or(DAYS) - 1).max(1);
        // Steps that are over, by half a minute for calls that are still on their way.
        let to_us = (now_us - MINUTE_US / 2).div_euclid(STEP_US) * STEP_US;
        let from_us = to_us - days * Step::Day.width_us();
        let span = Span { from_us, to_us };
        let mut known = HashMap::new();
        for row in self
            .store()
            .findings_since(organization_id, from_us)
            .await?
        {
            let place = (row.api_id, row.route.clone(), row.metric.clone());
            known.insert((place, row.started_us), row);
        }
        let mut rows = Vec::new();
        for by in [Dimension::Api, Dimension::Route] {
            for (value, series) in self.series_of(organization_id, by, span).await? {
                // Numbers of a week for each: others may use the thread in between.
                tokio::task::yield_now().await;
                let what = What {
                    organization_id,
                    value,
                    from_us,
                };
                self.look_at(&what, &series, &known, &mut rows).await?;
            }
        }
        // First, so that nothing is forgotten: it is told once whatever happens.
        if tells {
            self.say_of_findings(organization_id, &rows, &known, now_us)
                .await?;
        }
        self.store().findings_put(&rows).await?;
        Ok(rows.len())
    }

    /// Tells of what began lately: once each, and not of what is muted.
    async fn say_of_findings(
        &self,
        organization_id: OrganizationId,
        rows: &[FindingRow],
        known: &Known,
        now_us: i64,
    ) -> Result<(), UsageError> {
        let is_new = |row: &&FindingRow| {
            let place = (row.api_id, row.route.clone(), row.metric.clone());
            row.state == FindingState::Open.as_str()
                && row.started_us > now_us - TOLD_US
                && !known.contains_key(&(place, row.started_us))
        };
        let fresh: Vec<&FindingRow> = rows.iter().filter(is_new).collect();
        if fresh.is_empty() {
            return Ok(());
        }
        let mutes = self.store().mutes_list(organization_id).await?;
        let found = self.store().organization_get(organization_id).await?;
        let organization = found.map(|found| found.name).unwrap_or_default();
        let mut names = HashMap::new();
        for row in fresh {
            if is_muted(row, &mutes, now_us) {
                continue;
            }
            let view = self.finding_view(organization_id, row.clone(), false, &mut names);
            let Ok(view) = view.await else { continue };
            let api = row.api_id.map(|id| id.to_string()).unwrap_or_default();
            let word = Word {
                event: NotificationEvent::Finding,
                roles: Permission::UsageWrite.roles(),
                addresses: Addresses::Of(WebhookTopic::Findings),
                cause: format!(
                    "{organization_id}:{api}:{}:{}:{}",
                    row.route, row.metric, row.started_us
                ),
                link: "/console/insights?state=open".to_owned(),
                values: vec![
                    ("organization", organization.clone()),
                    ("summary", view.summary.clone()),
                    ("at", Self::moment(view.started_at)),
                ],
                kind: "finding.opened",
                title: view.summary.clone(),
                data: json!({
                    "finding": view,
                    "url": format!("{}/console/insights?state=open", self.base_url()),
                }),
            };
            self.say(organization_id, &word).await;
        }
        Ok(())
    }

    /// The steps of the APIs or routes with most calls. They are read a few hours at a time, and
    /// what a step took is kept as a number: all latencies of a week would be very many.
    async fn series_of(
        &self,
        organization_id: OrganizationId,
        by: Dimension,
        span: Span,
    ) -> Result<Vec<(Value, Series)>, UsageError> {
        let question = Question {
            by: vec![by],
            ..Question::default()
        };
        let mut largest = self
            .ask(organization_id, question.clone(), span)
            .await?
            .groups;
        largest.retain(|group| group.total.calls >= FEWEST);
        largest.sort_by(|a, b| {
            (b.total.calls.cmp(&a.total.calls)).then_with(|| a.values.cmp(&b.values))
        });
        largest.truncate(MOST);
        if largest.is_empty() {
            return Ok(Vec::new());
        }
        let only: Vec<Vec<Value>> = largest.into_iter().map(|group| group.values).collect();
        let mut all: HashMap<Vec<Value>, Series> = HashMap::new();
        let mut from_us = span.from_us;
        while from_us < span.to_us {
            let part = Span {
                from_us,
                to_us: (from_us + PART_US).min(span.to_us),
            };
            from_us = part.to_us;
            let question = Question {
                steps: (part.from_us..part.to_us)
                    .step_by(STEP_US.unsigned_abs() as usize)
                    .collect(),
                latency: true,
                only: only.clone(),
                ..question.clone()
            };
            for group in self.answer(organization_id, question, part).await?.groups {
                all.entry(group.values).or_default().extend(&group.series);
            }
        }
        let ordered = only.into_iter().filter_map(|values| {
            let series = all.remove(&values)?;
            Some((values.into_iter().next()?, series))
        });
        Ok(ordered.collect())
    }

    async fn look_at(
        &self,
        what: &What,
        series: &Series,
        known: &Known,
        rows: &mut Vec<FindingRow>,
    ) -> Result<(), UsageError> {
        let (api, route) = match &what.value {
            Value::Id(api) => (*api, Route::None),
            // What nobody knows is no route.
            Value::Route(_, Route::Learned(text)) if text.starts_with('(') => return Ok(()),
            Value::Route(api, route) => (*api, route.clone()),
            _ => return Ok(()),
        };
        for metric in FindingMetric::ALL {
            let found = series.look(metric);
            let skipped = found.len().saturating_sub(FINDINGS);
            for finding in &found[skipped..] {
                let mut row = self.row(what, api, &route, metric, finding);
                let at = (row.api_id, row.route.clone(), row.metric.clone());
                let known = known.get(&(at, row.started_us));
                if known.is_some_and(|known| is_same(known, &row)) {
                    continue;
                }
                let place = Place {
                    organization_id: what.organization_id,
                    api,
                    route: route.clone(),
                    metric,
                };
                let during = Span {
                    from_us: row.started_us,
                    to_us: what.at(finding.end),
                };
                row.parts = json!(self.parts(&place, during).await?);
                rows.push(row);
            }
        }
        Ok(())
    }

    fn row(
        &self,
        what: &What,
        api: Option<Uuid>,
        route: &Route,
        metric: FindingMetric,
        finding: &Finding,
    ) -> FindingRow {
        FindingRow {
            id: new_id!(self.inner.clock, FindingId),
            organization_id: what.organization_id,
            api_id: api.map(ApiId),
            route: match route {
                Route::None => String::new(),
                Route::Configured(id) => id.to_string(),
                Route::Learned(text) => text.to_string(),
            },
            metric: metric.as_str().to_owned(),
            state: state(finding.kind).as_str().to_owned(),
            above: finding.is_above(),
            started_us: what.at(finding.start),
            ended_us: (finding.kind != Kind::Open).then(|| what.at(finding.end)),
            worst_us: what.at(finding.worst),
            value: finding.value,
            expected: finding.expected,
            score: finding.score,
            parts: json!([]),
            acknowledged_us: None,
            acknowledged_by: None,
            note: None,
        }
    }

    /// Which keys and routes explain most of a finding, compared with the same time before it.
    async fn parts(&self, place: &Place, during: Span) -> Result<Vec<FindingPart>, UsageError> {
        let length = during.to_us - during.from_us;
        let mut parts = Vec::new();
        let mut dimensions = vec![(Dimension::Key, UsageDimension::Key)];
        if place.route == Route::None {
            dimensions.push((Dimension::Route, UsageDimension::Route));
        }
        let mut names = Names::new(self, place.organization_id);
        for (dimension, named) in dimensions {
            let question = Question {
                filter: Filter {
                    api: place.api,
                    route: (place.route != Route::None).then(|| place.route.clone()),
                    status_class: (place.metric == FindingMetric::ErrorRate).then_some(5),
                    ..Filter::default()
                },
                by: vec![dimension],
                ..Question::default()
            };
            let now = self
                .ask(place.organization_id, question.clone(), during)
                .await?;
            let before = self
                .ask(place.organization_id, question, during.earlier(length))
                .await?;
            let weigh = |groups: Vec<Group>| -> Vec<(Value, f64)> {
                let groups = groups.into_iter().filter_map(|group| {
                    let value = group.values.into_iter().next()?;
                    Some((value, weight(&group.total, place.metric)))
                });
                groups.collect()
            };
            let shares = contributions(&weigh(before.groups), &weigh(now.groups));
            for Contribution { what, share, .. } in shares.into_iter().take(PARTS) {
                let value = names.value(named, &what).await?;
                parts.push(FindingPart {
                    dimension: if named == UsageDimension::Key {
                        "key"
                    } else {
                        "route"
                    }
                    .to_owned(),
                    id: value.id,
                    name: value.name,
                    share: (share * 1000.0).round() / 1000.0,
                });
            }
        }
        parts.sort_by(|a, b| b.share.total_cmp(&a.share));
        parts.truncate(PARTS);
        Ok(parts)
    }
}

/// What a finding is of.
struct Place {
    organization_id: OrganizationId,
    api: Option<Uuid>,
    route: Route,
    metric: FindingMetric,
}

const fn state(kind: Kind) -> FindingState {
    match kind {
        Kind::Open => FindingState::Open,
        Kind::Passed => FindingState::Passed,
        Kind::Level => FindingState::Level,
    }
}

#[expect(clippy::cast_precision_loss, reason = "compared, not counted")]
fn weight(sum: &Sum, metric: FindingMetric) -> f64 {
    match metric {
        FindingMetric::Traffic | FindingMetric::ErrorRate => sum.calls as f64,
        FindingMetric::Latency => sum.latency_us as f64,
    }
}

/// Whether nothing is new about a finding.
fn is_same(known: &FindingRow, found: &FindingRow) -> bool {
    known.state == found.state
        && known.ended_us == found.ended_us
        && known.worst_us == found.worst_us
        && known.state != FindingState::Open.as_str()
}

/// Findings that are stored, by what they are of and when they began.
type Known = HashMap<((Option<ApiId>, String, String), i64), FindingRow>;

/// Whose series it is.
struct What {
    organization_id: OrganizationId,
    value: Value,
    /// When the first step begins.
    from_us: i64,
}

impl What {
    fn at(&self, step: usize) -> i64 {
        let steps = i64::try_from(step).unwrap_or(i64::MAX);
        self.from_us.saturating_add(steps.saturating_mul(STEP_US))
    }
}

/// What a group's steps come to.
#[derive(Default)]
struct Series {
    calls: Vec<f64>,
    error_rates: Vec<f64>,
    latencies: Vec<f64>,
}

impl Series {
    #[expect(clippy::cast_precision_loss, reason = "five minutes' calls")]
    fn extend(&mut self, steps: &[Sum]) {
        for sum in steps {
            self.calls.push(sum.calls as f64);
            self.error_rates
                .push(sum.classes[3] as f64 / sum.calls as f64);
            let p95 = sum.latency.quantile_us(0.95);
            self.latencies.push(p95.map_or(f64::NAN, |us| us / 1000.0));
        }
    }

    fn look(&self, metric: FindingMetric) -> Vec<Finding> {
        // Before its first call an API does not have none, it is not there.
        let begins = self.calls.iter().position(|calls| *calls > 0.0);
        let begins = begins.unwrap_or(self.calls.len());
        let (values, options) = match metric {
            FindingMetric::Traffic => (&self.calls, Options::counts()),
            FindingMetric::ErrorRate => (&self.error_rates, Options::error_rates()),
            FindingMetric::Latency => (&self.latencies, Options::latencies()),
        };
        let mut values = values.clone();
        values[..begins].fill(f64::NAN);
        detect_weighted(&values, &self.calls, &options)
    }
}
