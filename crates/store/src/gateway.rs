//! What the gateway reads to build its snapshot: across organizations, credentials included.

use std::collections::HashMap;

use apiverse_contract::limits::LimitPolicy;
use apiverse_contract::{ApiId, KeyId, OrganizationId};
use sqlx::Row;
use sqlx::types::Json;

use crate::Result;
use crate::limits::RouteRow;
use crate::pool::{Store, with_pool};
use crate::rows::{ApiKeyRow, ApiRow, from_row};

/// An API with everything that calls to it need.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayApi {
    pub api: ApiRow,
    /// `None`: no limits of its own.
    pub policy: Option<LimitPolicy>,
    /// Oldest first.
    pub routes: Vec<RouteRow>,
}

/// A key that is not revoked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayKey {
    pub key: ApiKeyRow,
    /// `None`: no limits of its own.
    pub policy: Option<LimitPolicy>,
}

/// An organization that has limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayOrganization {
    pub id: OrganizationId,
    pub policy: LimitPolicy,
}

from_row! {
    GatewayKey, row => GatewayKey {
        key: ApiKeyRow::from_row(row)?,
        policy: row.try_get::<Option<Json<LimitPolicy>>, _>("policy")?.map(|Json(policy)| policy),
    };
    GatewayApi, row => GatewayApi {
        api: ApiRow::from_row(row)?,
        policy: row.try_get::<Option<Json<LimitPolicy>>, _>("policy")?.map(|Json(policy)| policy),
        routes: Vec::new(),
    };
    GatewayOrganization, row => GatewayOrganization {
        id: OrganizationId(row.try_get("target_id")?),
        policy: row.try_get::<Json<LimitPolicy>, _>("document")?.0,
    };
}

/// The number of changes made to what the gateway reads: a node whose snapshot is of another
/// number has missed one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(pub i64);

pub(crate) const BUMP: &str = "UPDATE config_version SET version = version + 1 WHERE id = 1";

/// Counts a change, in the transaction that makes it. The row's lock also puts changes in order.
macro_rules! bump_version {
    ($executor:expr) => {
        sqlx::query($crate::gateway::BUMP)
            .execute($executor)
            .await?
    };
}
pub(crate) use bump_version;

impl Store {
    /// Every API of every organization.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gateway_apis(&self) -> Result<Vec<GatewayApi>> {
        const APIS: &str = "SELECT a.*, v.base_url, p.document AS policy FROM apis a \
             JOIN api_versions v ON v.api_id = a.id AND v.name = 'default' \
             LEFT JOIN limit_policies p ON p.scope = 'api' AND p.target_id = a.id";
        const ROUTES: &str = "SELECT * FROM api_routes ORDER BY id";
        let (mut apis, routes): (Vec<GatewayApi>, Vec<RouteRow>) = with_pool!(self, pool => (
            sqlx::query_as(APIS).fetch_all(pool).await?,
            sqlx::query_as(ROUTES).fetch_all(pool).await?,
        ));
        let mut of_api: HashMap<ApiId, Vec<RouteRow>> = HashMap::new();
        for route in routes {
            of_api.entry(route.api_id).or_default().push(route);
        }
        for found in &mut apis {
            found.routes = of_api.remove(&found.api.id).unwrap_or_default();
        }
        Ok(apis)
    }

    /// # Errors
    /// When the database fails.
    pub async fn gateway_api(&self, id: ApiId) -> Result<Option<GatewayApi>> {
        const API: &str = "SELECT a.*, v.base_url, p.document AS policy FROM apis a \
             JOIN api_versions v ON v.api_id = a.id AND v.name = 'default' \
             LEFT JOIN limit_policies p ON p.scope = 'api' AND p.target_id = a.id \
             WHERE a.id = $1";
        const ROUTES: &str = "SELECT * FROM api_routes WHERE api_id = $1 ORDER BY id";
        let found: Option<GatewayApi> = with_pool!(self, pool =>
            sqlx::query_as(API).bind(id.0).fetch_optional(pool).await?);
        let Some(mut found) = found else {
            return Ok(None);
        };
        found.routes = with_pool!(self, pool =>
            sqlx::query_as(ROUTES).bind(id.0).fetch_all(pool).await?);
        Ok(Some(found))
    }

    /// Keys that are not revoked, ascending by id; `after` continues.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gateway_keys(&self, after: Option<KeyId>, limit: u32) -> Result<Vec<GatewayKey>> {
        const SQL: &str = "SELECT k.*, p.document AS policy FROM api_keys k \
             LEFT JOIN limit_policies p ON p.scope = 'key' AND p.target_id = k.id \
             WHERE k.revoked_at IS NULL AND ($1 IS NULL OR k.id > $1) ORDER BY k.id LIMIT $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(after.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// `None` also when the key is revoked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gateway_key(&self, id: KeyId) -> Result<Option<GatewayKey>> {
        const SQL: &str = "SELECT k.*, p.document AS policy FROM api_keys k \
             LEFT JOIN limit_policies p ON p.scope = 'key' AND p.target_id = k.id \
             WHERE k.id = $1 AND k.revoked_at IS NULL";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL).bind(id.0).fetch_optional(pool).await?))
    }

    /// Every organization that has a policy, an empty one too.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gateway_organizations(&self) -> Result<Vec<GatewayOrganization>> {
        const SQL: &str =
            "SELECT target_id, document FROM limit_policies WHERE scope = 'organization'";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL).fetch_all(pool).await?))
    }

    /// `None` when the organization has no policy.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gateway_organization(
        &self,
        id: OrganizationId,
    ) -> Result<Option<GatewayOrganization>> {
        const SQL: &str = "SELECT target_id, document FROM limit_policies \
             WHERE scope = 'organization' AND target_id = $1";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL).bind(id.0).fetch_optional(pool).await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn gateway_fingerprint(&self) -> Result<Fingerprint> {
        const SQL: &str = "SELECT version FROM config_version WHERE id = 1";
        let version = with_pool!(self, pool => sqlx::query_scalar(SQL).fetch_one(pool).await?);
        Ok(Fingerprint(version))
    }
}
