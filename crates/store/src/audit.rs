//! The audit log.

use apiverse_contract::{AuditEventId, OrganizationId};

use crate::Result;
use crate::pool::{Store, with_pool};
use crate::rows::AuditRow;

pub(crate) const INSERT_AUDIT: &str = "INSERT INTO audit_events (id, organization_id, actor_user_id, actor, action, \
     target_type, target_id, details, ip, request_id, created_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)";

/// Inserts an audit line with any executor: mostly inside the transaction of what it tells about.
macro_rules! insert_audit {
    ($row:expr, $executor:expr) => {
        sqlx::query($crate::audit::INSERT_AUDIT)
            .bind($row.id.0)
            .bind($row.organization_id.map(|id| id.0))
            .bind($row.actor_user_id.map(|id| id.0))
            .bind(&$row.actor)
            .bind(&$row.action)
            .bind(&$row.target_type)
            .bind(&$row.target_id)
            .bind(sqlx::types::Json(&$row.details))
            .bind(&$row.ip)
            .bind(&$row.request_id)
            .bind($row.created_at)
            .execute($executor)
            .await?
    };
}
pub(crate) use insert_audit;

impl Store {
    /// Adds a line that stands for itself, such as a failed sign-in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_insert(&self, row: &AuditRow) -> Result<()> {
        with_pool!(self, pool => { insert_audit!(row, pool); });
        Ok(())
    }

    /// The organization's lines, newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_list(
        &self,
        organization_id: OrganizationId,
        after: Option<AuditEventId>,
        limit: u32,
    ) -> Result<Vec<AuditRow>> {
        const SQL: &str = "SELECT * FROM audit_events WHERE organization_id = $1 \
             AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(after.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }
}
