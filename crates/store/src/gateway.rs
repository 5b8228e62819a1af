//! What the gateway reads to build its snapshot: across organizations, credentials included.

use std::collections::{BTreeMap, HashMap};

use apiverse_contract::limits::LimitPolicy;
use apiverse_contract::versions::Versioning;
use apiverse_contract::{ApiId, KeyId, OrganizationId};
use sqlx::Row;
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::limits::RouteRow;
use crate::policies::AttachedRow;
use crate::pool::{Store, with_pool};
use crate::prices::{BudgetBlock, BudgetRow};
use crate::rows::{ApiKeyRow, ApiRow, from_row};
use crate::versions::{VersionRow, VersioningRow};

/// An API with everything that calls to it need.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayApi {
    pub api: ApiRow,
    /// `None`: no limits of its own.
    pub policy: Option<LimitPolicy>,
    /// Oldest first.
    pub routes: Vec<RouteRow>,
    /// Oldest first, `default` only when it ends some time.
    pub versions: Vec<VersionRow>,
    /// `None`: the defaults.
    pub versioning: Option<Versioning>,
    /// Its own, its versions' and its routes'.
    pub policies: Vec<AttachedRow>,
}

/// A key that is not revoked.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayKey {
    pub key: ApiKeyRow,
    /// `None`: no limits of its own.
    pub policy: Option<LimitPolicy>,
    pub policies: Vec<AttachedRow>,
}

/// An organization that has limits, policies or spent budgets.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayOrganization {
    pub id: OrganizationId,
    /// `None`: no limits of its own.
    pub policy: Option<LimitPolicy>,
    pub policies: Vec<AttachedRow>,
    /// What spent budgets refuse.
    pub blocked: Vec<BudgetBlock>,
}

struct OrganizationLimits {
    id: OrganizationId,
    policy: LimitPolicy,
}

/// Policies that apply, in an order that is the same each time.
const POLICIES_OF_APIS: &str = "SELECT * FROM policies \
     WHERE api_id IS NOT NULL AND document IS NOT NULL ORDER BY target_id, kind";
const POLICIES_OF_API: &str = "SELECT * FROM policies \
     WHERE api_id = $1 AND document IS NOT NULL ORDER BY target_id, kind";
const POLICIES_OF_KEYS: &str = "SELECT * FROM policies \
     WHERE key_id >= $1 AND key_id <= $2 AND document IS NOT NULL ORDER BY target_id, kind";
const POLICIES_OF_ORGANIZATIONS: &str = "SELECT * FROM policies \
     WHERE level = 'organization' AND document IS NOT NULL \
     AND ($1 IS NULL OR target_id = $1) ORDER BY target_id, kind";

/// `default` is an API's own row, unless it ends some time.
const VERSIONS: &str = "SELECT * FROM api_versions WHERE ($1 IS NULL OR api_id = $1) \
     AND (name <> 'default' OR deprecated_at IS NOT NULL OR sunset_at IS NOT NULL) \
     ORDER BY created_at, id";
const VERSIONING: &str = "SELECT * FROM api_versioning WHERE $1 IS NULL OR api_id = $1";

type PartRows = (
    Vec<RouteRow>,
    Vec<VersionRow>,
    Vec<VersioningRow>,
    Vec<AttachedRow>,
);

/// What an API has beside its own row.
#[derive(Default)]
struct Parts {
    routes: Vec<RouteRow>,
    versions: Vec<VersionRow>,
    versioning: Option<Versioning>,
    policies: Vec<AttachedRow>,
}

impl Parts {
    fn put_into(self, api: &mut GatewayApi) {
        api.routes = self.routes;
        api.versions = self.versions;
        api.versioning = self.versioning;
        api.policies = self.policies;
    }
}

fn by_api((routes, versions, versioning, policies): PartRows) -> HashMap<ApiId, Parts> {
    let mut of_api: HashMap<ApiId, Parts> = HashMap::new();
    for row in routes {
        of_api.entry(row.api_id).or_default().routes.push(row);
    }
    for row in versions {
        of_api.entry(row.api_id).or_default().versions.push(row);
    }
    for row in versioning {
        of_api.entry(row.api_id).or_default().versioning = Some(row.document);
    }
    for row in policies {
        if let Some(api_id) = row.api_id {
            of_api.entry(api_id).or_default().policies.push(row);
        }
    }
    of_api
}

from_row! {
    GatewayKey, row => GatewayKey {
        key: ApiKeyRow::from_row(row)?,
        policy: row.try_get::<Option<Json<LimitPolicy>>, _>("policy")?.map(|Json(policy)| policy),
        policies: Vec::new(),
    };
    GatewayApi, row => GatewayApi {
        api: ApiRow::from_row(row)?,
        policy: row.try_get::<Option<Json<LimitPolicy>>, _>("policy")?.map(|Json(policy)| policy),
        routes: Vec::new(),
        versions: Vec::new(),
        versioning: None,
        policies: Vec::new(),
    };
    OrganizationLimits, row => OrganizationLimits {
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
        let (mut apis, parts): (Vec<GatewayApi>, PartRows) = with_pool!(self, pool => (
            sqlx::query_as(APIS).fetch_all(pool).await?,
            (
                sqlx::query_as(ROUTES).fetch_all(pool).await?,
                sqlx::query_as(VERSIONS).bind(None::<Uuid>).fetch_all(pool).await?,
                sqlx::query_as(VERSIONING).bind(None::<Uuid>).fetch_all(pool).await?,
                sqlx::query_as(POLICIES_OF_APIS).fetch_all(pool).await?,
            ),
        ));
        let mut of_api = by_api(parts);
        for found in &mut apis {
            if let Some(parts) = of_api.remove(&found.api.id) {
                parts.put_into(found);
            }
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
        let parts: PartRows = with_pool!(self, pool => (
            sqlx::query_as(ROUTES).bind(id.0).fetch_all(pool).await?,
            sqlx::query_as(VERSIONS).bind(Some(id.0)).fetch_all(pool).await?,
            sqlx::query_as(VERSIONING).bind(Some(id.0)).fetch_all(pool).await?,
            sqlx::query_as(POLICIES_OF_API).bind(id.0).fetch_all(pool).await?,
        ));
        if let Some(parts) = by_api(parts).remove(&id) {
            parts.put_into(&mut found);
        }
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
        let mut keys: Vec<GatewayKey> = with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(after.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?);
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
            return Ok(keys);
        };
        let policies: Vec<AttachedRow> = with_pool!(self, pool => sqlx::query_as(POLICIES_OF_KEYS)
            .bind(first.key.id.0)
            .bind(last.key.id.0)
            .fetch_all(pool)
            .await?);
        for policy in policies {
            // One that was revoked meanwhile is not among them.
            let at = keys.binary_search_by_key(&policy.target_id, |found| found.key.id.0);
            if let Ok(at) = at {
                keys[at].policies.push(policy);
            }
        }
        Ok(keys)
    }

    /// `None` also when the key is revoked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gateway_key(&self, id: KeyId) -> Result<Option<GatewayKey>> {
        const SQL: &str = "SELECT k.*, p.document AS policy FROM api_keys k \
             LEFT JOIN limit_policies p ON p.scope = 'key' AND p.target_id = k.id \
             WHERE k.id = $1 AND k.revoked_at IS NULL";
        let found: Option<GatewayKey> = with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(id.0).fetch_optional(pool).await?);
        let Some(mut found) = found else {
            return Ok(None);
        };
        found.policies = with_pool!(self, pool => sqlx::query_as(POLICIES_OF_KEYS)
            .bind(id.0)
            .bind(id.0)
            .fetch_all(pool)
            .await?);
        Ok(Some(found))
    }

    /// The key that is found by a prefix, its own or the one before its last rotation. `None` also
    /// when it is revoked.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gateway_key_by_prefix(&self, prefix: &str) -> Result<Option<GatewayKey>> {
        const SQL: &str = "SELECT id FROM api_keys \
             WHERE (key_prefix = $1 OR previous_prefix = $1) AND revoked_at IS NULL";
        let id: Option<Uuid> = with_pool!(self, pool =>
            sqlx::query_scalar(SQL).bind(prefix).fetch_optional(pool).await?);
        match id {
            Some(id) => self.gateway_key(KeyId(id)).await,
            None => Ok(None),
        }
    }

    /// Every organization that has limits, empty ones too, or policies.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gateway_organizations(&self) -> Result<Vec<GatewayOrganization>> {
        self.organizations(None).await
    }

    /// `None` when the organization has neither limits nor policies nor spent budgets.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn gateway_organization(
        &self,
        id: OrganizationId,
    ) -> Result<Option<GatewayOrganization>> {
        Ok(self.organizations(Some(id)).await?.pop())
    }

    async fn organizations(&self, id: Option<OrganizationId>) -> Result<Vec<GatewayOrganization>> {
        const LIMITS: &str = "SELECT target_id, document FROM limit_policies \
             WHERE scope = 'organization' AND ($1 IS NULL OR target_id = $1)";
        const BUDGETS: &str = "SELECT * FROM budgets WHERE blocked_until_us IS NOT NULL \
             AND ($1 IS NULL OR organization_id = $1) ORDER BY organization_id, id";
        type Rows = (Vec<OrganizationLimits>, Vec<AttachedRow>, Vec<BudgetRow>);
        let id = id.map(|id| id.0);
        let (limits, policies, budgets): Rows = with_pool!(self, pool => (
            sqlx::query_as(LIMITS).bind(id).fetch_all(pool).await?,
            sqlx::query_as(POLICIES_OF_ORGANIZATIONS).bind(id).fetch_all(pool).await?,
            sqlx::query_as(BUDGETS).bind(id).fetch_all(pool).await?,
        ));
        let mut found: BTreeMap<OrganizationId, GatewayOrganization> = BTreeMap::new();
        let new = |id| GatewayOrganization {
            id,
            policy: None,
            policies: Vec::new(),
            blocked: Vec::new(),
        };
        for row in limits {
            found.entry(row.id).or_insert_with_key(|id| new(*id)).policy = Some(row.policy);
        }
        for row in policies {
            let id = OrganizationId(row.target_id);
            found
                .entry(id)
                .or_insert_with_key(|id| new(*id))
                .policies
                .push(row);
        }
        for row in budgets {
            let Some(until_us) = row.state.blocked_until_us else {
                continue;
            };
            let organization = (found.entry(row.organization_id)).or_insert_with_key(|id| new(*id));
            organization.blocked.push(BudgetBlock {
                api_id: row.budget.api_id,
                key_id: row.budget.key_id,
                until_us,
            });
        }
        Ok(found.into_values().collect())
    }

    /// # Errors
    /// When the database fails.
    pub async fn gateway_fingerprint(&self) -> Result<Fingerprint> {
        const SQL: &str = "SELECT version FROM config_version WHERE id = 1";
        let version = with_pool!(self, pool => sqlx::query_scalar(SQL).fetch_one(pool).await?);
        Ok(Fingerprint(version))
    }
}
