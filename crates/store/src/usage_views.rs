//! The smallest view of the calls that were summed up by a version that did not have it.

use apiverse_rollup::{Cells, Step, View};
use uuid::Uuid;

use crate::Result;
use crate::pool::{Store, with_pool, with_transaction};
use crate::usage_rollups::{BlockKey, lock_blocks, merge_block, read_block, write_block};

/// Blocks of one transaction.
const BLOCKS: i64 = 100;

impl Store {
    /// Makes it of the blocks without keys, for the organizations that the migration found; how
    /// many blocks. Broken off, it goes on; several nodes may do it at once.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn usage_fill_views(&self) -> Result<u64> {
        const NEXT: &str = "SELECT organization_id FROM usage_views_missing LIMIT 1";
        const DONE: &str = "DELETE FROM usage_views_missing WHERE organization_id = $1";
        let mut filled = 0;
        while let Some(organization) = with_pool!(self, pool =>
            sqlx::query_scalar::<_, Uuid>(NEXT).fetch_optional(pool).await?)
        {
            let mut after = (-1, i64::MIN);
            while let Some(last) = self.fill_view(organization, after, &mut filled).await? {
                after = last;
            }
            with_pool!(self, pool => {
                sqlx::query(DONE).bind(organization).execute(pool).await?;
            });
        }
        Ok(filled)
    }

    /// Step and start of the last block that was looked at; `None` when there are no more.
    async fn fill_view(
        &self,
        organization: Uuid,
        after: (i16, i64),
        filled: &mut u64,
    ) -> Result<Option<(i16, i64)>> {
        const READ: &str = "SELECT step, start_us, data FROM usage_blocks \
             WHERE organization_id = $1 AND view = 0 AND (step, start_us) > ($2, $3) \
             ORDER BY step, start_us LIMIT $4";
        let view = View::Apis;
        Ok(with_transaction!(self, tx => {
            lock_blocks!(self, tx);
            let rows: Vec<(i16, i64, Vec<u8>)> = sqlx::query_as(READ)
                .bind(organization)
                .bind(after.0)
                .bind(after.1)
                .bind(BLOCKS)
                .fetch_all(&mut *tx)
                .await?;
            for (code, start_us, data) in &rows {
                let Some(step) = Step::ALL.into_iter().find(|step| step.code() == *code) else {
                    continue;
                };
                let key = BlockKey {
                    view,
                    step,
                    start_us: *start_us,
                    shard: 0,
                };
                if read_block!(tx, organization, key).is_none() {
                    let mut cells = Cells::default();
                    merge_block(&mut cells, key, data);
                    write_block!(tx, organization, key, cells.encode());
                    *filled += 1;
                }
            }
            rows.last().map(|row| (row.0, row.1))
        }))
    }

    /// Forgets the smallest view as if it had never been made; the next [`Store::migrate`] makes
    /// it. Nothing may be brought to blocks meanwhile.
    ///
    /// # Errors
    /// When the database fails; then it stays.
    pub async fn usage_forget_smallest_view(&self) -> Result<()> {
        const STATEMENTS: [&str; 3] = [
            "DELETE FROM usage_blocks WHERE view = 3",
            "DELETE FROM usage_views_missing",
            "INSERT INTO usage_views_missing SELECT DISTINCT organization_id FROM usage_blocks",
        ];
        with_transaction!(self, tx => {
            for sql in STATEMENTS {
                sqlx::query(sql).execute(&mut *tx).await?;
            }
        });
        Ok(())
    }
}
