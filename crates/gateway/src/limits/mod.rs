//! The limits of calls: which apply to one, and what their counters say.
//!
//! Policies hang on the snapshot's records; counters do not. A counter is known by what it counts
//! for and how ([`Registry`]), so a change of configuration keeps every counter whose limit it
//! leaves alone, and the calls in flight when it comes.

mod answer;
mod registry;
mod restore;
mod set;
mod take;

use std::cell::RefCell;
use std::collections::HashMap;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apiverse_cluster::Leases;
use apiverse_contract::limits::{LimitPolicy, PolicyScope};
use apiverse_contract::{KeyId, OrganizationId, RouteId};
use apiverse_limits::{Level, Moment, Permit, Verdict, check};
use uuid::Uuid;

pub(crate) use answer::{Fields, LimitRefusal, add_fields};
use registry::{QuotaSlot, Registry, Whose};
use set::Resolved;
pub(crate) use set::Set;
pub(crate) use take::{Step, Taking, Wait, take};

use crate::call::CallRecord;
use crate::snapshot::{ApiRecord, KeyRecord, Policy, RouteRecord};

/// How often counters that count nothing any more are forgotten.
pub(crate) const SWEEP: Duration = Duration::from_secs(10);
/// Sets of limits that a thread keeps ready.
const READY_SETS: usize = 4096;

/// What all threads share of limits.
pub(crate) struct Limiter {
    registry: Registry,
    leases: Option<Leases>,
    legacy_headers: bool,
    origin: Instant,
    restoring: restore::Restoring,
}

/// A policy and what it is attached to.
#[derive(Clone)]
pub(crate) struct Attached {
    pub(crate) scope: PolicyScope,
    pub(crate) target: Uuid,
    pub(crate) policy: Arc<LimitPolicy>,
}

/// The policies that a call meets, the uppermost first.
pub(crate) fn attached_to(
    organization: Policy,
    api: Option<&ApiRecord>,
    route: Option<&RouteRecord>,
    key: &KeyRecord,
) -> Vec<Attached> {
    let of_api = api.and_then(|api| Some((api.id.0, api.policy.clone()?)));
    let of_route = route.and_then(|route| Some((route.id.0, route.policy.clone()?)));
    let found = [
        (
            PolicyScope::Organization,
            organization.map(|policy| (key.organization_id.0, policy)),
        ),
        (PolicyScope::Api, of_api),
        (PolicyScope::Route, of_route),
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

/// Who calls, as far as limits tell callers apart.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) organization: OrganizationId,
    pub(crate) key: KeyId,
    pub(crate) api: Option<Arc<ApiRecord>>,
    pub(crate) address: IpAddr,
    /// When the call began, as it is recorded: microseconds since 1970.
    pub(crate) began_us: i64,
}

/// What a call has taken; what it holds while it is under way is free again when this is dropped.
pub(crate) struct Grant {
    pub(crate) fields: Fields,
    quotas: Vec<Arc<QuotaSlot>>,
    /// What each limit said, in the order of the set.
    pub(crate) levels: Vec<Level>,
    taken: Moment,
    cost: u32,
    _permits: Vec<Permit>,
}

impl Grant {
    /// The call never reached its upstream: a quota counts calls that did.
    pub(crate) fn give_back(&self) {
        for quota in &self.quotas {
            quota.counter.give_back(self.cost, self.taken);
        }
    }
}

/// How an attempt went.
pub(crate) enum Attempt {
    Allowed(Grant),
    Refused(Box<LimitRefusal>),
    /// Quotas whose count before this process is not known yet.
    Restore(Vec<Arc<QuotaSlot>>),
    /// What other nodes took is being asked for.
    Pending,
}

/// What an attempt may leave out.
#[derive(Clone, Copy, Default)]
pub(crate) struct Without {
    /// Take quotas as they are.
    pub(crate) restoring: bool,
    /// Refuse what would have to wait.
    pub(crate) waiting: bool,
}

impl Limiter {
    pub(crate) fn new(leases: Option<Leases>, legacy_headers: bool, tracked: usize) -> Self {
        Self {
            registry: Registry::new(
                leases.as_ref().map(|leases| Arc::clone(leases.hub())),
                tracked,
            ),
            // One clock for counters and for the exchange with other nodes.
            origin: leases.as_ref().map_or_else(Instant::now, Leases::origin),
            leases,
            legacy_headers,
            restoring: restore::Restoring::default(),
        }
    }

    pub(crate) fn leases(&self) -> Option<&Leases> {
        self.leases.as_ref()
    }

    /// A moment by both clocks.
    pub(crate) fn moment(&self, at: Instant, unix_us: i64) -> Moment {
        let since = at.saturating_duration_since(self.origin);
        Moment {
            mono_ns: u64::try_from(since.as_nanos()).unwrap_or(u64::MAX),
            unix_s: unix_us.div_euclid(1_000_000),
        }
    }

    /// When a call began.
    pub(crate) fn began(&self, record: &CallRecord) -> Moment {
        self.moment(record.started, record.started_at_us)
    }

    /// Forgets counters that count nothing any more.
    pub(crate) fn sweep(&self, now: Moment) {
        self.registry.sweep(now);
    }

    pub(crate) fn tracked(&self) -> usize {
        self.registry.tracked()
    }

    /// The limits of a call that meets these policies, given from the uppermost to the lowest.
    pub(crate) fn set(&self, attached: &[Attached]) -> Set {
        Set::new(attached, &self.registry)
    }

    /// What each limit of a set, in the order of its entries, says of a call of `cost`; nothing is
    /// taken.
    pub(crate) fn peek(&self, set: &Set, caller: &Caller, cost: u32, now: Moment) -> Vec<Level> {
        set.entries
            .iter()
            .map(|entry| {
                let resolved = entry.resolve(&self.registry, caller, now);
                resolved.counter().peek(cost, now)
            })
            .collect()
    }

    /// The same for a call of one, the limits of calls at once included, in the order of the set.
    pub(crate) fn peek_all(&self, set: &Set, caller: &Caller, now: Moment) -> Vec<Level> {
        let gates = set.gates.iter().map(|gate| {
            let remaining = u64::from(gate.limit.saturating_sub(gate.gate.open()));
            Level {
                remaining,
                reset_ns: u64::MAX,
                is_refused: remaining == 0,
            }
        });
        let counters = self.peek(set, caller, 1, now);
        counters.into_iter().chain(gates).collect()
    }

    /// Checks a call against all its limits, and takes it from all or from none.
    pub(crate) fn attempt(
        &self,
        set: &Set,
        caller: &Caller,
        cost: u32,
        now: Moment,
        without: Without,
    ) -> Attempt {
        let mut permits = Vec::new();
        for (at, gate) in set.gates.iter().enumerate() {
            match gate.gate.enter(gate.limit) {
                Some(permit) => permits.push(permit),
                None => return Attempt::Refused(Box::new(answer::too_many_at_once(self, set, at))),
            }
        }
        let counters: Vec<Resolved<'_>> = set
            .entries
            .iter()
            .map(|entry| entry.resolve(&self.registry, caller, now))
            .collect();
        if !without.restoring {
            let unknown: Vec<Arc<QuotaSlot>> = counters
                .iter()
                .filter_map(Resolved::quota)
                .filter(|slot| !slot.counter.is_restored())
                .cloned()
                .collect();
            if !unknown.is_empty() {
                return Attempt::Restore(unknown);
            }
        } else {
            for slot in counters.iter().filter_map(Resolved::quota) {
                slot.counts_since(caller.began_us);
            }
        }
        let mut levels: Vec<Level> = Vec::with_capacity(counters.len() + set.gates.len());
        let all = counters.iter().map(Resolved::counter);
        match check(all, cost, now, &mut levels) {
            Verdict::Allowed => Attempt::Allowed(Grant {
                fields: answer::fields(self, set, &mut levels),
                quotas: counters
                    .iter()
                    .filter_map(Resolved::quota)
                    .cloned()
                    .collect(),
                levels,
                taken: now,
                cost,
                _permits: permits,
            }),
            Verdict::Refused => Attempt::Refused(Box::new(answer::refusal(self, set, &mut levels))),
            Verdict::Pending if without.waiting => {
                Attempt::Refused(Box::new(answer::refusal(self, set, &mut levels)))
            }
            Verdict::Pending => Attempt::Pending,
        }
    }
}

/// Sets of limits that one thread has ready, by the addresses of the policies they are made of.
#[derive(Default)]
pub(crate) struct ReadySets(RefCell<HashMap<[usize; 4], Ready, foldhash::fast::RandomState>>);

struct Ready {
    /// Kept alive, so that their addresses are nobody else's.
    _attached: Vec<Attached>,
    set: Rc<Set>,
}

impl ReadySets {
    pub(crate) fn get(&self, limiter: &Limiter, attached: Vec<Attached>) -> Rc<Set> {
        let mut sets = self.0.borrow_mut();
        let mut key = [0; 4];
        for (place, attached) in key.iter_mut().zip(&attached) {
            // Each document is read for one target only: its address says whose it is.
            *place = Arc::as_ptr(&attached.policy).addr();
        }
        if let Some(ready) = sets.get(&key) {
            return Rc::clone(&ready.set);
        }
        if sets.len() >= READY_SETS {
            // Mostly of configurations that are over.
            sets.clear();
        }
        let set = Rc::new(limiter.set(&attached));
        let ready = Ready {
            _attached: attached,
            set: Rc::clone(&set),
        };
        sets.insert(key, ready);
        set
    }
}

/// Whose quota it is, for the count of earlier calls.
pub(crate) fn whose(attached: &Attached, caller: &Caller, each_key: bool) -> Whose {
    let api = caller.api.as_ref();
    let by_api = matches!(attached.scope, PolicyScope::Api | PolicyScope::Route);
    Whose {
        organization: caller.organization,
        api: api.filter(|_| by_api).map(|api| api.id),
        key: (each_key || attached.scope == PolicyScope::Key).then_some(caller.key),
        route: (attached.scope == PolicyScope::Route).then_some(RouteId(attached.target)),
    }
}
