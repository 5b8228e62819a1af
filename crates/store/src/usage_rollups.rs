//! From the sums of batches to blocks of minutes, hours and days, and to long ones that are there.
//!
//! A block is read, added to and written again, in the transaction that deletes what was added.
//! So it does not matter when this runs, on which node, or how often it is broken off; a call that
//! comes late is added like any other.

use std::collections::BTreeMap;

use apiverse_rollup::{
    Cells, Corrupt, Learned, Route, Step, Templates, View, entries, is_known, minutes,
};
use uuid::Uuid;

use crate::pool::{Kind, Store, with_pool, with_transaction};
use crate::usage_long::{LONG, Long};
use crate::{Result, StoreError};

/// Rows of `usage_deltas` that are added in one transaction, while writers of SQLite wait.
const DELTAS: i64 = 32;
/// Blocks that are deleted in one transaction.
const ROWS: i64 = 2000;
/// Whoever adds to blocks holds this, in PostgreSQL.
pub(crate) const LOCK: i64 = 0x6170_6976_0002;

/// The oldest sums that are kept, microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RollupHorizon {
    /// By minute.
    pub minutes_us: i64,
    /// By hour, by day, and of 28 days.
    pub hours_us: i64,
}

/// Says in a transaction of PostgreSQL that all blocks are known here that sums go to. Migration 24
/// refuses others: a node of before that runs on would leave some out. A new kind of block is a new
/// number, here and there.
pub(crate) const KNOWS_ALL: &str = "SELECT set_config('apiverse.sums', '2', true)";

/// Which block of an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BlockKey {
    pub(crate) view: View,
    pub(crate) step: Step,
    pub(crate) start_us: i64,
    pub(crate) shard: i16,
}

pub(crate) const READ: &str = "SELECT data FROM usage_blocks WHERE organization_id = $1 \
     AND view = $2 AND step = $3 AND start_us = $4 AND shard = $5";
pub(crate) const WRITE: &str = "INSERT INTO usage_blocks \
     (organization_id, view, step, start_us, shard, data) \
     VALUES ($1, $2, $3, $4, $5, $6) \
     ON CONFLICT (organization_id, view, step, start_us, shard) \
     DO UPDATE SET data = excluded.data";

/// Waits until nobody else adds to blocks, in a transaction: SQLite's has seen to it already.
macro_rules! lock_blocks {
    ($store:expr, $tx:ident) => {
        if $store.kind() == $crate::pool::Kind::Postgres {
            sqlx::query("SELECT pg_advisory_xact_lock($1)")
                .bind($crate::usage_rollups::LOCK)
                .execute(&mut *$tx)
                .await?;
        }
    };
}

/// A block's bytes, in a transaction.
macro_rules! read_block {
    ($tx:ident, $organization:expr, $key:expr) => {
        sqlx::query_scalar::<_, Vec<u8>>($crate::usage_rollups::READ)
            .bind($organization)
            .bind($key.view.code())
            .bind($key.step.code())
            .bind($key.start_us)
            .bind($key.shard)
            .fetch_optional(&mut *$tx)
            .await?
    };
}

/// Puts a block's bytes, in a transaction.
macro_rules! write_block {
    ($tx:ident, $organization:expr, $key:expr, $data:expr) => {
        sqlx::query($crate::usage_rollups::WRITE)
            .bind($organization)
            .bind($key.view.code())
            .bind($key.step.code())
            .bind($key.start_us)
            .bind($key.shard)
            .bind($data)
            .execute(&mut *$tx)
            .await?
    };
}

pub(crate) use {lock_blocks, read_block, write_block};

/// What one transaction adds.
struct Portion {
    horizon: RollupHorizon,
    templates: Templates,
    learned: Learned,
    /// Everything, by minute.
    minutes: BTreeMap<i64, Cells>,
}

impl Portion {
    fn add(&mut self, data: &[u8]) -> std::result::Result<(), Corrupt> {
        minutes(data, |start_us, block| {
            if Step::Day.floor(start_us) < self.horizon.hours_us {
                return Ok(());
            }
            let cells = self.minutes.entry(start_us).or_default();
            entries(block, |entry| {
                let (mut dims, cell) = entry.to_owned()?;
                if let (Route::Learned(shape), Some(api)) = (&dims.route, dims.api) {
                    let is_known = is_known(dims.status, dims.refused);
                    dims.route = Route::Learned(self.templates.learn(
                        api,
                        shape,
                        is_known,
                        &mut self.learned,
                    ));
                }
                cells.merge(dims, &cell);
                Ok(())
            })
        })
    }

    /// What is added to which block, of long ones to those that may be there.
    fn blocks(&self, long: Long) -> BTreeMap<BlockKey, Cells> {
        let mut blocks: BTreeMap<BlockKey, Cells> = BTreeMap::new();
        // Each view by itself first: most of them have far fewer rows than there are calls.
        for view in View::ALL {
            let mut hours: BTreeMap<i64, Cells> = BTreeMap::new();
            for (start_us, cells) in &self.minutes {
                let hour = hours.entry(Step::Hour.floor(*start_us)).or_default();
                let mut minute = Cells::default();
                for (dims, cell) in cells.iter() {
                    minute.merge(view.of(dims.clone()), cell);
                }
                for (dims, cell) in minute.iter() {
                    hour.merge(dims.clone(), cell);
                }
                if *start_us >= self.horizon.minutes_us {
                    spread(&mut blocks, view, Step::Minute, *start_us, minute);
                }
            }
            let mut days: BTreeMap<i64, Cells> = BTreeMap::new();
            for (start_us, cells) in hours {
                let day = days.entry(Step::Day.floor(start_us)).or_default();
                for (dims, cell) in cells.iter() {
                    day.merge(dims.clone(), cell);
                }
                spread(&mut blocks, view, Step::Hour, start_us, cells);
            }
            for (start_us, cells) in days {
                let stretch = Step::Long.floor(start_us);
                if long.may_have(stretch) {
                    spread(&mut blocks, view, Step::Long, stretch, cells.clone());
                }
                spread(&mut blocks, view, Step::Day, start_us, cells);
            }
        }
        blocks
    }
}

/// Brings sums to the blocks of their keys.
fn spread(
    blocks: &mut BTreeMap<BlockKey, Cells>,
    view: View,
    step: Step,
    start_us: i64,
    cells: Cells,
) {
    for (dims, cell) in cells {
        let key = BlockKey {
            view,
            step,
            start_us,
            shard: step.shard(view, dims.key),
        };
        blocks.entry(key).or_default().merge(dims, &cell);
    }
}

/// A block with more sums in it.
fn grown(view: View, before: Option<&[u8]>, added: Cells) -> std::result::Result<Vec<u8>, Corrupt> {
    let mut cells = match before {
        Some(bytes) => Cells::decode(bytes)?,
        None => Cells::with_capacity(added.len()),
    };
    for (dims, cell) in added {
        cells.merge_bounded(view, dims, &cell);
    }
    Ok(cells.encode())
}

/// Adds a block to a coarser one. A damaged block is left out, and the log says so: it must hold
/// up neither the start nor other organizations.
pub(crate) fn merge_block(cells: &mut Cells, key: BlockKey, data: &[u8]) {
    match Cells::decode(data) {
        Ok(block) => {
            for (dims, cell) in block {
                cells.merge_bounded(key.view, dims, &cell);
            }
        }
        Err(error) => tracing::error!(?key, %error, "sums of usage are left out"),
    }
}

impl From<Corrupt> for StoreError {
    fn from(error: Corrupt) -> Self {
        Self::Inconsistent(sqlx::Error::Decode(error.into()))
    }
}

impl Store {
    /// Adds some of the stored sums to blocks: those of one organization, the oldest first. How
    /// many were added; 0 when there are none, or when another node does it at this moment.
    ///
    /// # Errors
    /// When the database fails; then nothing was added.
    pub async fn usage_roll(&self, horizon: RollupHorizon) -> Result<u64> {
        const FIRST: &str = "SELECT organization_id FROM usage_deltas ORDER BY id LIMIT 1";
        const TAKE: &str = "SELECT id, data FROM usage_deltas WHERE organization_id = $1 \
             ORDER BY id LIMIT $2";
        const TEMPLATES: &str =
            "SELECT api_id, template FROM usage_templates WHERE organization_id = $1";
        const ADD_TEMPLATE: &str = "INSERT INTO usage_templates (organization_id, api_id, template) \
             VALUES ($1, $2, $3) ON CONFLICT DO NOTHING";
        const DROP_TEMPLATE: &str = "DELETE FROM usage_templates \
             WHERE organization_id = $1 AND api_id = $2 AND template = $3";
        // One by one: in PostgreSQL a row with a lower id may become visible later.
        const DONE: &str = "DELETE FROM usage_deltas WHERE id = $1";

        if !self.has_deltas().await? {
            return Ok(0);
        }
        Ok(with_transaction!(self, tx => {
            if self.kind() == Kind::Postgres {
                let is_ours: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
                    .bind(LOCK)
                    .fetch_one(&mut *tx)
                    .await?;
                if !is_ours {
                    return Ok(0);
                }
                sqlx::query(KNOWS_ALL).execute(&mut *tx).await?;
            }
            let organization: Option<Uuid> =
                sqlx::query_scalar(FIRST).fetch_optional(&mut *tx).await?;
            let Some(organization) = organization else {
                return Ok(0);
            };
            let deltas: Vec<(i64, Vec<u8>)> = sqlx::query_as(TAKE)
                .bind(organization)
                .bind(DELTAS)
                .fetch_all(&mut *tx)
                .await?;
            let known: Vec<(Uuid, String)> = sqlx::query_as(TEMPLATES)
                .bind(organization)
                .fetch_all(&mut *tx)
                .await?;
            let mut portion = Portion {
                horizon,
                templates: Templates::default(),
                learned: Learned::default(),
                minutes: BTreeMap::new(),
            };
            for (api, template) in &known {
                portion.templates.insert(*api, template);
            }
            for (id, data) in &deltas {
                if let Err(error) = portion.add(data) {
                    // It would hold up all others for ever.
                    tracing::error!(id, %error, "sums of usage are left out");
                }
            }
            let long: Option<Long> = sqlx::query_as(LONG)
                .bind(organization)
                .fetch_optional(&mut *tx)
                .await?;
            for (key, cells) in portion.blocks(long.unwrap_or_default()) {
                let before = read_block!(tx, organization, key);
                if before.is_none() && key.step == Step::Long {
                    // It will be made of its days.
                    continue;
                }
                let data = grown(key.view, before.as_deref(), cells)?;
                write_block!(tx, organization, key, data);
            }
            let Learned { added, removed } = &portion.learned;
            for (sql, templates) in [(ADD_TEMPLATE, added), (DROP_TEMPLATE, removed)] {
                for (api, template) in templates {
                    sqlx::query(sql)
                        .bind(organization)
                        .bind(api)
                        .bind(&**template)
                        .execute(&mut *tx)
                        .await?;
                }
            }
            for (id, _) in &deltas {
                sqlx::query(DONE).bind(id).execute(&mut *tx).await?;
            }
            deltas.len() as u64
        }))
    }

    /// Asked first, so that nobody waits for a writer who has nothing to write.
    async fn has_deltas(&self) -> Result<bool> {
        const SQL: &str = "SELECT EXISTS (SELECT 1 FROM usage_deltas)";
        Ok(with_pool!(self, pool =>
            sqlx::query_scalar(SQL).fetch_one(pool).await?))
    }

    /// Deletes sums of before the horizon; how many blocks.
    ///
    /// # Errors
    /// When the database fails; what was deleted until then is gone.
    pub async fn usage_rollups_retain(&self, horizon: RollupHorizon) -> Result<u64> {
        const SQL: &str = "DELETE FROM usage_blocks \
             WHERE (organization_id, view, step, start_us, shard) IN \
             (SELECT organization_id, view, step, start_us, shard FROM usage_blocks \
             WHERE step = $1 AND start_us < $2 LIMIT $3)";
        // First of all nobody reads long blocks of which days are about to go.
        const SHORTEN: &str = "UPDATE usage_long SET from_us = CASE WHEN to_us < $1 THEN to_us \
             ELSE $1 END WHERE from_us < $1";
        let first_us = Step::Long.ceil(horizon.hours_us);
        with_pool!(self, pool => {
            sqlx::query(SHORTEN).bind(first_us).execute(pool).await?;
        });
        let mut deleted = 0;
        for step in Step::ALL {
            let before_us = match step {
                Step::Minute => horizon.minutes_us,
                Step::Hour | Step::Day | Step::Long => horizon.hours_us,
            };
            loop {
                let gone = with_pool!(self, pool => sqlx::query(SQL)
                    .bind(step.code())
                    .bind(before_us)
                    .bind(ROWS)
                    .execute(pool)
                    .await?
                    .rows_affected());
                if gone == 0 {
                    break;
                }
                deleted += gone;
            }
        }
        Ok(deleted)
    }
}
