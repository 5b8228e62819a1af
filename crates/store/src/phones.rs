//! Telephones that codes are sent to, and those codes.

use apiverse_contract::UserId;
use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::Result;
use crate::audit::insert_audit;
use crate::notifications::{NotificationRow, insert_notification};
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};
use crate::two_factor::{DELETE_CODES, INSERT_CODE, LAST_FACTOR};

/// A user's telephone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneRow {
    pub user_id: UserId,
    /// E.164.
    pub phone: String,
    pub created_at: DateTime<Utc>,
    /// Not in force before.
    pub confirmed_at: Option<DateTime<Utc>>,
}

from_row! {
    PhoneRow, row => PhoneRow {
        user_id: UserId(row.try_get("user_id")?),
        phone: row.try_get("phone")?,
        created_at: row.try_get("created_at")?,
        confirmed_at: row.try_get("confirmed_at")?,
    };
}

/// A code that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneCodeRow {
    pub user_id: UserId,
    /// `confirm` or `second_factor`.
    pub purpose: String,
    pub code_hash: Vec<u8>,
    pub attempts_left: i32,
    pub expires_at: DateTime<Utc>,
}

from_row! {
    PhoneCodeRow, row => PhoneCodeRow {
        user_id: UserId(row.try_get("user_id")?),
        purpose: row.try_get("purpose")?,
        code_hash: row.try_get("code_hash")?,
        attempts_left: row.try_get("attempts_left")?,
        expires_at: row.try_get("expires_at")?,
    };
}

const INSERT_PHONE_CODE: &str = "INSERT INTO phone_codes (user_id, purpose, code_hash, \
     attempts_left, expires_at) VALUES ($1, $2, $3, $4, $5) \
     ON CONFLICT (user_id, purpose) DO UPDATE SET code_hash = excluded.code_hash, \
     attempts_left = excluded.attempts_left, expires_at = excluded.expires_at";

impl Store {
    /// Keeps a telephone that is not in force yet, in the place of another such one, with the code
    /// that is on its way to it. False when one is in force.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn phone_begin(
        &self,
        row: &PhoneRow,
        code: &PhoneCodeRow,
        message: &NotificationRow,
    ) -> Result<bool> {
        const SQL: &str = "INSERT INTO user_phones (user_id, phone, created_at) \
             VALUES ($1, $2, $3) ON CONFLICT (user_id) DO UPDATE SET phone = excluded.phone, \
             created_at = excluded.created_at WHERE user_phones.confirmed_at IS NULL";
        Ok(with_transaction!(self, tx => {
            let kept = sqlx::query(SQL)
                .bind(row.user_id.0)
                .bind(&row.phone)
                .bind(row.created_at)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if kept {
                sqlx::query(INSERT_PHONE_CODE)
                    .bind(code.user_id.0)
                    .bind(&code.purpose)
                    .bind(&code.code_hash)
                    .bind(code.attempts_left)
                    .bind(code.expires_at)
                    .execute(&mut *tx)
                    .await?;
                insert_notification!(message, &mut *tx);
            }
            kept
        }))
    }

    /// Keeps a code in the place of the one before, with the message that brings it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn phone_code_put(
        &self,
        code: &PhoneCodeRow,
        message: &NotificationRow,
    ) -> Result<()> {
        with_transaction!(self, tx => {
            sqlx::query(INSERT_PHONE_CODE)
                .bind(code.user_id.0)
                .bind(&code.purpose)
                .bind(&code.code_hash)
                .bind(code.attempts_left)
                .bind(code.expires_at)
                .execute(&mut *tx)
                .await?;
            insert_notification!(message, &mut *tx);
        });
        Ok(())
    }

    /// # Errors
    /// When the database fails.
    pub async fn phone_get(&self, user_id: UserId) -> Result<Option<PhoneRow>> {
        const SQL: &str = "SELECT * FROM user_phones WHERE user_id = $1";
        Ok(with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(user_id.0).fetch_optional(pool).await?))
    }

    /// Takes one attempt at a code, and the code away when it is the right one. False when it is
    /// not, or there is no attempt left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn phone_code_use(
        &self,
        (user_id, purpose): (UserId, &str),
        code_hash: &[u8],
        now: DateTime<Utc>,
    ) -> Result<bool> {
        const ATTEMPT: &str = "UPDATE phone_codes SET attempts_left = attempts_left - 1 \
             WHERE user_id = $1 AND purpose = $2 AND expires_at > $3 AND attempts_left > 0 \
             RETURNING *";
        const TAKE: &str =
            "DELETE FROM phone_codes WHERE user_id = $1 AND purpose = $2 AND code_hash = $3";
        Ok(with_transaction!(self, tx => {
            let sent: Option<PhoneCodeRow> = sqlx::query_as(ATTEMPT)
                .bind(user_id.0)
                .bind(purpose)
                .bind(now)
                .fetch_optional(&mut *tx)
                .await?;
            if sent.is_some() {
                sqlx::query(TAKE)
                    .bind(user_id.0)
                    .bind(purpose)
                    .bind(code_hash)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected()
                    > 0
            } else {
                false
            }
        }))
    }

    /// Puts a telephone in force, with recovery codes if it is the first second factor. False when
    /// none waits, or another one does by now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn phone_confirm(
        &self,
        row: &PhoneRow,
        now: DateTime<Utc>,
        codes: &[[u8; 32]],
        (audit, message): (&AuditRow, &NotificationRow),
    ) -> Result<bool> {
        const SQL: &str = "UPDATE user_phones SET confirmed_at = $3 \
             WHERE user_id = $1 AND phone = $2 AND confirmed_at IS NULL";
        Ok(with_transaction!(self, tx => {
            let confirmed = sqlx::query(SQL)
                .bind(row.user_id.0)
                .bind(&row.phone)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if confirmed {
                for code in codes {
                    sqlx::query(INSERT_CODE)
                        .bind(row.user_id.0)
                        .bind(code.as_slice())
                        .execute(&mut *tx)
                        .await?;
                }
                insert_audit!(audit, &mut *tx);
                insert_notification!(message, &mut *tx);
            }
            confirmed
        }))
    }

    /// Takes a telephone away, and the recovery codes with the last second factor. False when none
    /// was in force.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn phone_remove(
        &self,
        user_id: UserId,
        audit: &AuditRow,
        message: &NotificationRow,
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM user_phones WHERE user_id = $1 AND confirmed_at IS NOT NULL";
        Ok(with_transaction!(self, tx => {
            let removed = sqlx::query(SQL)
                .bind(user_id.0)
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
                insert_notification!(message, &mut *tx);
            }
            removed
        }))
    }

    /// Forgets codes that are too old.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn phone_codes_forget(&self, now: DateTime<Utc>) -> Result<u64> {
        const SQL: &str = "DELETE FROM phone_codes WHERE expires_at <= $1";
        Ok(with_pool!(self, pool =>
            sqlx::query(SQL).bind(now).execute(pool).await?.rows_affected()))
    }
}
