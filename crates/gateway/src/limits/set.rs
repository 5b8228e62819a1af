//! The limits that apply to a call, made ready: names replaced, counters found, fields rendered.

use std::net::IpAddr;
use std::sync::Arc;

use apiverse_contract::ErrorCode;
use apiverse_contract::limits::{
    Algorithm, CONCURRENCY_NAME, Per, Period as PolicyPeriod, PolicyScope, Quota, QuotaPer,
    RateLimit, is_replaced,
};
use apiverse_limits::header::{self, Policy, Unit};
use apiverse_limits::{Counter, Gate, Moment, Period, Spec};
use http::HeaderValue;
use uuid::Uuid;

use super::registry::{Identity, QuotaSlot, Registry, identity};
use super::{Attached, Caller, whose};

/// All limits of a call.
pub(crate) struct Set {
    pub(crate) entries: Vec<Entry>,
    pub(crate) gates: Vec<GateEntry>,
    /// `RateLimit-Policy`: the entries', then the gates'.
    pub(crate) policies: HeaderValue,
}

/// A rate limit or quota.
pub(crate) struct Entry {
    pub(crate) name: Box<str>,
    pub(crate) spec: Spec,
    pub(crate) policy: Policy,
    attached: Attached,
    identity: Identity,
    count: Count,
}

pub(crate) struct GateEntry {
    pub(crate) gate: Arc<Gate>,
    pub(crate) limit: u32,
    pub(crate) policy: Policy,
    /// What the limit is attached to.
    pub(crate) origin: (PolicyScope, Uuid),
}

impl GateEntry {
    pub(crate) const fn name(&self) -> &'static str {
        CONCURRENCY_NAME
    }
}

/// Where an entry's counter is.
enum Count {
    Whole(Arc<Counter>),
    EachKey,
    EachAddress,
    Quota,
    QuotaOfEachKey,
}

/// The counter of one call.
pub(crate) enum Resolved<'a> {
    Whole(&'a Counter),
    Own(Arc<Counter>),
    Quota(Arc<QuotaSlot>),
}

impl Resolved<'_> {
    pub(crate) fn counter(&self) -> &Counter {
        match self {
            Self::Whole(counter) => counter,
            Self::Own(counter) => counter,
            Self::Quota(slot) => &slot.counter,
        }
    }

    pub(crate) const fn quota(&self) -> Option<&Arc<QuotaSlot>> {
        match self {
            Self::Quota(slot) => Some(slot),
            Self::Whole(_) | Self::Own(_) => None,
        }
    }
}

impl Set {
    /// `attached`: from the uppermost to the lowest.
    pub(crate) fn new(attached: &[Attached], registry: &Registry) -> Self {
        let mut entries = Vec::new();
        let mut gates = Vec::new();
        for (at, one) in attached.iter().enumerate() {
            let below = || attached[at + 1..].iter().map(|lower| &*lower.policy);
            let is_replaced = |name: &str| is_replaced(one.scope, name, below());
            for limit in &one.policy.rate_limits {
                if !is_replaced(&limit.name) {
                    entries.push(Entry::rate(one, limit, registry));
                }
            }
            for quota in &one.policy.quotas {
                if !is_replaced(&quota.name) {
                    entries.push(Entry::quota(one, quota));
                }
            }
            if let Some(limit) = one.policy.concurrency {
                let identity = identity(&parts(one, b"concurrency", CONCURRENCY_NAME, b""));
                gates.push(GateEntry {
                    gate: registry.gate(identity),
                    limit,
                    origin: (one.scope, one.target),
                    policy: Policy::new(
                        CONCURRENCY_NAME,
                        u64::from(limit),
                        None,
                        Unit::ConcurrentRequests,
                    ),
                });
            }
        }
        tell_apart(&mut entries);
        let all = entries
            .iter()
            .map(|entry| &entry.policy)
            .chain(gates.iter().map(|gate| &gate.policy));
        // Names are letters, digits and dashes: it is a header's value.
        let policies = HeaderValue::from_str(&header::policies(all))
            .unwrap_or_else(|_| HeaderValue::from_static(""));
        Self {
            entries,
            gates,
            policies,
        }
    }
}

/// The organization's limit keeps its name; the one of the same name that holds beside it is
/// called by what it is attached to as well: `key.burst`. No name that is chosen has a dot.
fn tell_apart(entries: &mut [Entry]) {
    for at in 1..entries.len() {
        let (before, rest) = entries.split_at_mut(at);
        if let Some(entry) = rest.first_mut()
            && before.iter().any(|upper| upper.name == entry.name)
        {
            let name = format!("{}.{}", entry.attached.scope, entry.name);
            entry.policy = Policy::of(&name, &entry.spec);
            entry.name = name.into();
        }
    }
}

impl Set {
    /// Leaves out what cannot be asked about a call that is not made here: how many are under way,
    /// and, when it is not known, what its address has used.
    pub(crate) fn of_a_question(mut self, knows_address: bool) -> Self {
        self.gates.clear();
        self.entries
            .retain(|entry| knows_address || !matches!(entry.count, Count::EachAddress));
        self
    }
}

impl Entry {
    fn rate(attached: &Attached, limit: &RateLimit, registry: &Registry) -> Self {
        let spec = match limit.algorithm {
            Algorithm::Gcra => Spec::Gcra {
                limit: limit.limit,
                window_s: limit.window_seconds,
                burst: limit.burst(),
                count_denied: limit.count_denied,
            },
            Algorithm::SlidingWindow => Spec::SlidingWindow {
                limit: limit.limit,
                window_s: limit.window_seconds,
                count_denied: limit.count_denied,
            },
        };
        // With other numbers it is another counter.
        let form = format!("{spec:?} {:?}", limit.per);
        let identity = identity(&parts(attached, b"rate", &limit.name, form.as_bytes()));
        let count = match limit.per {
            Per::Scope => Count::Whole(registry.whole(identity, spec)),
            Per::Key => Count::EachKey,
            Per::Address => Count::EachAddress,
        };
        Self::new(&limit.name, spec, attached, identity, count)
    }

    fn quota(attached: &Attached, quota: &Quota) -> Self {
        let period = match quota.period {
            PolicyPeriod::Day => Period::Day,
            PolicyPeriod::Month => Period::Month,
        };
        let spec = Spec::Quota {
            limit: quota.limit,
            period,
        };
        // Its limit may change, and the count goes on.
        let form = format!("{period:?}");
        let identity = identity(&parts(attached, b"quota", &quota.name, form.as_bytes()));
        let count = match quota.per {
            QuotaPer::Scope => Count::Quota,
            QuotaPer::Key => Count::QuotaOfEachKey,
        };
        Self::new(&quota.name, spec, attached, identity, count)
    }

    fn new(name: &str, spec: Spec, attached: &Attached, identity: Identity, count: Count) -> Self {
        Self {
            name: name.into(),
            spec,
            policy: Policy::of(name, &spec),
            attached: attached.clone(),
            identity,
            count,
        }
    }

    /// What it answers when it refuses.
    pub(crate) const fn refusal_code(&self) -> ErrorCode {
        match self.spec {
            Spec::Quota { .. } => ErrorCode::QuotaExceeded,
            Spec::Gcra { .. } | Spec::SlidingWindow { .. } => ErrorCode::RateLimited,
        }
    }

    /// What the limit is attached to.
    pub(crate) const fn origin(&self) -> (PolicyScope, Uuid) {
        (self.attached.scope, self.attached.target)
    }

    /// The counter for this caller.
    pub(crate) fn resolve(
        &self,
        registry: &Registry,
        caller: &Caller,
        now: Moment,
    ) -> Resolved<'_> {
        let key = caller.key.0.as_u128();
        let own = |subject| match registry.of(self.identity, subject, self.spec, now) {
            Some(counter) => Resolved::Own(counter),
            // Whoever comes while the table is full of busy counters shares one.
            None => Resolved::Own(registry.whole(self.identity, self.spec)),
        };
        match &self.count {
            Count::Whole(counter) => Resolved::Whole(counter),
            Count::EachKey => own(key),
            Count::EachAddress => own(address_subject(caller.address)),
            Count::Quota | Count::QuotaOfEachKey => {
                let each_key = matches!(self.count, Count::QuotaOfEachKey);
                let subject = if each_key { key } else { 0 };
                let whose = whose(&self.attached, caller, each_key);
                Resolved::Quota(registry.quota(
                    self.identity,
                    subject,
                    self.spec,
                    whose,
                    caller.began_us,
                ))
            }
        }
    }
}

/// What one client has: an IPv4 address, or the first 64 bits of an IPv6 one.
fn address_subject(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => 0xffff_0000_0000 | u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits() >> 64 << 64,
    }
}

fn parts<'a>(
    attached: &'a Attached,
    kind: &'a [u8],
    name: &'a str,
    form: &'a [u8],
) -> [&'a [u8]; 5] {
    [
        attached.scope.as_str().as_bytes(),
        attached.target.as_bytes(),
        kind,
        name.as_bytes(),
        form,
    ]
}
