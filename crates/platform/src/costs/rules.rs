//! Price rules.

use apiverse_contract::costs::{PriceRuleView, PutPriceRule};
use apiverse_contract::{Page, PriceRuleId};
use apiverse_store::PriceRuleRow;
use serde_json::json;

use super::{CostError, MOST};
use crate::actor::Actor;
use crate::clock::new_id;
use crate::fault::{Invalid, PriceRuleGone, TooMany};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

impl Platform {
    /// All price rules, the oldest first.
    ///
    /// # Errors
    /// See [`CostError`].
    pub async fn price_rules_list(&self, actor: &Actor) -> Result<Page<PriceRuleView>, CostError> {
        let permit = actor.require(Permission::UsageRead)?;
        let rows = self
            .store()
            .price_rules_list(permit.organization_id())
            .await?;
        Ok(Page {
            data: rows.into_iter().map(rule_view).collect(),
            next_cursor: None,
        })
    }

    /// Creates a price rule.
    ///
    /// # Errors
    /// See [`CostError`].
    pub async fn price_rule_create(
        &self,
        actor: &Actor,
        rule: PutPriceRule,
    ) -> Result<PriceRuleView, CostError> {
        let permit = actor.require(Permission::CostsWrite)?;
        rule.validate().map_err(Invalid)?;
        let organization_id = permit.organization_id();
        if self.store().price_rules_list(organization_id).await?.len() >= MOST {
            return Err(TooMany.into());
        }
        let now = self.now();
        let row = PriceRuleRow {
            id: new_id!(self.inner.clock, PriceRuleId),
            organization_id,
            rule,
            created_at: now,
            updated_at: now,
        };
        self.put_rule(actor, "price_rule.created", row).await
    }

    /// Replaces a price rule.
    ///
    /// # Errors
    /// See [`CostError`].
    pub async fn price_rule_replace(
        &self,
        actor: &Actor,
        id: PriceRuleId,
        rule: PutPriceRule,
    ) -> Result<PriceRuleView, CostError> {
        let permit = actor.require(Permission::CostsWrite)?;
        rule.validate().map_err(Invalid)?;
        let rows = self
            .store()
            .price_rules_list(permit.organization_id())
            .await?;
        let old = rows
            .into_iter()
            .find(|row| row.id == id)
            .ok_or(PriceRuleGone)?;
        let row = PriceRuleRow {
            rule,
            updated_at: self.now(),
            ..old
        };
        self.put_rule(actor, "price_rule.updated", row).await
    }

    async fn put_rule(
        &self,
        actor: &Actor,
        action: &str,
        row: PriceRuleRow,
    ) -> Result<PriceRuleView, CostError> {
        let audit = self.audit(
            actor,
            Event {
                action,
                target_type: "price_rule",
                target_id: row.id.to_string(),
                details: json!({ "rule": row.rule }),
            },
        );
        self.store().price_rule_put(&row, &audit).await?;
        Ok(rule_view(row))
    }

    /// Deletes a price rule: what it made calls cost, they never did.
    ///
    /// # Errors
    /// See [`CostError`].
    pub async fn price_rule_delete(&self, actor: &Actor, id: PriceRuleId) -> Result<(), CostError> {
        let permit = actor.require(Permission::CostsWrite)?;
        let audit = self.audit(
            actor,
            Event {
                action: "price_rule.deleted",
                target_type: "price_rule",
                target_id: id.to_string(),
                details: json!({}),
            },
        );
        let done = self
            .store()
            .price_rule_delete(permit.organization_id(), id, &audit)
            .await?;
        if done {
            Ok(())
        } else {
            Err(PriceRuleGone.into())
        }
    }
}

fn rule_view(row: PriceRuleRow) -> PriceRuleView {
    PriceRuleView {
        id: row.id,
        rule: row.rule,
        created_at: row.created_at,
        updated_at: row.updated_at,
    }
}
