//! What the database needs beside events: partitions for the days to come, and an end of the past.

use std::time::Duration;

use apiverse_store::{Store, StoreError};

use crate::call::unix_micros;

const EVERY: Duration = Duration::from_secs(3600);
/// After a failure.
const AGAIN: Duration = Duration::from_secs(60);
/// The positions of journals that died with their disk are forgotten after a year. Forgetting one
/// whose files come back would have its last events stored twice.
const JOURNALS_US: i64 = 366 * 86_400 * 1_000_000;

/// Looks after the tables until the runtime ends.
pub(super) async fn run(store: Store, retention: Option<Duration>) {
    loop {
        let pause = match once(&store, retention).await {
            Ok(()) => EVERY,
            Err(error) => {
                tracing::warn!(error = %error.cause(), "the usage tables wait for their upkeep");
                AGAIN
            }
        };
        tokio::time::sleep(pause).await;
    }
}

async fn once(store: &Store, retention: Option<Duration>) -> Result<(), StoreError> {
    let now = unix_micros();
    store.usage_prepare(now).await?;
    if let Some(retention) = retention {
        let kept = i64::try_from(retention.as_micros()).unwrap_or(i64::MAX);
        let gone = store.usage_retain(now.saturating_sub(kept)).await?;
        if gone > 0 {
            tracing::info!(
                gone,
                database = store.kind().as_str(),
                "old usage was deleted"
            );
        }
    }
    store.usage_condense(now).await?;
    store
        .usage_forget_journals_before(now.saturating_sub(JOURNALS_US))
        .await?;
    Ok(())
}
