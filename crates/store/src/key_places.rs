//! From where keys were used.

use apiverse_contract::KeyId;

use crate::audit::insert_audit;
use crate::pool::{Store, with_pool, with_transaction};
use crate::{AuditRow, Result};

impl Store {
    /// Remembers that a key was used from a network. When it was used from elsewhere before and
    /// never from there, `line` is added to the audit log with it: true then. Of a key that was
    /// used from `most` networks no more are remembered, and nothing is told.
    ///
    /// # Errors
    /// When the database fails, or the key is gone.
    pub async fn key_place_note(
        &self,
        key_id: KeyId,
        network: &str,
        now_us: i64,
        most: i64,
        line: &AuditRow,
    ) -> Result<bool> {
        const KNOWN: &str = "SELECT count(*), coalesce(max(CASE WHEN network = $2 THEN 1 ELSE 0 END), 0) \
             FROM key_places WHERE key_id = $1";
        const ADD: &str = "INSERT INTO key_places (key_id, network, first_us, last_us) \
             VALUES ($1, $2, $3, $3) ON CONFLICT (key_id, network) DO NOTHING";
        const AGAIN: &str = "UPDATE key_places SET last_us = $3 \
             WHERE key_id = $1 AND network = $2 AND last_us < $3";
        let mut is_new = false;
        with_transaction!(self, tx => {
            let (known, is_there): (i64, i32) = sqlx::query_as(KNOWN)
                .bind(key_id.0)
                .bind(network)
                .fetch_one(&mut *tx)
                .await?;
            let sql = if is_there == 1 { AGAIN } else { ADD };
            if is_there == 1 || known < most {
                let done = sqlx::query(sql)
                    .bind(key_id.0)
                    .bind(network)
                    .bind(now_us)
                    .execute(&mut *tx)
                    .await?;
                is_new = is_there == 0 && known > 0 && done.rows_affected() == 1;
                if is_new {
                    insert_audit!(line, &mut *tx);
                }
            }
        });
        Ok(is_new)
    }

    /// Forgets places that keys were not used from since `before_us`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn key_places_forget(&self, before_us: i64) -> Result<()> {
        const SQL: &str = "DELETE FROM key_places WHERE last_us < $1";
        with_pool!(self, pool => {
            sqlx::query(SQL).bind(before_us).execute(pool).await?;
        });
        Ok(())
    }
}
