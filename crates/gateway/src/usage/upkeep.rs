//! What the database needs beside events: partitions for the days to come, sums in blocks, and an
//! end of the past.

use std::time::{Duration, Instant};

use apiverse_store::{LIVE_KEPT_US, RollupHorizon, Store, StoreError};

use crate::call::unix_micros;
use crate::meters::{SUMMED, SUMMED_AT};

const EVERY: Duration = Duration::from_secs(3600);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(60);
/// How often sums are brought to blocks. Until then questions read them batch by batch.
const ROLL_EVERY: Duration = Duration::from_secs(5);
/// The positions of journals that died with their disk are forgotten after a year. Forgetting one
/// whose files come back would have its last events stored twice.
const JOURNALS_US: i64 = 366 * 86_400 * 1_000_000;

/// How long things are kept.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// `None`: for ever.
    pub(super) calls: Option<Duration>,
    pub(super) sums: Duration,
    pub(super) minutes: Duration,
}

impl Kept {
    fn horizon(&self, now_us: i64) -> RollupHorizon {
        RollupHorizon {
            minutes_us: before(now_us, self.minutes),
            hours_us: before(now_us, self.sums),
        }
    }
}

fn before(now_us: i64, kept: Duration) -> i64 {
    now_us.saturating_sub(i64::try_from(kept.as_micros()).unwrap_or(i64::MAX))
}

/// Looks after the tables until the runtime ends.
pub(super) async fn run(store: Store, kept: Kept) {
    loop {
        let pause = match once(&store, kept).await {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!(error = %error.cause(), "the usage tables wait for their upkeep");
                AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// Brings sums to blocks until the runtime ends.
pub(super) async fn roll(store: Store, kept: Kept) {
    let mut is_failing = false;
    let summed_at = metrics::gauge!(SUMMED_AT);
    loop {
        let begun = Instant::now();
        match roll_all(&store, kept).await {
            Ok(()) => {
                is_failing = false;
                summed_at.set(unix_micros() as f64 / 1e6);
            }
            Err(error) => {
                // Said once: the drain says more, and nothing is lost.
                if !is_failing {
                    tracing::warn!(error = %error.cause(), "sums of usage wait for the database");
                }
                is_failing = true;
            }
        }
        // Never more than half of the time.
        tokio::time::sleep(ROLL_EVERY.max(begun.elapsed())).await;
    }
}

async fn roll_all(store: &Store, kept: Kept) -> Result<(), StoreError> {
    let summed = metrics::counter!(SUMMED);
    loop {
        let count = store.usage_roll(kept.horizon(unix_micros())).await?;
        summed.increment(count);
        if count == 0 {
            break;
        }
        // Whoever stores calls comes between.
        tokio::task::yield_now().await;
    }
    store
        .usage_live_forget(unix_micros().saturating_sub(LIVE_KEPT_US))
        .await
}

async fn once(store: &Store, kept: Kept) -> Result<(), StoreError> {
    let now = unix_micros();
    store.usage_prepare(now).await?;
    let mut gone = 0;
    if let Some(calls) = kept.calls {
        gone += store.usage_retain(before(now, calls)).await?;
    }
    gone += store.usage_rollups_retain(kept.horizon(now)).await?;
    if gone > 0 {
        let database = store.kind().as_str();
        tracing::info!(gone, database, "old usage was deleted");
        store.vacuum().await?;
    }
    store.usage_lengthen(now, kept.horizon(now)).await?;
    store.usage_condense(now).await?;
    store
        .usage_forget_journals_before(now.saturating_sub(JOURNALS_US))
        .await?;
    Ok(())
}
