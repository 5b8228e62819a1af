//! Reading single calls, and the names of what they belong to.

use apiverse_contract::usage::{CacheState, UsageKind};
use apiverse_contract::{ApiId, KeyId, OrganizationId, RouteId, UsageEventId, VersionId};
use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::pool::{Store, with_pool};
use crate::rows::from_row;
use crate::usage::UsageRow;

/// Which calls are meant; `None`: any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageFilter {
    pub organization_id: OrganizationId,
    pub api_id: Option<ApiId>,
    pub key_id: Option<KeyId>,
    /// `Some(None)`: the version `default`.
    pub version_id: Option<Option<VersionId>>,
    pub route_id: Option<RouteId>,
    pub path: Option<PathFilter>,
    pub method: Option<String>,
    /// The lowest and the highest status.
    pub status: Option<(i32, i32)>,
    pub error_code: Option<String>,
    pub cache: Option<CacheState>,
    pub kind: UsageKind,
    /// Inclusive, microseconds since 1970.
    pub from_us: i64,
    /// Exclusive.
    pub to_us: i64,
}

impl UsageFilter {
    /// All calls of an organization that began in a stretch of time.
    #[must_use]
    pub fn calls(organization_id: OrganizationId, from_us: i64, to_us: i64) -> Self {
        Self {
            organization_id,
            api_id: None,
            key_id: None,
            version_id: None,
            route_id: None,
            path: None,
            method: None,
            status: None,
            error_code: None,
            cache: None,
            kind: UsageKind::Call,
            from_us,
            to_us,
        }
    }
}

/// Calls without a configured route whose path is like a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathFilter {
    like: String,
}

impl PathFilter {
    /// All paths of a template as `/users/{id}`, and some more: any text may stand in its places.
    #[must_use]
    pub fn like(template: &str) -> Self {
        let mut like = String::with_capacity(template.len());
        for segment in template.split('/').filter(|segment| !segment.is_empty()) {
            // Any number of slashes is as good as one.
            like.push_str("%/");
            if segment.starts_with('{') || segment == "*" {
                like.push('%');
                continue;
            }
            for c in segment.chars() {
                if matches!(c, '%' | '_' | '\\') {
                    like.push('\\');
                }
                like.push(c);
            }
        }
        like.push('%');
        Self { like }
    }
}

/// A call with the names of its API and key, if they still exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    pub usage: UsageRow,
    pub api_name: Option<String>,
    pub key_name: Option<String>,
}

from_row! {
    CallRow, row => CallRow {
        usage: sqlx::FromRow::from_row(row)?,
        api_name: row.try_get("api_name")?,
        key_name: row.try_get("key_name")?,
    };
}

impl Store {
    /// Newest first; `before` continues after a call.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_calls(
        &self,
        filter: &UsageFilter,
        before: Option<(i64, UsageEventId)>,
        limit: u32,
    ) -> Result<Vec<CallRow>> {
        const SQL: &str = "SELECT u.*, a.name AS api_name, k.name AS key_name FROM usage_metrics u \
             LEFT JOIN apis a ON a.id = u.api_id AND a.organization_id = u.organization_id \
             LEFT JOIN api_keys k ON k.id = u.key_id AND k.organization_id = u.organization_id \
             WHERE u.organization_id = $1 AND u.started_at_us >= $2 AND u.started_at_us < $3 \
             AND ($4 IS NULL OR u.api_id = $4) AND ($5 IS NULL OR u.key_id = $5) \
             AND ($6 IS NULL OR (u.status >= $6 AND u.status <= $7)) \
             AND (u.verified IS NOT NULL) = $8 \
             AND ($9 IS NULL OR u.started_at_us < $9 OR (u.started_at_us = $9 AND u.id < $10)) \
             AND (NOT $12 OR u.version_id = $13 OR ($13 IS NULL AND u.version_id IS NULL)) \
             AND ($14 IS NULL OR u.route_id = $14) \
             AND ($15 IS NULL OR (u.route_id IS NULL AND u.path LIKE $15 ESCAPE '\\')) \
             AND ($16 IS NULL OR u.method = $16) AND ($17 IS NULL OR u.error_code = $17) \
             AND ($18 IS NULL OR u.cache = $18) \
             ORDER BY u.started_at_us DESC, u.id DESC LIMIT $11";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(filter.organization_id.0)
            .bind(filter.from_us)
            .bind(filter.to_us)
            .bind(filter.api_id.map(|id| id.0))
            .bind(filter.key_id.map(|id| id.0))
            .bind(filter.status.map(|(lowest, _)| lowest))
            .bind(filter.status.map(|(_, highest)| highest))
            .bind(filter.kind == UsageKind::Verification)
            .bind(before.map(|(at, _)| at))
            .bind(before.map(|(_, id)| id.0))
            .bind(i64::from(limit))
            .bind(filter.version_id.is_some())
            .bind(filter.version_id.flatten().map(|id| id.0))
            .bind(filter.route_id.map(|id| id.0))
            .bind(filter.path.as_ref().map(|path| path.like.as_str()))
            .bind(filter.method.as_deref())
            .bind(filter.error_code.as_deref())
            .bind(filter.cache.map(|state| i16::from(state.code())))
            .fetch_all(pool)
            .await?))
    }

    /// The name of an API, if it still exists.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_api_name(
        &self,
        organization_id: OrganizationId,
        id: Uuid,
    ) -> Result<Option<String>> {
        const SQL: &str = "SELECT name FROM apis WHERE organization_id = $1 AND id = $2";
        self.usage_name(SQL, organization_id, id).await
    }

    /// The name of a key.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_key_name(
        &self,
        organization_id: OrganizationId,
        id: Uuid,
    ) -> Result<Option<String>> {
        const SQL: &str = "SELECT name FROM api_keys WHERE organization_id = $1 AND id = $2";
        self.usage_name(SQL, organization_id, id).await
    }

    /// The name of a version of an API, if it still exists.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_version_name(
        &self,
        organization_id: OrganizationId,
        id: Uuid,
    ) -> Result<Option<String>> {
        const SQL: &str = "SELECT v.name FROM api_versions v JOIN apis a ON a.id = v.api_id \
             WHERE a.organization_id = $1 AND v.id = $2";
        self.usage_name(SQL, organization_id, id).await
    }

    /// The path of a configured route, if it still exists.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_route_path(
        &self,
        organization_id: OrganizationId,
        id: Uuid,
    ) -> Result<Option<String>> {
        const SQL: &str = "SELECT path FROM api_routes WHERE organization_id = $1 AND id = $2";
        self.usage_name(SQL, organization_id, id).await
    }

    async fn usage_name(
        &self,
        sql: &'static str,
        organization_id: OrganizationId,
        id: Uuid,
    ) -> Result<Option<String>> {
        Ok(with_pool!(self, pool => sqlx::query_scalar(sql)
            .bind(organization_id.0)
            .bind(id)
            .fetch_optional(pool)
            .await?))
    }
}
