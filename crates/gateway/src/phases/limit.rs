//! `limit`: which limits a call meets. They are asked with `crate::limits::take`, or with
//! `Taking` where nothing may wait.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::identify::Identified;
use super::meet::Met;
use crate::call::CallRecord;
use crate::limits::{Caller, Set};
use crate::peer::Peer;

/// The call's limits, and whose call it is; `None`: it has none. The record gets the route.
/// `address` finds the caller's address.
pub(crate) fn limit(
    record: &CallRecord,
    identified: &Identified,
    met: &Met,
    address: impl FnOnce(&Peer) -> IpAddr,
) -> Option<(Rc<Set>, Caller)> {
    let worker = &record.worker;
    record.route_id.set(met.route_id());
    let attached = met.limits(&identified.key, &identified.api);
    if attached.is_empty() {
        return None;
    }
    let set = worker.limits.get(&worker.gateway.limiter, attached);
    let caller = Caller {
        organization: identified.key.organization_id,
        key: identified.key.id,
        api: Some(Arc::clone(&identified.api)),
        address: address(&record.peer),
        began_us: record.started_at_us,
    };
    Some((set, caller))
}
