//! How long usage is kept.

use uuid::Uuid;

use crate::Result;
use crate::pool::{Pool, Store, with_pool};
use crate::usage_postgres::{day_us, drop_before, ensure_days};

/// Rows that SQLite deletes in one transaction, so that writers wait a moment only.
const ROWS: i64 = 5000;

impl Store {
    /// Prepares the days to come, so that no event has to: PostgreSQL's partitions of today and of
    /// the two days after. SQLite needs nothing.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_prepare(&self, now_us: i64) -> Result<()> {
        match &self.pool {
            Pool::Sqlite(_) => Ok(()),
            Pool::Postgres(pool) => {
                let today = now_us.div_euclid(day_us());
                ensure_days(pool, &self.usage, (today..today + 3).collect()).await
            }
        }
    }

    /// Deletes calls that began before `oldest_us`. PostgreSQL drops whole days: those that ended
    /// before. How many rows (SQLite) or days (PostgreSQL) went.
    ///
    /// # Errors
    /// When the database fails; what was deleted until then is gone.
    pub async fn usage_retain(&self, oldest_us: i64) -> Result<u64> {
        let pool = match &self.pool {
            Pool::Postgres(pool) => return drop_before(pool, &self.usage, oldest_us).await,
            Pool::Sqlite(pool) => pool,
        };
        // The rows are in order of organization and time: each step is a search, not a scan.
        const NEXT: &str =
            "SELECT min(organization_id) FROM usage_metrics WHERE organization_id > $1";
        const DELETE: &str = "DELETE FROM usage_metrics \
             WHERE organization_id = $1 AND started_at_us < $2 AND started_at_us <= coalesce(\
             (SELECT started_at_us FROM usage_metrics WHERE organization_id = $1 \
             ORDER BY started_at_us LIMIT 1 OFFSET $3), $2)";
        let mut deleted = 0;
        let mut organization = Uuid::nil();
        while let Some(next) = sqlx::query_scalar::<_, Option<Uuid>>(NEXT)
            .bind(organization)
            .fetch_one(pool)
            .await?
        {
            organization = next;
            loop {
                let rows = sqlx::query(DELETE)
                    .bind(organization)
                    .bind(oldest_us)
                    .bind(ROWS)
                    .execute(pool)
                    .await?
                    .rows_affected();
                if rows == 0 {
                    break;
                }
                deleted += rows;
            }
        }
        Ok(deleted)
    }

    /// Forgets the positions of journals that were not written to since `before_us`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_forget_journals_before(&self, before_us: i64) -> Result<u64> {
        const SQL: &str = "DELETE FROM usage_journals WHERE updated_at_us < $1";
        Ok(with_pool!(self, pool =>
            sqlx::query(SQL).bind(before_us).execute(pool).await?.rows_affected()))
    }

    /// Gives the room of deleted rows back to the file system: SQLite's, some pages at a time.
    /// PostgreSQL looks after itself.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn vacuum(&self) -> Result<()> {
        /// Free pages that stay for what comes next.
        const SPARE: i64 = 1000;
        let Pool::Sqlite(pool) = &self.pool else {
            return Ok(());
        };
        let mut free = i64::MAX;
        loop {
            let left: i64 = sqlx::query_scalar("PRAGMA freelist_count")
                .fetch_one(pool)
                .await?;
            // A file of before incremental vacuuming keeps its size.
            if left <= SPARE || left >= free {
                return Ok(());
            }
            free = left;
            sqlx::query("PRAGMA incremental_vacuum(1000)")
                .fetch_all(pool)
                .await?;
        }
    }
}
