//! Writing usage events.

use apiverse_contract::latency::bucket_of;
use apiverse_contract::{ApiId, KeyId, OrganizationId, UsageEventId};
use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::pool::{Pool, Store};
use crate::rows::from_row;

/// One proxied call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageRow {
    pub id: UsageEventId,
    pub organization_id: OrganizationId,
    pub api_id: Option<ApiId>,
    pub key_id: Option<KeyId>,
    pub request_id: String,
    /// Microseconds since 1970.
    pub started_at_us: i64,
    pub method: String,
    pub path: String,
    pub status: i32,
    pub error_code: Option<String>,
    pub latency_us: i64,
    pub upstream_us: Option<i64>,
    pub bytes_in: i64,
    pub bytes_out: i64,
    /// The gateway answered itself; the upstream never saw the call.
    pub refused: bool,
}

from_row! {
    UsageRow, row => UsageRow {
        id: UsageEventId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        api_id: row.try_get::<Option<Uuid>, _>("api_id")?.map(ApiId),
        key_id: row.try_get::<Option<Uuid>, _>("key_id")?.map(KeyId),
        request_id: row.try_get("request_id")?,
        started_at_us: row.try_get("started_at_us")?,
        method: row.try_get("method")?,
        path: row.try_get("path")?,
        status: row.try_get("status")?,
        error_code: row.try_get("error_code")?,
        latency_us: row.try_get("latency_us")?,
        upstream_us: row.try_get("upstream_us")?,
        bytes_in: row.try_get("bytes_in")?,
        bytes_out: row.try_get("bytes_out")?,
        refused: row.try_get("refused")?,
    };
}

const COLUMNS: usize = 16;
/// PostgreSQL takes 65,535 parameters a statement.
const PG_ROWS: usize = 65_535 / COLUMNS;

impl Store {
    /// Adds events; those whose id is there already are passed over, so that a batch may be
    /// written again after a doubtful failure. How many were new.
    ///
    /// # Errors
    /// When the database fails; then none of the events was added.
    pub async fn usage_insert(&self, rows: &[UsageRow]) -> Result<u64> {
        const INSERT: &str = "INSERT INTO usage_metrics (id, organization_id, api_id, key_id, \
             request_id, started_at_us, method, path, status, error_code, latency_us, \
             latency_bucket, upstream_us, bytes_in, bytes_out, refused) ";
        const ONE: &str = "INSERT INTO usage_metrics (id, organization_id, api_id, key_id, \
             request_id, started_at_us, method, path, status, error_code, latency_us, \
             latency_bucket, upstream_us, bytes_in, bytes_out, refused) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) \
             ON CONFLICT DO NOTHING";
        if rows.is_empty() {
            return Ok(0);
        }
        match &self.pool {
            // SQLite has no round trip to save: a prepared statement in one transaction is the
            // fastest it can do.
            Pool::Sqlite(pool) => {
                let mut tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                let mut added = 0;
                for row in rows {
                    added += sqlx::query(ONE)
                        .bind(row.id.0)
                        .bind(row.organization_id.0)
                        .bind(row.api_id.map(|id| id.0))
                        .bind(row.key_id.map(|id| id.0))
                        .bind(&row.request_id)
                        .bind(row.started_at_us)
                        .bind(&row.method)
                        .bind(&row.path)
                        .bind(row.status)
                        .bind(&row.error_code)
                        .bind(row.latency_us)
                        .bind(bucket_of(row.latency_us))
                        .bind(row.upstream_us)
                        .bind(row.bytes_in)
                        .bind(row.bytes_out)
                        .bind(row.refused)
                        .execute(&mut *tx)
                        .await?
                        .rows_affected();
                }
                tx.commit().await?;
                Ok(added)
            }
            Pool::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                let mut added = 0;
                for chunk in rows.chunks(PG_ROWS) {
                    let mut builder = sqlx::QueryBuilder::<sqlx::Postgres>::new(INSERT);
                    builder.push_values(chunk, |mut values, row| {
                        values
                            .push_bind(row.id.0)
                            .push_bind(row.organization_id.0)
                            .push_bind(row.api_id.map(|id| id.0))
                            .push_bind(row.key_id.map(|id| id.0))
                            .push_bind(&row.request_id)
                            .push_bind(row.started_at_us)
                            .push_bind(&row.method)
                            .push_bind(&row.path)
                            .push_bind(row.status)
                            .push_bind(&row.error_code)
                            .push_bind(row.latency_us)
                            .push_bind(bucket_of(row.latency_us))
                            .push_bind(row.upstream_us)
                            .push_bind(row.bytes_in)
                            .push_bind(row.bytes_out)
                            .push_bind(row.refused);
                    });
                    builder.push(" ON CONFLICT DO NOTHING");
                    // A statement for every batch length would fill the statement cache.
                    added += builder
                        .build()
                        .persistent(false)
                        .execute(&mut *tx)
                        .await?
                        .rows_affected();
                }
                tx.commit().await?;
                Ok(added)
            }
        }
    }
}
