//! Budgets, and how far they are used.

use apiverse_cluster::Change;
use apiverse_contract::costs::{BudgetView, PutBudget};
use apiverse_contract::{ApiId, BudgetId, KeyId, OrganizationId, Page};
use apiverse_rollup::Dimension;
use apiverse_store::{BudgetRow, BudgetState};
use chrono::{DateTime, Days, Months, Utc};
use serde_json::json;

use super::price::{micros, share};
use super::report::Wanted;
use super::{CostError, MOST, first_of_month, midnight};
use crate::actor::Actor;
use crate::clock::new_id;
use crate::fault::{BudgetGone, Invalid, TooMany};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

/// A month of the calendar (UTC), microseconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Month {
    pub(super) start_us: i64,
    pub(super) end_us: i64,
}

impl Month {
    pub(super) fn of(now: DateTime<Utc>) -> Self {
        let first = first_of_month(now.date_naive());
        let next = first.checked_add_months(Months::new(1)).unwrap_or(first);
        Self {
            start_us: midnight(first),
            end_us: midnight(next),
        }
    }
}

impl Platform {
    /// All budgets, and how far they are used this month.
    ///
    /// # Errors
    /// See [`CostError`].
    pub async fn budgets_list(&self, actor: &Actor) -> Result<Page<BudgetView>, CostError> {
        let permit = actor.require(Permission::UsageRead)?;
        let organization_id = permit.organization_id();
        let rows = self.store().budgets_list(organization_id).await?;
        let _turn = self.turn(organization_id).await?;
        let data = self.budget_views(organization_id, rows).await?;
        Ok(Page {
            data,
            next_cursor: None,
        })
    }

    async fn budget_views(
        &self,
        organization_id: OrganizationId,
        rows: Vec<BudgetRow>,
    ) -> Result<Vec<BudgetView>, CostError> {
        let now = self.now();
        let month = Month::of(now);
        let gone_us = (now.timestamp_micros() - month.start_us).max(1);
        let spent = self.spent(organization_id, &rows).await?;
        Ok(rows
            .into_iter()
            .zip(spent)
            .map(|(row, spent)| {
                let length_us = month.end_us - month.start_us;
                let projected = share(spent, length_us.into(), gone_us.into());
                budget_view(row, micros(spent), micros(projected), now)
            })
            .collect())
    }

    /// What was spent of each budget this month, in millionths of micros.
    pub(super) async fn spent(
        &self,
        organization_id: OrganizationId,
        rows: &[BudgetRow],
    ) -> Result<Vec<i128>, CostError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let today = self.now().date_naive();
        let wanted = Wanted {
            from: first_of_month(today),
            to: today.checked_add_days(Days::new(1)).unwrap_or(today),
            by: Dimension::Api,
            with_api: true,
            with_key: rows.iter().any(|row| row.budget.key_id.is_some()),
        };
        let rules = self.store().price_rules_list(organization_id).await?;
        let items = self.items(organization_id, &rules, wanted).await?;
        let spent = rows.iter().map(|row| {
            let of_budget = items.iter().filter(|item| {
                let api = item.api.map(ApiId);
                let key = item.key.map(KeyId);
                item.currency == row.budget.currency
                    && (row.budget.api_id.is_none() || row.budget.api_id == api)
                    && (row.budget.key_id.is_none() || row.budget.key_id == key)
            });
            of_budget.map(|item| item.cost).sum()
        });
        Ok(spent.collect())
    }

    /// Creates a budget.
    ///
    /// # Errors
    /// See [`CostError`].
    pub async fn budget_create(
        &self,
        actor: &Actor,
        budget: PutBudget,
    ) -> Result<BudgetView, CostError> {
        let permit = actor.require(Permission::CostsWrite)?;
        budget.validate().map_err(Invalid)?;
        let organization_id = permit.organization_id();
        if self.store().budgets_list(organization_id).await?.len() >= MOST {
            return Err(TooMany.into());
        }
        let now = self.now();
        let row = BudgetRow {
            id: new_id!(self.inner.clock, BudgetId),
            organization_id,
            budget,
            state: BudgetState::default(),
            created_at: now,
            updated_at: now,
        };
        self.put_budget(actor, "budget.created", row).await
    }

    /// Replaces a budget.
    ///
    /// # Errors
    /// See [`CostError`].
    pub async fn budget_replace(
        &self,
        actor: &Actor,
        id: BudgetId,
        budget: PutBudget,
    ) -> Result<BudgetView, CostError> {
        let permit = actor.require(Permission::CostsWrite)?;
        budget.validate().map_err(Invalid)?;
        let rows = self.store().budgets_list(permit.organization_id()).await?;
        let old = rows
            .into_iter()
            .find(|row| row.id == id)
            .ok_or(BudgetGone)?;
        let row = BudgetRow {
            budget,
            updated_at: self.now(),
            ..old
        };
        self.put_budget(actor, "budget.updated", row).await
    }

    async fn put_budget(
        &self,
        actor: &Actor,
        action: &str,
        row: BudgetRow,
    ) -> Result<BudgetView, CostError> {
        // Who has to come again has changed nothing.
        let _turn = self.turn(row.organization_id).await?;
        let audit = self.audit(
            actor,
            Event {
                action,
                target_type: "budget",
                target_id: row.id.to_string(),
                details: json!({ "budget": row.budget }),
            },
        );
        self.store().budget_put(&row, &audit).await?;
        // What the old one refused passes, and what the new one refuses does not.
        self.announce(Change::Organization(row.organization_id))
            .await;
        self.look_at_budgets(row.organization_id).await?;
        let rows = self.store().budgets_list(row.organization_id).await?;
        let row = rows.into_iter().find(|found| found.id == row.id);
        let rows = vec![row.ok_or(BudgetGone)?];
        let views = self.budget_views(actor.organization_id, rows).await?;
        views.into_iter().next().ok_or_else(|| BudgetGone.into())
    }

    /// Deletes a budget.
    ///
    /// # Errors
    /// See [`CostError`].
    pub async fn budget_delete(&self, actor: &Actor, id: BudgetId) -> Result<(), CostError> {
        let permit = actor.require(Permission::CostsWrite)?;
        let audit = self.audit(
            actor,
            Event {
                action: "budget.deleted",
                target_type: "budget",
                target_id: id.to_string(),
                details: json!({}),
            },
        );
        let done = self
            .store()
            .budget_delete(permit.organization_id(), id, &audit)
            .await?;
        if !done {
            return Err(BudgetGone.into());
        }
        self.announce(Change::Organization(permit.organization_id()))
            .await;
        Ok(())
    }
}

/// Whether so many percent are spent.
pub(super) fn is_reached(budget: &PutBudget, spent_micros: i64, percent: i64) -> bool {
    i128::from(spent_micros) * 100 >= i128::from(budget.amount_micros) * i128::from(percent)
}

pub(super) fn reached(budget: &PutBudget, spent_micros: i64) -> Vec<u16> {
    let thresholds = budget.thresholds.iter().copied();
    thresholds
        .filter(|percent| is_reached(budget, spent_micros, i64::from(*percent)))
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a percentage for people")]
fn budget_view(
    row: BudgetRow,
    spent_micros: i64,
    projected_micros: i64,
    now: DateTime<Utc>,
) -> BudgetView {
    let percent = spent_micros as f64 * 100.0 / row.budget.amount_micros.max(1) as f64;
    BudgetView {
        id: row.id,
        spent_micros,
        projected_micros,
        percent: (percent * 10.0).round() / 10.0,
        reached: reached(&row.budget, spent_micros),
        blocked_until: (row.state.blocked_until_us)
            .and_then(DateTime::from_timestamp_micros)
            .filter(|until| *until > now),
        budget: row.budget,
        created_at: row.created_at,
    }
}
