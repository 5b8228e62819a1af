//! A quota's count from before this process began.
//!
//! The recorded calls are the truth: a quota counts those that reached the upstream, and each is
//! in the journal or the database before its answer ends. So a count that died with its process,
//! however it died, is made again from the database, which keeps sums (`usage_served`). That is
//! done when a quota is first asked for; the call that asks waits for it, within limits.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use apiverse_limits::{Moment, Spec};
use apiverse_store::{ServedFilter, StoreError};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::registry::QuotaSlot;
use crate::Gateway;

/// Longest time a call waits for its quotas' counts.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long nobody waits again after a count that failed.
const PAUSE_NS: u64 = 1_000_000_000;
/// Counts made at the same time.
const LANES: usize = 16;

/// Counts under way.
#[derive(Default)]
pub(crate) struct Restoring {
    /// One count of a quota at a time: all that wait for it want the same.
    lanes: [Mutex<()>; LANES],
    /// No new attempt before.
    not_before_ns: AtomicU64,
}

/// Makes the counts of `slots` whole. While the database does not answer, calls go on being
/// counted from nothing, and what was before is added when it does.
pub(crate) async fn restore(gateway: &Arc<Gateway>, slots: Vec<Arc<QuotaSlot>>, now: Moment) {
    let restoring = &gateway.limiter.restoring;
    if now.mono_ns < restoring.not_before_ns.load(Ordering::Relaxed) {
        return;
    }
    let shared = Arc::clone(gateway);
    // On the control plane's runtime, where the database's connections live.
    let count = gateway.runtime.spawn(async move {
        for slot in slots {
            if let Err(error) = count(&shared, &slot, now).await {
                tracing::warn!(error = %error.cause(), "a quota's earlier calls could not be counted");
                return false;
            }
        }
        true
    });
    if !matches!(timeout(PATIENCE, count).await, Ok(Ok(true))) {
        let pause = now.mono_ns.saturating_add(PAUSE_NS);
        restoring.not_before_ns.store(pause, Ordering::Relaxed);
    }
}

async fn count(
    gateway: &Arc<Gateway>,
    slot: &Arc<QuotaSlot>,
    now: Moment,
) -> Result<(), StoreError> {
    let Spec::Quota { period, .. } = *slot.counter.spec() else {
        return Ok(());
    };
    let lane = Arc::as_ptr(slot).addr() / align_of::<QuotaSlot>() % LANES;
    let _turn = gateway.limiter.restoring.lanes[lane].lock().await;
    if slot.counter.is_restored() {
        return Ok(());
    }
    // What this process has served already may still be on its way.
    gateway.flush().await;
    let filter = ServedFilter {
        organization_id: slot.whose.organization,
        api_id: slot.whose.api,
        key_id: slot.whose.key,
        route_id: slot.whose.route,
        from_us: period.span(now.unix_s).start_s.saturating_mul(1_000_000),
        to_us: slot.since_us(),
    };
    let calls = gateway.store.usage_served(&filter).await?;
    let calls = u64::try_from(calls).unwrap_or(0);
    slot.counter.restore(calls, now.unix_s);
    Ok(())
}
