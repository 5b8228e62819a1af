//! API keys.

use apiverse_contract::{KeyId, OrganizationId};
use chrono::{DateTime, Utc};
use sqlx::types::Json;

use crate::Result;
use crate::audit::insert_audit;
use crate::gateway::bump_version;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{ApiKeyRow, AuditRow, like_pattern};

impl Store {
    /// # Errors
    /// [`crate::Conflict::KeyPrefix`] when the prefix is taken: make another secret.
    pub async fn key_insert(&self, key: &ApiKeyRow, audit: &AuditRow) -> Result<()> {
        const SQL: &str = "INSERT INTO api_keys (id, organization_id, created_by, name, \
             environment, key_prefix, key_hash, previous_prefix, previous_hash, \
             previous_expires_at, api_ids, methods, scopes, allowed_ips, created_at, updated_at, \
             expires_at, revoked_at, last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, \
             $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)";
        with_transaction!(self, tx => {
            sqlx::query(SQL)
                .bind(key.id.0)
                .bind(key.organization_id.0)
                .bind(key.created_by.map(|id| id.0))
                .bind(&key.name)
                .bind(&key.environment)
                .bind(&key.key_prefix)
                .bind(&key.key_hash)
                .bind(&key.previous_prefix)
                .bind(&key.previous_hash)
                .bind(key.previous_expires_at)
                .bind(Json(&key.api_ids))
                .bind(Json(&key.methods))
                .bind(Json(&key.scopes))
                .bind(Json(&key.allowed_ips))
                .bind(key.created_at)
                .bind(key.updated_at)
                .bind(key.expires_at)
                .bind(key.revoked_at)
                .bind(key.last_used_at)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
            bump_version!(&mut *tx);
        });
        Ok(())
    }

    /// # Errors
    /// When the database fails.
    pub async fn key_get(
        &self,
        organization_id: OrganizationId,
        id: KeyId,
    ) -> Result<Option<ApiKeyRow>> {
        const SQL: &str = "SELECT * FROM api_keys WHERE organization_id = $1 AND id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// Newest first, revoked ones too; `q` is looked for in name and prefix.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn key_list(
        &self,
        organization_id: OrganizationId,
        q: Option<&str>,
        after: Option<KeyId>,
        limit: u32,
    ) -> Result<Vec<ApiKeyRow>> {
        const SQL: &str = "SELECT * FROM api_keys \
             WHERE organization_id = $1 AND ($2 IS NULL OR id < $2) \
             AND ($3 IS NULL OR lower(name) LIKE $3 ESCAPE '\\' \
                  OR lower(key_prefix) LIKE $3 ESCAPE '\\') \
             ORDER BY id DESC LIMIT $4";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(after.map(|id| id.0))
            .bind(like_pattern(q))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// Writes all that may change of a key except `last_used_at`, which is [`Store::keys_touch`]'s;
    /// false when there is no such key in its organization.
    ///
    /// # Errors
    /// [`crate::Conflict::KeyPrefix`] when a rotation's prefix is taken.
    pub async fn key_update(&self, key: &ApiKeyRow, audit: &AuditRow) -> Result<bool> {
        const SQL: &str = "UPDATE api_keys SET name = $3, key_prefix = $4, key_hash = $5, \
             previous_prefix = $6, previous_hash = $7, previous_expires_at = $8, api_ids = $9, \
             methods = $10, scopes = $11, allowed_ips = $12, updated_at = $13, expires_at = $14, \
             revoked_at = $15 WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL";
        Ok(with_transaction!(self, tx => {
            let changed = sqlx::query(SQL)
                .bind(key.organization_id.0)
                .bind(key.id.0)
                .bind(&key.name)
                .bind(&key.key_prefix)
                .bind(&key.key_hash)
                .bind(&key.previous_prefix)
                .bind(&key.previous_hash)
                .bind(key.previous_expires_at)
                .bind(Json(&key.api_ids))
                .bind(Json(&key.methods))
                .bind(Json(&key.scopes))
                .bind(Json(&key.allowed_ips))
                .bind(key.updated_at)
                .bind(key.expires_at)
                .bind(key.revoked_at)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if changed {
                insert_audit!(audit, &mut *tx);
                bump_version!(&mut *tx);
            }
            changed
        }))
    }

    /// Moves `last_used_at` forward, never back. Ids that are gone are passed over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keys_touch(&self, uses: &[(KeyId, DateTime<Utc>)]) -> Result<()> {
        const SQL: &str = "UPDATE api_keys SET last_used_at = $2 \
             WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2)";
        if uses.is_empty() {
            return Ok(());
        }
        with_transaction!(self, tx => {
            for &(id, at) in uses {
                sqlx::query(SQL).bind(id.0).bind(at).execute(&mut *tx).await?;
            }
        });
        Ok(())
    }

    /// # Errors
    /// When the database fails.
    pub async fn key_count(&self, organization_id: OrganizationId) -> Result<i64> {
        const SQL: &str = "SELECT count(*) FROM api_keys WHERE organization_id = $1";
        Ok(with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(organization_id.0)
            .fetch_one(pool)
            .await?))
    }
}
