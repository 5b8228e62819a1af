//! What a rule's condition comes to at a time, from the sums of calls.

use apiverse_contract::alerts::{
    AlertCondition, AlertFilter, AlertMetric, BurnWindow, ComparedTo, Direction, Objective, PutSlo,
    RatioCondition, ThresholdCondition, default_burns,
};
use apiverse_contract::latency::value_us;
use apiverse_contract::{ErrorCode, OrganizationId};
use apiverse_rollup::{Dimension, Filter, Method, Question, Route, Sum, Value};

use super::state::Judged;
use super::{AlertError, MINUTE_US};
use crate::platform::Platform;
use crate::usage::Span;

/// What was measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Measured {
    /// `None`: nothing could be, for want of calls.
    pub(super) value: Option<f64>,
    pub(super) judged: Judged,
}

/// Calls that count for an objective, and those that were bad.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Quality {
    pub(super) calls: u64,
    pub(super) bad: u64,
}

impl Quality {
    pub(super) fn of(sum: &Sum, objective: &Objective) -> Self {
        let bad = match objective {
            Objective::Availability => sum.classes[3],
            Objective::Latency { milliseconds } => {
                let most = f64::from(*milliseconds) * 1000.0;
                let late = sum.latency.buckets().filter(|(bucket, _)| {
                    // The middle of a bucket is within 1 % of what is in it.
                    value_us(i32::from(*bucket)) > most
                });
                late.map(|(_, calls)| calls).sum()
            }
        };
        Self {
            calls: sum.calls,
            bad,
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.calls += other.calls;
        self.bad += other.bad;
    }

    /// How many times as fast as it lasts a budget burns; `None` without calls.
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub(super) fn burn(self, allowance: f64) -> Option<f64> {
        (self.calls > 0).then(|| self.bad as f64 / self.calls as f64 / allowance)
    }
}

/// The value of a metric; `None` when so few calls have none.
#[expect(clippy::cast_precision_loss, reason = "compared, not counted")]
pub(super) fn value(metric: AlertMetric, sum: &Sum, min_calls: u64) -> Option<f64> {
    let percent = |part: u64, of: u64| (of > 0).then(|| part as f64 * 100.0 / of as f64);
    let quantile = |q| sum.latency.quantile_us(q).map(|us| us / 1000.0);
    if sum.calls < min_calls {
        return None;
    }
    match metric {
        AlertMetric::Calls | AlertMetric::LimitsHit => Some(sum.calls as f64),
        AlertMetric::Errors => Some(sum.errors as f64),
        AlertMetric::ErrorRate => percent(sum.errors, sum.calls),
        AlertMetric::ServerErrorRate => percent(sum.classes[3], sum.calls),
        AlertMetric::Refused => Some(sum.refused as f64),
        AlertMetric::P50 => quantile(0.5),
        AlertMetric::P95 => quantile(0.95),
        AlertMetric::P99 => quantile(0.99),
        AlertMetric::Bytes => Some(sum.bytes_in as f64 + sum.bytes_out as f64),
        AlertMetric::CacheHitRatio => percent(sum.cache_hits, sum.cache_lookups),
        AlertMetric::Cost => None,
    }
}

const fn is_beyond(direction: Direction, value: f64, bound: f64) -> bool {
    match direction {
        Direction::Above => value > bound,
        Direction::Below => value < bound,
    }
}

/// Nothing measured is nothing wrong.
const NOTHING: Measured = Measured {
    value: None,
    judged: Judged {
        holds: false,
        is_clear: true,
    },
};

pub(super) fn judge_threshold(condition: &ThresholdCondition, value: Option<f64>) -> Measured {
    let Some(value) = value else { return NOTHING };
    let clear = condition.clear_value.unwrap_or(condition.value);
    Measured {
        value: Some(value),
        judged: Judged {
            holds: is_beyond(condition.direction, value, condition.value),
            is_clear: !is_beyond(condition.direction, value, clear),
        },
    }
}

/// How many times a value is what it was.
pub(super) fn judge_ratio(
    condition: &RatioCondition,
    now: Option<f64>,
    before: Option<f64>,
) -> Measured {
    let (Some(now), Some(before)) = (now, before) else {
        return NOTHING;
    };
    // Of nothing nothing is a multiple.
    if before <= 0.0 {
        return NOTHING;
    }
    let holds = is_beyond(condition.direction, now / before, condition.factor);
    Measured {
        value: Some(now / before),
        judged: Judged {
            holds,
            is_clear: !holds,
        },
    }
}

#[expect(clippy::cast_precision_loss, reason = "shown, not counted")]
pub(super) const fn judge_absence(calls: u64) -> Measured {
    Measured {
        value: Some(calls as f64),
        judged: Judged {
            holds: calls == 0,
            is_clear: calls > 0,
        },
    }
}

/// Fires when any pair of times burns too fast; the value is the burn over the long time of the
/// pair that is nearest to its factor.
pub(super) fn judge_burns(burns: &[(BurnWindow, Option<f64>, Option<f64>)]) -> Measured {
    let mut nearest: Option<(f64, f64)> = None;
    let mut holds = false;
    for (window, long, short) in burns {
        let (Some(long), Some(short)) = (*long, *short) else {
            continue;
        };
        holds |= long > window.factor && short > window.factor;
        let part = long.min(short) / window.factor;
        if nearest.is_none_or(|(most, _)| part > most) {
            nearest = Some((part, long));
        }
    }
    Measured {
        value: nearest.map(|(_, long)| long),
        judged: Judged {
            holds,
            is_clear: !holds,
        },
    }
}

pub(super) fn burn_windows(windows: &[BurnWindow], slo: &PutSlo) -> Vec<BurnWindow> {
    if windows.is_empty() {
        default_burns(slo.days)
    } else {
        windows.to_vec()
    }
}

/// How long before, microseconds.
pub(super) fn distance_us(condition: &RatioCondition) -> i64 {
    let day = 1440 * MINUTE_US;
    match condition.compared_to {
        ComparedTo::Before => i64::from(condition.window_minutes) * MINUTE_US,
        ComparedTo::DayBefore => day,
        ComparedTo::WeekBefore => 7 * day,
    }
}

pub(super) fn route(text: &str) -> Route {
    match text.parse() {
        Ok(id) => Route::Configured(id),
        Err(_) => Route::Learned(text.into()),
    }
}

pub(super) fn sums_filter(filter: &AlertFilter) -> Filter {
    Filter {
        api: filter.api_id.map(|id| id.0),
        key: filter.key_id.map(|id| id.0),
        route: filter.route.as_deref().map(route),
        method: (filter.method.as_deref()).map(|text| Method::of(&text.to_ascii_uppercase())),
        status_class: filter.status.map(|class| class.first_status() / 100),
        error: filter.error_code.clone(),
        ..Filter::default()
    }
}

/// Which sums are asked for.
pub(super) struct Asked {
    pub(super) filter: Filter,
    pub(super) latency: bool,
    /// Only what a limit refused.
    pub(super) limits_only: bool,
}

impl Asked {
    pub(super) fn metric(filter: &AlertFilter, metric: AlertMetric) -> Self {
        Self {
            filter: sums_filter(filter),
            latency: metric.is_latency(),
            limits_only: metric == AlertMetric::LimitsHit,
        }
    }

    pub(super) fn slo(slo: &PutSlo) -> Self {
        Self {
            filter: Filter {
                api: Some(slo.api_id.0),
                route: slo.route.as_deref().map(route),
                ..Filter::default()
            },
            latency: matches!(slo.objective, Objective::Latency { .. }),
            limits_only: false,
        }
    }
}

/// The last minutes before a time.
pub(super) fn last(to_us: i64, minutes: u32) -> Span {
    Span {
        from_us: to_us - i64::from(minutes) * MINUTE_US,
        to_us,
    }
}

impl Platform {
    /// The sums of the steps that begin at `steps`, or, without steps, of all of the span.
    pub(super) async fn sums(
        &self,
        organization_id: OrganizationId,
        asked: &Asked,
        steps: Vec<i64>,
        span: Span,
    ) -> Result<Vec<Sum>, AlertError> {
        let mut sums = vec![Sum::default(); steps.len().max(1)];
        let is_series = !steps.is_empty();
        let question = Question {
            filter: asked.filter.clone(),
            by: if asked.limits_only {
                vec![Dimension::ErrorCode]
            } else {
                Vec::new()
            },
            steps,
            latency: asked.latency,
            ..Question::default()
        };
        let limits = [
            ErrorCode::RateLimited.as_str(),
            ErrorCode::QuotaExceeded.as_str(),
        ];
        for group in self.ask(organization_id, question, span).await?.groups {
            let is_limit = match group.values.first() {
                Some(Value::Error(Some(code))) => limits.contains(&&**code),
                _ => false,
            };
            if asked.limits_only && !is_limit {
                continue;
            }
            if is_series {
                for (sum, more) in sums.iter_mut().zip(&group.series) {
                    sum.merge(more);
                }
            } else {
                sums[0].merge(&group.total);
            }
        }
        Ok(sums)
    }

    async fn sum(
        &self,
        organization_id: OrganizationId,
        asked: &Asked,
        span: Span,
    ) -> Result<Sum, AlertError> {
        let sums = self.sums(organization_id, asked, Vec::new(), span).await?;
        Ok(sums.into_iter().next().unwrap_or_default())
    }

    pub(super) async fn quality(
        &self,
        organization_id: OrganizationId,
        slo: &PutSlo,
        span: Span,
    ) -> Result<Quality, AlertError> {
        let sum = self.sum(organization_id, &Asked::slo(slo), span).await?;
        Ok(Quality::of(&sum, &slo.objective))
    }

    /// Burns over pairs of times that end at a time.
    pub(super) async fn burns(
        &self,
        organization_id: OrganizationId,
        slo: &PutSlo,
        windows: Vec<BurnWindow>,
        to_us: i64,
    ) -> Result<Vec<(BurnWindow, Option<f64>, Option<f64>)>, AlertError> {
        let mut burns = Vec::with_capacity(windows.len());
        for window in windows {
            let mut both = [None; 2];
            for (burn, minutes) in both
                .iter_mut()
                .zip([window.long_minutes, window.short_minutes])
            {
                let span = last(to_us, minutes);
                let quality = self.quality(organization_id, slo, span).await?;
                *burn = quality.burn(slo.allowance());
            }
            burns.push((window, both[0], both[1]));
        }
        Ok(burns)
    }

    /// What a condition comes to at the end of a minute. `None`: its objective is gone.
    pub(super) async fn measure(
        &self,
        organization_id: OrganizationId,
        condition: &AlertCondition,
        filter: &AlertFilter,
        to_us: i64,
    ) -> Result<Option<Measured>, AlertError> {
        Ok(Some(match condition {
            AlertCondition::Threshold(one) if one.metric == AlertMetric::Cost => {
                let cost = self
                    .cost_of_today(organization_id, one.currency.as_deref(), filter)
                    .await?;
                judge_threshold(one, Some(cost))
            }
            AlertCondition::Threshold(one) => {
                let asked = Asked::metric(filter, one.metric);
                let span = last(to_us, one.window_minutes);
                let sum = self.sum(organization_id, &asked, span).await?;
                judge_threshold(one, value(one.metric, &sum, one.min_calls))
            }
            AlertCondition::Ratio(one) => {
                let asked = Asked::metric(filter, one.metric);
                let span = last(to_us, one.window_minutes);
                let now = self.sum(organization_id, &asked, span).await?;
                let earlier = span.earlier(distance_us(one));
                let before = self.sum(organization_id, &asked, earlier).await?;
                judge_ratio(
                    one,
                    value(one.metric, &now, one.min_calls),
                    value(one.metric, &before, one.min_calls),
                )
            }
            AlertCondition::Absence(one) => {
                let asked = Asked::metric(filter, AlertMetric::Calls);
                let span = last(to_us, one.minutes);
                let sum = self.sum(organization_id, &asked, span).await?;
                judge_absence(sum.calls)
            }
            AlertCondition::BurnRate(one) => {
                let found = self.store().slo_get(organization_id, one.slo_id).await?;
                let Some(row) = found else { return Ok(None) };
                let windows = burn_windows(&one.windows, &row.slo);
                let burns = self
                    .burns(organization_id, &row.slo, windows, to_us)
                    .await?;
                judge_burns(&burns)
            }
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_times_must_burn_too_fast() {
        let window = |factor| BurnWindow {
            long_minutes: 60,
            short_minutes: 5,
            factor,
        };
        let holds = |burns: &[_]| judge_burns(burns).judged.holds;
        assert!(holds(&[(window(14.4), Some(15.0), Some(14.5))]));
        // What is over already is not told.
        assert!(!holds(&[(window(14.4), Some(15.0), Some(0.0))]));
        assert!(!holds(&[(window(14.4), Some(14.4), Some(90.0))]));
        assert!(!holds(&[(window(14.4), None, Some(90.0))]));
        let burns = [
            (window(14.4), Some(3.0), Some(3.0)),
            (window(6.0), Some(7.0), Some(8.0)),
        ];
        assert!(holds(&burns));
        assert_eq!(judge_burns(&burns).value, Some(7.0));
    }

    #[test]
    fn few_calls_have_no_rate() {
        let sum = Sum {
            calls: 9,
            errors: 9,
            ..Sum::default()
        };
        assert_eq!(value(AlertMetric::ErrorRate, &sum, 10), None);
        assert_eq!(value(AlertMetric::ErrorRate, &sum, 9), Some(100.0));
        assert_eq!(value(AlertMetric::CacheHitRatio, &sum, 0), None);
        assert_eq!(value(AlertMetric::Calls, &Sum::default(), 0), Some(0.0));
    }

    #[test]
    fn thresholds_have_two_sides() {
        let condition = |direction, value, clear_value| ThresholdCondition {
            metric: AlertMetric::P95,
            direction,
            value,
            clear_value,
            window_minutes: 5,
            min_calls: 0,
            currency: None,
        };
        let judge = |condition: &ThresholdCondition, value| {
            let judged = judge_threshold(condition, Some(value)).judged;
            (judged.holds, judged.is_clear)
        };
        let above = condition(Direction::Above, 300.0, Some(200.0));
        assert_eq!(judge(&above, 301.0), (true, false));
        assert_eq!(judge(&above, 250.0), (false, false));
        assert_eq!(judge(&above, 200.0), (false, true));
        let below = condition(Direction::Below, 10.0, None);
        assert_eq!(judge(&below, 9.0), (true, false));
        assert_eq!(judge(&below, 10.0), (false, true));
        assert!(judge_threshold(&below, None).judged.is_clear);
    }
}
