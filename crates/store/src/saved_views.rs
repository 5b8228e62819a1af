//! Saved views, and which of them a page opens with.

use apiverse_contract::saved_views::ViewPage;
use apiverse_contract::{OrganizationId, SavedViewId, UserId};
use chrono::{DateTime, Utc};
use sqlx::Row;

use crate::Result;
use crate::audit::insert_audit;
use crate::pool::{Store, with_pool, with_transaction};
use crate::rows::{AuditRow, from_row};

/// A view, as somebody sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedViewRow {
    pub id: SavedViewId,
    pub organization_id: OrganizationId,
    pub owner_id: UserId,
    /// Whose it is; read only.
    pub owner_email: String,
    pub page: ViewPage,
    pub name: String,
    pub query: String,
    pub shared: bool,
    /// Whether the page opens with it for the one who asks; read only.
    pub is_default: bool,
    pub created_at: DateTime<Utc>,
}

from_row! {
    SavedViewRow, row => SavedViewRow {
        id: SavedViewId(row.try_get("id")?),
        organization_id: OrganizationId(row.try_get("organization_id")?),
        owner_id: UserId(row.try_get("owner_id")?),
        owner_email: row.try_get("owner_email")?,
        page: ViewPage::parse(row.try_get("page")?).unwrap_or_default(),
        name: row.try_get("name")?,
        query: row.try_get("query")?,
        shared: row.try_get("shared")?,
        is_default: row.try_get("is_default")?,
        created_at: row.try_get("created_at")?,
    };
}

/// What a user sees in an organization: their own, and what is shared.
macro_rules! seen {
    ($more:literal) => {
        concat!(
            "SELECT v.*, u.email AS owner_email, (d.view_id IS NOT NULL) AS is_default \
             FROM saved_views v JOIN users u ON u.id = v.owner_id \
             LEFT JOIN default_views d ON d.view_id = v.id AND d.user_id = $2 \
             AND d.organization_id = v.organization_id \
             WHERE v.organization_id = $1 AND (v.owner_id = $2 OR v.shared) ",
            $more
        )
    };
}

impl Store {
    /// What a user sees, the oldest first.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn saved_views_list(
        &self,
        organization_id: OrganizationId,
        user_id: UserId,
    ) -> Result<Vec<SavedViewRow>> {
        const SQL: &str = seen!("ORDER BY v.id LIMIT 1000");
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(user_id.0)
            .fetch_all(pool)
            .await?))
    }

    /// One that a user sees.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn saved_view_get(
        &self,
        organization_id: OrganizationId,
        user_id: UserId,
        id: SavedViewId,
    ) -> Result<Option<SavedViewRow>> {
        const SQL: &str = seen!("AND v.id = $3");
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(user_id.0)
            .bind(id.0)
            .fetch_optional(pool)
            .await?))
    }

    /// The one a page opens with for a user, as long as they see it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn default_view(
        &self,
        organization_id: OrganizationId,
        user_id: UserId,
        page: ViewPage,
    ) -> Result<Option<SavedViewRow>> {
        const SQL: &str = seen!("AND d.page = $3");
        Ok(with_pool!(self, pool => sqlx::query_as(SQL)
            .bind(organization_id.0)
            .bind(user_id.0)
            .bind(page.as_str())
            .fetch_optional(pool)
            .await?))
    }

    /// # Errors
    /// [`crate::Conflict::SavedViewName`] when another view of its owner has the name.
    pub async fn saved_view_insert(
        &self,
        row: &SavedViewRow,
        audit: Option<&AuditRow>,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO saved_views \
             (id, organization_id, owner_id, page, name, query, shared, created_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        with_transaction!(self, tx => {
            sqlx::query(SQL)
                .bind(row.id.0)
                .bind(row.organization_id.0)
                .bind(row.owner_id.0)
                .bind(row.page.as_str())
                .bind(&row.name)
                .bind(&row.query)
                .bind(row.shared)
                .bind(row.created_at)
                .execute(&mut *tx)
                .await?;
            if let Some(audit) = audit {
                insert_audit!(audit, &mut *tx);
            }
        });
        Ok(())
    }

    /// Writes name, query, and whether it is shared; false when there is no such view. One that is
    /// shared no more is nobody else's default.
    ///
    /// # Errors
    /// [`crate::Conflict::SavedViewName`] when another view of its owner has the name.
    pub async fn saved_view_update(
        &self,
        row: &SavedViewRow,
        audit: Option<&AuditRow>,
    ) -> Result<bool> {
        const SQL: &str = "UPDATE saved_views SET name = $3, query = $4, shared = $5 \
             WHERE organization_id = $1 AND id = $2";
        const FORGET: &str = "DELETE FROM default_views WHERE view_id = $1 AND user_id <> $2";
        Ok(with_transaction!(self, tx => {
            let done = sqlx::query(SQL)
                .bind(row.organization_id.0)
                .bind(row.id.0)
                .bind(&row.name)
                .bind(&row.query)
                .bind(row.shared)
                .execute(&mut *tx)
                .await?
                .rows_affected() == 1;
            if done && !row.shared {
                sqlx::query(FORGET)
                    .bind(row.id.0)
                    .bind(row.owner_id.0)
                    .execute(&mut *tx)
                    .await?;
            }
            if let (true, Some(audit)) = (done, audit) {
                insert_audit!(audit, &mut *tx);
            }
            done
        }))
    }

    /// False when there is no such view.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn saved_view_delete(
        &self,
        organization_id: OrganizationId,
        id: SavedViewId,
        audit: Option<&AuditRow>,
    ) -> Result<bool> {
        const SQL: &str = "DELETE FROM saved_views WHERE organization_id = $1 AND id = $2";
        Ok(with_transaction!(self, tx => {
            let done = sqlx::query(SQL)
                .bind(organization_id.0)
                .bind(id.0)
                .execute(&mut *tx)
                .await?
                .rows_affected() == 1;
            if let (true, Some(audit)) = (done, audit) {
                insert_audit!(audit, &mut *tx);
            }
            done
        }))
    }

    /// Opens a page with a view for a user. The view was got for that user before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn default_view_set(
        &self,
        organization_id: OrganizationId,
        user_id: UserId,
        page: ViewPage,
        id: SavedViewId,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO default_views (organization_id, user_id, page, view_id) \
             VALUES ($1, $2, $3, $4) ON CONFLICT (organization_id, user_id, page) \
             DO UPDATE SET view_id = excluded.view_id";
        with_pool!(self, pool => sqlx::query(SQL)
            .bind(organization_id.0)
            .bind(user_id.0)
            .bind(page.as_str())
            .bind(id.0)
            .execute(pool)
            .await
            .map(|_| ())?);
        Ok(())
    }

    /// Opens a page without this view again.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn default_view_clear(&self, user_id: UserId, id: SavedViewId) -> Result<()> {
        const SQL: &str = "DELETE FROM default_views WHERE user_id = $1 AND view_id = $2";
        with_pool!(self, pool => sqlx::query(SQL)
            .bind(user_id.0)
            .bind(id.0)
            .execute(pool)
            .await
            .map(|_| ())?);
        Ok(())
    }
}
