//! `meet`: what is attached to things that the call has to do with. Limits and policies are found
//! together, by one look at the snapshot.

use std::sync::Arc;

use apiverse_contract::RouteId;
use http::Method;

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

impl Met {
    pub(crate) fn route_id(&self) -> Option<RouteId> {
        self.route.as_ref().map(|route| route.id)
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
