//! What a call's limits said.

use apiverse_contract::explain::LimitTrace;
use apiverse_contract::limits::{LimitOrigin, PolicyScope};
use apiverse_limits::{Level, Spec};
use uuid::Uuid;

use crate::limits::Set;
use crate::snapshot::{ApiRecord, KeyRecord};

/// What the origins of limits are called.
pub(super) struct Names<'a> {
    pub(super) api: Option<&'a ApiRecord>,
    pub(super) key: Option<&'a KeyRecord>,
    pub(super) route: Option<&'a str>,
}

/// One trace for each limit that was asked, uppermost first. `levels` are in the order of the set;
/// `taken` is what the call took of each.
pub(super) fn traces(
    set: &Set,
    levels: &[Level],
    taken: u64,
    names: &Names<'_>,
) -> Vec<LimitTrace> {
    let entries = set
        .entries
        .iter()
        .map(|entry| (&*entry.name, limit_of(&entry.spec), entry.origin()));
    let gates = set
        .gates
        .iter()
        .map(|gate| (gate.name(), u64::from(gate.limit), gate.origin));
    entries
        .chain(gates)
        .zip(levels)
        .map(|((name, limit, origin), level)| LimitTrace {
            name: name.to_owned(),
            from: names.of(origin),
            limit,
            remaining_before: level.remaining + if level.is_refused { 0 } else { taken },
            remaining_after: level.remaining,
            reset_seconds: (level.reset_ns != u64::MAX)
                .then(|| level.reset_ns.div_ceil(1_000_000_000)),
            refused: level.is_refused,
        })
        .collect()
}

const fn limit_of(spec: &Spec) -> u64 {
    match *spec {
        Spec::Gcra { limit, .. } | Spec::SlidingWindow { limit, .. } => limit as u64,
        Spec::Quota { limit, .. } => limit,
    }
}

impl Names<'_> {
    fn of(&self, (scope, target_id): (PolicyScope, Uuid)) -> LimitOrigin {
        let target_name = match scope {
            PolicyScope::Organization => "organization".to_owned(),
            PolicyScope::Api => self
                .api
                .map_or_else(String::new, |api| api.slug.to_string()),
            PolicyScope::Route => self.route.unwrap_or_default().to_owned(),
            PolicyScope::Key => self.key.map_or_else(String::new, super::build::key_name),
        };
        LimitOrigin {
            scope,
            target_id,
            target_name,
        }
    }
}
