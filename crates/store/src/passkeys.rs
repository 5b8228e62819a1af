//! Passkeys (WebAuthn credentials), and what was asked of an authenticator.

use apiverse_contract::{PasskeyId, UserId};
use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::Result;
use crate::audit::insert_audit;
use crate::notifications::{NotificationRow, insert_notification};
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};
use crate::two_factor::{DELETE_CODES, INSERT_CODE, LAST_FACTOR};

/// A passkey of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasskeyRow {
    pub id: PasskeyId,
    pub user_id: UserId,
    pub name: String,
    /// The authenticator's own id of it.
    pub credential_id: Vec<u8>,
    /// Bits: how a browser may reach the authenticator.
    pub transports: i32,
    pub public_key: Vec<u8>,
    /// What changes with each use: the signature counter, whether it is backed up.
    pub state: Vec<u8>,
    pub created_at: DateTime<Utc>,
    pub last_used_at: Option<DateTime<Utc>>,
}

from_row! {
    PasskeyRow, row => PasskeyRow {
        id: PasskeyId(row.try_get("id")?),
        user_id: UserId(row.try_get("user_id")?),
        name: row.try_get("name")?,
        credential_id: row.try_get("credential_id")?,
        transports: row.try_get("transports")?,
        public_key: row.try_get("public_key")?,
        state: row.try_get("state")?,
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
    };
}

/// Something that was asked of an authenticator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CeremonyRow {
    pub token_hash: Vec<u8>,
    /// `register`, `sign_in` or `second_factor`.
    pub purpose: String,
    /// `None` while it is not known who signs in.
    pub user_id: Option<UserId>,
    pub state: Vec<u8>,
    pub expires_at: DateTime<Utc>,
}

from_row! {
    CeremonyRow, row => CeremonyRow {
        token_hash: row.try_get("token_hash")?,
        purpose: row.try_get("purpose")?,
        user_id: row.try_get::<Option<uuid::Uuid>, _>("user_id")?.map(UserId),
        state: row.try_get("state")?,
        expires_at: row.try_get("expires_at")?,
    };
}

impl Store {
    /// Remembers what was asked of an authenticator.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ceremony_insert(&self, row: &CeremonyRow) -> Result<()> {
        const SQL: &str = "INSERT INTO passkey_ceremonies (token_hash, purpose, user_id, state, \
             expires_at) VALUES ($1, $2, $3, $4, $5)";
        with_pool!(self, pool => sqlx::query(SQL)
            .bind(&row.token_hash)
            .bind(&row.purpose)
            .bind(row.user_id.map(|id| id.0))
            .bind(&row.state)
            .bind(row.expires_at)
            .execute(pool)
            .await
            .map(|_| ())?);
        Ok(())
    }

    /// Takes what was asked away, to judge the answer: there is one for each.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ceremony_take(
        &self,
        token_hash: &[u8],
        purpose: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<CeremonyRow>> {
        const SQL: &str = "DELETE FROM passkey_ceremonies \
             WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3 RETURNING *";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(token_hash)
            .bind(purpose)
            .bind(now)
            .fetch_optional(pool)
            .await?))
    }

    /// Forgets what was never answered.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ceremonies_forget(&self, now: DateTime<Utc>) -> Result<u64> {
        const SQL: &str = "DELETE FROM passkey_ceremonies WHERE expires_at <= $1";
        Ok(with_pool!(self, pool =>
            sqlx::query(SQL).bind(now).execute(pool).await?.rows_affected()))
    }

    /// Adds a passkey, with recovery codes if it is the first second factor. False when the
    /// authenticator's id of it is in use.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn passkey_insert(
        &self,
        row: &PasskeyRow,
        codes: &[[u8; 32]],
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<bool> {
        const SQL: &str = "INSERT INTO passkeys (id, user_id, name, credential_id, transports, \
             public_key, state, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8) \
             ON CONFLICT (credential_id) DO NOTHING";
        Ok(with_transaction!(self, tx => {
            let added = sqlx::query(SQL)
                .bind(row.id.0)
                .bind(row.user_id.0)
                .bind(&row.name)
                .bind(&row.credential_id)
                .bind(row.transports)
                .bind(&row.public_key)
                .bind(&row.state)
                .bind(row.created_at)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if added {
                for code in codes {
                    sqlx::query(INSERT_CODE)
                        .bind(row.user_id.0)
                        .bind(code.as_slice())
                        .execute(&mut *tx)
                        .await?;
                }
                insert_audit!(audit, &mut *tx);
                for message in messages {
                    insert_notification!(message, &mut *tx);
                }
            }
            added
        }))
    }

    /// A user's passkeys, oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn passkeys_of(&self, user_id: UserId) -> Result<Vec<PasskeyRow>> {
        const SQL: &str = "SELECT * FROM passkeys WHERE user_id = $1 ORDER BY id";
        Ok(with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(user_id.0).fetch_all(pool).await?))
    }

    /// The passkey with an authenticator's id: what signing in without an address begins with.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn passkey_by_credential(&self, credential_id: &[u8]) -> Result<Option<PasskeyRow>> {
        const SQL: &str = "SELECT * FROM passkeys WHERE credential_id = $1";
        Ok(with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(credential_id).fetch_optional(pool).await?))
    }

    /// Notes a use. False when another use came between, so that of two with the same counter one
    /// fails.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn passkey_used(
        &self,
        id: PasskeyId,
        (before, after): (&[u8], &[u8]),
        now: DateTime<Utc>,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE passkeys SET state = $3, last_used_at = $4 \
             WHERE id = $1 AND state = $2";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(id.0)
            .bind(before)
            .bind(after)
            .bind(now)
            .execute(pool)
            .await?
            .rows_affected()
            > 0))
    }

    /// Names a passkey of a user anew; false when they have none with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn passkey_rename(
        &self,
        user_id: UserId,
        id: PasskeyId,
        name: &str,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE passkeys SET name = $3 WHERE user_id = $1 AND id = $2";
        Ok(with_transaction!(self, tx => {
            let renamed = sqlx::query(SQL)
                .bind(user_id.0)
                .bind(id.0)
                .bind(name)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if renamed {
                insert_audit!(audit, &mut *tx);
            }
            renamed
        }))
    }

    /// Takes a passkey of a user away, and the recovery codes with the last second factor. False
    /// when they have none with this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn passkey_remove(
        &self,
        user_id: UserId,
        id: PasskeyId,
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM passkeys WHERE user_id = $1 AND id = $2";
        Ok(with_transaction!(self, tx => {
            let removed = sqlx::query(SQL)
                .bind(user_id.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if removed {
                let left: i64 = sqlx::query_scalar(LAST_FACTOR)
                    .bind(user_id.0)
                    .fetch_one(&mut *tx)
                    .await?;
                if left == 0 {
                    sqlx::query(DELETE_CODES).bind(user_id.0).execute(&mut *tx).await?;
                }
                insert_audit!(audit, &mut *tx);
                for message in messages {
                    insert_notification!(message, &mut *tx);
                }
            }
            removed
        }))
    }
}
