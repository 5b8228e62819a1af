//! Organizations, their members, and invitations.
//!
//! Whatever changes members writes the organization's row first, so that changes of one
//! organization happen one after the other: that is how it always has an owner.

use apiverse_contract::{InvitationId, OrganizationId, SessionId, UserId};
use chrono::{DateTime, Utc};
use sqlx::Row;
use uuid::Uuid;

use crate::Result;
use crate::audit::insert_audit;
use crate::gateway::BUMP;
use crate::notifications::{NotificationRow, insert_notification};
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, MembershipRow, OrganizationRow, from_row};

/// A member with what others see of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    pub user_id: UserId,
    pub email: String,
    pub full_name: Option<String>,
    pub role: String,
    pub joined_at: DateTime<Utc>,
    /// Whether a second factor is in force.
    pub two_factor: bool,
    /// When one of their sessions was used last; `None` when none is left.
    pub last_seen_at: Option<DateTime<Utc>>,
}

from_row! {
    MemberRow, row => MemberRow {
        user_id: UserId(row.try_get("user_id")?),
        email: row.try_get("email")?,
        full_name: row.try_get("full_name")?,
        role: row.try_get("role")?,
        joined_at: row.try_get("joined_at")?,
        two_factor: row.try_get("two_factor")?,
        last_seen_at: row.try_get("last_seen_at")?,
    };
}

/// An invitation; only a hash of its link's secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvitationRow {
    pub id: InvitationId,
    pub organization_id: OrganizationId,
    pub email: String,
    pub role: String,
    pub token_hash: Vec<u8>,
    pub invited_by: Option<UserId>,
    pub created_at: DateTime<Utc>,
    pub sent_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
    pub accepted_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
}

from_row! {
    InvitationRow, row => InvitationRow {
        id: InvitationId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        email: row.try_get("email")?,
        role: row.try_get("role")?,
        token_hash: row.try_get("token_hash")?,
        invited_by: row.try_get::<Option<Uuid>, _>("invited_by")?.map(UserId),
        created_at: row.try_get("created_at")?,
        sent_at: row.try_get("sent_at")?,
        expires_at: row.try_get("expires_at")?,
        accepted_at: row.try_get("accepted_at")?,
        revoked_at: row.try_get("revoked_at")?,
    };
}

/// What became of a change of members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemberChange {
    Done,
    /// There is no such member.
    Unknown,
    /// The organization would be left without an owner.
    LastOwner,
    /// Only an owner does this.
    OwnersOnly,
}

const LOCK: &str = "UPDATE organizations SET updated_at = updated_at WHERE id = $1";
const OWNERS: &str = "SELECT count(*) FROM memberships WHERE organization_id = $1 \
     AND role = 'owner' AND user_id <> $2";
const ROLE: &str = "SELECT role FROM memberships WHERE organization_id = $1 AND user_id = $2";
const SET_ROLE: &str = "UPDATE memberships SET role = $3 \
     WHERE organization_id = $1 AND user_id = $2";

impl Store {
    /// Adds an organization with its first owner.
    ///
    /// # Errors
    /// [`crate::Conflict::OrganizationSlug`] when the slug is taken.
    pub async fn organization_insert(
        &self,
        organization: &OrganizationRow,
        owner: &MembershipRow,
        audit: &AuditRow,
    ) -> Result<()> {
        const ORGANIZATION: &str = "INSERT INTO organizations (id, name, slug, created_at, \
             updated_at) VALUES ($1, $2, $3, $4, $5)";
        const MEMBERSHIP: &str = "INSERT INTO memberships (organization_id, user_id, role, \
             created_at) VALUES ($1, $2, $3, $4)";
        with_transaction!(self, tx => {
            sqlx::query(ORGANIZATION)
                .bind(organization.id.0)
                .bind(&organization.name)
                .bind(&organization.slug)
                .bind(organization.created_at)
                .bind(organization.updated_at)
                .execute(&mut *tx)
                .await?;
            sqlx::query(MEMBERSHIP)
                .bind(owner.organization_id.0)
                .bind(owner.user_id.0)
                .bind(&owner.role)
                .bind(owner.created_at)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
        });
        Ok(())
    }

    /// Writes name and slug; false when there is no such organization.
    ///
    /// # Errors
    /// [`crate::Conflict::OrganizationSlug`] when the slug is taken.
    pub async fn organization_update(
        &self,
        organization: &OrganizationRow,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE organizations SET name = $2, slug = $3, updated_at = $4 \
             WHERE id = $1";
        Ok(with_transaction!(self, tx => {
            let changed = sqlx::query(SQL)
                .bind(organization.id.0)
                .bind(&organization.name)
                .bind(&organization.slug)
                .bind(organization.updated_at)
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

    /// Deletes an organization with all it has; false when there is none. `audit` must not belong
    /// to it, since its own log goes too.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn organization_delete(&self, id: OrganizationId, audit: &AuditRow) -> Result<bool> {
        const SQL: &str = "DELETE FROM organizations WHERE id = $1";
        Ok(with_transaction!(self, tx => {
            let deleted =
                sqlx::query(SQL).bind(id.0).execute(&mut *tx).await?.rows_affected() > 0;
            if deleted {
                sqlx::query(BUMP).execute(&mut *tx).await?;
                insert_audit!(audit, &mut *tx);
            }
            deleted
        }))
    }

    /// Lets a session act in an organization from now on; false when its user is not in it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn session_switch(
        &self,
        id: SessionId,
        organization_id: OrganizationId,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE sessions SET organization_id = $2 WHERE id = $1 \
             AND EXISTS (SELECT 1 FROM memberships m \
                 WHERE m.organization_id = $2 AND m.user_id = sessions.user_id)";
        Ok(with_pool!(self, pool => sqlx::query(SQL)
            .bind(id.0)
            .bind(organization_id.0)
            .execute(pool)
            .await?
            .rows_affected()
            > 0))
    }

    /// In the order of their ids, beginning after `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn member_list(
        &self,
        organization_id: OrganizationId,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<MemberRow>> {
        const SQL: &str = "SELECT m.user_id, u.email, u.full_name, m.role, \
             m.created_at AS joined_at, \
             (EXISTS (SELECT 1 FROM user_totp t WHERE t.user_id = m.user_id \
                 AND t.confirmed_at IS NOT NULL) \
             OR EXISTS (SELECT 1 FROM user_phones t WHERE t.user_id = m.user_id \
                 AND t.confirmed_at IS NOT NULL) \
             OR EXISTS (SELECT 1 FROM passkeys t WHERE t.user_id = m.user_id)) AS two_factor, \
             (SELECT MAX(s.last_seen_at) FROM sessions s WHERE s.user_id = m.user_id) \
                 AS last_seen_at \
             FROM memberships m JOIN users u ON u.id = m.user_id \
             WHERE m.organization_id = $1 AND ($2 IS NULL OR m.user_id > $2) \
             ORDER BY m.user_id LIMIT $3";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(after.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn member_get(
        &self,
        organization_id: OrganizationId,
        user_id: UserId,
    ) -> Result<Option<MemberRow>> {
        const SQL: &str = "SELECT m.user_id, u.email, u.full_name, m.role, \
             m.created_at AS joined_at, \
             (EXISTS (SELECT 1 FROM user_totp t WHERE t.user_id = m.user_id \
                 AND t.confirmed_at IS NOT NULL) \
             OR EXISTS (SELECT 1 FROM user_phones t WHERE t.user_id = m.user_id \
                 AND t.confirmed_at IS NOT NULL) \
             OR EXISTS (SELECT 1 FROM passkeys t WHERE t.user_id = m.user_id)) AS two_factor, \
             (SELECT MAX(s.last_seen_at) FROM sessions s WHERE s.user_id = m.user_id) \
                 AS last_seen_at \
             FROM memberships m JOIN users u ON u.id = m.user_id \
             WHERE m.organization_id = $1 AND m.user_id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(user_id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// Gives a member a role. Unless an owner does it (`by_owner`), nobody becomes one and no owner
    /// changes, also one who became it a moment ago.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn member_set_role(
        &self,
        (organization_id, user_id): (OrganizationId, UserId),
        (role, by_owner): (&str, bool),
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<MemberChange> {
        Ok(with_transaction!(self, tx => {
            sqlx::query(LOCK).bind(organization_id.0).execute(&mut *tx).await?;
            let before: Option<String> = sqlx::query_scalar(ROLE)
                .bind(organization_id.0)
                .bind(user_id.0)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(before) = before else {
                return Ok(MemberChange::Unknown);
            };
            if !by_owner && (before == "owner" || role == "owner") {
                return Ok(MemberChange::OwnersOnly);
            }
            let others: i64 = sqlx::query_scalar(OWNERS)
                .bind(organization_id.0)
                .bind(user_id.0)
                .fetch_one(&mut *tx)
                .await?;
            if before == "owner" && role != "owner" && others == 0 {
                return Ok(MemberChange::LastOwner);
            }
            sqlx::query(SET_ROLE)
                .bind(organization_id.0)
                .bind(user_id.0)
                .bind(role)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
            for message in messages {
                insert_notification!(message, &mut *tx);
            }
            MemberChange::Done
        }))
    }

    /// Takes a member out; an owner only when an owner does it, or they themselves.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn member_remove(
        &self,
        (organization_id, user_id): (OrganizationId, UserId),
        by_owner: bool,
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<MemberChange> {
        const SQL: &str = "DELETE FROM memberships WHERE organization_id = $1 AND user_id = $2";
        Ok(with_transaction!(self, tx => {
            sqlx::query(LOCK).bind(organization_id.0).execute(&mut *tx).await?;
            let before: Option<String> = sqlx::query_scalar(ROLE)
                .bind(organization_id.0)
                .bind(user_id.0)
                .fetch_optional(&mut *tx)
                .await?;
            let Some(before) = before else {
                return Ok(MemberChange::Unknown);
            };
            if !by_owner && before == "owner" {
                return Ok(MemberChange::OwnersOnly);
            }
            let others: i64 = sqlx::query_scalar(OWNERS)
                .bind(organization_id.0)
                .bind(user_id.0)
                .fetch_one(&mut *tx)
                .await?;
            if before == "owner" && others == 0 {
                return Ok(MemberChange::LastOwner);
            }
            sqlx::query(SQL)
                .bind(organization_id.0)
                .bind(user_id.0)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
            for message in messages {
                insert_notification!(message, &mut *tx);
            }
            MemberChange::Done
        }))
    }

    /// Makes another member an owner and `from` an admin, in one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn ownership_transfer(
        &self,
        organization_id: OrganizationId,
        from: UserId,
        to: UserId,
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<MemberChange> {
        Ok(with_transaction!(self, tx => {
            sqlx::query(LOCK).bind(organization_id.0).execute(&mut *tx).await?;
            let before: Option<String> = sqlx::query_scalar(ROLE)
                .bind(organization_id.0)
                .bind(from.0)
                .fetch_optional(&mut *tx)
                .await?;
            if before.as_deref() != Some("owner") {
                return Ok(MemberChange::Unknown);
            }
            let made = sqlx::query(SET_ROLE)
                .bind(organization_id.0)
                .bind(to.0)
                .bind("owner")
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if !made {
                return Ok(MemberChange::Unknown);
            }
            sqlx::query(SET_ROLE)
                .bind(organization_id.0)
                .bind(from.0)
                .bind("admin")
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
            for message in messages {
                insert_notification!(message, &mut *tx);
            }
            MemberChange::Done
        }))
    }

    /// Adds an invitation, in the place of an earlier open one to the same address.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invitation_insert(
        &self,
        row: &InvitationRow,
        audit: &AuditRow,
        message: &NotificationRow,
    ) -> Result<()> {
        const EARLIER: &str = "UPDATE invitations SET revoked_at = $3 WHERE organization_id = $1 \
             AND email = $2 AND accepted_at IS NULL AND revoked_at IS NULL";
        const SQL: &str = "INSERT INTO invitations (id, organization_id, email, role, token_hash, \
             invited_by, created_at, sent_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        with_transaction!(self, tx => {
            sqlx::query(LOCK).bind(row.organization_id.0).execute(&mut *tx).await?;
            sqlx::query(EARLIER)
                .bind(row.organization_id.0)
                .bind(&row.email)
                .bind(row.created_at)
                .execute(&mut *tx)
                .await?;
            sqlx::query(SQL)
                .bind(row.id.0)
                .bind(row.organization_id.0)
                .bind(&row.email)
                .bind(&row.role)
                .bind(&row.token_hash)
                .bind(row.invited_by.map(|id| id.0))
                .bind(row.created_at)
                .bind(row.sent_at)
                .bind(row.expires_at)
                .execute(&mut *tx)
                .await?;
            insert_audit!(audit, &mut *tx);
            insert_notification!(message, &mut *tx);
        });
        Ok(())
    }

    /// Newest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invitation_list(
        &self,
        organization_id: OrganizationId,
        after: Option<InvitationId>,
        limit: u32,
    ) -> Result<Vec<InvitationRow>> {
        const SQL: &str = "SELECT * FROM invitations WHERE organization_id = $1 \
             AND ($2 IS NULL OR id < $2) ORDER BY id DESC LIMIT $3";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(after.map(|id| id.0))
            .bind(i64::from(limit))
            .fetch_all(pool)
            .await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn invitation_get(
        &self,
        organization_id: OrganizationId,
        id: InvitationId,
    ) -> Result<Option<InvitationRow>> {
        const SQL: &str = "SELECT * FROM invitations WHERE organization_id = $1 AND id = $2";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// The open invitation of a link. Who has its secret was sent it, so no organization is named.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invitation_by_token(
        &self,
        token_hash: &[u8],
        now: DateTime<Utc>,
    ) -> Result<Option<InvitationRow>> {
        const SQL: &str = "SELECT * FROM invitations WHERE token_hash = $1 AND expires_at > $2 \
             AND accepted_at IS NULL AND revoked_at IS NULL";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(token_hash)
            .bind(now)
            .fetch_optional(pool)
            .await?))
    }

    /// Gives an open invitation another link and more time; the former link ends. False when it is
    /// not open.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invitation_renew(
        &self,
        row: &InvitationRow,
        audit: &AuditRow,
        message: &NotificationRow,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE invitations SET token_hash = $3, sent_at = $4, expires_at = $5 \
             WHERE organization_id = $1 AND id = $2 \
             AND accepted_at IS NULL AND revoked_at IS NULL";
        Ok(with_transaction!(self, tx => {
            let renewed = sqlx::query(SQL)
                .bind(row.organization_id.0)
                .bind(row.id.0)
                .bind(&row.token_hash)
                .bind(row.sent_at)
                .bind(row.expires_at)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if renewed {
                insert_audit!(audit, &mut *tx);
                insert_notification!(message, &mut *tx);
            }
            renewed
        }))
    }

    /// Takes an open invitation back; false when it is not open.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invitation_revoke(
        &self,
        organization_id: OrganizationId,
        id: InvitationId,
        now: DateTime<Utc>,
        audit: &AuditRow,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE invitations SET revoked_at = $3 \
             WHERE organization_id = $1 AND id = $2 \
             AND accepted_at IS NULL AND revoked_at IS NULL";
        Ok(with_transaction!(self, tx => {
            let revoked = sqlx::query(SQL)
                .bind(organization_id.0)
                .bind(id.0)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if revoked {
                insert_audit!(audit, &mut *tx);
            }
            revoked
        }))
    }

    /// Uses an invitation up: its user becomes a member, and the address it went to is proved to
    /// be theirs. Who is a member already stays as they are. False when it is not open any more.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn invitation_accept(
        &self,
        row: &InvitationRow,
        user_id: UserId,
        now: DateTime<Utc>,
        audit: &AuditRow,
        messages: &[NotificationRow],
    ) -> Result<bool> {
        const TAKE: &str = "UPDATE invitations SET accepted_at = $3 \
             WHERE id = $1 AND token_hash = $2 AND expires_at > $3 \
             AND accepted_at IS NULL AND revoked_at IS NULL";
        const MEMBER: &str = "INSERT INTO memberships (organization_id, user_id, role, created_at) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (organization_id, user_id) DO NOTHING";
        const PROVED: &str = "UPDATE users SET email_verified_at = COALESCE(email_verified_at, $3) \
             WHERE id = $1 AND email = $2";
        Ok(with_transaction!(self, tx => {
            sqlx::query(LOCK).bind(row.organization_id.0).execute(&mut *tx).await?;
            let taken = sqlx::query(TAKE)
                .bind(row.id.0)
                .bind(&row.token_hash)
                .bind(now)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if taken {
                sqlx::query(MEMBER)
                    .bind(row.organization_id.0)
                    .bind(user_id.0)
                    .bind(&row.role)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
                sqlx::query(PROVED)
                    .bind(user_id.0)
                    .bind(&row.email)
                    .bind(now)
                    .execute(&mut *tx)
                    .await?;
                insert_audit!(audit, &mut *tx);
                for message in messages {
                    insert_notification!(message, &mut *tx);
                }
            }
            taken
        }))
    }
}
