//! Sums of calls that were stored by a version that had none.

use apiverse_contract::OrganizationId;
use apiverse_rollup::{Piece, Source, Step};
use uuid::Uuid;

use crate::Result;
use crate::pool::{Kind, Store, with_pool, with_transaction};
use crate::usage_deltas::{DeltaRow, INSERT};
use crate::usage_rollups::KNOWS_ALL;

impl Store {
    /// Sums up what the migration found, an hour of an organization at a time; how many hours.
    /// Broken off, it goes on where it was; two nodes share the work.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn usage_backfill(&self) -> Result<u64> {
        const NEXT: &str = "SELECT organization_id, hour_us FROM usage_backfill LIMIT 1";
        const DONE: &str = "DELETE FROM usage_backfill WHERE organization_id = $1 AND hour_us = $2";
        let mut hours = 0;
        loop {
            let next: Option<(Uuid, i64)> = with_pool!(self, pool =>
                sqlx::query_as(NEXT).fetch_optional(pool).await?);
            let Some((organization, hour_us)) = next else {
                break;
            };
            let piece = Piece {
                source: Source::Calls,
                from_us: hour_us,
                to_us: hour_us.saturating_add(Step::Hour.width_us()),
            };
            let delta = self
                .usage_delta(OrganizationId(organization), &piece, None, None)
                .await?;
            let row = DeltaRow::of(organization, &delta);
            with_transaction!(self, tx => {
                let taken = sqlx::query(DONE)
                    .bind(organization)
                    .bind(hour_us)
                    .execute(&mut *tx)
                    .await?;
                // Another node was first.
                if let (1, Some(row)) = (taken.rows_affected(), row) {
                    sqlx::query(INSERT)
                        .bind(row.organization)
                        .bind(row.from_us)
                        .bind(row.to_us)
                        .bind(row.data)
                        .execute(&mut *tx)
                        .await?;
                }
            });
            hours += 1;
        }
        Ok(hours)
    }
}

impl Store {
    /// Forgets all sums; the next [`Store::migrate`] makes them again from the calls that are
    /// kept. No calls may be stored meanwhile.
    ///
    /// # Errors
    /// When the database fails; then they stay.
    pub async fn usage_forget_sums(&self) -> Result<()> {
        const STATEMENTS: [&str; 7] = [
            "DELETE FROM usage_deltas",
            "DELETE FROM usage_blocks",
            "DELETE FROM usage_long",
            "DELETE FROM usage_views_missing",
            "DELETE FROM usage_templates",
            "DELETE FROM usage_backfill",
            "INSERT INTO usage_backfill (organization_id, hour_us) \
             SELECT DISTINCT organization_id, started_at_us / 3600000000 * 3600000000 \
             FROM usage_metrics",
        ];
        with_transaction!(self, tx => {
            if self.kind() == Kind::Postgres {
                sqlx::query(KNOWS_ALL).execute(&mut *tx).await?;
            }
            for sql in STATEMENTS {
                sqlx::query(sql).execute(&mut *tx).await?;
            }
        });
        Ok(())
    }
}
