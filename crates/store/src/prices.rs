//! Price rules and budgets: documents, whose rules are the platform's.

use apiverse_contract::costs::{PutBudget, PutPriceRule};
use apiverse_contract::{ApiId, BudgetId, KeyId, OrganizationId, PriceRuleId};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::audit::insert_audit;
use crate::gateway::bump_version;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};

/// A price rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceRuleRow {
    pub id: PriceRuleId,
    pub organization_id: OrganizationId,
    pub rule: PutPriceRule,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// A budget.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRow {
    pub id: BudgetId,
    pub organization_id: OrganizationId,
    pub budget: PutBudget,
    pub state: BudgetState,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// How far a budget is used, as was last found. Times are microseconds since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BudgetState {
    /// The beginning of the month that was looked at; 0: none was yet.
    pub month_us: i64,
    /// The highest threshold that was told in it, percent; 0: none.
    pub told: i64,
    /// Calls are refused until then.
    pub blocked_until_us: Option<i64>,
}

/// What a spent budget refuses; `None`: any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BudgetBlock {
    pub api_id: Option<ApiId>,
    pub key_id: Option<KeyId>,
    /// Microseconds since 1970.
    pub until_us: i64,
}

from_row! {
    PriceRuleRow, row => PriceRuleRow {
        id: PriceRuleId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        rule: row.try_get::<Json<PutPriceRule>, _>("document")?.0,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
    BudgetRow, row => BudgetRow {
        id: BudgetId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        budget: row.try_get::<Json<PutBudget>, _>("document")?.0,
        state: BudgetState {
            month_us: row.try_get("month_us")?,
            told: row.try_get("told")?,
            blocked_until_us: row.try_get("blocked_until_us")?,
        },
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
}

const RULES: Table = Table {
    list: "SELECT * FROM price_rules WHERE organization_id = $1 ORDER BY id LIMIT 500",
    put: "INSERT INTO price_rules (id, organization_id, document, created_at, updated_at) \
          VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET \
          document = excluded.document, updated_at = excluded.updated_at \
          WHERE price_rules.organization_id = excluded.organization_id",
    delete: "DELETE FROM price_rules WHERE organization_id = $1 AND id = $2",
    blocks: false,
};
const BUDGETS: Table = Table {
    list: "SELECT * FROM budgets WHERE organization_id = $1 ORDER BY id LIMIT 500",
    put: "INSERT INTO budgets (id, organization_id, document, created_at, updated_at) \
          VALUES ($1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET \
          document = excluded.document, updated_at = excluded.updated_at, \
          month_us = 0, told = 0, blocked_until_us = NULL \
          WHERE budgets.organization_id = excluded.organization_id",
    delete: "DELETE FROM budgets WHERE organization_id = $1 AND id = $2",
    blocks: true,
};

/// The statements of one of the two tables.
struct Table {
    list: &'static str,
    put: &'static str,
    delete: &'static str,
    /// Whether the gateway reads it.
    blocks: bool,
}

impl Store {
    /// All price rules, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn price_rules_list(
        &self,
        organization_id: OrganizationId,
    ) -> Result<Vec<PriceRuleRow>> {
        Ok(with_pool!(self, pool =>
            sqlx::query_as(RULES.list).bind(organization_id.0).fetch_all(pool).await?))
    }

    /// Creates or replaces a price rule.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn price_rule_put(&self, row: &PriceRuleRow, audit: &AuditRow) -> Result<()> {
        let place = (row.id.0, row.organization_id);
        self.document_put(
            &RULES,
            place,
            &row.rule,
            (row.created_at, row.updated_at),
            audit,
        )
        .await
    }

    /// False when there is no such rule.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn price_rule_delete(
        &self,
        organization_id: OrganizationId,
        id: PriceRuleId,
        audit: &AuditRow,
    ) -> Result<bool> {
        self.document_delete(&RULES, organization_id, id.0, audit)
            .await
    }

    /// All budgets, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn budgets_list(&self, organization_id: OrganizationId) -> Result<Vec<BudgetRow>> {
        Ok(with_pool!(self, pool =>
            sqlx::query_as(BUDGETS.list).bind(organization_id.0).fetch_all(pool).await?))
    }

    /// Organizations that have budgets.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn budget_organizations(&self) -> Result<Vec<OrganizationId>> {
        const SQL: &str = "SELECT DISTINCT organization_id FROM budgets";
        let ids: Vec<Uuid> = with_pool!(self, pool =>
            sqlx::query_scalar(SQL).fetch_all(pool).await?);
        Ok(ids.into_iter().map(OrganizationId).collect())
    }

    /// Notes what was found about a budget, with lines for the audit log. It is a change for the
    /// gateway when `blocks_anew` says so. False when the budget is gone or was replaced since it
    /// was read.
    ///
    /// # Errors
    /// When the database fails; then nothing is noted.
    pub async fn budget_note(
        &self,
        read: &BudgetRow,
        state: BudgetState,
        blocks_anew: bool,
        audit: &[AuditRow],
    ) -> Result<bool> {
        const SQL: &str = "UPDATE budgets SET month_us = $3, told = $4, blocked_until_us = $5 \
             WHERE organization_id = $1 AND id = $2 AND updated_at = $6";
        Ok(with_transaction!(self, tx => {
            let done = sqlx::query(SQL)
                .bind(read.organization_id.0)
                .bind(read.id.0)
                .bind(state.month_us)
                .bind(state.told)
                .bind(state.blocked_until_us)
                .bind(read.updated_at)
                .execute(&mut *tx)
                .await?
                .rows_affected() == 1;
            if done {
                for line in audit {
                    insert_audit!(line, &mut *tx);
                }
                if blocks_anew {
                    bump_version!(&mut *tx);
                }
            }
            done
        }))
    }

    /// Creates or replaces a budget; what it refused is not refused any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn budget_put(&self, row: &BudgetRow, audit: &AuditRow) -> Result<()> {
        let place = (row.id.0, row.organization_id);
        self.document_put(
            &BUDGETS,
            place,
            &row.budget,
            (row.created_at, row.updated_at),
            audit,
        )
        .await
    }

    /// False when there is no such budget.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn budget_delete(
        &self,
        organization_id: OrganizationId,
        id: BudgetId,
        audit: &AuditRow,
    ) -> Result<bool> {
        self.document_delete(&BUDGETS, organization_id, id.0, audit)
            .await
    }

    async fn document_put<T: Serialize + Sync>(
        &self,
        table: &Table,
        (id, organization_id): (Uuid, OrganizationId),
        document: &T,
        (created_at, updated_at): (DateTime<Utc>, DateTime<Utc>),
        audit: &AuditRow,
    ) -> Result<()> {
        with_transaction!(self, tx => {
            sqlx::query(table.put)
                .bind(id)
                .bind(organization_id.0)
                .bind(Json(document))
                .bind(created_at)
                .bind(updated_at)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
            if table.blocks {
                bump_version!(&mut *tx);
            }
        });
        Ok(())
    }

    async fn document_delete(
        &self,
        table: &Table,
        organization_id: OrganizationId,
        id: Uuid,
        audit: &AuditRow,
    ) -> Result<bool> {
        Ok(with_transaction!(self, tx => {
            let done = sqlx::query(table.delete)
                .bind(organization_id.0)
                .bind(id)
                .execute(&mut *tx)
                .await?
                .rows_affected() == 1;
            if done {
                insert_audit!(audit, &mut *tx);
                if table.blocks {
                    bump_version!(&mut *tx);
                }
            }
            done
        }))
    }
}
