//! `meet`: what is attached to things that the call has to do with. Limits and policies are found
//! together, by one look at the snapshot.

use std::sync::Arc;

use apiverse_contract::RouteId;
use http::{HeaderMap, Method};

use super::locate::Located;
use super::refusal::Refusal;
use crate::limits::{Attached, attached_to};
use crate::snapshot::{
    ApiRecord, KeyRecord, OrganizationRecord, Plan, RouteRecord, Snapshot, VersionRecord,
};

/// What a call meets beside its API and its key.
pub(crate) struct Met {
    /// `None`: nothing is attached to it.
    organization: Option<Arc<OrganizationRecord>>,
    route: Option<Arc<RouteRecord>>,
}

/// `path` is the one below the API.
pub(crate) fn meet(
    snapshot: &Snapshot,
    key: &KeyRecord,
    api: &ApiRecord,
    method: &Method,
    path: &str,
) -> Met {
    Met {
        organization: snapshot.organization(key.organization_id).cloned(),
        route: api.routes.find(method.as_str(), path).cloned(),
    }
}

/// The policies that count before the key is known, or without one. A version that only a header
/// field names is not found: preflight requests do not have it.
pub(crate) fn plan_without_key(
    snapshot: &Snapshot,
    api: &ApiRecord,
    method: &Method,
    located: &Located<'_>,
) -> Option<Plan> {
    let organization = snapshot.organization(api.organization_id);
    let chosen = api.versions.as_ref().and_then(|versions| {
        let chosen = versions.choose(located.rest, located.query, &HeaderMap::new());
        chosen.ok()
    });
    let said = chosen.as_ref().map_or(0, |(_, said)| *said);
    let path = located.rest.get(said..).unwrap_or_default();
    let route = api.routes.find(method.as_str(), path);
    let layers = [
        route.and_then(|route| route.policies.as_deref()),
        chosen
            .as_ref()
            .and_then(|(version, _)| version.policies.as_deref()),
        api.policies.as_deref(),
        organization.and_then(|organization| organization.policies.as_deref()),
    ];
    let layers: Vec<_> = layers.into_iter().flatten().collect();
    (!layers.is_empty()).then(|| Plan::of(&layers))
}

impl Met {
    pub(crate) fn route_id(&self) -> Option<RouteId> {
        self.route.as_ref().map(|route| route.id)
    }

    /// What the route's template holds in `path`.
    pub(crate) fn captured(&self, path: &str) -> Vec<(String, String)> {
        match &self.route {
            Some(route) => apiverse_contract::routes::captured(&route.path, path),
            None => Vec::new(),
        }
    }

    /// Whether no spent budget refuses the call.
    pub(crate) fn within_budgets(
        &self,
        key: &KeyRecord,
        api: &ApiRecord,
        now_us: i64,
    ) -> Result<(), Refusal> {
        let Some(organization) = &self.organization else {
            return Ok(());
        };
        match organization.blocked_until(api.id, key.id, now_us) {
            None => Ok(()),
            Some(until_us) => Err(Refusal::Budget {
                wait_s: until_us.abs_diff(now_us).div_ceil(1_000_000),
            }),
        }
    }

    /// The limits, the uppermost first.
    pub(crate) fn limits(&self, key: &KeyRecord, api: &ApiRecord) -> Vec<Attached> {
        let organization = self
            .organization
            .as_ref()
            .and_then(|organization| organization.limits.clone());
        attached_to(organization, Some(api), self.route.as_deref(), key)
    }

    /// The policies; `None`: the call is only forwarded.
    pub(crate) fn plan(
        &self,
        key: &KeyRecord,
        api: &ApiRecord,
        version: Option<&VersionRecord>,
    ) -> Option<Plan> {
        let organization = self.organization.as_deref();
        let route = self.route.as_deref();
        // The nearest first.
        let layers = [
            &key.policies,
            route.map_or(&None, |route| &route.policies),
            version.map_or(&None, |version| &version.policies),
            &api.policies,
            organization.map_or(&None, |organization| &organization.policies),
        ];
        if layers.iter().all(|layer| layer.is_none()) {
            return None;
        }
        let layers: Vec<_> = layers.into_iter().flatten().map(Arc::as_ref).collect();
        let plan = Plan::of(&layers);
        (!plan.is_plain()).then_some(plan)
    }
}
