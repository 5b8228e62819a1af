//! Taking an API's usage away, from calls and from sums; and what is known of demo data.

use apiverse_contract::{ApiId, KeyId, OrganizationId};
use apiverse_rollup::{Cells, Step};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use uuid::Uuid;

use crate::Result;
use crate::pool::{Store, with_pool, with_transaction};
use crate::usage_rollups::lock_blocks;

/// Blocks of one transaction.
const BLOCKS: i64 = 100;
const DAY_US: i64 = 86_400_000_000;

/// What `apiverse demo` made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DemoRow {
    pub apis: Vec<ApiId>,
    pub keys: Vec<KeyId>,
}

/// A place in the order of blocks: view, step, start, shard.
type Place = (i16, i16, i64, i16);

impl Store {
    /// Deletes the calls of an API, and what was unusual about them, and takes them out of all
    /// sums but those of quotas. Sums that
    /// are not in blocks yet must be brought there before: [`Store::usage_roll`].
    ///
    /// # Errors
    /// When the database fails; what was deleted until then is gone, and the rest can be tried
    /// again.
    pub async fn usage_erase_api(&self, organization_id: OrganizationId, api: ApiId) -> Result<()> {
        const SPAN: &str = "SELECT min(started_at_us), max(started_at_us) FROM usage_metrics \
             WHERE organization_id = $1";
        const CALLS: &str = "DELETE FROM usage_metrics WHERE organization_id = $1 \
             AND started_at_us >= $2 AND started_at_us < $3 AND api_id = $4";
        const FINDINGS: &str =
            "DELETE FROM usage_findings WHERE organization_id = $1 AND api_id = $2";
        const TEMPLATES: &str =
            "DELETE FROM usage_templates WHERE organization_id = $1 AND api_id = $2";
        let span: (Option<i64>, Option<i64>) = with_pool!(self, pool => sqlx::query_as(SPAN)
            .bind(organization_id.0)
            .fetch_one(pool)
            .await?);
        if let (Some(first), Some(last)) = span {
            // A day at a time, so that writers wait for a moment only.
            let mut from = first;
            while from <= last {
                let to = from.saturating_add(DAY_US);
                with_pool!(self, pool => { sqlx::query(CALLS)
                    .bind(organization_id.0)
                    .bind(from)
                    .bind(to)
                    .bind(api.0)
                    .execute(pool)
                    .await?; });
                from = to;
            }
        }
        let mut after: Place = (-1, -1, i64::MIN, -1);
        while let Some(last) = self.erase_from_blocks(organization_id, api, after).await? {
            after = last;
        }
        for sql in [TEMPLATES, FINDINGS] {
            with_pool!(self, pool => { sqlx::query(sql)
                .bind(organization_id.0)
                .bind(api.0)
                .execute(pool)
                .await?; });
        }
        Ok(())
    }

    /// The last block that was looked at; `None` when there are no more.
    async fn erase_from_blocks(
        &self,
        organization_id: OrganizationId,
        api: ApiId,
        after: Place,
    ) -> Result<Option<Place>> {
        const READ: &str = "SELECT view, step, start_us, shard, data FROM usage_blocks \
             WHERE organization_id = $1 AND (view, step, start_us, shard) > ($2, $3, $4, $5) \
             ORDER BY view, step, start_us, shard LIMIT $6";
        const WRITE: &str = "UPDATE usage_blocks SET data = $6 WHERE organization_id = $1 \
             AND view = $2 AND step = $3 AND start_us = $4 AND shard = $5";
        const DELETE: &str = "DELETE FROM usage_blocks WHERE organization_id = $1 \
             AND view = $2 AND step = $3 AND start_us = $4 AND shard = $5";
        Ok(with_transaction!(self, tx => {
            lock_blocks!(self, tx);
            let rows: Vec<(i16, i16, i64, i16, Vec<u8>)> = sqlx::query_as(READ)
                .bind(organization_id.0)
                .bind(after.0)
                .bind(after.1)
                .bind(after.2)
                .bind(after.3)
                .bind(BLOCKS)
                .fetch_all(&mut *tx)
                .await?;
            for (view, step, start_us, shard, data) in &rows {
                let cells = Cells::decode(data)?;
                let before = cells.len();
                let mut kept = Cells::with_capacity(before);
                for (dims, cell) in cells {
                    if dims.api != Some(api.0) {
                        kept.merge(dims, &cell);
                    }
                }
                if kept.len() == before {
                    continue;
                }
                // A long block that is gone would be taken for one that was not made yet.
                let goes = kept.is_empty() && *step != Step::Long.code();
                let sql = if goes { DELETE } else { WRITE };
                let mut query = sqlx::query(sql)
                    .bind(organization_id.0)
                    .bind(view)
                    .bind(step)
                    .bind(start_us)
                    .bind(shard);
                if !goes {
                    query = query.bind(kept.encode());
                }
                query.execute(&mut *tx).await?;
            }
            rows.last().map(|row| (row.0, row.1, row.2, row.3))
        }))
    }

    /// The organization's demo data.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn demo_get(&self, organization_id: OrganizationId) -> Result<Option<DemoRow>> {
        const SQL: &str = "SELECT document FROM usage_demo WHERE organization_id = $1";
        let found: Option<Json<DemoRow>> = with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(organization_id.0)
            .fetch_optional(pool)
            .await?);
        Ok(found.map(|Json(row)| row))
    }

    /// Notes what is demo data.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn demo_put(&self, organization_id: OrganizationId, row: &DemoRow) -> Result<()> {
        const SQL: &str = "INSERT INTO usage_demo (organization_id, document) VALUES ($1, $2) \
             ON CONFLICT (organization_id) DO UPDATE SET document = excluded.document";
        with_pool!(self, pool => { sqlx::query(SQL)
            .bind(organization_id.0)
            .bind(Json(row))
            .execute(pool)
            .await?; });
        Ok(())
    }

    /// Forgets that there is demo data, and deletes its keys, which must be revoked.
    ///
    /// # Errors
    /// When the database fails; then nothing happened.
    pub async fn demo_delete(&self, organization_id: OrganizationId, row: &DemoRow) -> Result<()> {
        const KEY: &str = "DELETE FROM api_keys WHERE organization_id = $1 AND id = $2 \
             AND revoked_at IS NOT NULL";
        const DEMO: &str = "DELETE FROM usage_demo WHERE organization_id = $1";
        let organization: Uuid = organization_id.0;
        with_transaction!(self, tx => {
            for key in &row.keys {
                sqlx::query(KEY)
                    .bind(organization)
                    .bind(key.0)
                    .execute(&mut *tx)
                    .await?;
            }
            sqlx::query(DEMO).bind(organization).execute(&mut *tx).await?;
        });
        Ok(())
    }
}
