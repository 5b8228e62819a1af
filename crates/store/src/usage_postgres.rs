//! Usage events into PostgreSQL: COPY into a partition for each day.

use apiverse_contract::latency::bucket_of;
use chrono::DateTime;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::Result;
use crate::usage::{Batch, MOVE, UsageEvent, token_columns};
use crate::usage_counts::{Count, sums};
use crate::usage_deltas::{self, deltas};
use crate::usage_live::{self, portions};
use crate::usage_sqlite::UsageState;

const COPY: &str = "COPY usage_metrics (id, organization_id, api_id, key_id, request_id, \
     started_at_us, method, path, status, error_code, latency_us, latency_bucket, upstream_us, \
     bytes_in, bytes_out, refused, route_id, verified, version_id, cache, tokens_in, tokens_out) \
     FROM STDIN (FORMAT BINARY)";
const COLUMNS: i16 = 22;
/// Bytes that are sent at once.
const CHUNK: usize = 64 << 10;
const DAY_US: i64 = 86_400_000_000;
/// Whoever makes or drops partitions holds this.
const PARTITIONS_LOCK: i64 = 0x6170_6976_0001;

/// Whether the batch was stored: not when a journal is elsewhere than its mark says.
pub(crate) async fn ingest(pool: &PgPool, state: &UsageState, batch: &Batch<'_>) -> Result<bool> {
    let events = batch.events;
    ensure_days(pool, state, days_of(events)).await?;
    match store(pool, batch).await {
        // Another node has dropped a partition that we knew: make it again.
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("23514") => {
            state.days.lock().clear();
            ensure_days(pool, state, days_of(events)).await?;
            Ok(store(pool, batch).await?)
        }
        stored => Ok(stored?),
    }
}

fn days_of(events: &[UsageEvent<'_>]) -> Vec<i64> {
    let mut days: Vec<i64> = Vec::new();
    for event in events {
        let day = event.started_at_us.div_euclid(DAY_US);
        if days.last() != Some(&day) && !days.contains(&day) {
            days.push(day);
        }
    }
    days
}

async fn store(pool: &PgPool, batch: &Batch<'_>) -> sqlx::Result<bool> {
    let events = batch.events;
    let mut tx = pool.begin().await?;
    for mark in batch.marks {
        let (from, to) = mark.as_i64();
        let moved = sqlx::query(MOVE)
            .bind(mark.journal)
            .bind(to)
            .bind(batch.now_us)
            .bind(from)
            .execute(&mut *tx)
            .await?;
        if moved.rows_affected() != 1 {
            tx.rollback().await?;
            return Ok(false);
        }
    }
    if !events.is_empty() {
        let mut copy = tx.copy_in_raw(COPY).await?;
        let mut bytes = Vec::with_capacity(CHUNK + 8192);
        bytes.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        for event in events {
            encode(&mut bytes, event);
            if bytes.len() >= CHUNK {
                copy.send(bytes.as_slice()).await?;
                bytes.clear();
            }
        }
        bytes.extend_from_slice(&(-1i16).to_be_bytes());
        copy.send(bytes.as_slice()).await?;
        copy.finish().await?;
        for row in deltas(events) {
            sqlx::query(usage_deltas::INSERT)
                .bind(row.organization)
                .bind(row.from_us)
                .bind(row.to_us)
                .bind(row.data)
                .execute(&mut *tx)
                .await?;
        }
        if !batch.is_import {
            tell(&mut tx, batch).await?;
            add(&mut tx, sums(events)).await?;
        }
    }
    tx.commit().await?;
    Ok(true)
}

/// Tells those who watch.
async fn tell(tx: &mut Transaction<'_, Postgres>, batch: &Batch<'_>) -> sqlx::Result<()> {
    let watched: Vec<Uuid> = sqlx::query_scalar(usage_live::WATCHED)
        .bind(batch.now_us)
        .fetch_all(&mut **tx)
        .await?;
    for portion in portions(batch.events, &watched) {
        sqlx::query(usage_live::INSERT)
            .bind(portion.organization)
            .bind(batch.now_us)
            .bind(portion.calls)
            .bind(portion.left_out)
            .bind(portion.data)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// Last, as other nodes that add to the same rows wait from here to the commit.
async fn add(tx: &mut Transaction<'_, Postgres>, sums: Vec<(Count, i64)>) -> sqlx::Result<()> {
    const SQL: &str = "INSERT INTO usage_counts \
         (organization_id, key_id, start_us, api_id, route_id, calls) \
         SELECT * FROM unnest($1, $2, $3, $4, $5, $6) \
         ON CONFLICT (organization_id, key_id, start_us, api_id, route_id) \
         DO UPDATE SET calls = usage_counts.calls + excluded.calls";
    let of = |part: fn(&Count) -> Uuid| -> Vec<Uuid> {
        sums.iter().map(|(count, _)| part(count)).collect()
    };
    let starts: Vec<i64> = sums.iter().map(|(count, _)| count.start_us).collect();
    let calls: Vec<i64> = sums.iter().map(|(_, calls)| *calls).collect();
    sqlx::query(SQL)
        .bind(of(|count| count.organization))
        .bind(of(|count| count.key))
        .bind(starts)
        .bind(of(|count| count.api))
        .bind(of(|count| count.route))
        .bind(calls)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// One row in the format of binary COPY: the number of fields, then each with its length.
fn encode(bytes: &mut Vec<u8>, event: &UsageEvent<'_>) {
    bytes.extend_from_slice(&COLUMNS.to_be_bytes());
    field(bytes, event.id.0.as_bytes());
    field(bytes, event.organization_id.0.as_bytes());
    optional(bytes, event.api_id.as_ref().map(|id| id.0.as_bytes()));
    optional(bytes, event.key_id.as_ref().map(|id| id.0.as_bytes()));
    field(bytes, event.request_id.as_bytes());
    field(bytes, &event.started_at_us.to_be_bytes());
    field(bytes, event.method.as_bytes());
    field(bytes, event.path.as_bytes());
    field(bytes, &event.status.to_be_bytes());
    optional(bytes, event.error_code.map(str::as_bytes));
    field(bytes, &event.latency_us.to_be_bytes());
    field(bytes, &bucket_of(event.latency_us).to_be_bytes());
    optional(bytes, event.upstream_us.map(i64::to_be_bytes).as_ref());
    field(bytes, &event.bytes_in.to_be_bytes());
    field(bytes, &event.bytes_out.to_be_bytes());
    field(bytes, &[u8::from(event.refused)]);
    optional(bytes, event.route_id.as_ref().map(|id| id.0.as_bytes()));
    optional(bytes, event.verified.map(i64::to_be_bytes).as_ref());
    optional(bytes, event.version_id.as_ref().map(|id| id.0.as_bytes()));
    let cache = event.cache.map(|state| i16::from(state.code()));
    optional(bytes, cache.map(i16::to_be_bytes).as_ref());
    for tokens in token_columns(event.tokens) {
        optional(bytes, tokens.map(i64::to_be_bytes).as_ref());
    }
}

fn field(bytes: &mut Vec<u8>, value: &[u8]) {
    // Texts are cut long before they have 2 GiB.
    let len = i32::try_from(value.len()).unwrap_or(i32::MAX);
    bytes.extend_from_slice(&len.to_be_bytes());
    bytes.extend_from_slice(value);
}

fn optional<T: AsRef<[u8]> + ?Sized>(bytes: &mut Vec<u8>, value: Option<&T>) {
    match value {
        Some(value) => field(bytes, value.as_ref()),
        None => bytes.extend_from_slice(&(-1i32).to_be_bytes()),
    }
}

/// Makes the partitions of these days, where they are missing.
pub(crate) async fn ensure_days(pool: &PgPool, state: &UsageState, days: Vec<i64>) -> Result<()> {
    let missing: Vec<i64> = {
        let known = state.days.lock();
        days.into_iter()
            .filter(|day| !known.contains(day))
            .collect()
    };
    if missing.is_empty() {
        return Ok(());
    }
    let mut tx = pool.begin().await?;
    lock_partitions(&mut tx).await?;
    for day in &missing {
        let name = partition(*day);
        let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(&name)
            .fetch_one(&mut *tx)
            .await?;
        if there {
            continue;
        }
        let (from, to) = (day.saturating_mul(DAY_US), (day + 1).saturating_mul(DAY_US));
        // In two steps: making it as a partition at once would wait for every reader of the
        // table, and have all others wait behind it.
        let sql = format!(
            "CREATE TABLE {name} (LIKE usage_metrics INCLUDING DEFAULTS); \
             ALTER TABLE usage_metrics ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
        );
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await?;
    }
    tx.commit().await?;
    state.days.lock().extend(missing);
    Ok(())
}

/// Drops partitions that end before `oldest_us`; how many.
pub(crate) async fn drop_before(pool: &PgPool, state: &UsageState, oldest_us: i64) -> Result<u64> {
    const PARTITIONS: &str = "SELECT c.relname::text FROM pg_inherits i \
         JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'usage_metrics'::regclass";
    let first_kept = oldest_us.div_euclid(DAY_US);
    let mut dropped = 0;
    let names: Vec<String> = sqlx::query_scalar(PARTITIONS).fetch_all(pool).await?;
    for name in names {
        let Some(day) = day_of(&name).filter(|day| *day < first_kept) else {
            continue;
        };
        let mut tx = pool.begin().await?;
        // A long query would have everybody wait behind us: rather try again in an hour.
        sqlx::raw_sql("SET LOCAL lock_timeout = '3s'")
            .execute(&mut *tx)
            .await?;
        lock_partitions(&mut tx).await?;
        let sql = format!("DROP TABLE IF EXISTS {}", partition(day));
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *tx).await?;
        tx.commit().await?;
        state.days.lock().remove(&day);
        dropped += 1;
    }
    Ok(dropped)
}

async fn lock_partitions(tx: &mut Transaction<'_, Postgres>) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(PARTITIONS_LOCK)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// The name of a day's partition: `usage_metrics_20261121`, by UTC.
fn partition(day: i64) -> String {
    match DateTime::from_timestamp(day.saturating_mul(86_400), 0) {
        Some(at) => format!("usage_metrics_{}", at.format("%Y%m%d")),
        // A clock that is off by ages still gets its events stored.
        None => format!("usage_metrics_day_{}", day.unsigned_abs()),
    }
}

fn day_of(partition: &str) -> Option<i64> {
    let date = partition.strip_prefix("usage_metrics_")?;
    let date = chrono::NaiveDate::parse_from_str(date, "%Y%m%d").ok()?;
    let midnight = date.and_hms_opt(0, 0, 0)?.and_utc();
    Some(midnight.timestamp().div_euclid(86_400))
}

pub(crate) const fn day_us() -> i64 {
    DAY_US
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_have_the_name_of_their_day() {
        for (day, name) in [
            (0, "usage_metrics_19700101"),
            (20_778, "usage_metrics_20261121"),
            (-1, "usage_metrics_19691231"),
        ] {
            assert_eq!(partition(day), name);
            assert_eq!(day_of(name), Some(day));
        }
        assert_eq!(day_of("usage_metrics_old"), None);
        assert!(partition(i64::MAX / 1_000_000).starts_with("usage_metrics_day_"));
    }
}
