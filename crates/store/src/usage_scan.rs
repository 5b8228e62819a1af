//! Answers about usage, from sums; from the calls themselves where a range begins or ends within
//! a minute.

use apiverse_contract::OrganizationId;
use apiverse_contract::usage::{CacheState, Tokens};
use apiverse_rollup::{Call, Delta, Piece, Scan, Source, Templates, minutes};
use futures_util::TryStreamExt;
use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::pool::{Store, with_pool};
use crate::rows::from_row;

/// What an answer is read from: at most this many stretches of blocks. By minute, hour and day
/// there are two each, before and after the long ones.
const STRETCHES: usize = 7;

/// A stretch of blocks, as `$n` to `$n + 3` of the query.
#[derive(Clone, Copy)]
struct Stretch {
    step: i16,
    from_us: i64,
    to_us: i64,
    /// -1: all.
    shard: i16,
}

/// Selects the blocks of one stretch.
macro_rules! blocks {
    ($step:literal, $from:literal, $to:literal, $shard:literal) => {
        concat!(
            "SELECT start_us, data FROM usage_blocks WHERE organization_id = $1 AND view = $2",
            " AND step = ",
            $step,
            " AND start_us >= ",
            $from,
            " AND start_us < ",
            $to,
            " AND (",
            $shard,
            " < 0 OR shard = ",
            $shard,
            ") UNION ALL "
        )
    };
}

/// Everything in one statement, so that all of it is of one moment: otherwise sums that are just
/// added to a block would be missed, or counted twice. Sums of batches come with no start.
const BLOCKS: &str = concat!(
    blocks!("$5", "$6", "$7", "$8"),
    blocks!("$9", "$10", "$11", "$12"),
    blocks!("$13", "$14", "$15", "$16"),
    blocks!("$17", "$18", "$19", "$20"),
    blocks!("$21", "$22", "$23", "$24"),
    blocks!("$25", "$26", "$27", "$28"),
    blocks!("$29", "$30", "$31", "$32"),
    "SELECT CAST(NULL AS BIGINT), data FROM usage_deltas \
     WHERE organization_id = $1 AND to_us >= $3 AND from_us < $4"
);

const CALLS: &str = "SELECT started_at_us, api_id, version_id, route_id, path, key_id, method, \
     status, error_code, refused, cache, verified, bytes_in, bytes_out, latency_us, \
     tokens_in, tokens_out FROM usage_metrics WHERE organization_id = $1 AND started_at_us >= $2 AND started_at_us < $3 \
     AND ($4 IS NULL OR api_id = $4) AND ($5 IS NULL OR key_id = $5)";

/// What of a call is counted.
struct Counted {
    started_at_us: i64,
    api_id: Option<Uuid>,
    version_id: Option<Uuid>,
    route_id: Option<Uuid>,
    path: String,
    key_id: Option<Uuid>,
    method: String,
    status: i32,
    error_code: Option<String>,
    refused: bool,
    cache: Option<CacheState>,
    verified: Option<i64>,
    bytes_in: i64,
    bytes_out: i64,
    latency_us: i64,
    tokens: Tokens,
}

from_row! {
    Counted, row => Counted {
        started_at_us: row.try_get("started_at_us")?,
        api_id: row.try_get("api_id")?,
        version_id: row.try_get("version_id")?,
        route_id: row.try_get("route_id")?,
        path: row.try_get("path")?,
        key_id: row.try_get("key_id")?,
        method: row.try_get("method")?,
        status: row.try_get("status")?,
        error_code: row.try_get("error_code")?,
        refused: row.try_get("refused")?,
        cache: crate::usage::cache(row.try_get("cache")?),
        verified: row.try_get("verified")?,
        bytes_in: row.try_get("bytes_in")?,
        bytes_out: row.try_get("bytes_out")?,
        latency_us: row.try_get("latency_us")?,
        tokens: crate::usage::tokens(row.try_get("tokens_in")?, row.try_get("tokens_out")?),
    };
}

impl Counted {
    fn counted(&self) -> Call<'_> {
        Call {
            api: self.api_id,
            version: self.version_id,
            route: self.route_id,
            path: &self.path,
            key: self.key_id,
            method: &self.method,
            status: self.status,
            error: self.error_code.as_deref(),
            refused: self.refused,
            cache: self.cache,
            verified: self.verified,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            latency_us: self.latency_us,
            tokens: self.tokens,
        }
    }
}

impl Store {
    /// Gives `scan` all that `pieces` say.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_scan(
        &self,
        organization_id: OrganizationId,
        pieces: &[Piece],
        scan: &mut Scan,
    ) -> Result<()> {
        scan.set_templates(self.usage_templates(organization_id).await?);
        self.scan_blocks(organization_id, pieces, scan).await?;
        for piece in pieces {
            if piece.source == Source::Calls {
                self.scan_calls(organization_id, piece, scan).await?;
            }
        }
        Ok(())
    }

    async fn scan_blocks(
        &self,
        organization_id: OrganizationId,
        pieces: &[Piece],
        scan: &mut Scan,
    ) -> Result<()> {
        let view = scan.question().view();
        let key = scan.question().filter.key;
        let mut stretches = [Stretch {
            step: 0,
            from_us: 0,
            to_us: 0,
            shard: -1,
        }; STRETCHES];
        let (mut first_us, mut last_us) = (i64::MAX, i64::MIN);
        let blocks = pieces.iter().filter_map(|piece| match piece.source {
            Source::Blocks(step) => Some((step, piece)),
            Source::Calls => None,
        });
        for (stretch, (step, piece)) in stretches.iter_mut().zip(blocks) {
            *stretch = Stretch {
                step: step.code(),
                from_us: piece.from_us,
                to_us: piece.to_us,
                shard: if key.is_some() {
                    step.shard(view, key)
                } else {
                    -1
                },
            };
            first_us = first_us.min(piece.from_us);
            last_us = last_us.max(piece.to_us);
        }
        if first_us >= last_us {
            return Ok(());
        }
        with_pool!(self, pool => {
            let mut query = sqlx::query_as::<_, (Option<i64>, Vec<u8>)>(BLOCKS)
                .bind(organization_id.0)
                .bind(view.code())
                .bind(first_us)
                .bind(last_us);
            for stretch in stretches {
                query = query
                    .bind(stretch.step)
                    .bind(stretch.from_us)
                    .bind(stretch.to_us)
                    .bind(stretch.shard);
            }
            let mut rows = query.fetch(pool);
            while let Some((start_us, data)) = rows.try_next().await? {
                match start_us {
                    Some(start_us) => scan.block(start_us, &data)?,
                    None => minutes(&data, |start_us, block| {
                        if (first_us..last_us).contains(&start_us) {
                            scan.block(start_us, block)
                        } else {
                            Ok(())
                        }
                    })?,
                }
            }
        });
        Ok(())
    }

    async fn scan_calls(
        &self,
        organization_id: OrganizationId,
        piece: &Piece,
        scan: &mut Scan,
    ) -> Result<()> {
        let filter = &scan.question().filter;
        let (api, key) = (filter.api, filter.key);
        let delta = self.usage_delta(organization_id, piece, api, key).await?;
        for (start_us, cells) in delta.iter() {
            for (dims, cell) in cells.iter() {
                scan.cell(start_us, dims, cell)?;
            }
        }
        Ok(())
    }

    /// Calls, summed up.
    pub(crate) async fn usage_delta(
        &self,
        organization_id: OrganizationId,
        piece: &Piece,
        api: Option<Uuid>,
        key: Option<Uuid>,
    ) -> Result<Delta> {
        let mut delta = Delta::default();
        with_pool!(self, pool => {
            let mut rows = sqlx::query_as::<_, Counted>(CALLS)
                .bind(organization_id.0)
                .bind(piece.from_us)
                .bind(piece.to_us)
                .bind(api)
                .bind(key)
                .fetch(pool);
            while let Some(row) = rows.try_next().await? {
                delta.add(row.started_at_us, &row.counted());
            }
        });
        Ok(delta)
    }

    /// The routes that were learned.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn usage_templates(&self, organization_id: OrganizationId) -> Result<Templates> {
        const SQL: &str = "SELECT api_id, template FROM usage_templates WHERE organization_id = $1";
        let rows: Vec<(Uuid, String)> = with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .fetch_all(pool)
            .await?);
        let mut templates = Templates::default();
        for (api, template) in &rows {
            templates.insert(*api, template);
        }
        Ok(templates)
    }
}
