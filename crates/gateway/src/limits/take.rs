//! Taking a call from its limits, with what may have to be waited for.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apiverse_limits::Moment;
use tokio::sync::futures::OwnedNotified;
use tokio::time::timeout;

use super::registry::QuotaSlot;
use super::restore::restore;
use super::set::Set;
use super::{Attempt, Caller, Grant, LimitRefusal, Without};
use crate::Gateway;
use crate::call::unix_micros;

/// Longest wait for what other nodes took, all attempts together. A Redis that does not answer is
/// found to be away sooner than that; so who waits longer is one of too many.
const PATIENCE: Duration = Duration::from_millis(500);

/// A call that is being taken, over several attempts if need be.
#[derive(Default)]
pub(crate) struct Taking {
    without: Without,
    patience_ends: Option<Instant>,
}

/// How an attempt ended.
pub(crate) enum Step {
    Taken(Grant),
    Refused(Box<LimitRefusal>),
    /// Nothing was taken; try again after this.
    Wait(Wait),
}

/// What a call waits for: a quota that is asked for the first time since the process began, or
/// more of a shared limit than this node holds.
pub(crate) struct Wait(Reason);

enum Reason {
    Restore {
        slots: Vec<Arc<QuotaSlot>>,
        now: Moment,
    },
    Exchange {
        exchanged: OwnedNotified,
        longest: Duration,
    },
}

impl Taking {
    /// Takes a call of `cost` from all the limits of `set`, or from none.
    pub(crate) fn attempt(
        &mut self,
        gateway: &Gateway,
        set: &Set,
        caller: &Caller,
        cost: u32,
        now: Moment,
    ) -> Step {
        let limiter = &gateway.limiter;
        let mut exchanged = None;
        loop {
            match limiter.attempt(set, caller, cost, now, self.without) {
                Attempt::Allowed(grant) => return Step::Taken(grant),
                Attempt::Refused(refusal) => {
                    gateway.meters.count_limited(refusal.code);
                    return Step::Refused(refusal);
                }
                Attempt::Restore(slots) => {
                    self.without.restoring = true;
                    return Step::Wait(Wait(Reason::Restore { slots, now }));
                }
                Attempt::Pending => {}
            }
            let ends = *self
                .patience_ends
                .get_or_insert_with(|| Instant::now() + PATIENCE);
            let longest = ends.saturating_duration_since(Instant::now());
            match (exchanged, limiter.leases()) {
                (Some(exchanged), _) if !longest.is_zero() => {
                    gateway.meters.limit_waits.increment(1);
                    return Step::Wait(Wait(Reason::Exchange { exchanged, longest }));
                }
                // Once more, so that an exchange that ended just now is not missed.
                (None, Some(leases)) if !longest.is_zero() => {
                    exchanged = Some(leases.exchanged());
                }
                _ => {
                    self.without.waiting = true;
                    exchanged = None;
                }
            }
        }
    }
}

impl Wait {
    /// Waits, within limits.
    pub(crate) async fn over(self, gateway: &Arc<Gateway>) {
        match self.0 {
            Reason::Restore { slots, now } => restore(gateway, slots, now).await,
            Reason::Exchange { exchanged, longest } => {
                // Timing out is found out by the next attempt.
                let _ = timeout(longest, exchanged).await;
            }
        }
    }
}

/// Takes a call of `cost` from all the limits of `set`, or from none. Nearly always that is
/// decided at once.
pub(crate) async fn take(
    gateway: &Arc<Gateway>,
    set: &Set,
    caller: &Caller,
    cost: u32,
    now: Moment,
) -> Result<Grant, Box<LimitRefusal>> {
    let mut taking = Taking::default();
    let mut now = now;
    loop {
        match taking.attempt(gateway, set, caller, cost, now) {
            Step::Taken(grant) => return Ok(grant),
            Step::Refused(refusal) => return Err(refusal),
            Step::Wait(wait) => wait.over(gateway).await,
        }
        now = gateway.limiter.moment(Instant::now(), unix_micros());
    }
}
