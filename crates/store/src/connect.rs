//! Opening the database, and waiting for one that is not there yet.

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};

use crate::pool::{Pool, Store};
use crate::usage_sqlite::UsageState;
use crate::{Result, StoreError};

/// How to hold on to the database.
#[derive(Clone, Debug)]
pub struct ConnectOptions {
    /// Most connections at a time.
    pub max_connections: u32,
    /// How long an operation waits for a free connection.
    pub acquire_timeout: Duration,
    /// PostgreSQL ends a statement that runs longer.
    pub statement_timeout: Duration,
    /// How long start-up waits for a database that does not answer.
    pub wait: Duration,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        Self {
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
            wait: Duration::from_secs(60),
        }
    }
}

impl Store {
    /// Opens `sqlite://path`, `sqlite::memory:` or `postgres://…`; a missing SQLite file and its
    /// folder are created. The TLS mode of PostgreSQL is the address's own `sslmode`.
    ///
    /// # Errors
    /// When the address is not understood, or the database does not answer within `options.wait`.
    pub async fn connect(url: &str, options: &ConnectOptions) -> Result<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            connect_postgres(url, options).await
        } else if url.starts_with("sqlite:") {
            connect_sqlite(url, options).await
        } else {
            let scheme = url.split(':').next().unwrap_or_default();
            Err(StoreError::Address(format!(
                "`{scheme}:` is neither `sqlite:` nor `postgres:`"
            )))
        }
    }
}

async fn connect_sqlite(url: &str, options: &ConnectOptions) -> Result<Store> {
    let connect = SqliteConnectOptions::from_str(url)
        .map_err(|error| StoreError::Address(error.to_string()))?
        .create_if_missing(true)
        .foreign_keys(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .busy_timeout(Duration::from_secs(10))
        .pragma("temp_store", "memory");
    let usage = Arc::new(UsageState::of_sqlite(connect.get_filename()));
    let folder = connect.get_filename().parent();
    if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|error| StoreError::Unavailable(sqlx::Error::Io(error)))?;
    }
    // A database in memory lives in its connection: a second one would see another, empty one.
    let in_memory = url.contains(":memory:") || url.contains("mode=memory");
    let pool = SqlitePoolOptions::new()
        .max_connections(if in_memory {
            1
        } else {
            options.max_connections
        })
        .min_connections(u32::from(in_memory))
        .idle_timeout(if in_memory {
            None
        } else {
            Some(Duration::from_secs(600))
        })
        .max_lifetime(None)
        .acquire_timeout(options.acquire_timeout)
        .connect_with(connect)
        .await?;
    Ok(Store {
        pool: Pool::Sqlite(pool),
        usage,
    })
}

async fn connect_postgres(url: &str, options: &ConnectOptions) -> Result<Store> {
    let statement_timeout = options.statement_timeout.as_millis().to_string();
    let connect = PgConnectOptions::from_str(url)
        .map_err(|error| StoreError::Address(error.to_string()))?
        .application_name("apiverse")
        .options([("statement_timeout", statement_timeout.as_str())]);
    let pool_options = PgPoolOptions::new()
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .max_lifetime(Duration::from_secs(1800))
        .idle_timeout(Duration::from_secs(300));

    let deadline = Instant::now() + options.wait;
    let mut pause = Duration::from_millis(200);
    loop {
        let error = match pool_options.clone().connect_with(connect.clone()).await {
            Ok(pool) => {
                return Ok(Store {
                    pool: Pool::Postgres(pool),
                    usage: Arc::default(),
                });
            }
            Err(error) => StoreError::from(error),
        };
        if !error.is_transient() || Instant::now() + pause >= deadline {
            return Err(error);
        }
        tracing::warn!(
            error = %error.cause(),
            retry_in_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX),
            "waiting for the database"
        );
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(5));
    }
}
