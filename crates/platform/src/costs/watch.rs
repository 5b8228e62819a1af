//! Looking at budgets: thresholds that are reached, and calls that are to be refused.

use std::time::Duration;

use apiverse_cluster::Change;
use apiverse_contract::OrganizationId;
use apiverse_contract::alerts::WebhookTopic;
use apiverse_contract::notifications::NotificationEvent;
use apiverse_store::{BudgetRow, BudgetState};
use serde_json::json;
use uuid::Uuid;

use super::CostError;
use super::budgets::{Month, is_reached, reached};
use super::price::micros;
use crate::actor::RequestInfo;
use crate::notifications::{Addresses, Word};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

/// How often budgets are looked at; calls of this long may pass beyond one that blocks.
const EVERY: Duration = Duration::from_secs(5);
/// A node that dies is followed by another after this.
const LEASE_US: i64 = 30_000_000;
const LEASE: &str = "budgets";

impl Platform {
    /// Looks at budgets until the runtime ends. Of several nodes one does.
    pub async fn watch_budgets(&self) {
        let holder = Uuid::from_bytes(self.inner.clock.random());
        loop {
            tokio::time::sleep(EVERY).await;
            let now_us = self.now().timestamp_micros();
            let until_us = now_us.saturating_add(LEASE_US);
            let is_ours = self.store().lease_take(LEASE, holder, now_us, until_us);
            let done = match is_ours.await {
                Ok(true) => self.look_at_all_budgets().await,
                Ok(false) => Ok(()),
                Err(error) => Err(error.into()),
            };
            if let Err(error) = done {
                tracing::warn!(%error, "nobody looks at budgets right now");
            }
        }
    }

    async fn look_at_all_budgets(&self) -> Result<(), CostError> {
        for organization_id in self.store().budget_organizations().await? {
            if let Err(error) = self.look_at_budgets(organization_id).await {
                tracing::warn!(%error, %organization_id, "nobody looks at budgets there");
            }
        }
        Ok(())
    }

    /// Compares budgets with what is spent: notes the thresholds that were reached, and has the
    /// gateway refuse calls, or not any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn look_at_budgets(&self, organization_id: OrganizationId) -> Result<(), CostError> {
        let rows = self.store().budgets_list(organization_id).await?;
        let spent = self.spent(organization_id, &rows).await?;
        let month = Month::of(self.now());
        for (row, spent) in rows.into_iter().zip(spent) {
            let spent = micros(spent);
            let state = state(&row, spent, month);
            if state == row.state {
                continue;
            }
            let blocks_anew = state.blocked_until_us != row.state.blocked_until_us;
            let mut lines = Vec::new();
            let before = if row.state.month_us == month.start_us {
                row.state.told
            } else {
                0
            };
            let mut say = |action: &str, details: serde_json::Value| {
                let event = Event {
                    action,
                    target_type: "budget",
                    target_id: row.id.to_string(),
                    details,
                };
                let who = (None, "system".to_owned());
                let line =
                    self.audit_line(Some(organization_id), who, &RequestInfo::default(), event);
                lines.push(line);
            };
            let details = json!({
                "name": row.budget.name, "spent_micros": spent,
                "amount_micros": row.budget.amount_micros, "currency": row.budget.currency,
            });
            for threshold in &row.budget.thresholds {
                if i64::from(*threshold) > before && i64::from(*threshold) <= state.told {
                    let mut details = details.clone();
                    details["threshold"] = json!(threshold);
                    say("budget.threshold_reached", details);
                }
            }
            if blocks_anew {
                let action = if state.blocked_until_us.is_some() {
                    "budget.blocked"
                } else {
                    "budget.unblocked"
                };
                say(action, details);
            }
            // First, so that nothing is forgotten: it is told once whatever happens.
            if state.told > before || (blocks_anew && state.blocked_until_us.is_some()) {
                self.say_of_budget(&row, state, spent).await;
            }
            let noted = self
                .store()
                .budget_note(&row, state, blocks_anew, &lines)
                .await?;
            if noted && blocks_anew {
                self.announce(Change::Organization(organization_id)).await;
            }
        }
        Ok(())
    }
}

impl Platform {
    /// Tells those who look after the bills how far a budget is spent: once a threshold and month.
    async fn say_of_budget(&self, row: &BudgetRow, state: BudgetState, spent: i64) {
        let found = self.store().organization_get(row.organization_id).await;
        let organization = found.ok().flatten().map(|found| found.name);
        let budget = &row.budget;
        let money = |micros: i64| {
            let cents = micros / 10_000;
            let (whole, part) = (cents / 100, cents % 100);
            format!("{whole}.{part:02} {}", budget.currency)
        };
        let blocked = state.blocked_until_us.is_some();
        let title = format!("{} % of the budget {} is spent", state.told, budget.name);
        let mut values = vec![
            ("budget", budget.name.clone()),
            ("percent", state.told.to_string()),
            ("spent", money(spent)),
            ("amount", money(budget.amount_micros)),
            ("organization", organization.unwrap_or_default()),
            ("at", Self::moment(self.now())),
        ];
        if blocked {
            values.push(("blocked", "yes".to_owned()));
        }
        let word = Word {
            event: NotificationEvent::BudgetReached,
            roles: Permission::CostsWrite.roles(),
            addresses: Addresses::Of(WebhookTopic::Budgets),
            cause: format!("{}:{}:{}:{blocked}", row.id, state.month_us, state.told),
            link: "/console/costs".to_owned(),
            values,
            kind: "budget.reached",
            title,
            data: json!({
                "budget_id": row.id,
                "name": budget.name,
                "percent": state.told,
                "spent_micros": spent,
                "amount_micros": budget.amount_micros,
                "currency": budget.currency,
                "blocked": blocked,
                "url": format!("{}/console/costs", self.base_url()),
            }),
        };
        self.say(row.organization_id, &word).await;
    }
}

/// What is to be noted about a budget.
fn state(row: &BudgetRow, spent_micros: i64, month: Month) -> BudgetState {
    let told = reached(&row.budget, spent_micros).last().copied();
    let told = told.map_or(0, i64::from);
    let before = row.state;
    BudgetState {
        month_us: month.start_us,
        // What was told stays told, should it become less.
        told: if before.month_us == month.start_us {
            told.max(before.told)
        } else {
            told
        },
        blocked_until_us: (row.budget.block && is_reached(&row.budget, spent_micros, 100))
            .then_some(month.end_us),
    }
}

#[cfg(test)]
mod tests {
    use apiverse_contract::BudgetId;
    use apiverse_contract::costs::PutBudget;
    use chrono::{DateTime, Days, Utc};

    use super::super::midnight;
    use super::*;

    #[test]
    fn thresholds_are_told_once_a_month_and_a_spent_budget_blocks_until_its_end() {
        let now: DateTime<Utc> = "2026-12-15T12:00:00Z".parse().expect("a time");
        let month = Month::of(now);
        let mut row = BudgetRow {
            id: BudgetId::from_parts(1, [0; 10]),
            organization_id: OrganizationId::from_parts(1, [0; 10]),
            budget: PutBudget {
                name: "b".to_owned(),
                api_id: None,
                key_id: None,
                amount_micros: 999,
                currency: "EUR".to_owned(),
                thresholds: vec![50, 80, 120],
                block: true,
            },
            state: BudgetState::default(),
            created_at: now,
            updated_at: now,
        };
        assert_eq!(state(&row, 499, month).told, 0);
        row.state = state(&row, 500, month);
        assert_eq!((row.state.told, row.state.blocked_until_us), (50, None));
        assert_eq!(state(&row, 0, month).told, 50, "what was told stays told");
        row.state = state(&row, 999, month);
        let january = midnight("2027-01-01".parse().expect("a day"));
        assert_eq!(row.state.told, 80);
        assert_eq!(row.state.blocked_until_us, Some(january));
        assert_eq!(state(&row, 998, month).blocked_until_us, None);
        let next = Month::of(now + Days::new(31));
        assert_eq!(next.start_us, january);
        assert_eq!(state(&row, 0, next).told, 0);
        row.budget.block = false;
        assert_eq!(state(&row, i64::MAX, month).blocked_until_us, None);
    }
}
