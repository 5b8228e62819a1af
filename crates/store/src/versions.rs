//! Versions of APIs, and who calls them.

use apiverse_contract::versions::{DEFAULT_VERSION, Versioning};
use apiverse_contract::{ApiId, KeyId, OrganizationId, VersionId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::audit::insert_audit;
use crate::gateway::bump_version;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};

/// A version of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRow {
    pub id: VersionId,
    pub api_id: ApiId,
    pub name: String,
    pub base_url: String,
    pub deprecated_at: Option<DateTime<Utc>>,
    pub sunset_at: Option<DateTime<Utc>>,
    pub refuse_after_sunset: bool,
    pub link: Option<String>,
    pub created_at: DateTime<Utc>,
}

/// Somebody who calls a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionCallerRow {
    pub key_id: Option<KeyId>,
    pub key_name: Option<String>,
    pub calls: i64,
    /// Microseconds since 1970.
    pub last_us: i64,
}

/// How an API's callers choose, by its id.
pub(crate) struct VersioningRow {
    pub(crate) api_id: ApiId,
    pub(crate) document: Versioning,
}

from_row! {
    VersionRow, row => VersionRow {
        id: VersionId(row.try_get("id")?),
        api_id: ApiId(row.try_get("api_id")?),
        name: row.try_get("name")?,
        base_url: row.try_get("base_url")?,
        deprecated_at: row.try_get("deprecated_at")?,
        sunset_at: row.try_get("sunset_at")?,
        refuse_after_sunset: row.try_get("refuse_after_sunset")?,
        link: row.try_get("link")?,
        created_at: row.try_get("created_at")?,
    };
    VersioningRow, row => VersioningRow {
        api_id: ApiId(row.try_get("api_id")?),
        document: row.try_get::<Json<Versioning>, _>("document")?.0,
    };
    VersionCallerRow, row => VersionCallerRow {
        key_id: row.try_get::<Option<Uuid>, _>("key_id")?.map(KeyId),
        key_name: row.try_get("key_name")?,
        calls: row.try_get("calls")?,
        last_us: row.try_get("last_us")?,
    };
}

pub(crate) const VERSION_INSERT: &str = "INSERT INTO api_versions (id, api_id, name, base_url, deprecated_at, \
         sunset_at, refuse_after_sunset, link, created_at) \
     SELECT $3, a.id, $4, $5, $6, $7, $8, $9, $10 FROM apis a \
     WHERE a.organization_id = $1 AND a.id = $2 \
          AND (SELECT count(*) FROM api_versions v WHERE v.api_id = a.id) <= $11";

/// In any transaction; whether a row was touched.
macro_rules! insert_version {
    ($tx:expr, $organization_id:expr, $version:expr, $most:expr) => {{
        let (organization_id, version, most) = ($organization_id, $version, $most);
        sqlx::query($crate::versions::VERSION_INSERT)
            .bind(organization_id.0)
            .bind(version.api_id.0)
            .bind(version.id.0)
            .bind(&version.name)
            .bind(&version.base_url)
            .bind(version.deprecated_at)
            .bind(version.sunset_at)
            .bind(version.refuse_after_sunset)
            .bind(&version.link)
            .bind(version.created_at)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            > 0
    }};
}
pub(crate) use insert_version;

pub(crate) const VERSION_UPDATE: &str = "UPDATE api_versions SET name = $4, base_url = $5, deprecated_at = $6, \
         sunset_at = $7, refuse_after_sunset = $8, link = $9 \
     WHERE id = $3 AND api_id = $2 \
          AND EXISTS (SELECT 1 FROM apis a WHERE a.id = $2 AND a.organization_id = $1)";

/// In any transaction; whether a row was touched.
macro_rules! update_version {
    ($tx:expr, $organization_id:expr, $version:expr) => {{
        let (organization_id, version) = ($organization_id, $version);
        sqlx::query($crate::versions::VERSION_UPDATE)
            .bind(organization_id.0)
            .bind(version.api_id.0)
            .bind(version.id.0)
            .bind(&version.name)
            .bind(&version.base_url)
            .bind(version.deprecated_at)
            .bind(version.sunset_at)
            .bind(version.refuse_after_sunset)
            .bind(&version.link)
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            > 0
    }};
}
pub(crate) use update_version;

pub(crate) const VERSION_DELETE: &str = "DELETE FROM api_versions WHERE id = $3 AND api_id = $2 AND name <> $4 \
     AND EXISTS (SELECT 1 FROM apis a WHERE a.id = $2 AND a.organization_id = $1)";

/// In any transaction; whether a row was touched.
macro_rules! delete_version {
    ($tx:expr, $organization_id:expr, $api_id:expr, $id:expr) => {{
        let (organization_id, api_id, id) = ($organization_id, $api_id, $id);
        sqlx::query($crate::versions::VERSION_DELETE)
            .bind(organization_id.0)
            .bind(api_id.0)
            .bind(id.0)
            .bind(DEFAULT_VERSION)
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            > 0
    }};
}
pub(crate) use delete_version;

pub(crate) const VERSIONING_PUT: &str = "INSERT INTO api_versioning (api_id, document) \
     SELECT a.id, $3 FROM apis a WHERE a.organization_id = $1 AND a.id = $2 \
     ON CONFLICT (api_id) DO UPDATE SET document = excluded.document";

/// In any transaction; whether a row was touched.
macro_rules! put_versioning {
    ($tx:expr, $organization_id:expr, $api_id:expr, $document:expr) => {{
        let (organization_id, api_id, document) = ($organization_id, $api_id, $document);
        sqlx::query($crate::versions::VERSIONING_PUT)
            .bind(organization_id.0)
            .bind(api_id.0)
            .bind(Json(document))
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            > 0
    }};
}
pub(crate) use put_versioning;

impl Store {
    /// The API's versions, `default` among them, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn version_list(
        &self,
        organization_id: OrganizationId,
        api_id: ApiId,
    ) -> Result<Vec<VersionRow>> {
        const SQL: &str = "SELECT v.* FROM api_versions v JOIN apis a ON a.id = v.api_id \
             WHERE a.organization_id = $1 AND a.id = $2 ORDER BY v.created_at, v.id";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(api_id.0)
            .fetch_all(pool)
            .await?))
    }

    /// Adds a version, unless its API has `most` of them already, `default` not counted: false
    /// then, and when the organization has no such API.
    ///
    /// # Errors
    /// [`crate::Conflict::VersionName`] when the API has a version of this name.
    pub async fn version_insert(
        &self,
        organization_id: OrganizationId,
        version: &VersionRow,
        most: usize,
        audit: &AuditRow,
    ) -> Result<bool> {
        Ok(with_transaction!(self, tx => {
            let done = insert_version!(tx, organization_id, version, most);
            if done {
                insert_audit!(audit, &mut *tx);
                bump_version!(&mut *tx);
            }
            done
        }))
    }

    /// Writes all but id and creation; false when the organization has no such version.
    ///
    /// # Errors
    /// [`crate::Conflict::VersionName`] when the API has another version of this name.
    pub async fn version_update(
        &self,
        organization_id: OrganizationId,
        version: &VersionRow,
        audit: &AuditRow,
    ) -> Result<bool> {
        Ok(with_transaction!(self, tx => {
            let done = update_version!(tx, organization_id, version);
            if done {
                insert_audit!(audit, &mut *tx);
                bump_version!(&mut *tx);
            }
            done
        }))
    }

    /// False when the organization has no such version, or it is `default`, which stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn version_delete(
        &self,
        organization_id: OrganizationId,
        api_id: ApiId,
        id: VersionId,
        audit: &AuditRow,
    ) -> Result<bool> {
        Ok(with_transaction!(self, tx => {
            let done = delete_version!(tx, organization_id, api_id, id);
            if done {
                insert_audit!(audit, &mut *tx);
                bump_version!(&mut *tx);
            }
            done
        }))
    }

    /// How callers choose; the defaults when that was never set.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn versioning_get(
        &self,
        organization_id: OrganizationId,
        api_id: ApiId,
    ) -> Result<Versioning> {
        const SQL: &str = "SELECT s.* FROM api_versioning s JOIN apis a ON a.id = s.api_id \
             WHERE a.organization_id = $1 AND a.id = $2";
        let found: Option<VersioningRow> = with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(api_id.0)
            .fetch_optional(pool)
            .await?);
        Ok(found.map(|row| row.document).unwrap_or_default())
    }

    /// False when the organization has no such API.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn versioning_put(
        &self,
        organization_id: OrganizationId,
        api_id: ApiId,
        document: &Versioning,
        audit: &AuditRow,
    ) -> Result<bool> {
        Ok(with_transaction!(self, tx => {
            let done = put_versioning!(tx, organization_id, api_id, document);
            if done {
                insert_audit!(audit, &mut *tx);
                bump_version!(&mut *tx);
            }
            done
        }))
    }

    /// Who called a version since `from_us`, the latest first. `version_id` is `None` for
    /// `default`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn version_callers(
        &self,
        organization_id: OrganizationId,
        api_id: ApiId,
        version_id: Option<VersionId>,
        from_us: i64,
        limit: u32,
    ) -> Result<Vec<VersionCallerRow>> {
        const SQL: &str = "SELECT u.key_id, max(k.name) AS key_name, count(*) AS calls, \
                 max(u.started_at_us) AS last_us \
             FROM usage_metrics u \
             LEFT JOIN api_keys k ON k.id = u.key_id AND k.organization_id = u.organization_id \
             WHERE u.organization_id = $1 AND u.started_at_us >= $4 AND u.api_id = $2 \
                  AND (u.version_id = $3 OR ($3 IS NULL AND u.version_id IS NULL)) \
             GROUP BY u.key_id ORDER BY last_us DESC, u.key_id LIMIT $5";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(api_id.0)
            .bind(version_id.map(|id| id.0))
            .bind(from_us)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }
}
