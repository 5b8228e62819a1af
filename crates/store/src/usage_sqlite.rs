//! Usage events into SQLite.
//!
//! sqlx hands every statement to a thread and back; for one row that is several times the work of
//! the row itself. So events have a connection of their own, used on the calling thread.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use apiverse_contract::latency::bucket_of;
use apiverse_contract::usage::CacheState;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, Statement, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use crate::Result;
use crate::usage::{Batch, MOVE, UsageEvent, token_columns};
use crate::usage_counts::{ADD, sums};
use crate::usage_deltas::{self, deltas};
use crate::usage_live::{self, portions};

/// In order of the primary key, which is where the rows themselves are; so most inserts go to the
/// page of the one before. Positions make sure that no event comes twice; should one, it is the
/// same, and counts once.
const INSERT: &str = "INSERT INTO usage_metrics (organization_id, started_at_us, id, api_id, \
     key_id, request_id, method, path, status, error_code, latency_us, latency_bucket, \
     upstream_us, bytes_in, bytes_out, refused, route_id, verified, version_id, cache, \
     tokens_in, tokens_out) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";

/// Waiting longer than this is better done by whoever tries again.
const BUSY: Duration = Duration::from_secs(1);
/// Pages in the write-ahead log before they are moved to the database. The last page of an
/// organization is written with every batch, but moved only once.
const CHECKPOINT_PAGES: u32 = 4000;

/// What writing events keeps between batches.
#[derive(Default)]
pub(crate) struct UsageState {
    /// The file, or SQLite's name of a database in memory.
    sqlite: Option<PathBuf>,
    connection: Mutex<Option<Connection>>,
    /// Days since 1970 that are known to have a partition.
    pub(crate) days: Mutex<BTreeSet<i64>>,
}

impl UsageState {
    pub(crate) fn of_sqlite(path: &Path) -> Self {
        Self {
            sqlite: Some(path.to_owned()),
            ..Self::default()
        }
    }

    pub(crate) fn close(&self) {
        *self.connection.lock() = None;
    }
}

/// Whether the batch was stored: not when a journal is elsewhere than its mark says.
pub(crate) fn ingest(state: &UsageState, batch: &Batch<'_>) -> Result<bool> {
    let mut held = state.connection.lock();
    let mut connection = match held.take() {
        Some(connection) => connection,
        None => open(state)?,
    };
    let stored = store(&mut connection, batch)?;
    // One that failed is not used again.
    *held = Some(connection);
    Ok(stored)
}

fn open(state: &UsageState) -> Result<Connection> {
    let path = state.sqlite.clone().unwrap_or_default();
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    // A commit is on the disk when it is answered: what it stores is deleted from the journal.
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    Ok(connection)
}

fn store(connection: &mut Connection, batch: &Batch<'_>) -> rusqlite::Result<bool> {
    let mut order: Vec<&UsageEvent<'_>> = batch.events.iter().collect();
    order.sort_by_key(|event| (event.organization_id, event.started_at_us, event.id));

    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    {
        let mut statement = transaction.prepare_cached(MOVE)?;
        for mark in batch.marks {
            let (from, to) = mark.as_i64();
            let journal = mark.journal.as_bytes().as_slice();
            if statement.execute(params![journal, to, batch.now_us, from])? != 1 {
                return Ok(false);
            }
        }
        let mut statement = transaction.prepare_cached(INSERT)?;
        let mut new: Vec<UsageEvent<'_>> = Vec::with_capacity(order.len());
        for event in order {
            if insert(&mut statement, event)? == 1 {
                new.push(*event);
            }
        }
        let mut statement = transaction.prepare_cached(usage_deltas::INSERT)?;
        for row in deltas(&new) {
            let organization = row.organization.as_bytes().as_slice();
            statement.execute(params![organization, row.from_us, row.to_us, row.data])?;
        }
        if batch.is_import {
            new.clear();
        }
        for portion in portions(&new, &watched(&transaction, batch.now_us)?) {
            let mut statement = transaction.prepare_cached(usage_live::INSERT)?;
            statement.execute(params![
                portion.organization.as_bytes().as_slice(),
                batch.now_us,
                portion.calls,
                portion.left_out,
                portion.data,
            ])?;
        }
        let mut statement = transaction.prepare_cached(ADD)?;
        for (count, calls) in sums(&new) {
            statement.execute(params![
                count.organization.as_bytes().as_slice(),
                count.key.as_bytes().as_slice(),
                count.start_us,
                count.api.as_bytes().as_slice(),
                count.route.as_bytes().as_slice(),
                calls,
            ])?;
        }
    }
    transaction.commit()?;
    Ok(true)
}

fn watched(transaction: &Transaction<'_>, now_us: i64) -> rusqlite::Result<Vec<Uuid>> {
    let mut statement = transaction.prepare_cached(usage_live::WATCHED)?;
    let rows = statement.query_map(params![now_us], |row| {
        let id: Vec<u8> = row.get(0)?;
        Ok(Uuid::from_slice(&id).unwrap_or_default())
    })?;
    rows.collect()
}

/// How many rows that made: none when the event is stored already.
fn insert(statement: &mut Statement<'_>, event: &UsageEvent<'_>) -> rusqlite::Result<usize> {
    let api_id = event.api_id.as_ref().map(|id| id.0.as_bytes().as_slice());
    let key_id = event.key_id.as_ref().map(|id| id.0.as_bytes().as_slice());
    let route_id = event.route_id.as_ref().map(|id| id.0.as_bytes().as_slice());
    let version_id = event
        .version_id
        .as_ref()
        .map(|id| id.0.as_bytes().as_slice());
    let [tokens_in, tokens_out] = token_columns(event.tokens);
    statement.execute(params![
        event.organization_id.0.as_bytes().as_slice(),
        event.started_at_us,
        event.id.0.as_bytes().as_slice(),
        api_id,
        key_id,
        event.request_id,
        event.method,
        event.path,
        event.status,
        event.error_code,
        event.latency_us,
        bucket_of(event.latency_us),
        event.upstream_us,
        event.bytes_in,
        event.bytes_out,
        event.refused,
        route_id,
        event.verified,
        version_id,
        event.cache.map(CacheState::code),
        tokens_in,
        tokens_out,
    ])
}
