//! The handle and the macros that expand one body for both databases.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::{PgPool, SqlitePool};

use crate::Result;
use crate::usage_sqlite::UsageState;

/// Which database is behind a [`Store`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
}

impl Kind {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// Connections of a pool at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    pub size: u32,
    pub idle: u32,
    pub max: u32,
}

#[derive(Clone)]
pub(crate) enum Pool {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// The handle to the database; clones share one pool.
#[derive(Clone)]
pub struct Store {
    pub(crate) pool: Pool,
    pub(crate) usage: Arc<UsageState>,
}

/// Runs `$body` with `$pool` bound to the concrete pool: the same text, compiled for both.
macro_rules! with_pool {
    ($store:expr, $pool:ident => $body:expr) => {
        match &$store.pool {
            $crate::pool::Pool::Sqlite($pool) => $body,
            $crate::pool::Pool::Postgres($pool) => $body,
        }
    };
}

/// Runs `$body` in a transaction and commits when it ends well; an early `?` rolls back.
///
/// SQLite takes its write lock at once: a transaction that reads first and writes later would
/// otherwise fail, not wait, when another writer came between.
macro_rules! with_transaction {
    ($store:expr, $tx:ident => $body:expr) => {
        match &$store.pool {
            $crate::pool::Pool::Sqlite(pool) => {
                let mut $tx = pool.begin_with("BEGIN IMMEDIATE").await?;
                let value = $body;
                $tx.commit().await?;
                value
            }
            $crate::pool::Pool::Postgres(pool) => {
                let mut $tx = pool.begin().await?;
                let value = $body;
                $tx.commit().await?;
                value
            }
        }
    };
}

pub(crate) use {with_pool, with_transaction};

impl Store {
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match &self.pool {
            Pool::Sqlite(_) => Kind::Sqlite,
            Pool::Postgres(_) => Kind::Postgres,
        }
    }

    /// One round trip, and how long it took.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ping(&self) -> Result<Duration> {
        let begun = Instant::now();
        with_pool!(self, pool => { sqlx::query("SELECT 1").execute(pool).await?; });
        Ok(begun.elapsed())
    }

    #[must_use]
    pub fn pool_status(&self) -> PoolStatus {
        with_pool!(self, pool => PoolStatus {
            size: pool.size(),
            idle: u32::try_from(pool.num_idle()).unwrap_or(u32::MAX),
            max: pool.options().get_max_connections(),
        })
    }

    /// Creates or updates the schema.
    ///
    /// # Errors
    /// When the database holds migrations this version does not know, or one fails.
    pub async fn migrate(&self) -> Result<()> {
        match &self.pool {
            Pool::Sqlite(pool) => sqlx::migrate!("../../migrations/sqlite").run(pool).await?,
            Pool::Postgres(pool) => {
                sqlx::migrate!("../../migrations/postgres")
                    .run(pool)
                    .await?
            }
        }
        let blocks = self.usage_fill_views().await?;
        if blocks > 0 {
            tracing::info!(blocks, "sums of usage got their smallest view");
        }
        let hours = self.usage_backfill().await?;
        if hours > 0 {
            tracing::info!(hours, "usage of before was summed up");
        }
        Ok(())
    }

    /// Closes all connections, after those in use have come back.
    pub async fn close(&self) {
        self.usage.close();
        with_pool!(self, pool => pool.close().await);
    }
}
