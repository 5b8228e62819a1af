//! Shares of a limit that several nodes have in common.
//!
//! The shared count is kept elsewhere (in Redis; here nothing knows how). A node holds *tokens*:
//! calls that the shared count has granted, and so counts already. Taking one costs a
//! compare-and-swap. A background task tops tokens up ([`Hub::collect`], [`Ask`], [`Answer`]),
//! the more the more calls there are, and hands back what is not used.
//!
//! A node without tokens may go into *debt*, by [`Rule::credit`] calls at most, and settles it in
//! the background: so a counter's first call on a node waits for nobody. Who needs more than that
//! at once is told to wait for the exchange that is under way ([`LeaseTake::Pending`]). Debts are
//! all that can go over the shared limit: by `credit` for each node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::quota::{Period, Quota, QuotaState};
use crate::time::{Moment, NS_PER_SECOND};

/// What the shared count goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A bucket of `burst` calls that fills with `limit` calls in `window_s` seconds.
    Bucket {
        limit: u32,
        window_s: u32,
        burst: u32,
    },
    /// At most `limit` calls in any `window_s` seconds.
    Window { limit: u32, window_s: u32 },
    /// At most `limit` calls in a period of the calendar.
    Calendar { limit: u64, period: Period },
}

/// Longest time for which a token is good.
const LONGEST_HOLD_NS: u64 = NS_PER_SECOND / 2;
/// The share of a limit that one node may take before it has asked.
const CREDIT_SHARE: u64 = 50;
const MAX_CREDIT: u64 = 1_000;
/// The share of a quota that one node may hold.
const QUOTA_SHARE: u64 = 1_000;

impl Rule {
    /// Calls that a node may admit before the shared count has heard of them: a 50th of the limit,
    /// 1 at least and 1,000 at most.
    #[must_use]
    pub fn credit(&self) -> u32 {
        let limit = match *self {
            Self::Bucket { burst, .. } => u64::from(burst),
            Self::Window { limit, .. } => u64::from(limit),
            Self::Calendar { limit, .. } => limit,
        };
        u32::try_from((limit / CREDIT_SHARE).clamp(1, MAX_CREDIT)).unwrap_or(1)
    }

    /// Nanoseconds for which granted tokens are good: a tenth of the window, half a second at
    /// most.
    #[must_use]
    pub fn hold_ns(&self) -> u64 {
        match *self {
            Self::Bucket { window_s, .. } | Self::Window { window_s, .. } => {
                (u64::from(window_s) * NS_PER_SECOND / 10).clamp(1_000_000, LONGEST_HOLD_NS)
            }
            Self::Calendar { .. } => LONGEST_HOLD_NS,
        }
    }

    /// Most tokens that a node holds: what the limit lets through in [`Rule::hold_ns`].
    #[must_use]
    pub fn most_held(&self) -> u32 {
        let most = match *self {
            Self::Bucket {
                limit, window_s, ..
            }
            | Self::Window { limit, window_s } => {
                let window_ns = u128::from(window_s) * u128::from(NS_PER_SECOND);
                let held = u128::from(limit) * u128::from(self.hold_ns()) / window_ns.max(1);
                u64::try_from(held).unwrap_or(u64::MAX)
            }
            Self::Calendar { limit, .. } => limit / QUOTA_SHARE,
        };
        u32::try_from(most.max(1)).unwrap_or(u32::MAX)
    }
}

/// One counter's share on this node.
#[derive(Debug)]
pub struct Lease {
    hub: Arc<Hub>,
    rule: Rule,
    name: Box<str>,
    /// A quota's own count.
    known: Option<(Quota, Arc<QuotaState>)>,
    credit: i64,
    /// Tokens; below zero: debt.
    balance: AtomicI64,
    /// When the tokens stop being good.
    expires_ns: AtomicU64,
    /// The shared count is used up until then.
    blocked_until_ns: AtomicU64,
    /// Below this balance more tokens are asked for.
    low: AtomicI64,
    /// Calls admitted since the start.
    taken: AtomicU64,
    /// Calls that wait for tokens, and the costliest of them.
    waiting: AtomicU32,
    must: AtomicU32,
    is_queued: AtomicBool,
    /// The hub looks after its tokens.
    is_held: AtomicBool,
    demand: Mutex<Demand>,
}

/// What the background task knows of a lease's traffic.
#[derive(Debug, Default)]
struct Demand {
    epoch: u64,
    taken: u64,
    measured_ns: u64,
    per_second: f64,
}

/// How an attempt to take went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseTake {
    Taken,
    /// The shared count is used up; it may have more after so many nanoseconds.
    Refused {
        retry_ns: u64,
    },
    /// Nobody knows yet: try again after the next exchange.
    Pending,
}

/// What a node has to tell and to ask about one counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Calls admitted on credit: counted in any case.
    pub charge: u32,
    /// Tokens that are not needed any more.
    pub give_back: u32,
    /// Tokens wished for; as many as are fair are granted.
    pub want: u32,
    /// Fewer tokens than these are of no use.
    pub must: u32,
    /// The shared count cannot be less than this, before the charge.
    pub seed: u64,
}

/// What the shared count says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    pub granted: u32,
    /// Nanoseconds until the next call can be granted; 0 when there are some now.
    pub wait_ns: u64,
}

impl Lease {
    /// A share of the counter that all nodes call `name`. `known`: the count of this node, of a
    /// quota, from which the shared one is made again where it was lost.
    #[must_use]
    pub fn new(
        hub: Arc<Hub>,
        rule: Rule,
        name: impl Into<Box<str>>,
        known: Option<(Quota, Arc<QuotaState>)>,
    ) -> Arc<Self> {
        Arc::new(Self {
            hub,
            rule,
            name: name.into(),
            known,
            credit: i64::from(rule.credit()),
            balance: AtomicI64::new(0),
            expires_ns: AtomicU64::new(0),
            blocked_until_ns: AtomicU64::new(0),
            low: AtomicI64::new(0),
            taken: AtomicU64::new(0),
            waiting: AtomicU32::new(0),
            must: AtomicU32::new(0),
            is_queued: AtomicBool::new(false),
            is_held: AtomicBool::new(false),
            demand: Mutex::default(),
        })
    }

    #[must_use]
    pub const fn rule(&self) -> Rule {
        self.rule
    }

    pub(crate) const fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes `cost` tokens. While the shared count is away everything is taken.
    pub fn take(self: &Arc<Self>, cost: u32, now_ns: u64) -> LeaseTake {
        if self.hub.is_away() {
            return LeaseTake::Taken;
        }
        let cost_wide = i64::from(cost);
        let mut seen = self.balance.load(Ordering::Relaxed);
        loop {
            let stale = seen > 0 && now_ns >= self.expires_ns.load(Ordering::Relaxed);
            let held = if stale { 0 } else { seen };
            let next = held - cost_wide;
            if next < 0 {
                let blocked = self.blocked_until_ns.load(Ordering::Relaxed);
                if now_ns < blocked {
                    return LeaseTake::Refused {
                        retry_ns: blocked - now_ns,
                    };
                }
            }
            if next < -self.credit {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                self.must.fetch_max(cost, Ordering::Relaxed);
                self.enqueue();
                return LeaseTake::Pending;
            }
            match self.balance.compare_exchange_weak(
                seen,
                next,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => {
                    self.taken.fetch_add(u64::from(cost), Ordering::Relaxed);
                    if next < self.low.load(Ordering::Relaxed) {
                        self.enqueue();
                    }
                    return LeaseTake::Taken;
                }
                Err(other) => seen = other,
            }
        }
    }

    /// Takes back what a `take` of `cost` took. Never more than a node may hold.
    pub fn give_back(&self, cost: u32) {
        if self.hub.is_away() {
            return;
        }
        let most = i64::from(self.rule.most_held());
        let _ = self
            .balance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
                Some((seen + i64::from(cost)).min(most.max(seen)))
            });
    }

    /// Whether dropping the lease would lose a debt, or tokens that could be handed back.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.balance.load(Ordering::Relaxed) == 0 && !self.is_queued.load(Ordering::Relaxed)
    }

    fn enqueue(self: &Arc<Self>) {
        if !self.is_queued.swap(true, Ordering::AcqRel) {
            self.hub.queue.lock().push(Arc::clone(self));
            (self.hub.wake)();
        }
    }

    /// What to say to the shared count now; `None`: nothing.
    fn ask(&self, now: Moment, epoch: u64) -> Option<Ask> {
        let now_ns = now.mono_ns;
        let mut demand = self.demand.lock();
        if demand.epoch != epoch {
            // The count was away, and may have forgotten what it had granted. A debt stays one.
            demand.epoch = epoch;
            let _ = self
                .balance
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seen| {
                    (seen > 0).then_some(0)
                });
            self.blocked_until_ns.store(0, Ordering::Relaxed);
        }
        demand.measure(self.taken.load(Ordering::Relaxed), now_ns);
        let hold_s = self.rule.hold_ns() as f64 / NS_PER_SECOND as f64;
        let target = (demand.per_second * hold_s / 2.0).min(f64::from(self.rule.most_held()));
        let target = target as i64;
        self.low.store(target / 2, Ordering::Relaxed);

        let balance = self.balance.load(Ordering::Relaxed);
        let mut ask = Ask {
            charge: u32::try_from(-balance).unwrap_or(0),
            give_back: 0,
            want: u32::try_from(target - balance.max(0)).unwrap_or(0),
            must: self.must.swap(0, Ordering::Relaxed),
            seed: 0,
        };
        if let Some((quota, state)) = &self.known {
            let used = quota.used(state, now.unix_s);
            let held = u64::try_from(balance.max(0)).unwrap_or(0);
            ask.seed = used
                .saturating_sub(u64::from(ask.charge))
                .saturating_sub(held);
        }
        // Calls that wait take theirs at once; it is not held.
        let waiting = self.waiting.swap(0, Ordering::Relaxed);
        ask.want = ask.want.max(waiting).max(ask.must);
        let is_expired = now_ns >= self.expires_ns.load(Ordering::Relaxed);
        if balance > target * 2 || (balance > 0 && is_expired) {
            let keep = if is_expired { 0 } else { target };
            if self
                .balance
                .compare_exchange(balance, keep, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
            {
                ask.give_back = u32::try_from(balance - keep).unwrap_or(0);
            }
        }
        let is_empty = ask.charge == 0 && ask.give_back == 0 && ask.want == 0;
        (!is_empty).then_some(ask)
    }

    /// Takes an answer over.
    pub fn settle(self: &Arc<Self>, ask: Ask, answer: Answer, now_ns: u64) {
        let gain = i64::from(ask.charge) + i64::from(answer.granted);
        if answer.granted > 0 {
            let expires = now_ns.saturating_add(self.rule.hold_ns());
            self.expires_ns.store(expires, Ordering::Relaxed);
        }
        self.blocked_until_ns.store(
            match answer.wait_ns {
                0 => 0,
                wait => now_ns.saturating_add(wait),
            },
            Ordering::Relaxed,
        );
        self.balance.fetch_add(gain, Ordering::Relaxed);
        if answer.granted > 0 && !self.is_held.swap(true, Ordering::AcqRel) {
            self.hub.held.lock().push(Arc::clone(self));
        }
    }
}

impl Demand {
    /// How much is asked for, smoothed over a few measurements.
    fn measure(&mut self, taken: u64, now_ns: u64) {
        let elapsed = now_ns.saturating_sub(self.measured_ns);
        if elapsed < 1_000_000 {
            return;
        }
        let calls = taken.saturating_sub(self.taken) as f64;
        let rate = calls * NS_PER_SECOND as f64 / elapsed as f64;
        self.per_second = if rate > self.per_second || elapsed > NS_PER_SECOND {
            rate
        } else {
            (self.per_second + rate) / 2.0
        };
        self.taken = taken;
        self.measured_ns = now_ns;
    }
}

/// All leases of a node.
pub struct Hub {
    is_away: AtomicBool,
    /// Counts how often the shared count came back.
    epoch: AtomicU64,
    queue: Mutex<Vec<Arc<Lease>>>,
    held: Mutex<Vec<Arc<Lease>>>,
    wake: Box<dyn Fn() + Send + Sync>,
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub")
            .field("is_away", &self.is_away())
            .finish_non_exhaustive()
    }
}

impl Hub {
    /// `wake` is called when there is something to exchange: often, and from any thread. Until
    /// [`Hub::came_back`] the shared count is away.
    #[must_use]
    pub fn new(wake: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            is_away: AtomicBool::new(true),
            epoch: AtomicU64::new(0),
            queue: Mutex::default(),
            held: Mutex::default(),
            wake: Box::new(wake),
        })
    }

    /// Whether each node goes by its own counters only.
    #[must_use]
    pub fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Relaxed)
    }

    /// The shared count does not answer: nodes go on alone.
    pub fn went_away(&self) {
        self.is_away.store(true, Ordering::Relaxed);
        for lease in self.queue.lock().drain(..) {
            lease.is_queued.store(false, Ordering::Release);
        }
    }

    /// The shared count answers again. What was held before is void.
    pub fn came_back(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        for lease in self.held.lock().drain(..) {
            lease.is_held.store(false, Ordering::Release);
        }
        self.is_away.store(false, Ordering::Relaxed);
    }

    /// Whether tokens are out that may have to be handed back in time.
    #[must_use]
    pub fn holds_tokens(&self) -> bool {
        !self.held.lock().is_empty()
    }

    /// What is to be exchanged now.
    pub fn collect(&self, now: Moment) -> Vec<(Arc<Lease>, Ask)> {
        let epoch = self.epoch.load(Ordering::Acquire);
        let mut due = std::mem::take(&mut *self.queue.lock());
        self.held.lock().retain(|lease| {
            if lease.balance.load(Ordering::Relaxed) <= 0 {
                lease.is_held.store(false, Ordering::Release);
                return false;
            }
            let expires = lease.expires_ns.load(Ordering::Relaxed);
            let is_old = now.mono_ns.saturating_add(lease.rule.hold_ns() / 2) >= expires;
            if is_old && !lease.is_queued.swap(true, Ordering::AcqRel) {
                due.push(Arc::clone(lease));
            }
            true
        });
        for lease in &due {
            // From here on a call queues it again, and the next round sees what this one misses.
            lease.is_queued.store(false, Ordering::Release);
        }
        due.into_iter()
            .filter_map(|lease| lease.ask(now, epoch).map(|ask| (lease, ask)))
            .collect()
    }
}
