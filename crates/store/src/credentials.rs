//! Changes of what proves who somebody is, and the links that are sent by e-mail for them.

use apiverse_contract::{OrganizationId, SessionId, UserId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::audit::insert_audit;
use crate::gateway::BUMP;
use crate::notifications::NotificationRow;
use crate::notifications::insert_notification;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};

/// A link sent by e-mail; only a hash of its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountTokenRow {
    pub token_hash: Vec<u8>,
    pub user_id: UserId,
    /// `verify_email`, `reset_password` or `change_email`.
    pub purpose: String,
    /// The address it was sent to.
    pub email: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

from_row! {
    AccountTokenRow, row => AccountTokenRow {
        token_hash: row.try_get("token_hash")?,
        user_id: UserId(row.try_get("user_id")?),
        purpose: row.try_get("purpose")?,
        email: row.try_get("email")?,
        created_at: row.try_get("created_at")?,
        expires_at: row.try_get("expires_at")?,
    };
}

/// A new password.
#[derive(Clone, Debug)]
pub struct PasswordChange<'a> {
    pub user_id: UserId,
    /// Argon2id, PHC string.
    pub password_hash: &'a str,
    /// The session that goes on; all others end.
    pub keep: Option<SessionId>,
    /// The link this is done with, which is used up.
    pub token_hash: Option<&'a [u8]>,
    pub now: DateTime<Utc>,
}

/// Why an account was not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserDeleted {
    /// It is gone, and with it the organizations nobody else was in.
    Gone(Vec<OrganizationId>),
    /// It is the only owner of organizations that others are in.
    OnlyOwner(Vec<OrganizationId>),
    /// There is no such account.
    Unknown,
}

/// Whether a user was seen at a place before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Known,
    /// The first place of all.
    First,
    New,
}

const INSERT_TOKEN: &str = "INSERT INTO account_tokens (token_hash, user_id, purpose, email, \
     created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)";
const TAKE_TOKEN: &str = "DELETE FROM account_tokens WHERE token_hash = $1 AND expires_at > $2";
const FORGET_TOKENS: &str = "DELETE FROM account_tokens WHERE user_id = $1 \
     AND purpose IN ('reset_password', 'change_email')";

impl Store {
    /// Keeps a link, with the messages it goes out in. Earlier ones for the same purpose end.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn account_token_insert(
        &self,
        token: &AccountTokenRow,
        messages: &[NotificationRow],
    ) -> Result<()> {
        const EARLIER: &str = "DELETE FROM account_tokens WHERE user_id = $1 AND purpose = $2";
        with_transaction!(self, tx => {
            sqlx::query(EARLIER)
                .bind(token.user_id.0)
                .bind(&token.purpose)
                .execute(&mut *tx)
                .await?;
            sqlx::query(INSERT_TOKEN)
                .bind(&token.token_hash)
                .bind(token.user_id.0)
                .bind(&token.purpose)
                .bind(&token.email)
                .bind(token.created_at)
                .bind(token.expires_at)
                .execute(&mut *tx)
                .await?;
            for message in messages {
                insert_notification!(message, &mut *tx);
            }
        });
        Ok(())
    }

    /// The link with a secret, unless it was used or is over.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn account_token_get(
        &self,
        token_hash: &[u8],
        purpose: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<AccountTokenRow>> {
        const SQL: &str = "SELECT * FROM account_tokens \
             WHERE token_hash = $1 AND purpose = $2 AND expires_at > $3";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(token_hash)
            .bind(purpose)
            .bind(now)
            .fetch_optional(pool)
            .await?))
    }

    /// Uses a link up that proves an address. False when it was used meanwhile, or the account has
    /// another address now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user_verify_email(
        &self,
        token: &AccountTokenRow,
        now: DateTime<Utc>,
        audit: &AuditRow,
    ) -> Result<bool> {
        const USER: &str = "UPDATE users SET email_verified_at = COALESCE(email_verified_at, $3) \
             WHERE id = $1 AND email = $2";
        Ok(with_transaction!(self, tx => {
            let taken = sqlx::query(TAKE_TOKEN)
                .bind(&token.token_hash)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            let verified = taken
                && sqlx::query(USER)
                    .bind(token.user_id.0)
                    .bind(&token.email)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected()
                    > 0;
            if verified {
                insert_audit!(audit, &mut *tx);
            }
            verified
        }))
    }

    /// Uses a link up that proves a new address, and takes that address. False when it was used
    /// meanwhile. Links that went to the former address end.
    ///
    /// # Errors
    /// [`crate::Conflict::Email`] when the address is taken.
    pub async fn user_change_email(
        &self,
        token: &AccountTokenRow,
        now: DateTime<Utc>,
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<bool> {
        const USER: &str = "UPDATE users SET email = $2, email_verified_at = $3, updated_at = $3 \
             WHERE id = $1";
        Ok(with_transaction!(self, tx => {
            let taken = sqlx::query(TAKE_TOKEN)
                .bind(&token.token_hash)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if taken {
                sqlx::query(USER)
                    .bind(token.user_id.0)
                    .bind(&token.email)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
                sqlx::query(FORGET_TOKENS).bind(token.user_id.0).execute(&mut *tx).await?;
                insert_audit!(audit, &mut *tx);
                for message in messages {
                    insert_notification!(message, &mut *tx);
                }
            }
            taken
        }))
    }

    /// Sets a password and ends the user's sessions, all in one. A sign-in with the former
    /// password that is under way on another node makes a session that is over from its beginning.
    /// False when there is no such user, or the link was used meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user_set_password(
        &self,
        change: &PasswordChange<'_>,
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<bool> {
        // Whoever came by the link reads the mail of the address it went to.
        const TAKE: &str = "DELETE FROM account_tokens WHERE token_hash = $1 AND expires_at > $2 \
             AND purpose = 'reset_password' RETURNING email";
        const USER: &str = "UPDATE users SET password_hash = $2, updated_at = $3, \
             credentials_version = credentials_version + 1, \
             email_verified_at = CASE WHEN email = $4 \
                 THEN COALESCE(email_verified_at, $3) ELSE email_verified_at END \
             WHERE id = $1 RETURNING credentials_version";
        const END: &str = "DELETE FROM sessions WHERE user_id = $1 AND ($2 IS NULL OR id <> $2)";
        const KEEP: &str = "UPDATE sessions SET credentials_version = $2 WHERE id = $1";
        let keep = change.keep.map(|id| id.0);
        with_transaction!(self, tx => {
            let mut proved: Option<String> = None;
            if let Some(token_hash) = change.token_hash {
                proved = sqlx::query_scalar(TAKE)
                    .bind(token_hash)
                    .bind(change.now)
                    .fetch_optional(&mut *tx)
                    .await?;
                if proved.is_none() {
                    return Ok(false);
                }
            }
            let version: Option<i32> = sqlx::query_scalar(USER)
                .bind(change.user_id.0)
                .bind(change.password_hash)
                .bind(change.now)
                .bind(proved)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(version) = version else {
                return Ok(false);
            };
            sqlx::query(END).bind(change.user_id.0).bind(keep).execute(&mut *tx).await?;
            sqlx::query(KEEP).bind(keep).bind(version).execute(&mut *tx).await?;
            sqlx::query(FORGET_TOKENS).bind(change.user_id.0).execute(&mut *tx).await?;
            insert_audit!(audit, &mut *tx);
            for message in messages {
                insert_notification!(message, &mut *tx);
            }
        });
        Ok(true)
    }

    /// Keeps the hash of the same password made with parameters of today. False when the password
    /// was changed meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user_rehash(
        &self,
        user_id: UserId,
        former: &str,
        password_hash: &str,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE users SET password_hash = $3 \
             WHERE id = $1 AND password_hash = $2";
        Ok(with_transaction!(self, tx => {
            // The account's row first, as everywhere: two such changes never wait for each other.
            let kept = sqlx::query(SQL)
                .bind(user_id.0)
                .bind(former)
                .bind(password_hash)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            insert_audit!(audit, &mut *tx);
            kept
        }))
    }

    /// Deletes an account, and the organizations that nobody else is in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user_delete(
        &self,
        user_id: UserId,
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<UserDeleted> {
        // Whoever changes members of an organization writes its row first: one after the other.
        const LOCK: &str = "UPDATE organizations SET updated_at = updated_at WHERE id IN \
             (SELECT organization_id FROM memberships WHERE user_id = $1)";
        const ONLY_OWNER: &str = "SELECT m.organization_id FROM memberships m \
             WHERE m.user_id = $1 AND m.role = 'owner' \
             AND NOT EXISTS (SELECT 1 FROM memberships o WHERE o.role = 'owner' \
                 AND o.organization_id = m.organization_id AND o.user_id <> $1) \
             AND EXISTS (SELECT 1 FROM memberships o \
                 WHERE o.organization_id = m.organization_id AND o.user_id <> $1) \
             ORDER BY m.organization_id";
        const ALONE: &str = "DELETE FROM organizations WHERE id IN \
             (SELECT m.organization_id FROM memberships m WHERE m.user_id = $1) \
             AND NOT EXISTS (SELECT 1 FROM memberships o \
                 WHERE o.organization_id = organizations.id AND o.user_id <> $1) \
             RETURNING id";
        const USER: &str = "DELETE FROM users WHERE id = $1";
        Ok(with_transaction!(self, tx => {
            sqlx::query(LOCK).bind(user_id.0).execute(&mut *tx).await?;
            let owned: Vec<Uuid> = sqlx::query_scalar(ONLY_OWNER)
                .bind(user_id.0)
                .fetch_all(&mut *tx)
                .await?;
            if !owned.is_empty() {
                return Ok(UserDeleted::OnlyOwner(ids(owned)));
            }
            let gone: Vec<Uuid> = sqlx::query_scalar(ALONE)
                .bind(user_id.0)
                .fetch_all(&mut *tx)
                .await?;
            let deleted = sqlx::query(USER)
                .bind(user_id.0)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if !deleted {
                return Ok(UserDeleted::Unknown);
            }
            for _ in &gone {
                sqlx::query(BUMP).execute(&mut *tx).await?;
            }
            insert_audit!(audit, &mut *tx);
            for message in messages {
                insert_notification!(message, &mut *tx);
            }
            UserDeleted::Gone(ids(gone))
        }))
    }

    /// Notes that a user signed in at a place.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn place_note(
        &self,
        user_id: UserId,
        place: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Place> {
        const SEEN: &str = "UPDATE known_places SET last_seen_at = $3 \
             WHERE user_id = $1 AND place = $2";
        const COUNT: &str = "SELECT count(*) FROM known_places WHERE user_id = $1";
        const ADD: &str = "INSERT INTO known_places (user_id, place, last_seen_at) \
             VALUES ($1, $2, $3) ON CONFLICT (user_id, place) DO NOTHING";
        Ok(with_transaction!(self, tx => {
            let seen = sqlx::query(SEEN)
                .bind(user_id.0)
                .bind(place)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if seen {
                Place::Known
            } else {
                let others: i64 = sqlx::query_scalar(COUNT)
                    .bind(user_id.0)
                    .fetch_one(&mut *tx)
                    .await?;
                sqlx::query(ADD)
                    .bind(user_id.0)
                    .bind(place)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
                if others == 0 { Place::First } else { Place::New }
            }
        }))
    }

    /// Everything the audit log has of what a user did, oldest first, up to `limit` lines.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_of_user(&self, user_id: UserId, limit: u32) -> Result<Vec<AuditRow>> {
        const SQL: &str = "SELECT * FROM audit_events WHERE actor_user_id = $1 \
             ORDER BY id LIMIT $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(user_id.0)
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// Forgets links that are over, and places not seen since `places_before`; how many links.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn account_tokens_forget(
        &self,
        now: DateTime<Utc>,
        places_before: DateTime<Utc>,
    ) -> Result<u64> {
        const PLACES: &str = "DELETE FROM known_places WHERE last_seen_at < $1";
        const TOKENS: &str = "DELETE FROM account_tokens WHERE expires_at <= $1";
        Ok(with_transaction!(self, tx => {
            sqlx::query(PLACES).bind(places_before).execute(&mut *tx).await?;
            sqlx::query(TOKENS).bind(now).execute(&mut *tx).await?.rows_affected()
        }))
    }
}

fn ids(found: Vec<Uuid>) -> Vec<OrganizationId> {
    found.into_iter().map(OrganizationId).collect()
}
