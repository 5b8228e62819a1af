//! Browser sessions, and families of refresh tokens.

use apiverse_contract::{SessionId, UserId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::audit::insert_audit;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, SessionRow};

/// What became of a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshUse {
    /// Its first use; the family it belongs to.
    Fresh(SessionRow),
    /// It was used before: somebody has a copy. The family, as it was, is ended.
    Reused(SessionRow),
    /// Never issued, expired, or its family is over.
    Unknown,
}

impl Store {
    /// Adds a session. False when there is one with the same token: it stays as it is.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_insert(&self, session: &SessionRow) -> Result<bool> {
        const SQL: &str = "INSERT INTO sessions (id, kind, user_id, token_hash, data, ip, \
             user_agent, created_at, last_seen_at, expires_at, credentials_version, \
             authenticated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
             ON CONFLICT (token_hash) DO NOTHING";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(session.id.0)
            .bind(&session.kind)
            .bind(session.user_id.map(|id| id.0))
            .bind(&session.token_hash)
            .bind(&session.data)
            .bind(&session.ip)
            .bind(&session.user_agent)
            .bind(session.created_at)
            .bind(session.last_seen_at)
            .bind(session.expires_at)
            .bind(session.credentials_version)
            .bind(session.authenticated_at)
            .execute(pool)
            .await?
            .rows_affected()
            > 0))
    }

    /// Writes the session with this token anew, all but its id, its beginning and what it was begun
    /// under. False when there is
    /// none, or it is over at `now`: a session that was ended does not come back by being saved.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_update(&self, session: &SessionRow, now: DateTime<Utc>) -> Result<bool> {
        const SQL: &str = "UPDATE sessions SET user_id = $3, data = $4, ip = $5, \
             user_agent = $6, last_seen_at = $7, expires_at = $8 \
             WHERE token_hash = $1 AND expires_at > $2";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(&session.token_hash)
            .bind(now)
            .bind(session.user_id.map(|id| id.0))
            .bind(&session.data)
            .bind(&session.ip)
            .bind(&session.user_agent)
            .bind(session.last_seen_at)
            .bind(session.expires_at)
            .execute(pool)
            .await?
            .rows_affected()
            > 0))
    }

    /// The session of a token, unless it has expired.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_by_token(
        &self,
        token_hash: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Option<SessionRow>> {
        const SQL: &str = "SELECT * FROM sessions WHERE token_hash = $1 AND expires_at > $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(token_hash)
            .bind(now)
            .fetch_optional(pool)
            .await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn session_get(
        &self,
        id: SessionId,
        now: DateTime<Utc>,
    ) -> Result<Option<SessionRow>> {
        const SQL: &str = "SELECT * FROM sessions WHERE id = $1 AND expires_at > $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(id.0)
            .bind(now)
            .fetch_optional(pool)
            .await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn session_delete_by_token(&self, token_hash: &[u8]) -> Result<()> {
        const SQL: &str = "DELETE FROM sessions WHERE token_hash = $1";
        with_pool!(self, pool =>
            sqlx::query(SQL).bind(token_hash).execute(pool).await.map(|_| ())?);
        Ok(())
    }

    /// # Errors
    /// When the database fails.
    pub async fn session_touch(&self, id: SessionId, now: DateTime<Utc>) -> Result<()> {
        const SQL: &str = "UPDATE sessions SET last_seen_at = $2 WHERE id = $1";
        with_pool!(self, pool =>
            sqlx::query(SQL).bind(id.0).bind(now).execute(pool).await.map(|_| ())?);
        Ok(())
    }

    /// Newest use first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions_of_user(
        &self,
        user_id: UserId,
        now: DateTime<Utc>,
    ) -> Result<Vec<SessionRow>> {
        const SQL: &str = "SELECT * FROM sessions WHERE user_id = $1 AND expires_at > $2 \
             ORDER BY last_seen_at DESC, id DESC";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(user_id.0)
            .bind(now)
            .fetch_all(pool)
            .await?))
    }

    /// False when the user has no such session.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_revoke(
        &self,
        user_id: UserId,
        id: SessionId,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM sessions WHERE user_id = $1 AND id = $2";
        Ok(with_transaction!(self, tx => {
            let deleted = sqlx::query(SQL)
                .bind(user_id.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if deleted {
                insert_audit!(audit, &mut *tx);
            }
            deleted
        }))
    }

    /// Ends all of a user's sessions but `keep`; how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions_revoke_others(
        &self,
        user_id: UserId,
        keep: Option<SessionId>,
        audit: &AuditRow,
    ) -> Result<u64> {
        const SQL: &str = "DELETE FROM sessions WHERE user_id = $1 AND ($2 IS NULL OR id <> $2)";
        Ok(with_transaction!(self, tx => {
            let ended = sqlx::query(SQL)
                .bind(user_id.0)
                .bind(keep.map(|id| id.0))
                .execute(&mut *tx)
                .await?
                .rows_affected();
            if ended > 0 {
                insert_audit!(audit, &mut *tx);
            }
            ended
        }))
    }

    /// How many were over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions_delete_expired(&self, now: DateTime<Utc>) -> Result<u64> {
        const TOKENS: &str = "DELETE FROM refresh_tokens WHERE expires_at <= $1";
        const SESSIONS: &str = "DELETE FROM sessions WHERE expires_at <= $1";
        Ok(with_transaction!(self, tx => {
            sqlx::query(TOKENS).bind(now).execute(&mut *tx).await?;
            sqlx::query(SESSIONS).bind(now).execute(&mut *tx).await?.rows_affected()
        }))
    }

    /// Adds a refresh token to the family `session_id`, and lets the family live as long.
    ///
    /// # Errors
    /// When the database fails or the family is gone.
    pub async fn refresh_insert(
        &self,
        token_hash: &[u8],
        session_id: SessionId,
        expires_at: DateTime<Utc>,
    ) -> Result<()> {
        const TOKEN: &str = "INSERT INTO refresh_tokens (token_hash, session_id, expires_at) \
             VALUES ($1, $2, $3)";
        const SESSION: &str = "UPDATE sessions SET expires_at = $2 WHERE id = $1";
        with_transaction!(self, tx => {
            sqlx::query(TOKEN)
                .bind(token_hash)
                .bind(session_id.0)
                .bind(expires_at)
                .execute(&mut *tx)
                .await?;
            sqlx::query(SESSION).bind(session_id.0).bind(expires_at).execute(&mut *tx).await?;
        });
        Ok(())
    }

    /// Uses a refresh token up. Of two uses at the same time one is [`RefreshUse::Fresh`].
    ///
    /// # Errors
    /// When the database fails.
    pub async fn refresh_use(&self, token_hash: &[u8], now: DateTime<Utc>) -> Result<RefreshUse> {
        const USE: &str = "UPDATE refresh_tokens SET used_at = $2 \
             WHERE token_hash = $1 AND used_at IS NULL AND expires_at > $2 RETURNING session_id";
        const SEEN: &str = "SELECT session_id FROM refresh_tokens \
             WHERE token_hash = $1 AND used_at IS NOT NULL";
        const SESSION: &str = "SELECT * FROM sessions WHERE id = $1 AND expires_at > $2";
        const END: &str = "DELETE FROM sessions WHERE id = $1 RETURNING *";
        Ok(with_transaction!(self, tx => {
            let fresh = sqlx::query(USE)
                .bind(token_hash)
                .bind(now)
                .fetch_optional(&mut *tx)
                .await?;
            if let Some(row) = fresh {
                let session_id: Uuid = row.try_get("session_id")?;
                let session: Option<SessionRow> = sqlx::query_as(SESSION)
                    .bind(session_id)
                    .bind(now)
                    .fetch_optional(&mut *tx)
                    .await?;
                session.map_or(RefreshUse::Unknown, RefreshUse::Fresh)
            } else {
                let seen: Option<Uuid> = sqlx::query_scalar(SEEN)
                    .bind(token_hash)
                    .fetch_optional(&mut *tx)
                    .await?;
                match seen {
                    Some(session_id) => {
                        let ended: Option<SessionRow> = sqlx::query_as(END)
                            .bind(session_id)
                            .fetch_optional(&mut *tx)
                            .await?;
                        ended.map_or(RefreshUse::Unknown, RefreshUse::Reused)
                    }
                    None => RefreshUse::Unknown,
                }
            }
        }))
    }
}
