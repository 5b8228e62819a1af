//! Limit policies, and the routes of APIs.

use apiverse_contract::limits::{LimitPolicy, PolicyScope};
use apiverse_contract::{ApiId, KeyId, OrganizationId, RouteId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::audit::insert_audit;
use crate::gateway::bump_version;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};

/// What a policy is attached to. A route's policy is part of its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyTarget {
    /// The organization that is asked for.
    Organization,
    Api(ApiId),
    Key(KeyId),
}

impl PolicyTarget {
    pub(crate) const fn scope(self) -> PolicyScope {
        match self {
            Self::Organization => PolicyScope::Organization,
            Self::Api(_) => PolicyScope::Api,
            Self::Key(_) => PolicyScope::Key,
        }
    }

    pub(crate) const fn id(self, organization_id: OrganizationId) -> Uuid {
        match self {
            Self::Organization => organization_id.0,
            Self::Api(id) => id.0,
            Self::Key(id) => id.0,
        }
    }
}

/// A policy's document as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyRow {
    pub document: LimitPolicy,
    pub updated_at: DateTime<Utc>,
}

/// A route of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRow {
    pub id: RouteId,
    pub organization_id: OrganizationId,
    pub api_id: ApiId,
    pub name: String,
    pub methods: Vec<String>,
    pub path: String,
    pub policy: LimitPolicy,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

from_row! {
    PolicyRow, row => PolicyRow {
        document: row.try_get::<Json<LimitPolicy>, _>("document")?.0,
        updated_at: row.try_get("updated_at")?,
    };
    RouteRow, row => RouteRow {
        id: RouteId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        api_id: ApiId(row.try_get("api_id")?),
        name: row.try_get("name")?,
        methods: row.try_get::<Json<Vec<String>>, _>("methods")?.0,
        path: row.try_get("path")?,
        policy: row.try_get::<Json<LimitPolicy>, _>("policy")?.0,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    };
}

pub(crate) const ROUTE_INSERT: &str = "INSERT INTO api_routes \
     (id, organization_id, api_id, name, methods, path, policy, created_at, updated_at) \
     SELECT $1, a.organization_id, a.id, $4, $5, $6, $7, $8, $9 FROM apis a \
     WHERE a.organization_id = $2 AND a.id = $3 \
          AND (SELECT count(*) FROM api_routes r WHERE r.api_id = a.id) < $10";

/// In any transaction; whether a row was touched.
macro_rules! insert_route {
    ($tx:expr, $route:expr, $most:expr) => {{
        let (route, most) = ($route, $most);
        sqlx::query($crate::limits::ROUTE_INSERT)
            .bind(route.id.0)
            .bind(route.organization_id.0)
            .bind(route.api_id.0)
            .bind(&route.name)
            .bind(Json(&route.methods))
            .bind(&route.path)
            .bind(Json(&route.policy))
            .bind(route.created_at)
            .bind(route.updated_at)
            .bind(i64::try_from(most).unwrap_or(i64::MAX))
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            > 0
    }};
}
pub(crate) use insert_route;

pub(crate) const ROUTE_UPDATE: &str = "UPDATE api_routes \
     SET name = $4, methods = $5, path = $6, policy = $7, updated_at = $8 \
     WHERE organization_id = $1 AND api_id = $2 AND id = $3";

/// In any transaction; whether a row was touched.
macro_rules! update_route {
    ($tx:expr, $route:expr) => {{
        let route = $route;
        sqlx::query($crate::limits::ROUTE_UPDATE)
            .bind(route.organization_id.0)
            .bind(route.api_id.0)
            .bind(route.id.0)
            .bind(&route.name)
            .bind(Json(&route.methods))
            .bind(&route.path)
            .bind(Json(&route.policy))
            .bind(route.updated_at)
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            > 0
    }};
}
pub(crate) use update_route;

pub(crate) const ROUTE_DELETE: &str = "DELETE FROM api_routes \
     WHERE organization_id = $1 AND api_id = $2 AND id = $3";

/// In any transaction; whether a row was touched.
macro_rules! delete_route {
    ($tx:expr, $organization_id:expr, $api_id:expr, $id:expr) => {{
        let (organization_id, api_id, id) = ($organization_id, $api_id, $id);
        sqlx::query($crate::limits::ROUTE_DELETE)
            .bind(organization_id.0)
            .bind(api_id.0)
            .bind(id.0)
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            > 0
    }};
}
pub(crate) use delete_route;

pub(crate) const LIMITS_PUT: &str = "INSERT INTO limit_policies \
     (scope, target_id, organization_id, api_id, key_id, document, updated_at) \
     SELECT $2, $3, o.id, a.id, k.id, $4, $5 FROM organizations o \
     LEFT JOIN apis a ON a.organization_id = o.id AND a.id = $6 \
     LEFT JOIN api_keys k ON k.organization_id = o.id AND k.id = $7 \
          AND k.revoked_at IS NULL \
     WHERE o.id = $1 AND ($6 IS NULL OR a.id IS NOT NULL) \
          AND ($7 IS NULL OR k.id IS NOT NULL) \
     ON CONFLICT (scope, target_id) DO UPDATE \
     SET document = excluded.document, updated_at = excluded.updated_at";

/// In any transaction; whether a row was touched.
macro_rules! put_limits {
    ($tx:expr, $organization_id:expr, $target:expr, $policy:expr) => {{
        let (organization_id, target, policy) = ($organization_id, $target, $policy);
        let (api_id, key_id) = $crate::limits::api_and_key(target);
        sqlx::query($crate::limits::LIMITS_PUT)
            .bind(organization_id.0)
            .bind(target.scope().as_str())
            .bind(target.id(organization_id))
            .bind(Json(&policy.document))
            .bind(policy.updated_at)
            .bind(api_id)
            .bind(key_id)
            .execute(&mut *$tx)
            .await?
            .rows_affected()
            > 0
    }};
}
pub(crate) use put_limits;

/// The id of the API or key, if it is one.
pub(crate) const fn api_and_key(target: PolicyTarget) -> (Option<Uuid>, Option<Uuid>) {
    match target {
        PolicyTarget::Organization => (None, None),
        PolicyTarget::Api(id) => (Some(id.0), None),
        PolicyTarget::Key(id) => (None, Some(id.0)),
    }
}

impl Store {
    /// `None` when the target never had a policy, or is not the organization's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn policy_get(
        &self,
        organization_id: OrganizationId,
        target: PolicyTarget,
    ) -> Result<Option<PolicyRow>> {
        const SQL: &str = "SELECT document, updated_at FROM limit_policies \
             WHERE organization_id = $1 AND scope = $2 AND target_id = $3";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(target.scope().as_str())
            .bind(target.id(organization_id))
            .fetch_optional(pool)
            .await?))
    }

    /// Sets a policy. False when the organization has no such API or key, or the key is revoked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn policy_put(
        &self,
        organization_id: OrganizationId,
        target: PolicyTarget,
        policy: &PolicyRow,
        audit: &AuditRow,
    ) -> Result<bool> {
        Ok(with_transaction!(self, tx => {
            let done = put_limits!(tx, organization_id, target, policy);
            if done {
                insert_audit!(audit, &mut *tx);
                bump_version!(&mut *tx);
            }
            done
        }))
    }

    /// Adds a route, unless its API has `most` of them already: false then, and when the
    /// organization has no such API.
    ///
    /// # Errors
    /// [`crate::Conflict::RouteName`] when the API has a route of this name.
    pub async fn route_insert(
        &self,
        route: &RouteRow,
        most: usize,
        audit: &AuditRow,
    ) -> Result<bool> {
        Ok(with_transaction!(self, tx => {
            let done = insert_route!(tx, route, most);
            if done {
                insert_audit!(audit, &mut *tx);
                bump_version!(&mut *tx);
            }
            done
        }))
    }

    /// # Errors
    /// When the database fails.
    pub async fn route_get(
        &self,
        organization_id: OrganizationId,
        api_id: ApiId,
        id: RouteId,
    ) -> Result<Option<RouteRow>> {
        const SQL: &str = "SELECT * FROM api_routes \
             WHERE organization_id = $1 AND api_id = $2 AND id = $3";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(api_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// Newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn route_list(
        &self,
        organization_id: OrganizationId,
        api_id: ApiId,
        after: Option<RouteId>,
        limit: u32,
    ) -> Result<Vec<RouteRow>> {
        const SQL: &str = "SELECT * FROM api_routes \
             WHERE organization_id = $1 AND api_id = $2 AND ($3 IS NULL OR id < $3) \
             ORDER BY id DESC LIMIT $4";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(api_id.0)
            .bind(after.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// Writes name, methods, path and policy; false when the organization has no such route.
    ///
    /// # Errors
    /// [`crate::Conflict::RouteName`] when the API has another route of this name.
    pub async fn route_update(&self, route: &RouteRow, audit: &AuditRow) -> Result<bool> {
        Ok(with_transaction!(self, tx => {
            let done = update_route!(tx, route);
            if done {
                insert_audit!(audit, &mut *tx);
                bump_version!(&mut *tx);
            }
            done
        }))
    }

    /// False when the organization has no such route.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn route_delete(
        &self,
        organization_id: OrganizationId,
        api_id: ApiId,
        id: RouteId,
        audit: &AuditRow,
    ) -> Result<bool> {
        Ok(with_transaction!(self, tx => {
            let done = delete_route!(tx, organization_id, api_id, id);
            if done {
                insert_audit!(audit, &mut *tx);
                bump_version!(&mut *tx);
            }
            done
        }))
    }
}
