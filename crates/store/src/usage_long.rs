//! Sums of 28 days, so that a question about a year reads tens of blocks and not hundreds.
//!
//! They are made of the sums of days when the stretch is over, and from then on what comes late is
//! added to both. Until all blocks of a stretch are made, questions read its days.

use apiverse_contract::OrganizationId;
use apiverse_rollup::{Cells, Step, View};
use uuid::Uuid;

use crate::Result;
use crate::pool::{Store, with_pool, with_transaction};
use crate::usage_rollups::{
    BlockKey, RollupHorizon, lock_blocks, merge_block, read_block, write_block,
};

/// Of which stretches an organization has long blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub(crate) struct Long {
    from_us: i64,
    to_us: i64,
    /// The stretch that is being made: some of its blocks may be there.
    making_us: Option<i64>,
}

pub(crate) const LONG: &str =
    "SELECT from_us, to_us, making_us FROM usage_long WHERE organization_id = $1";

impl Long {
    /// Whether the stretch at `start_us` may have blocks, to which sums must be added.
    pub(crate) fn may_have(self, start_us: i64) -> bool {
        (self.from_us..self.to_us).contains(&start_us) || self.making_us == Some(start_us)
    }

    /// The stretch to be made next: those that are over, then those of before.
    fn next(self, oldest_us: i64, now_us: i64, horizon: RollupHorizon) -> Option<i64> {
        if self.making_us.is_some() {
            return self.making_us;
        }
        if self.to_us < Step::Long.floor(now_us) {
            return Some(self.to_us);
        }
        let before = self.from_us.saturating_sub(Step::Long.width_us());
        (oldest_us < self.from_us && before >= horizon.hours_us).then_some(before)
    }
}

impl Store {
    /// From when to when there are sums of 28 days; the same twice: nowhere.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_long(&self, organization_id: OrganizationId) -> Result<(i64, i64)> {
        let long = self.long_of(organization_id.0).await?.unwrap_or_default();
        Ok((long.from_us, long.to_us))
    }

    async fn long_of(&self, organization: Uuid) -> Result<Option<Long>> {
        Ok(with_pool!(self, pool => sqlx::query_as(LONG)
            .bind(organization)
            .fetch_optional(pool)
            .await?))
    }

    /// Makes the long blocks that are due; how many stretches. Broken off, it goes on where it
    /// was; several nodes may do it at once.
    ///
    /// # Errors
    /// When the database fails; what was made stays.
    pub async fn usage_lengthen(&self, now_us: i64, horizon: RollupHorizon) -> Result<u64> {
        // By the primary key, step by step: there may be very many blocks.
        const NEXT: &str = "SELECT organization_id FROM usage_blocks WHERE organization_id > $1 \
             ORDER BY organization_id LIMIT 1";
        const OLDEST: &str = "SELECT min(start_us) FROM usage_blocks \
             WHERE organization_id = $1 AND view = 0 AND step = 2";
        let mut made = 0;
        let mut after = Uuid::nil();
        while let Some(organization) = with_pool!(self, pool =>
            sqlx::query_scalar::<_, Uuid>(NEXT).bind(after).fetch_optional(pool).await?)
        {
            after = organization;
            let oldest_us: Option<i64> = with_pool!(self, pool => sqlx::query_scalar(OLDEST)
                .bind(organization)
                .fetch_one(pool)
                .await?);
            let Some(oldest_us) = oldest_us else { continue };
            // As a rule nothing is due, and nobody has to wait for a writer.
            let long = self.long_of(organization).await?;
            if long.is_some_and(|long| long.next(oldest_us, now_us, horizon).is_none()) {
                continue;
            }
            while let Some(start_us) = self
                .long_begin(organization, oldest_us, now_us, horizon)
                .await?
            {
                self.long_make_all(organization, start_us).await?;
                self.long_end(organization, start_us).await?;
                made += 1;
            }
        }
        Ok(made)
    }

    async fn long_make_all(&self, organization: Uuid, start_us: i64) -> Result<()> {
        for view in View::ALL {
            for shard in 0..Step::Long.shards(view) {
                let key = BlockKey {
                    view,
                    step: Step::Long,
                    start_us,
                    shard,
                };
                self.long_make(organization, key).await?;
            }
        }
        Ok(())
    }

    /// Notes which stretch is being made; `None` when none is due.
    async fn long_begin(
        &self,
        organization: Uuid,
        oldest_us: i64,
        now_us: i64,
        horizon: RollupHorizon,
    ) -> Result<Option<i64>> {
        // At first there are none: those that are over are made from the last one back.
        const FIRST: &str = "INSERT INTO usage_long (organization_id, from_us, to_us) \
             VALUES ($1, $2, $2) ON CONFLICT DO NOTHING";
        const MAKING: &str = "UPDATE usage_long SET making_us = $2 WHERE organization_id = $1";
        Ok(with_transaction!(self, tx => {
            lock_blocks!(self, tx);
            sqlx::query(FIRST)
                .bind(organization)
                .bind(Step::Long.floor(now_us))
                .execute(&mut *tx)
                .await?;
            let long: Long = sqlx::query_as(LONG)
                .bind(organization)
                .fetch_one(&mut *tx)
                .await?;
            let next = long.next(oldest_us, now_us, horizon);
            if next != long.making_us {
                sqlx::query(MAKING)
                    .bind(organization)
                    .bind(next)
                    .execute(&mut *tx)
                    .await?;
            }
            next
        }))
    }

    /// Makes a block, unless it is there.
    async fn long_make(&self, organization: Uuid, key: BlockKey) -> Result<()> {
        const DAYS: &str = "SELECT data FROM usage_blocks WHERE organization_id = $1 \
             AND view = $2 AND step = 2 AND start_us >= $3 AND start_us < $4 AND shard = $5";
        with_transaction!(self, tx => {
            lock_blocks!(self, tx);
            if read_block!(tx, organization, key).is_none() {
                let days: Vec<Vec<u8>> = sqlx::query_scalar(DAYS)
                    .bind(organization)
                    .bind(key.view.code())
                    .bind(key.start_us)
                    .bind(key.start_us.saturating_add(Step::Long.width_us()))
                    .bind(key.shard)
                    .fetch_all(&mut *tx)
                    .await?;
                let mut cells = Cells::default();
                for day in &days {
                    merge_block(&mut cells, key, day);
                }
                // Without calls too: that it is there says that it is made.
                write_block!(tx, organization, key, cells.encode());
            }
        });
        Ok(())
    }

    /// Notes that a stretch is made.
    async fn long_end(&self, organization: Uuid, start_us: i64) -> Result<()> {
        const MADE: &str = "UPDATE usage_long SET making_us = NULL, \
             from_us = CASE WHEN $2 < from_us THEN $2 ELSE from_us END, \
             to_us = CASE WHEN $3 > to_us THEN $3 ELSE to_us END \
             WHERE organization_id = $1 AND making_us = $2";
        with_pool!(self, pool => { sqlx::query(MADE)
            .bind(organization)
            .bind(start_us)
            .bind(start_us.saturating_add(Step::Long.width_us()))
            .execute(pool)
            .await?; });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: i64 = Step::Long.width_us();
    const EVER: RollupHorizon = RollupHorizon {
        minutes_us: i64::MIN,
        hours_us: i64::MIN,
    };

    #[test]
    fn what_is_over_comes_first_then_what_was_before() {
        let mut long = Long {
            from_us: 10 * WIDTH,
            to_us: 10 * WIDTH,
            making_us: None,
        };
        let oldest = 8 * WIDTH + 5;
        assert_eq!(long.next(oldest, 10 * WIDTH + 1, EVER), Some(9 * WIDTH));
        assert_eq!(long.next(oldest, 11 * WIDTH, EVER), Some(10 * WIDTH));
        long.from_us = 9 * WIDTH;
        assert_eq!(long.next(oldest, 10 * WIDTH + 1, EVER), Some(8 * WIDTH));
        let short = RollupHorizon {
            hours_us: 8 * WIDTH + 1,
            ..EVER
        };
        // Its first days are not kept any more.
        assert_eq!(long.next(oldest, 10 * WIDTH + 1, short), None);
        long.from_us = 8 * WIDTH;
        assert_eq!(long.next(oldest, 10 * WIDTH + 1, EVER), None);
        long.making_us = Some(3 * WIDTH);
        assert_eq!(long.next(oldest, 10 * WIDTH + 1, EVER), Some(3 * WIDTH));
        assert!(long.may_have(3 * WIDTH) && long.may_have(9 * WIDTH));
        assert!(!long.may_have(10 * WIDTH) && !long.may_have(7 * WIDTH));
    }
}
