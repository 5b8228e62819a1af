//! APIs and the version `default` that holds their base URL.

use apiverse_contract::{ApiId, OrganizationId};
use sqlx::types::Json;

use crate::Result;
use crate::audit::insert_audit;
use crate::gateway::bump_version;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{ApiRow, AuditRow, like_pattern};

pub(crate) const API_DELETE: &str = "DELETE FROM apis WHERE organization_id = $1 AND id = $2";

/// In any transaction; whether a row was touched.
macro_rules! delete_api {
    ($tx:expr, $organization_id:expr, $id:expr) => {{
        let (organization_id, id) = ($organization_id, $id);
        sqlx::query($crate::apis::API_DELETE)
            .bind(organization_id.0)
            .bind(id.0)
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            > 0
    }};
}
pub(crate) use delete_api;

pub(crate) const API_INSERT: &str = "INSERT INTO apis (id, organization_id, created_by, name, slug, \
     description, auth_type, auth_public, auth_sealed, is_active, allow_query_key, \
     limits, is_sample, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)";
// The version of a new API is as old as the API and needs no id of its own yet.
pub(crate) const DEFAULT_INSERT: &str = "INSERT INTO api_versions (id, api_id, name, base_url, created_at) \
     VALUES ($1, $1, 'default', $2, $3)";

/// In any transaction.
macro_rules! insert_api {
    ($tx:expr, $api:expr) => {{
        let api = $api;
        sqlx::query($crate::apis::API_INSERT)
            .bind(api.id.0)
            .bind(api.organization_id.0)
            .bind(api.created_by.map(|id| id.0))
            .bind(&api.name)
            .bind(&api.slug)
            .bind(&api.description)
            .bind(&api.auth_type)
            .bind(Json(&api.auth_public))
            .bind(&api.auth_sealed)
            .bind(api.is_active)
            .bind(api.allow_query_key)
            .bind(Json(&api.limits))
            .bind(api.is_sample)
            .bind(api.created_at)
            .bind(api.updated_at)
            .execute(&mut *$tx)
            .await?;
        sqlx::query($crate::apis::DEFAULT_INSERT)
            .bind(api.id.0)
            .bind(&api.base_url)
            .bind(api.created_at)
            .execute(&mut *$tx)
            .await?;
    }};
}
pub(crate) use insert_api;

pub(crate) const API_UPDATE: &str = "UPDATE apis SET name = $3, slug = $4, description = $5, auth_type = $6, \
     auth_public = $7, auth_sealed = $8, is_active = $9, allow_query_key = $10, \
     limits = $11, updated_at = $12, is_sample = $13 WHERE organization_id = $1 AND id = $2";
pub(crate) const DEFAULT_UPDATE: &str =
    "UPDATE api_versions SET base_url = $2 WHERE api_id = $1 AND name = 'default'";

/// In any transaction; whether there is such an API.
macro_rules! update_api {
    ($tx:expr, $api:expr) => {{
        let api = $api;
        let changed = sqlx::query($crate::apis::API_UPDATE)
            .bind(api.organization_id.0)
            .bind(api.id.0)
            .bind(&api.name)
            .bind(&api.slug)
            .bind(&api.description)
            .bind(&api.auth_type)
            .bind(Json(&api.auth_public))
            .bind(&api.auth_sealed)
            .bind(api.is_active)
            .bind(api.allow_query_key)
            .bind(Json(&api.limits))
            .bind(api.updated_at)
            .bind(api.is_sample)
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            > 0;
        if changed {
            sqlx::query($crate::apis::DEFAULT_UPDATE)
                .bind(api.id.0)
                .bind(&api.base_url)
                .execute(&mut *$tx)
                .await?;
        }
        changed
    }};
}
pub(crate) use update_api;

impl Store {
    /// # Errors
    /// [`crate::Conflict::ApiSlug`] when the organization has an API with this slug.
    pub async fn api_insert(&self, api: &ApiRow, audit: &AuditRow) -> Result<()> {
        with_transaction!(self, tx => {
            insert_api!(tx, api);
            insert_audit!(audit, &mut *tx);
            bump_version!(&mut *tx);
        });
        Ok(())
    }

    /// # Errors
    /// When the database fails.
    pub async fn api_get(
        &self,
        organization_id: OrganizationId,
        id: ApiId,
    ) -> Result<Option<ApiRow>> {
        const SQL: &str = "SELECT a.*, v.base_url FROM apis a \
             JOIN api_versions v ON v.api_id = a.id AND v.name = 'default' \
             WHERE a.organization_id = $1 AND a.id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// Newest first; `q` is looked for in name, slug and base URL.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn api_list(
        &self,
        organization_id: OrganizationId,
        q: Option<&str>,
        after: Option<ApiId>,
        limit: u32,
    ) -> Result<Vec<ApiRow>> {
        const SQL: &str = "SELECT a.*, v.base_url FROM apis a \
             JOIN api_versions v ON v.api_id = a.id AND v.name = 'default' \
             WHERE a.organization_id = $1 AND ($2 IS NULL OR a.id < $2) \
             AND ($3 IS NULL OR lower(a.name) LIKE $3 ESCAPE '\\' OR a.slug LIKE $3 ESCAPE '\\' \
                  OR lower(v.base_url) LIKE $3 ESCAPE '\\') \
             ORDER BY a.id DESC LIMIT $4";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(after.map(|id| id.0))
            .bind(like_pattern(q))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// Writes all but id, organization and what tells of the creation; false when there is no
    /// such API in its organization.
    ///
    /// # Errors
    /// [`crate::Conflict::ApiSlug`] when the slug is taken.
    pub async fn api_update(&self, api: &ApiRow, audit: &AuditRow) -> Result<bool> {
        Ok(with_transaction!(self, tx => {
            let changed = update_api!(tx, api);
            if changed {
                insert_audit!(audit, &mut *tx);
                bump_version!(&mut *tx);
            }
            changed
        }))
    }

    /// False when there is no such API in the organization. Its usage stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn api_delete(
        &self,
        organization_id: OrganizationId,
        id: ApiId,
        audit: &AuditRow,
    ) -> Result<bool> {
        Ok(with_transaction!(self, tx => {
            let deleted = delete_api!(tx, organization_id, id);
            if deleted {
                insert_audit!(audit, &mut *tx);
                bump_version!(&mut *tx);
            }
            deleted
        }))
    }

    /// # Errors
    /// When the database fails.
    pub async fn api_count(&self, organization_id: OrganizationId) -> Result<i64> {
        const SQL: &str = "SELECT count(*) FROM apis WHERE organization_id = $1";
        Ok(with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(organization_id.0)
            .fetch_one(pool)
            .await?))
    }
}
