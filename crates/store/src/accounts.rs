//! Users, organizations and who belongs where.

use apiverse_contract::{OrganizationId, UserId};

use crate::Result;
use crate::audit::insert_audit;
use crate::identities::{IdentityRow, insert_identity};
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, Joined, MembershipRow, OrganizationRow, UserRow};

impl Store {
    /// Adds a user with an organization of their own.
    ///
    /// # Errors
    /// [`crate::Conflict::Email`] or [`crate::Conflict::OrganizationSlug`] when taken.
    pub async fn user_register(
        &self,
        user: &UserRow,
        organization: &OrganizationRow,
        membership: &MembershipRow,
        audit: &AuditRow,
    ) -> Result<()> {
        let known_by = None;
        self.user_register_as(user, (organization, membership), known_by, audit)
            .await
            .map(|_| ())
    }

    /// The same with who they are elsewhere. False when that is somebody already: nobody is added.
    ///
    /// # Errors
    /// See [`Store::user_register`].
    pub async fn user_register_as(
        &self,
        user: &UserRow,
        (organization, membership): (&OrganizationRow, &MembershipRow),
        known_by: Option<&IdentityRow>,
        audit: &AuditRow,
    ) -> Result<bool> {
        const USER: &str = "INSERT INTO users (id, email, password_hash, full_name, is_active, \
             email_verified_at, credentials_version, created_at, updated_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        const ORGANIZATION: &str = "INSERT INTO organizations (id, name, slug, created_at, \
             updated_at) VALUES ($1, $2, $3, $4, $5)";
        const MEMBERSHIP: &str = "INSERT INTO memberships (organization_id, user_id, role, \
             created_at) VALUES ($1, $2, $3, $4)";
        with_transaction!(self, tx => {
            sqlx::query(USER)
                .bind(user.id.0)
                .bind(&user.email)
                .bind(&user.password_hash)
                .bind(&user.full_name)
                .bind(user.is_active)
                .bind(user.email_verified_at)
                .bind(user.credentials_version)
                .bind(user.created_at)
                .bind(user.updated_at)
                .execute(&mut *tx)
                .await?;
            sqlx::query(ORGANIZATION)
                .bind(organization.id.0)
                .bind(&organization.name)
                .bind(&organization.slug)
                .bind(organization.created_at)
                .bind(organization.updated_at)
                .execute(&mut *tx)
                .await?;
            sqlx::query(MEMBERSHIP)
                .bind(membership.organization_id.0)
                .bind(membership.user_id.0)
                .bind(&membership.role)
                .bind(membership.created_at)
                .execute(&mut *tx)
                .await?;
            if let Some(identity) = known_by
                && !insert_identity!(identity, &mut *tx)
            {
                return Ok(false);
            }
            insert_audit!(audit, &mut *tx);
        });
        Ok(true)
    }

    /// `email` is compared as it is; callers lower it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<UserRow>> {
        const SQL: &str = "SELECT * FROM users WHERE email = $1";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL).bind(email).fetch_optional(pool).await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn user_get(&self, id: UserId) -> Result<Option<UserRow>> {
        const SQL: &str = "SELECT * FROM users WHERE id = $1";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL).bind(id.0).fetch_optional(pool).await?))
    }

    /// Writes `full_name`, `is_active` and `time_zone`; false when there is no such user. Address and password
    /// have functions of their own, so that nobody writes back what was changed meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn user_update(&self, user: &UserRow, audit: &AuditRow) -> Result<bool> {
        const SQL: &str = "UPDATE users SET full_name = $2, is_active = $3, updated_at = $4, \
             time_zone = $5 WHERE id = $1";
        Ok(with_transaction!(self, tx => {
            let changed = sqlx::query(SQL)
                .bind(user.id.0)
                .bind(&user.full_name)
                .bind(user.is_active)
                .bind(user.updated_at)
                .bind(&user.time_zone)
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

    /// # Errors
    /// When the database fails.
    pub async fn user_count(&self) -> Result<i64> {
        const SQL: &str = "SELECT count(*) FROM users";
        Ok(with_pool!(self, pool => sqlx::query_scalar(SQL).fetch_one(pool).await?))
    }

    /// The organization a user joined first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn membership_first(
        &self,
        user_id: UserId,
    ) -> Result<Option<(OrganizationRow, MembershipRow)>> {
        const SQL: &str = "SELECT o.*, m.user_id, m.role, m.created_at AS joined_at \
             FROM memberships m JOIN organizations o ON o.id = m.organization_id \
             WHERE m.user_id = $1 ORDER BY m.created_at, o.id LIMIT 1";
        let found: Option<Joined> = with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(user_id.0).fetch_optional(pool).await?);
        Ok(found.map(|Joined(organization, membership)| (organization, membership)))
    }

    /// The organizations a user is in, the one joined first at the top.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn memberships_of_user(
        &self,
        user_id: UserId,
    ) -> Result<Vec<(OrganizationRow, MembershipRow)>> {
        const SQL: &str = "SELECT o.*, m.user_id, m.role, m.created_at AS joined_at \
             FROM memberships m JOIN organizations o ON o.id = m.organization_id \
             WHERE m.user_id = $1 ORDER BY m.created_at, o.id";
        let found: Vec<Joined> = with_pool!(self, pool =>
            sqlx::query_as(SQL).bind(user_id.0).fetch_all(pool).await?);
        let pair = |Joined(organization, membership)| (organization, membership);
        Ok(found.into_iter().map(pair).collect())
    }

    /// # Errors
    /// When the database fails.
    pub async fn membership_get(
        &self,
        organization_id: OrganizationId,
        user_id: UserId,
    ) -> Result<Option<(OrganizationRow, MembershipRow)>> {
        const SQL: &str = "SELECT o.*, m.user_id, m.role, m.created_at AS joined_at \
             FROM memberships m JOIN organizations o ON o.id = m.organization_id \
             WHERE m.organization_id = $1 AND m.user_id = $2";
        let found: Option<Joined> = with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(user_id.0)
            .fetch_optional(pool)
            .await?);
        Ok(found.map(|Joined(organization, membership)| (organization, membership)))
    }

    /// # Errors
    /// When the database fails.
    pub async fn organization_get(&self, id: OrganizationId) -> Result<Option<OrganizationRow>> {
        const SQL: &str = "SELECT * FROM organizations WHERE id = $1";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL).bind(id.0).fetch_optional(pool).await?))
    }

    /// # Errors
    /// When the database fails.
    pub async fn organization_by_slug(&self, slug: &str) -> Result<Option<OrganizationRow>> {
        const SQL: &str = "SELECT * FROM organizations WHERE slug = $1";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL).bind(slug).fetch_optional(pool).await?))
    }

    /// The oldest organization of this installation.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn organization_first(&self) -> Result<Option<OrganizationRow>> {
        const SQL: &str = "SELECT * FROM organizations ORDER BY id LIMIT 1";
        Ok(with_pool!(self, pool => sqlx::query_as(SQL).fetch_optional(pool).await?))
    }
}
