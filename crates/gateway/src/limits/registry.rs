//! The counters of this process, by what they count.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use apiverse_contract::{ApiId, KeyId, OrganizationId, RouteId};
use apiverse_limits::{Counter, Gate, Hub, Keyed, Moment, Spec};
use foldhash::fast::RandomState;
use parking_lot::Mutex;

/// What a counter counts for, and how, in one number; see [`identity`].
pub(crate) type Identity = u128;

/// Rough share of the quotas that calls of different keys lock.
const QUOTA_SHARDS: usize = 16;

/// A quota's counter, and where its count comes from when this process begins.
#[derive(Debug)]
pub(crate) struct QuotaSlot {
    pub(crate) counter: Counter,
    pub(crate) whose: Whose,
    /// Microseconds since 1970: calls that began before are in the database, those since in the
    /// counter.
    since_us: Arc<AtomicI64>,
}

impl QuotaSlot {
    pub(crate) fn since_us(&self) -> i64 {
        self.since_us.load(Ordering::Acquire)
    }

    /// The counter is about to take a call that began then, before what was is known. It began
    /// earlier than the counter, maybe, and must not be counted twice.
    pub(crate) fn counts_since(&self, began_us: i64) {
        self.since_us.fetch_min(began_us, Ordering::AcqRel);
    }
}

/// Whose calls a quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Whose {
    pub(crate) organization: OrganizationId,
    pub(crate) api: Option<ApiId>,
    pub(crate) key: Option<KeyId>,
    /// A route of `api`.
    pub(crate) route: Option<RouteId>,
}

pub(crate) struct Registry {
    hub: Option<Arc<Hub>>,
    /// Counters for all that a policy is attached to: as many as there are limits.
    scopes: Mutex<HashMap<Identity, Arc<Counter>, RandomState>>,
    gates: Mutex<HashMap<Identity, Arc<Gate>, RandomState>>,
    /// Counters by key or address: bounded, since callers make them.
    subjects: Keyed<(Identity, u128)>,
    quotas: Box<[Mutex<Quotas>]>,
}

/// By identity and key.
type Quotas = HashMap<(Identity, u128), Arc<QuotaSlot>, RandomState>;

impl Registry {
    pub(crate) fn new(hub: Option<Arc<Hub>>, tracked: usize) -> Self {
        Self {
            hub,
            scopes: Mutex::default(),
            gates: Mutex::default(),
            subjects: Keyed::new(tracked),
            quotas: (0..QUOTA_SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    /// The one counter of a limit.
    pub(crate) fn whole(&self, identity: Identity, spec: Spec) -> Arc<Counter> {
        let mut scopes = self.scopes.lock();
        let counter = scopes
            .entry(identity)
            .or_insert_with(|| Arc::new(self.counter(identity, 0, spec)));
        Arc::clone(counter)
    }

    /// The counter of a limit for one key or address; `None`: too many are busy.
    pub(crate) fn of(
        &self,
        identity: Identity,
        subject: u128,
        spec: Spec,
        now: Moment,
    ) -> Option<Arc<Counter>> {
        let make = || self.counter(identity, subject, spec);
        self.subjects.get(&(identity, subject), now, make)
    }

    pub(crate) fn gate(&self, identity: Identity) -> Arc<Gate> {
        Arc::clone(self.gates.lock().entry(identity).or_default())
    }

    /// The counter of a quota, for a call that began at `began_us`. One whose limit was changed goes on counting.
    pub(crate) fn quota(
        &self,
        identity: Identity,
        subject: u128,
        spec: Spec,
        whose: Whose,
        began_us: i64,
    ) -> Arc<QuotaSlot> {
        let shard = usize::try_from(subject % QUOTA_SHARDS as u128).unwrap_or(0);
        let mut quotas = self.quotas[shard].lock();
        let known = quotas.get(&(identity, subject));
        if let Some(slot) = known
            && *slot.counter.spec() == spec
        {
            return Arc::clone(slot);
        }
        let resized = known.and_then(|slot| match spec {
            Spec::Quota { limit, .. } => {
                Some((slot.counter.resized(limit)?, Arc::clone(&slot.since_us)))
            }
            Spec::Gcra { .. } | Spec::SlidingWindow { .. } => None,
        });
        let (counter, since_us) = resized.unwrap_or_else(|| {
            let counter = self.counter(identity, subject, spec);
            (counter, Arc::new(AtomicI64::new(began_us)))
        });
        let slot = Arc::new(QuotaSlot {
            counter,
            whose,
            since_us,
        });
        quotas.insert((identity, subject), Arc::clone(&slot));
        slot
    }

    /// Forgets what counts nothing and is in nobody's hands.
    pub(crate) fn sweep(&self, now: Moment) {
        self.subjects.sweep(now);
        self.scopes
            .lock()
            .retain(|_, counter| Arc::strong_count(counter) > 1 || !counter.is_idle(now));
        self.gates
            .lock()
            .retain(|_, gate| Arc::strong_count(gate) > 1);
    }

    /// Counters by key or address that are kept.
    pub(crate) fn tracked(&self) -> usize {
        self.subjects.len()
    }

    fn counter(&self, identity: Identity, subject: u128, spec: Spec) -> Counter {
        match &self.hub {
            Some(hub) => {
                let name = format!("{identity:032x}:{subject:x}");
                Counter::shared(spec, Arc::clone(hub), name)
            }
            None => Counter::new(spec),
        }
    }
}

/// One number for all that makes a counter this one and no other, the same on every node.
pub(crate) fn identity(parts: &[&[u8]]) -> Identity {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut number = [0; 16];
    number.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    Identity::from_le_bytes(number)
}
