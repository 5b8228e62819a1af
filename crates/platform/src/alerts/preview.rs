//! How often a rule would have fired in the last days.

use apiverse_contract::alerts::{
    AlertCondition, AlertMetric, AlertPreview, MeasuredPoint, PreviewedIncident, PutAlertRule,
};
use apiverse_rollup::Sum;

use super::measure::{
    Asked, Measured, Quality, burn_windows, distance_us, judge_absence, judge_burns, judge_ratio,
    judge_threshold, value,
};
use super::state::{Change, Patience, Standing};
use super::words::Named;
use super::{AlertError, MINUTE_US, at, last_minute};
use crate::actor::Actor;
use crate::fault::Invalid;
use crate::permissions::Permission;
use crate::platform::Platform;
use crate::usage::Span;

/// How far back, days.
const DAYS: i64 = 7;
/// Points of a chart.
const POINTS: usize = 336;
/// Incidents that are listed.
const INCIDENTS: usize = 100;
/// Steps of a window at most: more would take too long to add up.
const PARTS: u32 = 24;

impl Platform {
    /// How often a rule would have fired in the last seven days. It is looked at less often than
    /// the rule itself would be.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn alert_preview(
        &self,
        actor: &Actor,
        rule: PutAlertRule,
    ) -> Result<AlertPreview, AlertError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        self.check_rule(actor, &rule).await?;
        let kept = self.inner.config.minutes_kept.as_secs() / 86_400;
        let days = DAYS.min(i64::try_from(kept).unwrap_or(DAYS) - 1).max(1);
        let to_us = last_minute(self.now().timestamp_micros());
        let length_us = days * 1440 * MINUTE_US;
        let summary = Named::new(self, organization_id).condition(&rule).await?;
        let (step_minutes, measured, threshold) = match &rule.condition {
            AlertCondition::Threshold(one) if one.metric == AlertMetric::Cost => {
                let message =
                    "must not be the cost: what it was in the course of a day is not kept";
                return Err(Invalid::one("condition.metric", message).into());
            }
            AlertCondition::Threshold(one) => {
                let asked = Asked::metric(&rule.filter, one.metric);
                let (step, parts) = steps_of(one.window_minutes);
                let sums = self
                    .measured_series(organization_id, &asked, step, length_us, parts, to_us)
                    .await?;
                let measured = windows(&sums, parts)
                    .map(|sum| judge_threshold(one, value(one.metric, &sum, one.min_calls)));
                (step, measured.collect::<Vec<_>>(), Some(one.value))
            }
            AlertCondition::Ratio(one) => {
                let asked = Asked::metric(&rule.filter, one.metric);
                let (step, parts) = steps_of(one.window_minutes);
                let of = async |to_us| {
                    self.measured_series(organization_id, &asked, step, length_us, parts, to_us)
                        .await
                };
                let now = of(to_us).await?;
                let before = of(to_us - distance_us(one)).await?;
                let of = |sum: &Sum| value(one.metric, sum, one.min_calls);
                let measured = windows(&now, parts)
                    .zip(windows(&before, parts))
                    .map(|(now, before)| judge_ratio(one, of(&now), of(&before)));
                (step, measured.collect(), Some(one.factor))
            }
            AlertCondition::Absence(one) => {
                let asked = Asked::metric(&rule.filter, AlertMetric::Calls);
                let (step, parts) = steps_of(one.minutes);
                let sums = self
                    .measured_series(organization_id, &asked, step, length_us, parts, to_us)
                    .await?;
                let measured = windows(&sums, parts).map(|sum| judge_absence(sum.calls));
                (step, measured.collect(), None)
            }
            AlertCondition::BurnRate(one) => {
                let found = self.store().slo_get(organization_id, one.slo_id).await?;
                let Some(row) = found else {
                    let message = "must be an objective of your organization";
                    return Err(Invalid::one("condition.slo_id", message).into());
                };
                let burns = burn_windows(&one.windows, &row.slo);
                let times = burns
                    .iter()
                    .flat_map(|burn| [burn.long_minutes, burn.short_minutes]);
                let step = times.clone().fold(0, divisor).max(1);
                let longest = times.max().unwrap_or(step) / step;
                let asked = Asked::slo(&row.slo);
                let sums = self
                    .measured_series(organization_id, &asked, step, length_us, longest, to_us)
                    .await?;
                let mut until = vec![Quality::default()];
                for sum in &sums {
                    let mut all = until.last().copied().unwrap_or_default();
                    all.add(Quality::of(sum, &row.slo.objective));
                    until.push(all);
                }
                let allowance = row.slo.allowance();
                let measured = (longest as usize..until.len()).map(|end| {
                    let burn = |minutes: u32| {
                        let begin = end - (minutes / step) as usize;
                        let part = Quality {
                            calls: until[end].calls - until[begin].calls,
                            bad: until[end].bad - until[begin].bad,
                        };
                        part.burn(allowance)
                    };
                    let burns = burns.iter().map(|window| {
                        let (long, short) = (window.long_minutes, window.short_minutes);
                        (window.clone(), burn(long), burn(short))
                    });
                    judge_burns(&burns.collect::<Vec<_>>())
                });
                let lowest = burns.iter().map(|burn| burn.factor);
                (step, measured.collect(), lowest.reduce(f64::min))
            }
        };
        Ok(preview(
            &rule,
            summary,
            step_minutes,
            &measured,
            threshold,
            to_us,
        ))
    }

    /// Sums of steps, so many before the first as a window has.
    async fn measured_series(
        &self,
        organization_id: apiverse_contract::OrganizationId,
        asked: &Asked,
        step_minutes: u32,
        length_us: i64,
        parts: u32,
        to_us: i64,
    ) -> Result<Vec<Sum>, AlertError> {
        let step_us = i64::from(step_minutes) * MINUTE_US;
        let count = length_us / step_us + i64::from(parts) - 1;
        let from_us = to_us - count * step_us;
        let steps = (0..count).map(|n| from_us + n * step_us).collect();
        self.sums(organization_id, asked, steps, Span { from_us, to_us })
            .await
    }
}

/// How wide steps are, minutes, and how many of them are a window.
fn steps_of(window_minutes: u32) -> (u32, u32) {
    let parts = (1..=PARTS).rev().find(|parts| {
        window_minutes.is_multiple_of(*parts) && (*parts == 1 || window_minutes / parts >= 5)
    });
    let parts = parts.unwrap_or(1);
    (window_minutes / parts, parts)
}

/// The greatest common divisor.
const fn divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// The sums of each window: it ends with each step that has enough before it.
fn windows(sums: &[Sum], parts: u32) -> impl Iterator<Item = Sum> + '_ {
    sums.windows(parts.max(1) as usize).map(|parts| {
        let mut all = Sum::default();
        for part in parts {
            all.merge(part);
        }
        all
    })
}

fn preview(
    rule: &PutAlertRule,
    summary: String,
    step_minutes: u32,
    measured: &[Measured],
    threshold: Option<f64>,
    to_us: i64,
) -> AlertPreview {
    let step_us = i64::from(step_minutes) * MINUTE_US;
    let patience = Patience {
        for_us: i64::from(rule.for_minutes) * MINUTE_US,
        calm_us: i64::from(rule.resolve_after_minutes) * MINUTE_US,
    };
    let count = i64::try_from(measured.len()).unwrap_or(0);
    let first_us = to_us - (count - 1).max(0) * step_us;
    let mut standing = Standing::default();
    let mut incidents: Vec<PreviewedIncident> = Vec::new();
    let mut points = Vec::new();
    let every = measured.len().div_ceil(POINTS).max(1);
    let mut at_us = first_us;
    for (n, one) in measured.iter().enumerate() {
        let (next, change) = standing.next(at_us, one.judged, patience);
        standing = next;
        match change {
            Change::Fires { .. } => incidents.push(PreviewedIncident {
                fired_at: at(at_us),
                resolved_at: None,
                value: one.value,
            }),
            Change::Resolves => {
                if let Some(last) = incidents.last_mut() {
                    last.resolved_at = Some(at(at_us));
                }
            }
            Change::None => {}
        }
        // The worst of several: what fires must be seen.
        if n.is_multiple_of(every) {
            points.push(MeasuredPoint {
                at: at(at_us),
                value: one.value,
            });
        } else if one.judged.holds
            && let Some(point) = points.last_mut()
        {
            point.value = one.value;
        }
        at_us += step_us;
    }
    let skipped = incidents.len().saturating_sub(INCIDENTS);
    AlertPreview {
        from: at(first_us),
        to: at(to_us),
        summary,
        step_minutes,
        incidents: incidents.split_off(skipped),
        points,
        threshold,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_made_of_whole_steps() {
        for (window, expected) in [
            (1, (1, 1)),
            (5, (5, 1)),
            (7, (7, 1)),
            (60, (5, 12)),
            (120, (5, 24)),
            (1440, (60, 24)),
        ] {
            assert_eq!(steps_of(window), expected, "{window}");
        }
        assert_eq!([60, 5, 360, 30].into_iter().fold(0, divisor), 5);
    }
}
