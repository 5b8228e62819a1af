//! How single calls went through the gateway.

use apiverse_contract::OrganizationId;
use apiverse_contract::explain::Explanation;
use sqlx::types::Json;

use crate::Result;
use crate::pool::{Store, with_pool, with_transaction};

/// One explained call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplanationRow {
    pub organization_id: OrganizationId,
    pub request_id: String,
    /// Microseconds since 1970.
    pub started_at_us: i64,
    pub document: Explanation,
}

impl Store {
    /// Keeps explanations. One with a request id that is there takes its place; one of an
    /// organization that is gone is passed over.
    ///
    /// # Errors
    /// When the database fails; then none is kept.
    pub async fn explanations_insert(&self, rows: &[ExplanationRow]) -> Result<()> {
        const SQL: &str = "INSERT INTO call_explanations \
             (organization_id, request_id, started_at_us, document) \
             SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT 1 FROM organizations WHERE id = $1) \
             ON CONFLICT (organization_id, request_id) DO UPDATE SET \
             started_at_us = excluded.started_at_us, document = excluded.document";
        with_transaction!(self, transaction => {
            for row in rows {
                sqlx::query(SQL)
                    .bind(row.organization_id.0)
                    .bind(&row.request_id)
                    .bind(row.started_at_us)
                    .bind(Json(&row.document))
                    .execute(&mut *transaction)
                    .await?;
            }
        });
        Ok(())
    }

    /// The explanation of a call, if it is kept.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn explanation_get(
        &self,
        organization_id: OrganizationId,
        request_id: &str,
    ) -> Result<Option<Explanation>> {
        const SQL: &str = "SELECT document FROM call_explanations \
             WHERE organization_id = $1 AND request_id = $2";
        let found: Option<Json<Explanation>> = with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(organization_id.0)
            .bind(request_id)
            .fetch_optional(pool)
            .await?);
        Ok(found.map(|Json(document)| document))
    }

    /// Forgets calls that began before a time in microseconds since 1970; how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn explanations_forget(&self, before_us: i64) -> Result<u64> {
        const SQL: &str = "DELETE FROM call_explanations WHERE started_at_us < $1";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(before_us)
            .execute(pool)
            .await?
            .rows_affected()))
    }
}
