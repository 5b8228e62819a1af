//! Who does not want to see an organization's first steps any more.

use apiverse_contract::{OrganizationId, UserId};
use chrono::{DateTime, Utc};

use crate::Result;
use crate::pool::{Store, with_pool};

impl Store {
    /// Remembers that a member does not want to see the first steps; the first time counts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn onboarding_dismiss(
        &self,
        organization_id: OrganizationId,
        user_id: UserId,
        now: DateTime<Utc>,
    ) -> Result<()> {
        const SQL: &str = "INSERT INTO onboarding_dismissals \
             (organization_id, user_id, dismissed_at) VALUES ($1, $2, $3) \
             ON CONFLICT (organization_id, user_id) DO NOTHING";
        with_pool!(self, pool => {
            sqlx::query(SQL)
                .bind(organization_id.0)
                .bind(user_id.0)
                .bind(now)
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// When a member dismissed the first steps; `None`: never.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn onboarding_dismissed(
        &self,
        organization_id: OrganizationId,
        user_id: UserId,
    ) -> Result<Option<DateTime<Utc>>> {
        const SQL: &str = "SELECT dismissed_at FROM onboarding_dismissals \
             WHERE organization_id = $1 AND user_id = $2";
        Ok(with_pool!(self, pool => sqlx::query_scalar(SQL)
            .bind(organization_id.0)
            .bind(user_id.0)
            .fetch_optional(pool)
            .await?))
    }
}
