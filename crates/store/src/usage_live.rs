//! Calls for those who watch: kept for two minutes, and only while somebody does.
//!
//! The transaction that stores calls writes them once more, in portions, for organizations that
//! are watched. So who watches on one node sees the calls of all.

use std::collections::BTreeMap;

use apiverse_contract::OrganizationId;
use apiverse_contract::usage::LiveCall;
use chrono::DateTime;
use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::from_row;
use crate::usage::UsageEvent;

/// How long calls are kept, microseconds.
pub const LIVE_KEPT_US: i64 = 120_000_000;
/// Calls of one portion.
const PORTION: usize = 500;
/// Calls of one organization in one batch that are kept; of more the rest is only counted.
const MOST: usize = 2000;

/// Who is watched now (`$1`).
pub(crate) const WATCHED: &str = "SELECT organization_id FROM usage_watchers WHERE until_us > $1";
/// Stores a portion.
pub(crate) const INSERT: &str = "INSERT INTO usage_live \
     (organization_id, stored_us, calls, left_out, data) VALUES ($1, $2, $3, $4, $5)";

/// Calls that were stored together.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveRow {
    /// Grows with time, though rows of different nodes may become visible out of order.
    pub id: i64,
    /// Microseconds since 1970.
    pub stored_us: i64,
    pub calls: Vec<LiveCall>,
    /// Calls that were stored with these and are not in any row.
    pub left_out: u64,
}

from_row! {
    LiveRow, row => {
        let data: Vec<u8> = row.try_get("data")?;
        LiveRow {
            id: row.try_get("id")?,
            stored_us: row.try_get("stored_us")?,
            calls: serde_json::from_slice(&data).map_err(|e| sqlx::Error::Decode(e.into()))?,
            left_out: u64::try_from(row.try_get::<i64, _>("left_out")?).unwrap_or(0),
        }
    };
}

/// A row to be stored.
pub(crate) struct Portion {
    pub(crate) organization: Uuid,
    pub(crate) calls: i64,
    pub(crate) left_out: i64,
    pub(crate) data: Vec<u8>,
}

/// The calls of those who are watched.
pub(crate) fn portions(events: &[UsageEvent<'_>], watched: &[Uuid]) -> Vec<Portion> {
    if watched.is_empty() {
        return Vec::new();
    }
    let mut by_organization: BTreeMap<Uuid, Vec<&UsageEvent<'_>>> = BTreeMap::new();
    for event in events {
        let organization = event.organization_id.0;
        if event.verified.is_none() && watched.contains(&organization) {
            by_organization.entry(organization).or_default().push(event);
        }
    }
    let mut portions = Vec::new();
    for (organization, events) in by_organization {
        let left_out = events.len().saturating_sub(MOST);
        // The latest are kept.
        for (n, chunk) in events[left_out..].chunks(PORTION).enumerate() {
            let calls: Vec<LiveCall> = chunk.iter().map(|event| call(event)).collect();
            // Of texts and numbers there is always JSON.
            let Ok(data) = serde_json::to_vec(&calls) else {
                continue;
            };
            let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
            portions.push(Portion {
                organization,
                calls: count(calls.len()),
                left_out: if n == 0 { count(left_out) } else { 0 },
                data,
            });
        }
    }
    portions
}

fn call(event: &UsageEvent<'_>) -> LiveCall {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let milliseconds = |us: i64| us as f64 / 1000.0;
    LiveCall {
        id: event.id,
        request_id: event.request_id.to_owned(),
        started_at: DateTime::from_timestamp_micros(event.started_at_us).unwrap_or_default(),
        api_id: event.api_id,
        key_id: event.key_id,
        version_id: event.version_id,
        route_id: event.route_id,
        method: event.method.to_owned(),
        path: event.path.to_owned(),
        status: u16::try_from(event.status).unwrap_or(0),
        latency_ms: milliseconds(event.latency_us),
        upstream_ms: event.upstream_us.map(milliseconds),
        bytes_in: count(event.bytes_in),
        bytes_out: count(event.bytes_out),
        error_code: event.error_code.map(str::to_owned),
        cache: event.cache,
        refused: event.refused,
    }
}

impl Store {
    /// Has the calls of an organization kept for watching until a time in microseconds since 1970.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_watch(&self, organization_id: OrganizationId, until_us: i64) -> Result<()> {
        const SQL: &str = "INSERT INTO usage_watchers (organization_id, until_us) VALUES ($1, $2) \
             ON CONFLICT (organization_id) DO UPDATE SET until_us = excluded.until_us \
             WHERE usage_watchers.until_us < excluded.until_us";
        with_pool!(self, pool => { sqlx::query(SQL)
            .bind(organization_id.0)
            .bind(until_us)
            .execute(pool)
            .await?; });
        Ok(())
    }

    /// The id of the latest row of any organization; 0 when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_live_latest(&self) -> Result<i64> {
        const SQL: &str = "SELECT coalesce(max(id), 0) FROM usage_live";
        Ok(with_pool!(self, pool => sqlx::query_scalar(SQL).fetch_one(pool).await?))
    }

    /// Rows after one, ascending.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_live_after(
        &self,
        organization_id: OrganizationId,
        after: i64,
        limit: u32,
    ) -> Result<Vec<LiveRow>> {
        const SQL: &str = "SELECT id, stored_us, left_out, data FROM usage_live \
             WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// Forgets what was stored before a time in microseconds since 1970, and watchers of before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_live_forget(&self, before_us: i64) -> Result<()> {
        const ROWS: &str = "DELETE FROM usage_live WHERE stored_us < $1";
        const WATCHERS: &str = "DELETE FROM usage_watchers WHERE until_us < $1";
        const ANY: &str = "SELECT EXISTS (SELECT 1 FROM usage_watchers)";
        // Mostly nobody watches; then nothing is written.
        let any: bool = with_pool!(self, pool => sqlx::query_scalar(ANY).fetch_one(pool).await?);
        if any {
            with_transaction!(self, tx => {
                sqlx::query(ROWS).bind(before_us).execute(&mut *tx).await?;
                sqlx::query(WATCHERS).bind(before_us).execute(&mut *tx).await?;
            });
        }
        Ok(())
    }
}
