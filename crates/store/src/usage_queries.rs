//! Reading usage: series, percentiles, rankings, recent calls.

use apiverse_contract::usage::{StatusClass, UsageDimension, UsageKind};
use apiverse_contract::{ApiId, KeyId, OrganizationId, UsageEventId};
use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::pool::{Store, with_pool};
use crate::rows::from_row;
use crate::usage::UsageRow;

/// Which calls are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageFilter {
    pub organization_id: OrganizationId,
    pub api_id: Option<ApiId>,
    pub key_id: Option<KeyId>,
    pub status: Option<StatusClass>,
    pub kind: UsageKind,
    /// Inclusive, microseconds since 1970.
    pub from_us: i64,
    /// Exclusive.
    pub to_us: i64,
}

/// Counts of one step that has calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesRow {
    pub start_us: i64,
    pub calls: i64,
    pub errors: i64,
    pub refused: i64,
    pub bytes_in: i64,
    pub bytes_out: i64,
    pub s2xx: i64,
    pub s3xx: i64,
    pub s4xx: i64,
    pub s5xx: i64,
}

/// Calls of one step in one latency bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencyRow {
    pub start_us: i64,
    pub bucket: i32,
    pub calls: i64,
}

/// A call with the names of its API and key, if they still exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRow {
    pub usage: UsageRow,
    pub api_name: Option<String>,
    pub key_name: Option<String>,
}

/// One row of a ranking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopRowDb {
    pub id: Option<Uuid>,
    pub name: Option<String>,
    pub calls: i64,
    pub errors: i64,
}

struct TopLatencyRow(Option<Uuid>, i32, i64);

from_row! {
    SeriesRow, row => SeriesRow {
        start_us: row.try_get("start_us")?,
        calls: row.try_get("calls")?,
        errors: row.try_get("errors")?,
        refused: row.try_get("refused_calls")?,
        bytes_in: row.try_get("sum_in")?,
        bytes_out: row.try_get("sum_out")?,
        s2xx: row.try_get("s2xx")?,
        s3xx: row.try_get("s3xx")?,
        s4xx: row.try_get("s4xx")?,
        s5xx: row.try_get("s5xx")?,
    };
    LatencyRow, row => LatencyRow {
        start_us: row.try_get("start_us")?,
        bucket: row.try_get("latency_bucket")?,
        calls: row.try_get("calls")?,
    };
    CallRow, row => CallRow {
        usage: sqlx::FromRow::from_row(row)?,
        api_name: row.try_get("api_name")?,
        key_name: row.try_get("key_name")?,
    };
    TopRowDb, row => TopRowDb {
        id: row.try_get("dimension_id")?,
        name: row.try_get("name")?,
        calls: row.try_get("calls")?,
        errors: row.try_get("errors")?,
    };
    TopLatencyRow, row => TopLatencyRow(
        row.try_get("dimension_id")?,
        row.try_get("latency_bucket")?,
        row.try_get("calls")?,
    );
}

/// `$1` to `$8` of every query here.
macro_rules! bind_filter {
    ($query:expr, $filter:expr) => {{
        let first = $filter.status.map(StatusClass::first_status);
        $query
            .bind($filter.organization_id.0)
            .bind($filter.from_us)
            .bind($filter.to_us)
            .bind($filter.api_id.map(|id| id.0))
            .bind($filter.key_id.map(|id| id.0))
            .bind(first)
            .bind(first.map(|first| first + 100))
            .bind($filter.kind == UsageKind::Verification)
    }};
}

macro_rules! sql {
    ($select:literal, $rest:literal) => {
        concat!(
            $select,
            " WHERE u.organization_id = $1 AND u.started_at_us >= $2 AND u.started_at_us < $3",
            " AND ($4 IS NULL OR u.api_id = $4) AND ($5 IS NULL OR u.key_id = $5)",
            " AND ($6 IS NULL OR (u.status >= $6 AND u.status < $7))",
            " AND (u.verified IS NOT NULL) = $8 ",
            $rest
        )
    };
}

impl Store {
    /// Counts by step of `step_us` microseconds from 1970 on, ascending; steps without calls are
    /// left out.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_series(&self, filter: &UsageFilter, step_us: i64) -> Result<Vec<SeriesRow>> {
        const SQL: &str = sql!(
            "SELECT u.started_at_us / $9 * $9 AS start_us, count(*) AS calls, \
             CAST(sum(CASE WHEN u.status >= 400 THEN 1 ELSE 0 END) AS BIGINT) AS errors, \
             CAST(sum(CASE WHEN u.refused THEN 1 ELSE 0 END) AS BIGINT) AS refused_calls, \
             CAST(sum(u.bytes_in) AS BIGINT) AS sum_in, CAST(sum(u.bytes_out) AS BIGINT) AS sum_out, \
             CAST(sum(CASE WHEN u.status < 300 THEN 1 ELSE 0 END) AS BIGINT) AS s2xx, \
             CAST(sum(CASE WHEN u.status BETWEEN 300 AND 399 THEN 1 ELSE 0 END) AS BIGINT) AS s3xx, \
             CAST(sum(CASE WHEN u.status BETWEEN 400 AND 499 THEN 1 ELSE 0 END) AS BIGINT) AS s4xx, \
             CAST(sum(CASE WHEN u.status >= 500 THEN 1 ELSE 0 END) AS BIGINT) AS s5xx \
             FROM usage_metrics u",
            "GROUP BY 1 ORDER BY 1"
        );
        Ok(
            with_pool!(self, pool => bind_filter!(sqlx::query_as(SQL), filter)
            .bind(step_us)
            .fetch_all(pool)
            .await?),
        )
    }

    /// Calls by step and latency bucket, ascending by both.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_latency(
        &self,
        filter: &UsageFilter,
        step_us: i64,
    ) -> Result<Vec<LatencyRow>> {
        const SQL: &str = sql!(
            "SELECT u.started_at_us / $9 * $9 AS start_us, u.latency_bucket, count(*) AS calls \
             FROM usage_metrics u",
            "GROUP BY 1, 2 ORDER BY 1, 2"
        );
        Ok(
            with_pool!(self, pool => bind_filter!(sqlx::query_as(SQL), filter)
            .bind(step_us)
            .fetch_all(pool)
            .await?),
        )
    }

    /// Newest first; `before` continues after a call.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_calls(
        &self,
        filter: &UsageFilter,
        before: Option<(i64, UsageEventId)>,
        limit: u32,
    ) -> Result<Vec<CallRow>> {
        const SQL: &str = sql!(
            "SELECT u.*, a.name AS api_name, k.name AS key_name FROM usage_metrics u \
             LEFT JOIN apis a ON a.id = u.api_id AND a.organization_id = u.organization_id \
             LEFT JOIN api_keys k ON k.id = u.key_id AND k.organization_id = u.organization_id",
            "AND ($9 IS NULL OR u.started_at_us < $9 OR (u.started_at_us = $9 AND u.id < $10)) \
             ORDER BY u.started_at_us DESC, u.id DESC LIMIT $11"
        );
        Ok(
            with_pool!(self, pool => bind_filter!(sqlx::query_as(SQL), filter)
            .bind(before.map(|(at, _)| at))
            .bind(before.map(|(_, id)| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?),
        )
    }

    /// The APIs or keys with most calls.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_top(
        &self,
        filter: &UsageFilter,
        by: UsageDimension,
        limit: u32,
    ) -> Result<Vec<TopRowDb>> {
        const BY_API: &str = sql!(
            "SELECT u.api_id AS dimension_id, max(d.name) AS name, count(*) AS calls, \
             CAST(sum(CASE WHEN u.status >= 400 THEN 1 ELSE 0 END) AS BIGINT) AS errors \
             FROM usage_metrics u \
             LEFT JOIN apis d ON d.id = u.api_id AND d.organization_id = u.organization_id",
            "GROUP BY u.api_id ORDER BY calls DESC, u.api_id LIMIT $9"
        );
        const BY_KEY: &str = sql!(
            "SELECT u.key_id AS dimension_id, max(d.name) AS name, count(*) AS calls, \
             CAST(sum(CASE WHEN u.status >= 400 THEN 1 ELSE 0 END) AS BIGINT) AS errors \
             FROM usage_metrics u \
             LEFT JOIN api_keys d ON d.id = u.key_id AND d.organization_id = u.organization_id",
            "GROUP BY u.key_id ORDER BY calls DESC, u.key_id LIMIT $9"
        );
        let text = match by {
            UsageDimension::Api => BY_API,
            UsageDimension::Key => BY_KEY,
        };
        Ok(
            with_pool!(self, pool => bind_filter!(sqlx::query_as(text), filter)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?),
        )
    }

    /// Calls by API or key and latency bucket, ascending by bucket.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_top_latency(
        &self,
        filter: &UsageFilter,
        by: UsageDimension,
    ) -> Result<Vec<(Option<Uuid>, i32, i64)>> {
        const BY_API: &str = sql!(
            "SELECT u.api_id AS dimension_id, u.latency_bucket, count(*) AS calls \
             FROM usage_metrics u",
            "GROUP BY 1, 2 ORDER BY 2"
        );
        const BY_KEY: &str = sql!(
            "SELECT u.key_id AS dimension_id, u.latency_bucket, count(*) AS calls \
             FROM usage_metrics u",
            "GROUP BY 1, 2 ORDER BY 2"
        );
        let text = match by {
            UsageDimension::Api => BY_API,
            UsageDimension::Key => BY_KEY,
        };
        let rows: Vec<TopLatencyRow> = with_pool!(self, pool =>
            bind_filter!(sqlx::query_as(text), filter).fetch_all(pool).await?);
        Ok(rows
            .into_iter()
            .map(|TopLatencyRow(id, bucket, calls)| (id, bucket, calls))
            .collect())
    }
}
