//! Writing usage events.

use apiverse_contract::usage::{CacheState, Tokens};
use apiverse_contract::{ApiId, KeyId, OrganizationId, RouteId, UsageEventId, VersionId};
use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::pool::{Pool, Store, with_pool, with_transaction};
use crate::rows::from_row;
use crate::{usage_postgres, usage_sqlite};

/// One proxied call, as it is read.
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
    /// The route of the API that the call came to.
    pub route_id: Option<RouteId>,
    /// A verification of the key, which counts for so many calls; `None`: a call.
    pub verified: Option<i64>,
    /// The API's version; `None`: `default`.
    pub version_id: Option<VersionId>,
    /// `None`: the call has nothing to do with the cache.
    pub cache: Option<CacheState>,
    /// What a language model says it used.
    pub tokens: Tokens,
}

/// As they are stored.
pub(crate) fn tokens(input: Option<i64>, output: Option<i64>) -> Tokens {
    let count = |stored: Option<i64>| u64::try_from(stored.unwrap_or(0)).unwrap_or(0);
    Tokens {
        input: count(input),
        output: count(output),
    }
}

/// The columns `tokens_in` and `tokens_out`: most calls have none.
pub(crate) fn token_columns(tokens: Tokens) -> [Option<i64>; 2] {
    let stored = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    match tokens.counted() {
        Some(tokens) => [Some(stored(tokens.input)), Some(stored(tokens.output))],
        None => [None; 2],
    }
}

/// As it is stored.
pub(crate) fn cache(code: Option<i16>) -> Option<CacheState> {
    CacheState::from_code(u8::try_from(code?).ok()?)
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
        route_id: row.try_get::<Option<Uuid>, _>("route_id")?.map(RouteId),
        verified: row.try_get("verified")?,
        version_id: row.try_get::<Option<Uuid>, _>("version_id")?.map(VersionId),
        cache: cache(row.try_get("cache")?),
        tokens: tokens(row.try_get("tokens_in")?, row.try_get("tokens_out")?),
    };
}

impl UsageRow {
    /// The same, to be written.
    #[must_use]
    pub fn as_event(&self) -> UsageEvent<'_> {
        UsageEvent {
            id: self.id,
            organization_id: self.organization_id,
            api_id: self.api_id,
            key_id: self.key_id,
            request_id: &self.request_id,
            started_at_us: self.started_at_us,
            method: &self.method,
            path: &self.path,
            status: self.status,
            error_code: self.error_code.as_deref(),
            latency_us: self.latency_us,
            upstream_us: self.upstream_us,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            refused: self.refused,
            route_id: self.route_id,
            verified: self.verified,
            version_id: self.version_id,
            cache: self.cache,
            tokens: self.tokens,
        }
    }
}

/// One proxied call, to be written. The fields are those of [`UsageRow`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageEvent<'a> {
    pub id: UsageEventId,
    pub organization_id: OrganizationId,
    pub api_id: Option<ApiId>,
    pub key_id: Option<KeyId>,
    pub request_id: &'a str,
    /// Microseconds since 1970.
    pub started_at_us: i64,
    pub method: &'a str,
    pub path: &'a str,
    pub status: i32,
    pub error_code: Option<&'a str>,
    pub latency_us: i64,
    pub upstream_us: Option<i64>,
    pub bytes_in: i64,
    pub bytes_out: i64,
    pub refused: bool,
    pub route_id: Option<RouteId>,
    pub verified: Option<i64>,
    pub version_id: Option<VersionId>,
    pub cache: Option<CacheState>,
    pub tokens: Tokens,
}

/// How far a journal of events is stored: written in one transaction with the events, so that
/// after a crash neither is there without the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsageMark {
    pub journal: Uuid,
    /// The position that must be stored so far; 0 for a journal that is not known yet.
    pub from: u64,
    /// The position behind the events of this batch.
    pub to: u64,
}

impl UsageMark {
    /// The positions as the database holds them. A journal of 2^63 bytes is never reached.
    pub(crate) fn as_i64(&self) -> (i64, i64) {
        let position = |value| i64::try_from(value).unwrap_or(i64::MAX);
        (position(self.from), position(self.to))
    }
}

/// What is stored together.
pub(crate) struct Batch<'a> {
    pub(crate) events: &'a [UsageEvent<'a>],
    pub(crate) marks: &'a [UsageMark],
    pub(crate) now_us: i64,
    pub(crate) is_import: bool,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// The events and marks are stored.
    Stored,
    /// Nothing was: these journals are at other positions than the marks say, for instance as an
    /// earlier attempt was stored though its answer was lost.
    Elsewhere(Vec<(Uuid, u64)>),
}

/// Moves a journal from `$4` to `$2`; no row is touched when it is elsewhere.
pub(crate) const MOVE: &str = "INSERT INTO usage_journals (journal_id, position, updated_at_us) \
     VALUES ($1, $2, $3) ON CONFLICT (journal_id) DO UPDATE \
     SET position = excluded.position, updated_at_us = excluded.updated_at_us \
     WHERE usage_journals.position = $4";

impl Store {
    /// Stores events, what they add to sums, and how far that brings their journals,
    /// in one transaction.
    ///
    /// SQLite works on the calling thread, which waits for it: call this where nothing else is
    /// kept from running.
    ///
    /// # Errors
    /// When the database fails. Unless the answer was lost, nothing was stored then; in either case
    /// the same batch may be tried again.
    pub async fn usage_ingest(
        &self,
        events: &[UsageEvent<'_>],
        marks: &[UsageMark],
        now_us: i64,
    ) -> Result<Ingested> {
        let batch = Batch {
            events,
            marks,
            now_us,
            is_import: false,
        };
        self.ingest(&batch).await
    }

    /// The same for calls that were not made now: no quota counts them, and nobody is told of
    /// them.
    ///
    /// # Errors
    /// As [`Store::usage_ingest`].
    pub async fn usage_import(
        &self,
        events: &[UsageEvent<'_>],
        marks: &[UsageMark],
        now_us: i64,
    ) -> Result<Ingested> {
        let batch = Batch {
            events,
            marks,
            now_us,
            is_import: true,
        };
        self.ingest(&batch).await
    }

    async fn ingest(&self, batch: &Batch<'_>) -> Result<Ingested> {
        let marks = batch.marks;
        let stored = match &self.pool {
            Pool::Sqlite(_) => usage_sqlite::ingest(&self.usage, batch)?,
            Pool::Postgres(pool) => usage_postgres::ingest(pool, &self.usage, batch).await?,
        };
        if stored {
            return Ok(Ingested::Stored);
        }
        let journals: Vec<Uuid> = marks.iter().map(|mark| mark.journal).collect();
        Ok(Ingested::Elsewhere(self.usage_positions(&journals).await?))
    }

    /// How far these journals are stored; 0 for those that are not known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_positions(&self, journals: &[Uuid]) -> Result<Vec<(Uuid, u64)>> {
        const SQL: &str = "SELECT position FROM usage_journals WHERE journal_id = $1";
        let mut positions = Vec::with_capacity(journals.len());
        for journal in journals {
            let position: Option<i64> = with_pool!(self, pool =>
                sqlx::query_scalar(SQL).bind(journal).fetch_optional(pool).await?);
            let position = position.and_then(|position| u64::try_from(position).ok());
            positions.push((*journal, position.unwrap_or(0)));
        }
        Ok(positions)
    }

    /// Forgets journals that will never be written again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_forget_journals(&self, journals: &[Uuid]) -> Result<()> {
        const SQL: &str = "DELETE FROM usage_journals WHERE journal_id = $1";
        with_transaction!(self, tx => {
            for journal in journals {
                sqlx::query(SQL).bind(journal).execute(&mut *tx).await?;
            }
        });
        Ok(())
    }
}
