//! What waits in the database: for metrics, not for decisions.

use chrono::{DateTime, Utc};

use crate::Result;
use crate::pool::{Store, with_pool};

/// How much work waits at one moment, of all organizations together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Batches of sums that are not in blocks yet.
    pub sums: i64,
    /// Messages that are due.
    pub messages_due: i64,
    /// Messages that wait for their time.
    pub messages_later: i64,
    /// When the one that has been due longest became so.
    pub message_due_at: Option<DateTime<Utc>>,
    /// Messages that were given up; they are forgotten after a while.
    pub messages_failed: i64,
    /// Findings that go on and that nobody acknowledged.
    pub findings_open: i64,
    pub budgets: i64,
    /// Budgets that refuse calls now.
    pub budgets_blocking: i64,
}

impl Store {
    /// Counts what waits at `now`. Cheap: all of it is few rows, or has an index.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn backlog(&self, now: DateTime<Utc>) -> Result<Backlog> {
        const SUMS: &str = "SELECT COUNT(*) FROM usage_deltas";
        const DUE: &str = "SELECT COUNT(*), MIN(due_at) FROM notifications \
             WHERE status IN ('requested', 'pending', 'sending', 'uncertain') AND due_at <= $1";
        const LATER: &str = "SELECT COUNT(*) FROM notifications \
             WHERE status IN ('requested', 'pending', 'sending', 'uncertain') AND due_at > $1";
        const FAILED: &str = "SELECT COUNT(*) FROM notifications WHERE status = 'failed'";
        const FINDINGS: &str = "SELECT COUNT(*) FROM usage_findings \
             WHERE state = 'open' AND acknowledged_us IS NULL";
        const BUDGETS: &str = "SELECT COUNT(*), \
             COUNT(CASE WHEN blocked_until_us > $1 THEN 1 END) FROM budgets";
        Ok(with_pool!(self, pool => {
            let (messages_due, message_due_at) =
                sqlx::query_as(DUE).bind(now).fetch_one(pool).await?;
            let (budgets, budgets_blocking) = sqlx::query_as(BUDGETS)
                .bind(now.timestamp_micros())
                .fetch_one(pool)
                .await?;
            Backlog {
                sums: sqlx::query_scalar(SUMS).fetch_one(pool).await?,
                messages_due,
                messages_later: sqlx::query_scalar(LATER).bind(now).fetch_one(pool).await?,
                message_due_at,
                messages_failed: sqlx::query_scalar(FAILED).fetch_one(pool).await?,
                findings_open: sqlx::query_scalar(FINDINGS).fetch_one(pool).await?,
                budgets,
                budgets_blocking,
            }
        }))
    }
}
