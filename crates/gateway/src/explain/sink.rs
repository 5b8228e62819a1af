//! Where explained calls go.

use std::sync::Arc;
use std::time::Duration;

use apiverse_store::{ExplanationRow, Store};
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::call::unix_micros;
use crate::meters::Meters;

/// Documents on their way to the database; more are let go.
const CHANNEL: usize = 2048;
/// Documents of one transaction.
const ROWS: usize = 500;
/// How often they are written.
const EVERY: Duration = Duration::from_millis(500);
/// How often old ones are forgotten.
const FORGET_EVERY: Duration = Duration::from_secs(600);

/// Takes documents without waiting.
#[derive(Clone)]
pub(crate) struct Explained {
    documents: mpsc::Sender<ExplanationRow>,
    meters: Arc<Meters>,
}

impl Explained {
    /// Unlike usage, an explanation may be lost: it helps people, nobody pays by it.
    pub(crate) fn offer(&self, row: ExplanationRow) {
        if self.documents.try_send(row).is_err() {
            self.meters.explained_dropped.increment(1);
        }
    }
}

/// Starts writing on the current runtime; documents are kept for `keep`.
pub(crate) fn start(store: Store, meters: Arc<Meters>, keep: Duration) -> Explained {
    let (documents, mut received) = mpsc::channel(CHANNEL);
    let sink = Explained {
        documents,
        meters: Arc::clone(&meters),
    };
    tokio::spawn(async move {
        let keep_us = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
        let mut forget_at = Instant::now();
        let mut rows = Vec::new();
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if received.recv_many(&mut rows, ROWS).await == 0 {
                return;
            }
            if let Err(error) = store.explanations_insert(&rows).await {
                meters.explained_dropped.increment(rows.len() as u64);
                tracing::warn!(error = %error.cause(), "explanations were not written");
            }
            rows.clear();
            if forget_at <= Instant::now() {
                forget_at = Instant::now() + FORGET_EVERY;
                let before_us = unix_micros().saturating_sub(keep_us);
                if let Err(error) = store.explanations_forget(before_us).await {
                    tracing::warn!(error = %error.cause(), "old explanations are still there");
                }
            }
            ticks.tick().await;
        }
    });
    sink
}
