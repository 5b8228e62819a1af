//! What is there.

use std::collections::BTreeMap;

use apiverse_contract::apis::AuthType;
use apiverse_contract::configuration::{
    ApiConfiguration, CONFIGURATION_FORM, Configuration, KeyConfiguration, PolicyDocuments,
    RouteConfiguration, VersionConfiguration,
};
use apiverse_contract::limits::{LimitPolicy, MAX_ROUTES};
use apiverse_contract::policies::{PolicyKind, PolicyLevel};
use apiverse_contract::versions::{DEFAULT_VERSION, Versioning};
use apiverse_contract::{ApiId, KeyId, OrganizationId};
use apiverse_store::{
    ApiKeyRow, ApiRow, AttachedRow, Fingerprint, PolicyFilter, PolicyTarget, RouteRow, Store,
    StoreError, VersionRow,
};
use serde_json::Value;
use uuid::Uuid;

use crate::platform::Platform;

/// Rows that are read at a time.
const PAGE: u32 = 200;

/// The configuration as it is, and the rows behind it.
pub(super) struct Present {
    /// The count of changes before anything was read.
    pub(super) fingerprint: Fingerprint,
    pub(super) configuration: Configuration,
    /// By slug.
    pub(super) apis: BTreeMap<String, PresentApi>,
    /// By the name that the document has for them.
    pub(super) keys: BTreeMap<String, KeyId>,
}

pub(super) struct PresentApi {
    pub(super) row: ApiRow,
    pub(super) routes: BTreeMap<String, RouteRow>,
    pub(super) versions: BTreeMap<String, VersionRow>,
}

/// Policies by what they are attached to.
struct Attached(BTreeMap<(PolicyLevel, Uuid), PolicyDocuments>);

impl Attached {
    fn take(&mut self, level: PolicyLevel, id: Uuid) -> PolicyDocuments {
        self.0.remove(&(level, id)).unwrap_or_default()
    }
}

impl Present {
    pub(super) async fn read(
        platform: &Platform,
        organization_id: OrganizationId,
    ) -> Result<Self, StoreError> {
        let store = platform.store();
        let fingerprint = store.gateway_fingerprint().await?;
        let mut attached = policies(store, organization_id).await?;
        let mut configuration = Configuration {
            apiverse: CONFIGURATION_FORM,
            limits: limits(store, organization_id, PolicyTarget::Organization).await?,
            policies: attached.take(PolicyLevel::Organization, organization_id.0),
            apis: BTreeMap::new(),
            keys: BTreeMap::new(),
        };
        let mut apis = BTreeMap::new();
        for row in api_rows(store, organization_id).await? {
            let (shown, present) = api(store, row, &mut attached).await?;
            configuration.apis.insert(present.row.slug.clone(), shown);
            apis.insert(present.row.slug.clone(), present);
        }
        let mut keys = BTreeMap::new();
        for (name, id) in named(key_rows(store, organization_id).await?) {
            let shown = KeyConfiguration {
                limits: limits(store, organization_id, PolicyTarget::Key(id)).await?,
                policies: attached.take(PolicyLevel::Key, id.0),
            };
            if shown != KeyConfiguration::default() {
                configuration.keys.insert(name.clone(), shown);
            }
            keys.insert(name, id);
        }
        Ok(Self {
            fingerprint,
            configuration,
            apis,
            keys,
        })
    }
}

async fn api(
    store: &Store,
    row: ApiRow,
    attached: &mut Attached,
) -> Result<(ApiConfiguration, PresentApi), StoreError> {
    let (organization_id, id) = (row.organization_id, row.id);
    let most = u32::try_from(MAX_ROUTES).unwrap_or(u32::MAX);
    let routes = store.route_list(organization_id, id, None, most).await?;
    let versions = store.version_list(organization_id, id).await?;
    let versioning = store.versioning_get(organization_id, id).await?;
    let mut shown = ApiConfiguration {
        name: row.name.clone(),
        description: row.description.clone(),
        base_url: row.base_url.clone(),
        auth_type: AuthType::parse(&row.auth_type).unwrap_or_default(),
        auth_config: Some(row.auth_public.clone()).filter(|config| !is_nothing(config)),
        is_active: row.is_active,
        allow_query_key: row.allow_query_key,
        transport: row.limits,
        limits: limits(store, organization_id, PolicyTarget::Api(id)).await?,
        policies: attached.take(PolicyLevel::Api, id.0),
        versioning: (versioning != Versioning::default()).then_some(versioning),
        versions: BTreeMap::new(),
        routes: BTreeMap::new(),
    };
    for row in &versions {
        let is_default = row.name == DEFAULT_VERSION;
        let version = VersionConfiguration {
            base_url: (!is_default).then(|| row.base_url.clone()),
            deprecated_at: row.deprecated_at,
            sunset_at: row.sunset_at,
            refuse_after_sunset: row.refuse_after_sunset,
            link: row.link.clone(),
            policies: attached.take(PolicyLevel::Version, row.id.0),
        };
        if version != VersionConfiguration::default() {
            shown.versions.insert(row.name.clone(), version);
        }
    }
    for row in &routes {
        let route = RouteConfiguration {
            methods: row.methods.clone(),
            path: row.path.clone(),
            limits: row.policy.clone(),
            policies: attached.take(PolicyLevel::Route, row.id.0),
        };
        shown.routes.insert(row.name.clone(), route);
    }
    let present = PresentApi {
        row,
        routes: routes
            .into_iter()
            .map(|row| (row.name.clone(), row))
            .collect(),
        versions: versions
            .into_iter()
            .map(|row| (row.name.clone(), row))
            .collect(),
    };
    Ok((shown, present))
}

fn is_nothing(config: &Value) -> bool {
    config.is_null() || config.as_object().is_some_and(serde_json::Map::is_empty)
}

async fn limits(
    store: &Store,
    organization_id: OrganizationId,
    target: PolicyTarget,
) -> Result<Option<LimitPolicy>, StoreError> {
    let row = store.policy_get(organization_id, target).await?;
    Ok(row
        .map(|row| row.document)
        .filter(|document| !document.is_empty()))
}

async fn policies(store: &Store, organization_id: OrganizationId) -> Result<Attached, StoreError> {
    let mut all: Vec<AttachedRow> = Vec::new();
    loop {
        let after = all.last().map(|row| (row.target_id, row.kind.as_str()));
        let filter = PolicyFilter::default();
        let page = store
            .attached_list(organization_id, filter, after, PAGE)
            .await?;
        let is_last = page.len() < PAGE as usize;
        all.extend(page);
        if is_last {
            break;
        }
    }
    let mut attached: BTreeMap<_, PolicyDocuments> = BTreeMap::new();
    for row in all {
        if let (Some(level), Some(kind), Some(document)) = (
            PolicyLevel::parse(&row.level),
            PolicyKind::parse(&row.kind),
            row.document,
        ) {
            let documents = attached.entry((level, row.target_id)).or_default();
            documents.insert(kind, document);
        }
    }
    Ok(Attached(attached))
}

async fn api_rows(
    store: &Store,
    organization_id: OrganizationId,
) -> Result<Vec<ApiRow>, StoreError> {
    let mut all: Vec<ApiRow> = Vec::new();
    loop {
        let after: Option<ApiId> = all.last().map(|row| row.id);
        let page = store.api_list(organization_id, None, after, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        all.extend(page);
        if is_last {
            return Ok(all);
        }
    }
}

async fn key_rows(
    store: &Store,
    organization_id: OrganizationId,
) -> Result<Vec<ApiKeyRow>, StoreError> {
    let mut all: Vec<ApiKeyRow> = Vec::new();
    loop {
        let after = all.last().map(|row| row.id);
        let page = store.key_list(organization_id, None, after, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        all.extend(page);
        if is_last {
            all.retain(|row| row.revoked_at.is_none());
            return Ok(all);
        }
    }
}

/// Keys by name; those whose name another has too, by their prefix.
fn named(rows: Vec<ApiKeyRow>) -> BTreeMap<String, KeyId> {
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &rows {
        *uses.entry(&row.name).or_default() += 1;
    }
    rows.iter()
        .map(|row| match uses.get(row.name.as_str()) {
            Some(1) => (row.name.clone(), row.id),
            _ => (row.key_prefix.clone(), row.id),
        })
        .collect()
}
