//! Policies and their history.

use apiverse_contract::policies::{PolicyKind, PolicyLevel, PolicyScope};
use apiverse_contract::{ApiId, OrganizationId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::audit::insert_audit;
use crate::gateway::bump_version;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};

/// How many states of a policy are kept.
pub(crate) const REVISIONS: i32 = 200;

/// A policy as it is stored. Level and kind are text: what a later version wrote must not keep
/// this one from reading the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct AttachedRow {
    pub level: String,
    /// Id of what it is attached to.
    pub target_id: Uuid,
    pub kind: String,
    /// The API that it is attached to, itself or by a version or route.
    pub api_id: Option<ApiId>,
    pub version: i32,
    /// `None`: it was removed.
    pub document: Option<Value>,
    pub updated_at: DateTime<Utc>,
    pub updated_by: String,
}

/// What a policy can be attached to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetRow {
    pub name: String,
    /// The API, of an API, version or route.
    pub api_id: Option<ApiId>,
}

/// What a policy was at some time.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionRow {
    pub version: i32,
    pub document: Option<Value>,
    pub changed_at: DateTime<Utc>,
    pub changed_by: String,
}

/// A change to one policy.
#[derive(Clone, Debug)]
pub struct PolicyChange<'a> {
    pub scope: PolicyScope,
    pub kind: PolicyKind,
    /// `None` removes it.
    pub document: Option<&'a Value>,
    /// The version it must have now, 0 for one that never was; `None`: any.
    pub expected: Option<i32>,
    pub at: DateTime<Utc>,
    pub by: &'a str,
}

/// Which policies are asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct PolicyFilter {
    pub level: Option<PolicyLevel>,
    pub kind: Option<PolicyKind>,
    /// Those of the API, its versions and its routes.
    pub api_id: Option<ApiId>,
    pub target_id: Option<Uuid>,
}

from_row! {
    TargetRow, row => TargetRow {
        name: row.try_get("name")?,
        api_id: row.try_get::<Option<Uuid>, _>("api_id")?.map(ApiId),
    };
    AttachedRow, row => AttachedRow {
        level: row.try_get("level")?,
        target_id: row.try_get("target_id")?,
        kind: row.try_get("kind")?,
        api_id: row.try_get::<Option<Uuid>, _>("api_id")?.map(ApiId),
        version: row.try_get("version")?,
        document: row.try_get::<Option<Json<Value>>, _>("document")?.map(|Json(value)| value),
        updated_at: row.try_get("updated_at")?,
        updated_by: row.try_get("updated_by")?,
    };
    RevisionRow, row => RevisionRow {
        version: row.try_get("version")?,
        document: row.try_get::<Option<Json<Value>>, _>("document")?.map(|Json(value)| value),
        changed_at: row.try_get("changed_at")?,
        changed_by: row.try_get("changed_by")?,
    };
}

/// Binds in this order: organization, level, target, kind, API, version, route, key, document,
/// expected version, time, who. A key that is revoked is no target.
pub(crate) const SET: &str = "INSERT INTO policies (level, target_id, kind, organization_id, api_id, \
         version_id, route_id, key_id, version, document, updated_at, updated_by) \
     SELECT $2, $3, $4, o.id, coalesce(a.id, v.api_id, r.api_id), v.id, r.id, k.id, 1, $9, $11, $12 \
     FROM organizations o \
     LEFT JOIN apis a ON a.organization_id = o.id AND a.id = $5 \
     LEFT JOIN api_versions v ON v.id = $6 AND EXISTS \
          (SELECT 1 FROM apis va WHERE va.id = v.api_id AND va.organization_id = o.id) \
     LEFT JOIN api_routes r ON r.organization_id = o.id AND r.id = $7 \
     LEFT JOIN api_keys k ON k.organization_id = o.id AND k.id = $8 AND k.revoked_at IS NULL \
     WHERE o.id = $1 AND ($5 IS NULL OR a.id IS NOT NULL) AND ($6 IS NULL OR v.id IS NOT NULL) \
          AND ($7 IS NULL OR r.id IS NOT NULL) AND ($8 IS NULL OR k.id IS NOT NULL) \
          AND ($10 IS NULL OR $10 = coalesce((SELECT p.version FROM policies p \
               WHERE p.level = $2 AND p.target_id = $3 AND p.kind = $4), 0)) \
     ON CONFLICT (level, target_id, kind) DO UPDATE \
     SET version = policies.version + 1, document = excluded.document, \
         updated_at = excluded.updated_at, updated_by = excluded.updated_by \
     WHERE $10 IS NULL OR policies.version = $10 \
     RETURNING version";
pub(crate) const KEEP: &str = "INSERT INTO policy_revisions \
         (level, target_id, kind, version, document, changed_at, changed_by) \
     VALUES ($1, $2, $3, $4, $5, $6, $7)";
pub(crate) const FORGET: &str = "DELETE FROM policy_revisions \
     WHERE level = $1 AND target_id = $2 AND kind = $3 AND version <= $4";

/// Makes one change with a transaction's connection; the value is the new version, `None` when
/// there is no such target or the policy has another version than expected.
macro_rules! set_policy {
    ($tx:expr, $organization_id:expr, $change:expr) => {{
        let change: &$crate::policies::PolicyChange<'_> = $change;
        let organization_id: apiverse_contract::OrganizationId = $organization_id;
        let (level, kind) = (change.scope.level().as_str(), change.kind.as_str());
        let target_id = change.scope.target_id(organization_id);
        let [api, version, route, key] = $crate::policies::targets(change.scope);
        let document = change.document.map(sqlx::types::Json);
        let set: Option<i32> = sqlx::query_scalar($crate::policies::SET)
            .bind(organization_id.0)
            .bind(level)
            .bind(target_id)
            .bind(kind)
            .bind(api)
            .bind(version)
            .bind(route)
            .bind(key)
            .bind(document)
            .bind(change.expected)
            .bind(change.at)
            .bind(change.by)
            .fetch_optional(&mut *$tx)
            .await?;
        if let Some(version) = set {
            sqlx::query($crate::policies::KEEP)
                .bind(level)
                .bind(target_id)
                .bind(kind)
                .bind(version)
                .bind(document)
                .bind(change.at)
                .bind(change.by)
                .execute(&mut *$tx)
                .await?;
            sqlx::query($crate::policies::FORGET)
                .bind(level)
                .bind(target_id)
                .bind(kind)
                .bind(version - $crate::policies::REVISIONS)
                .execute(&mut *$tx)
                .await?;
        }
        set
    }};
}

pub(crate) use set_policy;

/// The ids of API, version, route and key, one of them at most.
pub(crate) fn targets(scope: PolicyScope) -> [Option<Uuid>; 4] {
    match scope {
        PolicyScope::Organization => [None; 4],
        PolicyScope::Api(id) => [Some(id.0), None, None, None],
        PolicyScope::Version(id) => [None, Some(id.0), None, None],
        PolicyScope::Route(id) => [None, None, Some(id.0), None],
        PolicyScope::Key(id) => [None, None, None, Some(id.0)],
    }
}

impl Store {
    /// What a policy can be attached to; `None` when the organization has no such thing, or the
    /// key is revoked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attached_target(
        &self,
        organization_id: OrganizationId,
        scope: PolicyScope,
    ) -> Result<Option<TargetRow>> {
        let sql = match scope.level() {
            PolicyLevel::Organization => {
                "SELECT name, (SELECT a.id FROM apis a WHERE a.id <> a.id) AS api_id \
                 FROM organizations WHERE id = $1 AND id = $2"
            }
            PolicyLevel::Api => {
                "SELECT name, id AS api_id FROM apis WHERE organization_id = $1 AND id = $2"
            }
            PolicyLevel::Version => {
                "SELECT v.name, v.api_id FROM api_versions v JOIN apis a ON a.id = v.api_id \
                 WHERE a.organization_id = $1 AND v.id = $2"
            }
            PolicyLevel::Route => {
                "SELECT name, api_id FROM api_routes WHERE organization_id = $1 AND id = $2"
            }
            PolicyLevel::Key => {
                "SELECT name, (SELECT a.id FROM apis a WHERE a.id <> a.id) AS api_id FROM api_keys \
                 WHERE organization_id = $1 AND id = $2 AND revoked_at IS NULL"
            }
        };
        Ok(with_pool!(self, pool => sqlx::query_as(sql)
            .bind(organization_id.0)
            .bind(scope.target_id(organization_id))
            .fetch_optional(pool)
            .await?))
    }

    /// One that was removed is there without its document.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attached_get(
        &self,
        organization_id: OrganizationId,
        scope: PolicyScope,
        kind: PolicyKind,
    ) -> Result<Option<AttachedRow>> {
        const SQL: &str = "SELECT * FROM policies WHERE organization_id = $1 \
             AND level = $2 AND target_id = $3 AND kind = $4";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(scope.level().as_str())
            .bind(scope.target_id(organization_id))
            .bind(kind.as_str())
            .fetch_optional(pool)
            .await?))
    }

    /// Sets or removes a policy; the value is its new version. `None` when the organization has no
    /// such target, or the policy another version than expected.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attached_set(
        &self,
        organization_id: OrganizationId,
        change: &PolicyChange<'_>,
        audit: &AuditRow,
    ) -> Result<Option<i32>> {
        Ok(with_transaction!(self, tx => {
            let set = set_policy!(tx, organization_id, change);
            if set.is_some() {
                insert_audit!(audit, &mut *tx);
                bump_version!(&mut *tx);
            }
            set
        }))
    }

    /// By target and kind, without those that were removed; `after` is the last of the page before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attached_list(
        &self,
        organization_id: OrganizationId,
        filter: PolicyFilter,
        after: Option<(Uuid, &str)>,
        limit: u32,
    ) -> Result<Vec<AttachedRow>> {
        const SQL: &str = "SELECT * FROM policies WHERE organization_id = $1 \
             AND document IS NOT NULL \
             AND ($2 IS NULL OR level = $2) AND ($3 IS NULL OR kind = $3) \
             AND ($4 IS NULL OR api_id = $4) AND ($5 IS NULL OR target_id = $5) \
             AND ($6 IS NULL OR target_id > $6 OR (target_id = $6 AND kind > $7)) \
             ORDER BY target_id, kind LIMIT $8";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(filter.level.map(PolicyLevel::as_str))
            .bind(filter.kind.map(PolicyKind::as_str))
            .bind(filter.api_id.map(|id| id.0))
            .bind(filter.target_id)
            .bind(after.map(|(target_id, _)| target_id))
            .bind(after.map(|(_, kind)| kind))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// Newest first; `before` is the version that the page before ended with.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn attached_revisions(
        &self,
        organization_id: OrganizationId,
        scope: PolicyScope,
        kind: PolicyKind,
        before: Option<i32>,
        limit: u32,
    ) -> Result<Vec<RevisionRow>> {
        const SQL: &str = "SELECT r.* FROM policy_revisions r JOIN policies p \
             ON p.level = r.level AND p.target_id = r.target_id AND p.kind = r.kind \
             WHERE p.organization_id = $1 AND r.level = $2 AND r.target_id = $3 AND r.kind = $4 \
             AND ($5 IS NULL OR r.version < $5) ORDER BY r.version DESC LIMIT $6";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(scope.level().as_str())
            .bind(scope.target_id(organization_id))
            .bind(kind.as_str())
            .bind(before)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }
}
