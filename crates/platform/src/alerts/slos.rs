//! Service level objectives and their error budgets.

use apiverse_contract::alerts::{
    Burn, BurnWindow, PutSlo, SloPoint, SloReport, SloState, SloView, default_burns,
};
use apiverse_contract::usage::UsageDimension;
use apiverse_contract::{OrganizationId, Page, SloId};
use apiverse_store::SloRow;
use serde_json::json;

use super::measure::{Asked, Quality, last};
use super::{AlertError, MINUTE_US, MOST, at, last_minute};
use crate::actor::Actor;
use crate::clock::new_id;
use crate::fault::{Invalid, SloGone, TooMany};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};
use crate::usage::{Names, Span};

const HOUR_US: i64 = 60 * MINUTE_US;
/// Points of a chart in the time of an objective.
const POINTS: i64 = 56;

impl Platform {
    /// All objectives, the oldest first, and how they are met.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn slos_list(&self, actor: &Actor) -> Result<Page<SloView>, AlertError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let data = self.slo_views(organization_id).await?;
        Ok(Page {
            data,
            next_cursor: None,
        })
    }

    /// The objectives of an organization.
    pub(crate) async fn slo_views(
        &self,
        organization_id: OrganizationId,
    ) -> Result<Vec<SloView>, AlertError> {
        let mut names = Names::new(self, organization_id);
        let mut views = Vec::new();
        for row in self.store().slos_list(organization_id).await? {
            views.push(self.slo_view(row, &mut names).await?);
        }
        Ok(views)
    }

    async fn slo_view(&self, row: SloRow, names: &mut Names<'_>) -> Result<SloView, AlertError> {
        let organization_id = row.organization_id;
        let slo = row.slo;
        let to_us = last_minute(self.now().timestamp_micros());
        let quality = self
            .quality(organization_id, &slo, last(to_us, slo.days * 1440))
            .await?;
        let burns = self
            .burns(organization_id, &slo, default_burns(slo.days), to_us)
            .await?;
        let burn = |(window, long, short): (BurnWindow, Option<f64>, Option<f64>)| {
            let is_fast = |burn: Option<f64>| burn.is_some_and(|burn| burn > window.factor);
            Burn {
                is_fast: is_fast(long) && is_fast(short),
                long: long.map(rounded),
                short: short.map(rounded),
                window,
            }
        };
        let left = budget_left(quality, slo.allowance());
        Ok(SloView {
            id: row.id,
            api_name: names.name(UsageDimension::Api, slo.api_id.0).await?,
            state: match quality.calls {
                0 => SloState::NoCalls,
                _ if left <= 0.0 => SloState::Missed,
                _ if left <= 25.0 => SloState::AtRisk,
                _ => SloState::Met,
            },
            calls: quality.calls,
            bad: quality.bad,
            achieved: achieved(quality),
            budget_left: left,
            burns: burns.into_iter().map(burn).collect(),
            slo,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }

    /// One objective, and its budget over time.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn slo_report(&self, actor: &Actor, id: SloId) -> Result<SloReport, AlertError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let found = self.store().slo_get(organization_id, id).await?;
        let row = found.ok_or(SloGone)?;
        let points = self.slo_points(&row).await?;
        let mut names = Names::new(self, organization_id);
        let view = self.slo_view(row, &mut names).await?;
        Ok(SloReport { view, points })
    }

    /// The budget at each end of a step in the time of an objective, each of the same time
    /// before it.
    async fn slo_points(&self, row: &SloRow) -> Result<Vec<SloPoint>, AlertError> {
        let slo = &row.slo;
        let length_us = i64::from(slo.days) * 24 * HOUR_US;
        // Whole hours: 3 of 7 days, 12 of 28, 13 of 30.
        let step_us = (length_us / POINTS + HOUR_US - 1).div_euclid(HOUR_US) * HOUR_US;
        let now_us = self.now().timestamp_micros();
        let to_us = now_us.div_euclid(HOUR_US) * HOUR_US + HOUR_US;
        let within = length_us / step_us;
        let from_us = to_us - 2 * within * step_us;
        let steps: Vec<i64> = (0..2 * within).map(|n| from_us + n * step_us).collect();
        let span = Span { from_us, to_us };
        let sums = self
            .sums(row.organization_id, &Asked::slo(slo), steps.clone(), span)
            .await?;
        let parts: Vec<Quality> = (sums.iter())
            .map(|sum| Quality::of(sum, &slo.objective))
            .collect();
        let within = usize::try_from(within).unwrap_or(1);
        let mut points = Vec::with_capacity(within);
        for ((end, start_us), last) in steps.iter().enumerate().zip(&parts).skip(within) {
            let mut all = Quality::default();
            for part in &parts[end + 1 - within..=end] {
                all.add(*part);
            }
            points.push(SloPoint {
                at: at((start_us + step_us).min(now_us)),
                budget_left: budget_left(all, slo.allowance()),
                calls: last.calls,
                bad: last.bad,
            });
        }
        Ok(points)
    }

    /// Creates an objective.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn slo_create(&self, actor: &Actor, slo: PutSlo) -> Result<SloView, AlertError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let organization_id = permit.organization_id();
        self.check_objective(organization_id, &slo).await?;
        if self.store().slos_list(organization_id).await?.len() >= MOST {
            return Err(TooMany.into());
        }
        let now = self.now();
        let row = SloRow {
            id: new_id!(self.inner.clock, SloId),
            organization_id,
            slo,
            created_at: now,
            updated_at: now,
        };
        self.put_slo(actor, "slo.created", row).await
    }

    /// Replaces an objective.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn slo_replace(
        &self,
        actor: &Actor,
        id: SloId,
        slo: PutSlo,
    ) -> Result<SloView, AlertError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let organization_id = permit.organization_id();
        self.check_objective(organization_id, &slo).await?;
        let found = self.store().slo_get(organization_id, id).await?;
        let row = SloRow {
            slo,
            updated_at: self.now(),
            ..found.ok_or(SloGone)?
        };
        self.put_slo(actor, "slo.updated", row).await
    }

    async fn check_objective(
        &self,
        organization_id: OrganizationId,
        slo: &PutSlo,
    ) -> Result<(), AlertError> {
        slo.validate().map_err(Invalid)?;
        let name = self
            .store()
            .usage_api_name(organization_id, slo.api_id.0)
            .await?;
        if name.is_none() {
            return Err(Invalid::one("api_id", "must be an API of your organization").into());
        }
        Ok(())
    }

    async fn put_slo(
        &self,
        actor: &Actor,
        action: &str,
        row: SloRow,
    ) -> Result<SloView, AlertError> {
        let audit = self.audit(
            actor,
            Event {
                action,
                target_type: "slo",
                target_id: row.id.to_string(),
                details: json!({ "slo": row.slo }),
            },
        );
        self.store().slo_put(&row, &audit).await?;
        let mut names = Names::new(self, row.organization_id);
        self.slo_view(row, &mut names).await
    }

    /// Deletes an objective; rules about it are not looked at any more.
    ///
    /// # Errors
    /// See [`AlertError`].
    pub async fn slo_delete(&self, actor: &Actor, id: SloId) -> Result<(), AlertError> {
        let permit = actor.require(Permission::UsageWrite)?;
        let audit = self.audit(
            actor,
            Event {
                action: "slo.deleted",
                target_type: "slo",
                target_id: id.to_string(),
                details: json!({}),
            },
        );
        let done = self
            .store()
            .slo_delete(permit.organization_id(), id, &audit)
            .await?;
        if done { Ok(()) } else { Err(SloGone.into()) }
    }
}

/// Percent of a budget that is left: all of it without calls.
fn budget_left(quality: Quality, allowance: f64) -> f64 {
    let used = quality.burn(allowance).unwrap_or(0.0);
    rounded((1.0 - used) * 100.0)
}

/// Percent that were good, with three decimals, never rounded up to what was not reached.
#[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
fn achieved(quality: Quality) -> Option<f64> {
    let good = quality.calls.checked_sub(quality.bad)?;
    (quality.calls > 0).then(|| (good as f64 * 100_000.0 / quality.calls as f64).floor() / 1000.0)
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_what_may_be_bad() {
        let of = |calls, bad| budget_left(Quality { calls, bad }, 0.001);
        assert_eq!(of(0, 0), 100.0);
        assert_eq!(of(100_000, 0), 100.0);
        assert_eq!(of(100_000, 25), 75.0);
        assert_eq!(of(100_000, 100), 0.0);
        assert_eq!(of(100_000, 250), -150.0);
    }

    #[test]
    fn almost_all_is_not_all() {
        let of = |calls, bad| achieved(Quality { calls, bad });
        assert_eq!(of(1_000_000, 1), Some(99.999));
        assert_eq!(of(10, 0), Some(100.0));
        assert_eq!(of(0, 0), None);
    }
}
