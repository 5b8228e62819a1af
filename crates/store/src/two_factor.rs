//! The second factor: secrets of authenticator apps, recovery codes, and sign-ins that wait.

use apiverse_contract::{OrganizationId, SessionId, UserId};
use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::Result;
use crate::audit::insert_audit;
use crate::notifications::{NotificationRow, insert_notification};
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};

/// The secret a user shares with their authenticator app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotpRow {
    pub user_id: UserId,
    /// Encrypted for `user_totp.secret:{user_id}`.
    pub secret: Vec<u8>,
    /// The time step whose code was used last.
    pub last_step: i64,
    pub created_at: DateTime<Utc>,
    /// Not in force before.
    pub confirmed_at: Option<DateTime<Utc>>,
}

from_row! {
    TotpRow, row => TotpRow {
        user_id: UserId(row.try_get("user_id")?),
        secret: row.try_get("secret")?,
        last_step: row.try_get("last_step")?,
        created_at: row.try_get("created_at")?,
        confirmed_at: row.try_get("confirmed_at")?,
    };
}

/// How many second factors of each kind a user has in force.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SecondFactors {
    pub totp: i64,
    pub passkeys: i64,
    pub phones: i64,
}

from_row! {
    SecondFactors, row => SecondFactors {
        totp: row.try_get("totp")?,
        passkeys: row.try_get("passkeys")?,
        phones: row.try_get("phones")?,
    };
}

/// A sign-in whose password was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeRow {
    pub token_hash: Vec<u8>,
    pub user_id: UserId,
    /// The user's, when the password was checked.
    pub credentials_version: i32,
    pub attempts_left: i32,
    pub expires_at: DateTime<Utc>,
}

from_row! {
    ChallengeRow, row => ChallengeRow {
        token_hash: row.try_get("token_hash")?,
        user_id: UserId(row.try_get("user_id")?),
        credentials_version: row.try_get("credentials_version")?,
        attempts_left: row.try_get("attempts_left")?,
        expires_at: row.try_get("expires_at")?,
    };
}

impl Store {
    /// Keeps a secret that is not in force yet, in the place of another such one. False when one
    /// is in force.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn totp_begin(&self, row: &TotpRow) -> Result<bool> {
        const SQL: &str = "INSERT INTO user_totp (user_id, secret, last_step, created_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (user_id) DO UPDATE SET \
             secret = excluded.secret, last_step = excluded.last_step, \
             created_at = excluded.created_at WHERE user_totp.confirmed_at IS NULL";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(row.user_id.0)
            .bind(&row.secret)
            .bind(row.last_step)
            .bind(row.created_at)
            .execute(pool)
            .await?
            .rows_affected()
            > 0))
    }

    /// # Errors
    /// When the database fails.
    pub async fn totp_get(&self, user_id: UserId) -> Result<Option<TotpRow>> {
        const SQL: &str = "SELECT * FROM user_totp WHERE user_id = $1";
        Ok(with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(user_id.0).fetch_optional(pool).await?))
    }

    /// Puts a secret in force, with recovery codes. False when one is in force, or the code's step
    /// was used.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn totp_confirm(
        &self,
        (user_id, step, now): (UserId, i64, DateTime<Utc>),
        codes: &[[u8; 32]],
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<bool> {
        const SQL: &str = "UPDATE user_totp SET confirmed_at = $3, last_step = $2 \
             WHERE user_id = $1 AND confirmed_at IS NULL AND last_step < $2";
        Ok(with_transaction!(self, tx => {
            let confirmed = sqlx::query(SQL)
                .bind(user_id.0)
                .bind(step)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if confirmed {
                sqlx::query(DELETE_CODES).bind(user_id.0).execute(&mut *tx).await?;
                for code in codes {
                    sqlx::query(INSERT_CODE)
                        .bind(user_id.0)
                        .bind(code.as_slice())
                        .execute(&mut *tx)
                        .await?;
                }
                insert_audit!(audit, &mut *tx);
                for message in messages {
                    insert_notification!(message, &mut *tx);
                }
            }
            confirmed
        }))
    }

    /// Uses a code's time step up; false when it, or a later one, was used before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn totp_use(&self, user_id: UserId, step: i64) -> Result<bool> {
        const SQL: &str = "UPDATE user_totp SET last_step = $2 \
             WHERE user_id = $1 AND confirmed_at IS NOT NULL AND last_step < $2";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(user_id.0)
            .bind(step)
            .execute(pool)
            .await?
            .rows_affected()
            > 0))
    }

    /// What proves who a user is besides their password.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn second_factors(&self, user_id: UserId) -> Result<SecondFactors> {
        const SQL: &str = "SELECT \
             (SELECT count(*) FROM user_totp WHERE user_id = $1 AND confirmed_at IS NOT NULL) AS totp, \
             (SELECT count(*) FROM passkeys WHERE user_id = $1) AS passkeys, \
             (SELECT count(*) FROM user_phones WHERE user_id = $1 AND confirmed_at IS NOT NULL) AS phones";
        Ok(with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(user_id.0).fetch_one(pool).await?))
    }

    /// Takes the authenticator app away, the recovery codes too if there is no other second factor.
    /// False when there was none in force.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn totp_remove(
        &self,
        user_id: UserId,
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM user_totp WHERE user_id = $1 AND confirmed_at IS NOT NULL";
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
                for message in messages {
                    insert_notification!(message, &mut *tx);
                }
            }
            removed
        }))
    }

    /// Uses a recovery code up; false when there is no such unused one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recovery_use(
        &self,
        user_id: UserId,
        code_hash: &[u8],
        now: DateTime<Utc>,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE recovery_codes SET used_at = $3 \
             WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(user_id.0)
            .bind(code_hash)
            .bind(now)
            .execute(pool)
            .await?
            .rows_affected()
            > 0))
    }

    /// Puts new recovery codes in the place of the former ones.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recovery_replace(
        &self,
        user_id: UserId,
        codes: &[[u8; 32]],
        audit: &AuditRow,
    ) -> Result<()> {
        with_transaction!(self, tx => {
            sqlx::query(DELETE_CODES).bind(user_id.0).execute(&mut *tx).await?;
            for code in codes {
                sqlx::query(INSERT_CODE)
                    .bind(user_id.0)
                    .bind(code.as_slice())
                    .execute(&mut *tx)
                    .await?;
            }
            insert_audit!(audit, &mut *tx);
        });
        Ok(())
    }

    /// How many recovery codes are unused.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn recovery_left(&self, user_id: UserId) -> Result<i64> {
        const SQL: &str = "SELECT count(*) FROM recovery_codes \
             WHERE user_id = $1 AND used_at IS NULL";
        Ok(with_pool!(self, pool =>
            sqlx::query_scalar(SQL).bind(user_id.0).fetch_one(pool).await?))
    }

    /// Remembers a sign-in that waits for its second factor.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn challenge_insert(&self, row: &ChallengeRow) -> Result<()> {
        const SQL: &str = "INSERT INTO mfa_challenges (token_hash, user_id, credentials_version, \
             attempts_left, expires_at) VALUES ($1, $2, $3, $4, $5)";
        with_pool!(self, pool => sqlx::query(SQL)
            .bind(&row.token_hash)
            .bind(row.user_id.0)
            .bind(row.credentials_version)
            .bind(row.attempts_left)
            .bind(row.expires_at)
            .execute(pool)
            .await
            .map(|_| ())?);
        Ok(())
    }

    /// Takes one attempt of a waiting sign-in; `None` when there is none left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn challenge_attempt(
        &self,
        token_hash: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Option<ChallengeRow>> {
        const SQL: &str = "UPDATE mfa_challenges SET attempts_left = attempts_left - 1 \
             WHERE token_hash = $1 AND expires_at > $2 AND attempts_left > 0 RETURNING *";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(token_hash)
            .bind(now)
            .fetch_optional(pool)
            .await?))
    }

    /// A waiting sign-in that has an attempt left.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn challenge_get(
        &self,
        token_hash: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Option<ChallengeRow>> {
        const SQL: &str = "SELECT * FROM mfa_challenges \
             WHERE token_hash = $1 AND expires_at > $2 AND attempts_left > 0";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(token_hash)
            .bind(now)
            .fetch_optional(pool)
            .await?))
    }

    /// Ends a waiting sign-in; false when another request did.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn challenge_take(&self, token_hash: &[u8]) -> Result<bool> {
        const SQL: &str = "DELETE FROM mfa_challenges WHERE token_hash = $1";
        Ok(with_pool!(self, pool =>
            sqlx::query(SQL).bind(token_hash).execute(pool).await?.rows_affected() > 0))
    }

    /// Forgets sign-ins that waited too long.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn challenges_forget(&self, now: DateTime<Utc>) -> Result<u64> {
        const SQL: &str = "DELETE FROM mfa_challenges WHERE expires_at <= $1";
        Ok(with_pool!(self, pool =>
            sqlx::query(SQL).bind(now).execute(pool).await?.rows_affected()))
    }

    /// Notes that a session's user has just proved who they are again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_authenticated(
        &self,
        id: SessionId,
        now: DateTime<Utc>,
        audit: &AuditRow,
    ) -> Result<()> {
        const SQL: &str = "UPDATE sessions SET authenticated_at = $2 WHERE id = $1";
        with_transaction!(self, tx => {
            sqlx::query(SQL).bind(id.0).bind(now).execute(&mut *tx).await?;
            insert_audit!(audit, &mut *tx);
        });
        Ok(())
    }

    /// Sets whether members of an organization need a second factor to act in it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn organization_require_two_factor(
        &self,
        id: OrganizationId,
        required: bool,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE organizations SET require_two_factor = $2 WHERE id = $1";
        Ok(with_transaction!(self, tx => {
            let changed = sqlx::query(SQL)
                .bind(id.0)
                .bind(required)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if changed {
                insert_audit!(audit, &mut *tx);
            }
            changed
        }))
    }
}

/// How many second factors a user has.
pub(crate) const LAST_FACTOR: &str = "SELECT \
     (SELECT count(*) FROM user_totp WHERE user_id = $1 AND confirmed_at IS NOT NULL) \
     + (SELECT count(*) FROM passkeys WHERE user_id = $1) \
     + (SELECT count(*) FROM user_phones WHERE user_id = $1 AND confirmed_at IS NOT NULL)";
pub(crate) const DELETE_CODES: &str = "DELETE FROM recovery_codes WHERE user_id = $1";
pub(crate) const INSERT_CODE: &str =
    "INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)";
