//! What a report says: answers of the questions anybody may ask about usage, put together.

use apiverse_contract::costs::{Amount, CostQuery};
use apiverse_contract::reports::{ReportHeadline, percent};
use apiverse_contract::usage::{Granularity, UsageDimension, UsagePoint, UsageQuery, UsageTotals};
use apiverse_contract::{ApiId, OrganizationId};
use chrono::NaiveDate;
use chrono_tz::Tz;

use super::calendar::{Range, midnight_us};
use super::figures::{self, Number, bytes, change, count, milliseconds, money};
use super::table::{Content, Figure, Point};
use super::{ReportsError, at};
use crate::actor::Actor;
use crate::platform::Platform;
use crate::usage::Names;

const DAY_US: i64 = 86_400_000_000;

/// What a report is about.
pub(super) struct Wanted {
    pub(super) organization_id: OrganizationId,
    pub(super) name: String,
    pub(super) api_id: Option<ApiId>,
    pub(super) zone: Tz,
    pub(super) range: Range,
    /// The first day of the time it is compared with, which ends where the range begins.
    pub(super) before: NaiveDate,
    pub(super) from_us: i64,
    /// May be within the last day, while that is not over.
    pub(super) to_us: i64,
}

impl Wanted {
    fn is_over(&self) -> bool {
        self.to_us >= midnight_us(self.range.to, self.zone)
    }

    pub(super) fn query(&self) -> UsageQuery {
        UsageQuery {
            api_id: self.api_id,
            from: Some(at(self.from_us)),
            to: Some(at(self.to_us)),
            tz: Some(self.zone.name().to_owned()),
            granularity: Some(self.granularity()),
            ..UsageQuery::default()
        }
    }

    /// The time before; as long as what there is, while the range is not over.
    fn query_before(&self) -> UsageQuery {
        let from_us = midnight_us(self.before, self.zone);
        let to_us = if self.is_over() {
            self.from_us
        } else {
            self.from_us.min(from_us + self.to_us - self.from_us)
        };
        UsageQuery {
            from: Some(at(from_us)),
            to: Some(at(to_us)),
            ..self.query()
        }
    }

    fn granularity(&self) -> Granularity {
        if self.to_us - self.from_us <= 2 * DAY_US {
            Granularity::Hour
        } else {
            Granularity::Day
        }
    }

    /// The days, as people say them.
    pub(super) fn words(&self) -> String {
        words(self.range, self.zone)
    }
}

fn words(range: Range, zone: Tz) -> String {
    let last = range.to.pred_opt().unwrap_or(range.to);
    let days = if last <= range.from {
        range.from.format("%-d %B %Y").to_string()
    } else {
        format!(
            "{} – {}",
            range.from.format("%-d %B %Y"),
            last.format("%-d %B %Y")
        )
    };
    format!("{days} ({})", zone.name())
}

impl Platform {
    pub(super) async fn report_content(
        &self,
        wanted: &Wanted,
    ) -> Result<(Content, ReportHeadline), ReportsError> {
        let actor = Actor::system(wanted.organization_id);
        let found = self
            .store()
            .organization_get(wanted.organization_id)
            .await?;
        let now = self.usage_report(&actor, wanted.query()).await?;
        let before = self.usage_report(&actor, wanted.query_before()).await?;
        let costs = self.costs_of(&actor, wanted, wanted.range).await?;
        let range_before = Range {
            from: wanted.before,
            to: wanted.range.from,
        };
        let costs_before = self.costs_of(&actor, wanted, range_before).await?;
        let mut names = Names::new(self, wanted.organization_id);
        let scope = match wanted.api_id {
            None => "All APIs".to_owned(),
            Some(id) => (names.name(UsageDimension::Api, id.0).await?)
                .unwrap_or_else(|| "An API that is gone".to_owned()),
        };
        let mut all = figures(&now.totals, &before.totals);
        all.extend(cost_figures(&costs, &costs_before));
        let headline = ReportHeadline {
            calls: now.totals.calls,
            calls_before: before.totals.calls,
            errors: now.totals.errors,
            errors_before: before.totals.errors,
            p95_ms: now.totals.p95_ms,
            p95_ms_before: before.totals.p95_ms,
            costs,
        };
        let is_by_hour = wanted.granularity() == Granularity::Hour;
        let content = Content {
            title: wanted.name.clone(),
            organization: found.map(|found| found.name).unwrap_or_default(),
            scope,
            range: wanted.words(),
            range_before: words(range_before, wanted.zone),
            made: Self::moment(self.now()),
            base_url: self.base_url().to_owned(),
            figures: all,
            step: if is_by_hour { "hour" } else { "day" },
            points: (now.series.iter())
                .map(|point| self::point(point, wanted.zone, is_by_hour))
                .collect(),
            tables: self.report_sections(&actor, wanted).await?,
        };
        Ok((content, headline))
    }

    /// What calls cost, where there are prices. Days of costs are those of UTC.
    async fn costs_of(
        &self,
        actor: &Actor,
        wanted: &Wanted,
        range: Range,
    ) -> Result<Vec<Amount>, ReportsError> {
        let rules = self
            .store()
            .price_rules_list(wanted.organization_id)
            .await?;
        if rules.is_empty() {
            return Ok(Vec::new());
        }
        let query = CostQuery {
            from: Some(range.from),
            to: Some(range.to),
            api_id: wanted.api_id,
            ..CostQuery::default()
        };
        Ok(self.cost_report(actor, query).await?.totals)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a change in percent, for people"
)]
fn figures(now: &UsageTotals, before: &UsageTotals) -> Vec<Figure> {
    let counted =
        |key: &str, name: &str, of: fn(&UsageTotals) -> u64, show: fn(u64) -> Number| Figure {
            key: key.to_owned(),
            name: name.to_owned(),
            now: show(of(now)),
            before: show(of(before)),
            change: change(Some(of(now) as f64), Some(of(before) as f64)),
        };
    let measured = |key: &str,
                    name: &str,
                    of: fn(&UsageTotals) -> Option<f64>,
                    show: fn(Option<f64>) -> Number| Figure {
        key: key.to_owned(),
        name: name.to_owned(),
        now: show(of(now)),
        before: show(of(before)),
        change: change(of(now), of(before)),
    };
    vec![
        counted("calls", "Calls", |t| t.calls, count),
        counted("errors", "Errors", |t| t.errors, count),
        measured(
            "error_percent",
            "Error ratio",
            |t| percent(t.errors, t.calls),
            figures::percent,
        ),
        measured("p50_ms", "Latency, p50", |t| t.p50_ms, milliseconds),
        measured("p95_ms", "Latency, p95", |t| t.p95_ms, milliseconds),
        measured("p99_ms", "Latency, p99", |t| t.p99_ms, milliseconds),
        counted("bytes_in", "Bytes in", |t| t.bytes_in, bytes),
        counted("bytes_out", "Bytes out", |t| t.bytes_out, bytes),
        measured(
            "cache_hit_percent",
            "Cache hit ratio",
            |t| percent(t.cache_hits, t.cache_lookups),
            figures::percent,
        ),
        counted("refused", "Refused by the gateway", |t| t.refused, count),
    ]
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a change in percent, for people"
)]
fn cost_figures(now: &[Amount], before: &[Amount]) -> Vec<Figure> {
    let of = |amounts: &[Amount], currency: &str| {
        let found = amounts.iter().find(|amount| amount.currency == currency);
        found.map_or(0, |amount| amount.micros)
    };
    let gone = (before.iter()).filter(|was| now.iter().all(|is| is.currency != was.currency));
    let all = now.iter().chain(gone);
    all.map(|amount| {
        let currency = &amount.currency;
        let (is, was) = (of(now, currency), of(before, currency));
        Figure {
            key: format!("cost_{}", currency.to_lowercase()),
            name: format!("Costs, {currency}"),
            now: money(is, currency),
            before: money(was, currency),
            change: change(Some(is as f64), Some(was as f64)),
        }
    })
    .collect()
}

fn point(point: &UsagePoint, zone: Tz, is_by_hour: bool) -> Point {
    let local = point.start.with_timezone(&zone);
    let label = if is_by_hour {
        local.format("%-d %b, %H:%M")
    } else {
        local.format("%-d %b")
    };
    Point {
        label: label.to_string(),
        start: point.start.to_rfc3339(),
        calls: point.calls,
        errors: point.errors,
    }
}
