//! How many calls quotas have counted: sums that are kept with the calls themselves.
//!
//! A quota's count of a month must not need the month's calls to be read. So the transaction that
//! stores calls adds them to a row for their organization, key, API, route and stretch of time
//! ([`STEP_US`]), and to the same row for all keys. Days that are long over become one stretch.

use std::collections::HashMap;

use apiverse_contract::{ApiId, KeyId, OrganizationId, RouteId};
use uuid::Uuid;

use crate::Result;
use crate::pool::{Pool, Store, with_pool};
use crate::usage::UsageEvent;

/// Width of a stretch: five minutes, of which no more calls than these must be counted one by one.
const STEP_US: i64 = 300_000_000;
const DAY_US: i64 = 86_400_000_000;
/// Days that keep their short stretches: today and the two before.
const FINE_DAYS: i64 = 3;
/// Days after which sums are of no quota any more: two months of the calendar.
const KEPT_DAYS: i64 = 63;
/// Rows that are deleted in one transaction.
const ROWS: i64 = 5000;

/// Adds `$6` calls.
pub(crate) const ADD: &str = "INSERT INTO usage_counts \
     (organization_id, key_id, start_us, api_id, route_id, calls) VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (organization_id, key_id, start_us, api_id, route_id) \
     DO UPDATE SET calls = usage_counts.calls + excluded.calls";

/// Which calls a quota counts: those that reached their upstream, and verifications that were
/// granted, for as many as they count for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServedFilter {
    pub organization_id: OrganizationId,
    pub api_id: Option<ApiId>,
    pub key_id: Option<KeyId>,
    pub route_id: Option<RouteId>,
    /// Inclusive, microseconds since 1970: the beginning of a day, UTC.
    pub from_us: i64,
    /// Exclusive; at most two days ago.
    pub to_us: i64,
}

/// One row's key. They are in this order in the table, and taken in this order by every writer, so
/// that two of them never wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Count {
    pub(crate) organization: Uuid,
    pub(crate) key: Uuid,
    pub(crate) start_us: i64,
    pub(crate) api: Uuid,
    pub(crate) route: Uuid,
}

/// What `events` add to which rows, in the rows' order.
pub(crate) fn sums(events: &[UsageEvent<'_>]) -> Vec<(Count, i64)> {
    let mut each: HashMap<Count, i64> = HashMap::new();
    for event in events.iter().filter(|event| !event.refused) {
        let count = Count {
            organization: event.organization_id.0,
            key: event.key_id.map_or(Uuid::nil(), |id| id.0),
            start_us: step(event.started_at_us),
            api: event.api_id.map_or(Uuid::nil(), |id| id.0),
            route: event.route_id.map_or(Uuid::nil(), |id| id.0),
        };
        *each.entry(count).or_insert(0) += event.verified.unwrap_or(1);
    }
    let mut all: HashMap<Count, i64> = HashMap::new();
    for (count, calls) in &each {
        let of_all_keys = Count {
            key: Uuid::nil(),
            ..*count
        };
        *all.entry(of_all_keys).or_insert(0) += calls;
    }
    each.retain(|count, _| !count.key.is_nil());
    let mut rows: Vec<(Count, i64)> = each.into_iter().chain(all).collect();
    rows.retain(|(_, calls)| *calls > 0);
    rows.sort_unstable();
    rows
}

/// The beginning of the stretch that a moment is in.
fn step(at_us: i64) -> i64 {
    at_us.div_euclid(STEP_US).saturating_mul(STEP_US)
}

impl Store {
    /// How many calls a quota has counted: exactly those, though most are counted by the sums.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_served(&self, filter: &ServedFilter) -> Result<i64> {
        const SQL: &str = "SELECT \
             (SELECT CAST(coalesce(sum(calls), 0) AS BIGINT) FROM usage_counts \
             WHERE organization_id = $1 AND key_id = $2 AND start_us >= $3 AND start_us < $4 \
             AND ($6 IS NULL OR api_id = $6) AND ($7 IS NULL OR route_id = $7)) + \
             (SELECT CAST(coalesce(sum(coalesce(verified, 1)), 0) AS BIGINT) FROM usage_metrics \
             WHERE organization_id = $1 AND started_at_us >= $4 AND started_at_us < $5 \
             AND ($6 IS NULL OR api_id = $6) AND ($7 IS NULL OR route_id = $7) \
             AND ($8 IS NULL OR key_id = $8) AND NOT refused)";
        let split = step(filter.to_us).max(filter.from_us);
        let key = filter.key_id.map(|id| id.0);
        Ok(with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(filter.organization_id.0)
            .bind(key.unwrap_or(Uuid::nil()))
            .bind(filter.from_us)
            .bind(split)
            .bind(filter.to_us)
            .bind(filter.api_id.map(|id| id.0))
            .bind(filter.route_id.map(|id| id.0))
            .bind(key)
            .fetch_one(pool)
            .await?))
    }

    /// Makes one stretch of each day that is long over, and forgets those that no quota asks for.
    ///
    /// # Errors
    /// When the database fails; what was done until then stays.
    pub async fn usage_condense(&self, now_us: i64) -> Result<()> {
        const NEXT: &str =
            "SELECT min(start_us) FROM usage_counts WHERE start_us > $1 AND start_us < $2";
        const FORGET: &str = "DELETE FROM usage_counts \
             WHERE (organization_id, key_id, start_us, api_id, route_id) IN \
             (SELECT organization_id, key_id, start_us, api_id, route_id FROM usage_counts \
             WHERE start_us < $1 LIMIT $2)";
        let today = now_us.div_euclid(DAY_US);
        let oldest = (today - KEPT_DAYS).saturating_mul(DAY_US);
        loop {
            let gone = with_pool!(self, pool => sqlx::query(FORGET)
                .bind(oldest)
                .bind(ROWS)
                .execute(pool)
                .await?
                .rows_affected());
            if gone == 0 {
                break;
            }
        }
        for day in today - KEPT_DAYS..=today - FINE_DAYS {
            let (from, to) = (day.saturating_mul(DAY_US), (day + 1).saturating_mul(DAY_US));
            // One stretch at a time, so that whoever stores calls waits for a moment only.
            while let Some(start) = with_pool!(self, pool =>
                sqlx::query_scalar::<_, Option<i64>>(NEXT).bind(from).bind(to).fetch_one(pool).await?)
            {
                self.condense_step(start, from).await?;
            }
        }
        Ok(())
    }

    /// Moves the rows of the stretch at `start` to that at `to`.
    async fn condense_step(&self, start: i64, to: i64) -> Result<()> {
        match &self.pool {
            Pool::Sqlite(pool) => {
                const MOVE: &str = "INSERT INTO usage_counts \
                     SELECT organization_id, key_id, $2, api_id, route_id, calls \
                     FROM usage_counts WHERE start_us = $1 \
                     ON CONFLICT DO UPDATE SET calls = usage_counts.calls + excluded.calls";
                const DELETE: &str = "DELETE FROM usage_counts WHERE start_us = $1";
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                let moved = sqlx::query(MOVE).bind(start).bind(to);
                moved.execute(&mut *tx).await?;
                sqlx::query(DELETE).bind(start).execute(&mut *tx).await?;
                tx.commit().await?;
            }
            Pool::Postgres(pool) => {
                // In one statement: a late call may be added to a row between two of them.
                const MOVE: &str = "WITH gone AS (DELETE FROM usage_counts WHERE start_us = $1 \
                     RETURNING organization_id, key_id, api_id, route_id, calls) \
                     INSERT INTO usage_counts \
                     (organization_id, key_id, start_us, api_id, route_id, calls) \
                     SELECT organization_id, key_id, $2, api_id, route_id, calls FROM gone \
                     ORDER BY organization_id, key_id, api_id, route_id \
                     ON CONFLICT (organization_id, key_id, start_us, api_id, route_id) \
                     DO UPDATE SET calls = usage_counts.calls + excluded.calls";
                sqlx::query(MOVE).bind(start).bind(to).execute(pool).await?;
            }
        }
        Ok(())
    }
}
