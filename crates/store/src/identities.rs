//! Who people are elsewhere, and what is reported from there.

use apiverse_contract::{IdentityId, OrganizationId, SessionId, UserId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::audit::insert_audit;
use crate::notifications::{NotificationRow, insert_notification};
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, MembershipRow, from_row};

/// A user as another service knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityRow {
    pub id: IdentityId,
    pub user_id: UserId,
    pub issuer: String,
    /// The issuer's id of them.
    pub subject: String,
    /// What the issuer said last.
    pub email: Option<String>,
    pub created_at: DateTime<Utc>,
    pub last_used_at: DateTime<Utc>,
}

from_row! {
    IdentityRow, row => IdentityRow {
        id: IdentityId(row.try_get("id")?),
        user_id: UserId(row.try_get("user_id")?),
        issuer: row.try_get("issuer")?,
        subject: row.try_get("subject")?,
        email: row.try_get("email")?,
        created_at: row.try_get("created_at")?,
        last_used_at: row.try_get("last_used_at")?,
    };
}

/// What became of taking an identity away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityRemoved {
    Done,
    /// The user has no such identity.
    Unknown,
    /// Without it the user could not sign in any more: it stays.
    LastWay,
}

/// Something elsewhere, as a report describes it.
#[derive(Clone, Copy, Debug)]
pub struct ExternalMark<'a> {
    pub issuer: &'a str,
    /// `user`, `session`, `organization`, `membership`.
    pub kind: &'a str,
    pub external_id: &'a str,
    /// When it was changed there, milliseconds since 1970.
    pub version: i64,
    /// It is not there any more, for good.
    pub is_gone: bool,
    pub now: DateTime<Utc>,
}

pub(crate) const INSERT_IDENTITY: &str = "INSERT INTO identities (id, user_id, issuer, subject, \
     email, created_at, last_used_at) VALUES ($1, $2, $3, $4, $5, $6, $7) \
     ON CONFLICT (issuer, subject) DO NOTHING";

/// Whoever takes a way to sign in away writes the user's row first: one after the other.
const LOCK_USER: &str = "UPDATE users SET updated_at = updated_at WHERE id = $1";
const OTHER_WAYS: &str = "SELECT (SELECT count(*) FROM users WHERE id = $1 AND password_hash <> '') \
     + (SELECT count(*) FROM identities WHERE user_id = $1 AND id <> $2)";

const MARK: &str = "INSERT INTO external_objects (issuer, kind, external_id, version, is_gone, \
     noted_at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (issuer, kind, external_id) \
     DO UPDATE SET version = excluded.version, is_gone = excluded.is_gone, \
     noted_at = excluded.noted_at \
     WHERE external_objects.is_gone = $7 AND (excluded.is_gone <> $7 \
         OR excluded.version >= external_objects.version)";

/// Whether the mark is the newest; true also when it was made before.
macro_rules! mark {
    ($mark:expr, $executor:expr) => {
        sqlx::query(MARK)
            .bind($mark.issuer)
            .bind($mark.kind)
            .bind($mark.external_id)
            .bind($mark.version)
            .bind($mark.is_gone)
            .bind($mark.now)
            .bind(false)
            .execute($executor)
            .await?
            .rows_affected()
            > 0
    };
}

/// Adds an identity inside a transaction; whether it was new.
macro_rules! insert_identity {
    ($row:expr, $executor:expr) => {
        sqlx::query($crate::identities::INSERT_IDENTITY)
            .bind($row.id.0)
            .bind($row.user_id.0)
            .bind(&$row.issuer)
            .bind(&$row.subject)
            .bind(&$row.email)
            .bind($row.created_at)
            .bind($row.last_used_at)
            .execute($executor)
            .await?
            .rows_affected()
            > 0
    };
}
pub(crate) use insert_identity;

impl Store {
    /// The user an issuer's subject is, if one is known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn identity_find(&self, issuer: &str, subject: &str) -> Result<Option<IdentityRow>> {
        const SQL: &str = "SELECT * FROM identities WHERE issuer = $1 AND subject = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(issuer)
            .bind(subject)
            .fetch_optional(pool)
            .await?))
    }

    /// Oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn identities_of_user(&self, user_id: UserId) -> Result<Vec<IdentityRow>> {
        const SQL: &str = "SELECT * FROM identities WHERE user_id = $1 ORDER BY id";
        Ok(with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(user_id.0).fetch_all(pool).await?))
    }

    /// False when the subject is somebody already: it stays so, and nobody is told.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn identity_insert(
        &self,
        row: &IdentityRow,
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<bool> {
        Ok(with_transaction!(self, tx => {
            let is_new = insert_identity!(row, &mut *tx);
            if is_new {
                insert_audit!(audit, &mut *tx);
                for message in messages {
                    insert_notification!(message, &mut *tx);
                }
            }
            is_new
        }))
    }

    /// Takes note of a use, and of the address the issuer tells now.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn identity_used(
        &self,
        id: IdentityId,
        email: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<()> {
        const SQL: &str = "UPDATE identities SET last_used_at = $3, \
             email = COALESCE($2, email) WHERE id = $1";
        with_pool!(self, pool => sqlx::query(SQL)
            .bind(id.0)
            .bind(email)
            .bind(now)
            .execute(pool)
            .await
            .map(|_| ())?);
        Ok(())
    }

    /// Takes an identity away, unless it is the user's last way to sign in.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn identity_remove(
        &self,
        user_id: UserId,
        id: IdentityId,
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<IdentityRemoved> {
        const SQL: &str = "DELETE FROM identities WHERE id = $1 AND user_id = $2";
        const THERE: &str = "SELECT count(*) FROM identities WHERE id = $1 AND user_id = $2";
        Ok(with_transaction!(self, tx => {
            sqlx::query(LOCK_USER).bind(user_id.0).execute(&mut *tx).await?;
            let there: i64 = sqlx::query_scalar(THERE)
                .bind(id.0)
                .bind(user_id.0)
                .fetch_one(&mut *tx)
                .await?;
            if there == 0 {
                return Ok(IdentityRemoved::Unknown);
            }
            let others: i64 = sqlx::query_scalar(OTHER_WAYS)
                .bind(user_id.0)
                .bind(id.0)
                .fetch_one(&mut *tx)
                .await?;
            if others == 0 {
                return Ok(IdentityRemoved::LastWay);
            }
            sqlx::query(SQL).bind(id.0).bind(user_id.0).execute(&mut *tx).await?;
            insert_audit!(audit, &mut *tx);
            for message in messages {
                insert_notification!(message, &mut *tx);
            }
            IdentityRemoved::Done
        }))
    }

    /// The issuer does not know somebody any more: the identity goes, their sessions end, and
    /// without another way in the account is off. False when there was no such identity.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn identity_end(
        &self,
        (issuer, subject): (&str, &str),
        audit: &AuditRow,
        now: DateTime<Utc>,
    ) -> Result<bool> {
        const FIND: &str = "SELECT * FROM identities WHERE issuer = $1 AND subject = $2";
        const DELETE: &str = "DELETE FROM identities WHERE id = $1";
        const END: &str = "UPDATE users SET credentials_version = credentials_version + 1, \
             is_active = CASE WHEN $2 THEN is_active ELSE $2 END, updated_at = $3 WHERE id = $1";
        const SESSIONS: &str = "DELETE FROM sessions WHERE user_id = $1";
        Ok(with_transaction!(self, tx => {
            let found: Option<IdentityRow> = sqlx::query_as(FIND)
                .bind(issuer)
                .bind(subject)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(found) = found else {
                return Ok(false);
            };
            sqlx::query(LOCK_USER).bind(found.user_id.0).execute(&mut *tx).await?;
            let others: i64 = sqlx::query_scalar(OTHER_WAYS)
                .bind(found.user_id.0)
                .bind(found.id.0)
                .fetch_one(&mut *tx)
                .await?;
            sqlx::query(DELETE).bind(found.id.0).execute(&mut *tx).await?;
            sqlx::query(END)
                .bind(found.user_id.0)
                .bind(others > 0)
                .bind(now)
                .execute(&mut *tx)
                .await?;
            sqlx::query(SESSIONS).bind(found.user_id.0).execute(&mut *tx).await?;
            insert_audit!(audit, &mut *tx);
            true
        }))
    }

    /// Takes note of what a report describes. False when something newer, or the end of it, was
    /// noted before: the report is late.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn external_mark(&self, mark: &ExternalMark<'_>) -> Result<bool> {
        Ok(with_pool!(self, pool => mark!(mark, pool)))
    }

    /// Whether something elsewhere is known to be gone.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn external_is_gone(
        &self,
        issuer: &str,
        kind: &str,
        external_id: &str,
    ) -> Result<bool> {
        const SQL: &str = "SELECT is_gone FROM external_objects \
             WHERE issuer = $1 AND kind = $2 AND external_id = $3";
        let found: Option<bool> = with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(issuer)
            .bind(kind)
            .bind(external_id)
            .fetch_optional(pool)
            .await?);
        Ok(found.unwrap_or(false))
    }

    /// Gives a user the name the issuer tells, unless the report is late or nobody is meant.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn external_user_named(
        &self,
        mark: &ExternalMark<'_>,
        full_name: Option<&str>,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE users SET full_name = $3, updated_at = $4 WHERE id = \
             (SELECT user_id FROM identities WHERE issuer = $1 AND subject = $2) \
             AND COALESCE(full_name, '') <> COALESCE($3, '')";
        Ok(with_transaction!(self, tx => {
            let fresh = mark!(mark, &mut *tx);
            let named = fresh
                && sqlx::query(SQL)
                    .bind(mark.issuer)
                    .bind(mark.external_id)
                    .bind(full_name)
                    .bind(mark.now)
                    .execute(&mut *tx)
                    .await?
                    .rows_affected()
                    > 0;
            if named {
                insert_audit!(audit, &mut *tx);
            }
            named
        }))
    }

    /// Our organization of one elsewhere.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn external_organization(
        &self,
        issuer: &str,
        external_id: &str,
    ) -> Result<Option<OrganizationId>> {
        const SQL: &str = "SELECT organization_id FROM external_organizations \
             WHERE issuer = $1 AND external_id = $2";
        let found: Option<Uuid> = with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(issuer)
            .bind(external_id)
            .fetch_optional(pool)
            .await?);
        Ok(found.map(OrganizationId))
    }

    /// False when it has one already, which stays.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn external_organization_link(
        &self,
        issuer: &str,
        external_id: &str,
        organization_id: OrganizationId,
    ) -> Result<bool> {
        const SQL: &str = "INSERT INTO external_organizations (issuer, external_id, \
             organization_id) VALUES ($1, $2, $3) ON CONFLICT (issuer, external_id) DO NOTHING";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(issuer)
            .bind(external_id)
            .bind(organization_id.0)
            .execute(pool)
            .await?
            .rows_affected()
            > 0))
    }

    /// The organization stays; nothing that is reported reaches it any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn external_organization_unlink(
        &self,
        issuer: &str,
        external_id: &str,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str =
            "DELETE FROM external_organizations WHERE issuer = $1 AND external_id = $2";
        Ok(with_transaction!(self, tx => {
            let unlinked = sqlx::query(SQL)
                .bind(issuer)
                .bind(external_id)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if unlinked {
                insert_audit!(audit, &mut *tx);
            }
            unlinked
        }))
    }

    /// Makes somebody a member, or gives them the role; an owner stays one. False when nothing
    /// changed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn external_member_set(
        &self,
        membership: &MembershipRow,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "INSERT INTO memberships (organization_id, user_id, role, created_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (organization_id, user_id) \
             DO UPDATE SET role = excluded.role \
             WHERE memberships.role NOT IN ('owner', excluded.role)";
        Ok(with_transaction!(self, tx => {
            let changed = sqlx::query(SQL)
                .bind(membership.organization_id.0)
                .bind(membership.user_id.0)
                .bind(&membership.role)
                .bind(membership.created_at)
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

    /// Ties a session to the one elsewhere that it began with.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_origin_insert(
        &self,
        session_id: SessionId,
        issuer: &str,
        external_id: &str,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO session_origins (session_id, issuer, external_id) \
             VALUES ($1, $2, $3)";
        with_pool!(self, pool => sqlx::query(SQL)
            .bind(session_id.0)
            .bind(issuer)
            .bind(external_id)
            .execute(pool)
            .await
            .map(|_| ())?);
        Ok(())
    }

    /// Ends the sessions that began with one elsewhere; how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sessions_end_of_origin(&self, issuer: &str, external_id: &str) -> Result<u64> {
        const SQL: &str = "DELETE FROM sessions WHERE id IN (SELECT session_id \
             FROM session_origins WHERE issuer = $1 AND external_id = $2)";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(issuer)
            .bind(external_id)
            .execute(pool)
            .await?
            .rows_affected()))
    }

    /// Whether a report was taken before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn webhook_seen(&self, provider: &str, receipt: &[u8]) -> Result<bool> {
        const SQL: &str =
            "SELECT count(*) FROM webhook_receipts WHERE provider = $1 AND receipt = $2";
        let count: i64 = with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(provider)
            .bind(receipt)
            .fetch_one(pool)
            .await?);
        Ok(count > 0)
    }

    /// Takes note that a report was taken.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn webhook_note(
        &self,
        provider: &str,
        receipt: &[u8],
        now: DateTime<Utc>,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO webhook_receipts (provider, receipt, received_at) \
             VALUES ($1, $2, $3) ON CONFLICT (provider, receipt) DO NOTHING";
        with_pool!(self, pool => sqlx::query(SQL)
            .bind(provider)
            .bind(receipt)
            .bind(now)
            .execute(pool)
            .await
            .map(|_| ())?);
        Ok(())
    }
}
