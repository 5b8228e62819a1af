//! Limits that count replayed calls.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;

use apiverse_contract::limits::{
    Algorithm, CONCURRENCY_NAME, LimitPolicy, Per, PolicyScope, QuotaPer, is_replaced,
};
use apiverse_contract::{ErrorCode, KeyId};
use apiverse_limits::{Counter, Moment, Spec, Verdict, check};
use apiverse_store::UsageRow;

use super::quotas::{Used, period};

/// A limit policy on the way of a call.
pub(super) struct Attached<'a> {
    pub(super) scope: PolicyScope,
    /// What it is attached to, as the document names it: `apis.weather`; empty: the organization.
    pub(super) place: &'a str,
    pub(super) policy: &'a LimitPolicy,
}

/// Whose calls are counted, by what: where the limit is attached, its name, and the key when each
/// has a counter of its own.
type Identity = (String, Option<KeyId>);

/// The counters of one configuration.
pub(super) struct Counters<'a> {
    used: &'a Used,
    counters: HashMap<Identity, Arc<Counter>>,
    /// When calls end that are under way, by what limits them.
    under_way: HashMap<String, BinaryHeap<Reverse<i64>>>,
    levels: Vec<apiverse_limits::Level>,
}

/// Which limit refuses a call.
pub(super) struct Exceeded {
    pub(super) code: ErrorCode,
    pub(super) by: String,
}

impl<'a> Counters<'a> {
    pub(super) fn new(used: &'a Used) -> Self {
        Self {
            used,
            counters: HashMap::new(),
            under_way: HashMap::new(),
            levels: Vec::new(),
        }
    }

    pub(super) const fn are_quotas_exact(&self) -> bool {
        self.used.is_exact
    }

    /// Counts a call, unless one of its limits refuses it. `attached`: from the uppermost to the
    /// lowest.
    pub(super) fn take(
        &mut self,
        attached: &[Attached<'_>],
        call: &UsageRow,
        key: KeyId,
    ) -> Result<(), Exceeded> {
        let mut met: Vec<(String, ErrorCode, Arc<Counter>)> = Vec::new();
        let mut gates: Vec<(String, u32)> = Vec::new();
        for (at, one) in attached.iter().enumerate() {
            let below = || attached[at + 1..].iter().map(|lower| lower.policy);
            let is_replaced = |name: &str| is_replaced(one.scope, name, below());
            for limit in &one.policy.rate_limits {
                // Addresses are not recorded.
                if is_replaced(&limit.name) || limit.per == Per::Address {
                    continue;
                }
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
                let whose = (limit.per == Per::Key).then_some(key);
                let by = one.named(&limit.name);
                let counter = self.counter(&by, whose, spec);
                met.push((by, ErrorCode::RateLimited, counter));
            }
            for quota in &one.policy.quotas {
                if is_replaced(&quota.name) {
                    continue;
                }
                let spec = Spec::Quota {
                    limit: quota.limit,
                    period: period(quota.period),
                };
                let whose = (quota.per == QuotaPer::Key).then_some(key);
                let by = one.named(&quota.name);
                let counter = self.counter(&by, whose, spec);
                met.push((by, ErrorCode::QuotaExceeded, counter));
            }
            if let Some(most) = one.policy.concurrency {
                gates.push((one.named(CONCURRENCY_NAME), most));
            }
        }
        let began_us = call.started_at_us;
        for (by, most) in &gates {
            let under_way = self.under_way.entry(by.clone()).or_default();
            while under_way.peek().is_some_and(|end| end.0 <= began_us) {
                under_way.pop();
            }
            if under_way.len() >= *most as usize {
                return Err(Exceeded {
                    code: ErrorCode::ConcurrencyLimited,
                    by: by.clone(),
                });
            }
        }
        let now = Moment {
            mono_ns: u64::try_from(began_us).unwrap_or(0).saturating_mul(1000),
            unix_s: began_us.div_euclid(1_000_000),
        };
        let counters = met.iter().map(|(_, _, counter)| &**counter);
        if check(counters, 1, now, &mut self.levels) != Verdict::Allowed {
            let refused = met
                .into_iter()
                .zip(&self.levels)
                .find(|(_, level)| level.is_refused);
            if let Some(((by, code, _), _)) = refused {
                return Err(Exceeded { code, by });
            }
        }
        for (by, _) in gates {
            let ends_us = began_us.saturating_add(call.latency_us);
            self.under_way.entry(by).or_default().push(Reverse(ends_us));
        }
        Ok(())
    }

    fn counter(&mut self, by: &str, whose: Option<KeyId>, spec: Spec) -> Arc<Counter> {
        let used = self.used;
        let make = || {
            let counter = Counter::new(spec);
            if let Spec::Quota { period, .. } = spec {
                let key = (by.to_owned(), whose, period);
                let calls = used.calls.get(&key).copied().unwrap_or(0);
                counter.restore(calls, used.first_s);
            }
            Arc::new(counter)
        };
        let identity = (by.to_owned(), whose);
        Arc::clone(self.counters.entry(identity).or_insert_with(make))
    }
}

impl Attached<'_> {
    /// Where the limit is in the document.
    fn named(&self, name: &str) -> String {
        match self.place {
            "" => format!("limits.{name}"),
            place => format!("{place}.limits.{name}"),
        }
    }
}
