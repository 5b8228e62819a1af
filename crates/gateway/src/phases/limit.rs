//! `limit`: which limits a call meets. They are asked with `crate::limits::take`, or with
//! `Taking` where nothing may wait.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use http::Method;

use super::identify::Identified;
use crate::call::CallRecord;
use crate::limits::{Attached, Caller, Set, attached_to};
use crate::peer::Peer;
use crate::snapshot::{ApiRecord, KeyRecord, Snapshot};

/// The call's limits, and whose call it is; `None`: it has none. `address` finds the caller's
/// address.
pub(crate) fn limit(
    record: &CallRecord,
    identified: &Identified,
    address: impl FnOnce(&Peer) -> IpAddr,
) -> Option<(Rc<Set>, Caller)> {
    let worker = &record.worker;
    let attached = attached(
        &worker.gateway.loader.current(),
        &identified.key,
        &identified.api,
        &record.method,
        record.path(),
    );
    if attached.is_empty() {
        return None;
    }
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
pub(crate) fn attached(
    snapshot: &Snapshot,
    key: &KeyRecord,
    api: &ApiRecord,
    method: &Method,
    path: &str,
) -> Vec<Attached> {
    let route = api.routes.find(method.as_str(), path);
    let organization = snapshot.organization_policy(key.organization_id);
    attached_to(organization, Some(api), route.map(Arc::as_ref), key)
}
