//! Waiting for a condition.

use std::time::{Duration, Instant};

/// How long a condition may take on a slow machine. Nothing is asserted about speed.
pub const WAIT: Duration = Duration::from_secs(60);

/// Asks `probe` until it gives something.
///
/// # Panics
/// When nothing comes within [`WAIT`].
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(value) = probe().await {
            return value;
        }
        assert!(begun.elapsed() < WAIT, "waited {WAIT:?} for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Seconds since 1970 as RFC 3339.
#[must_use]
pub fn rfc3339(seconds: u64) -> String {
    i64::try_from(seconds)
        .ok()
        .and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0))
        .map(|at| at.to_rfc3339())
        .unwrap_or_default()
}
