//! `limit`: which limits a call meets. They are asked with `crate::limits::take`, or with
//! `Taking` where nothing may wait.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use apiverse_contract::limits::PolicyScope;

use super::identify::Identified;
use crate::call::CallRecord;
use crate::limits::{Attached, Caller, Set};
use crate::peer::Peer;

/// The call's limits, and whose call it is; `None`: it has none. `address` finds the caller's
/// address.
pub(crate) fn limit(
    record: &CallRecord,
    identified: &Identified,
    address: impl FnOnce(&Peer) -> IpAddr,
) -> Option<(Rc<Set>, Caller)> {
    let attached = attached(record, identified);
    if attached.is_empty() {
        return None;
    }
    let worker = &record.worker;
    let set = worker.limits.get(&worker.gateway.limiter, attached);
    let caller = Caller {
        organization: identified.key.organization_id,
        key: identified.key.id,
        api: Some(Arc::clone(&identified.api)),
        address: address(&record.peer),
    };
    Some((set, caller))
}

/// The policies that the call meets, the uppermost first.
fn attached(record: &CallRecord, identified: &Identified) -> Vec<Attached> {
    let Identified { key, api, .. } = identified;
    let snapshot = record.worker.gateway.loader.current();
    let organization = snapshot.organization_policy(key.organization_id);
    let route = api.routes.find(record.method.as_str(), record.path());
    let on_route = route.and_then(|route| Some((route.id.0, route.policy.clone()?)));
    let found = [
        (
            PolicyScope::Organization,
            organization.map(|policy| (key.organization_id.0, policy)),
        ),
        (
            PolicyScope::Api,
            api.policy.clone().map(|policy| (api.id.0, policy)),
        ),
        (PolicyScope::Route, on_route),
        (
            PolicyScope::Key,
            key.policy.clone().map(|policy| (key.id.0, policy)),
        ),
    ];
    found
        .into_iter()
        .filter_map(|(scope, found)| {
            let (target, policy) = found?;
            Some(Attached {
                scope,
                target,
                policy,
            })
        })
        .collect()
}
