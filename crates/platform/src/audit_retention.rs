//! Forgetting the beginnings of the audit log's chains.

use apiverse_contract::OrganizationId;
use apiverse_store::StoreError;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;

use crate::actor::RequestInfo;
use crate::platform::{Event, Platform};

/// A chain is cut only when this much of it is too old: each cut is a line of the log itself.
const SLACK: TimeDelta = TimeDelta::days(7);
/// Organizations read at once.
const PAGE: u32 = 1000;

/// What a cut is called in the log.
pub(crate) const PRUNED: &str = "audit.pruned";

impl Platform {
    /// Forgets lines of the audit log that are too old, in every chain; how many.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn audit_forget(&self, now: DateTime<Utc>) -> Result<u64, StoreError> {
        let kept = self.inner.config.accounts.audit_kept;
        let Some(kept) = kept.and_then(|kept| TimeDelta::from_std(kept).ok()) else {
            return Ok(0);
        };
        let before = now - kept;
        let mut count = self.forget_chain(None, before).await?;
        let mut after = None;
        loop {
            let page = self.store().organization_list(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.id);
            for organization in page {
                count += self.forget_chain(Some(organization.id), before).await?;
            }
        }
        Ok(count)
    }

    async fn forget_chain(
        &self,
        organization_id: Option<OrganizationId>,
        before: DateTime<Utc>,
    ) -> Result<u64, StoreError> {
        let oldest = self.store().audit_oldest(organization_id).await?;
        if oldest.is_none_or(|oldest| oldest >= before - SLACK) {
            return Ok(0);
        }
        let nobody = RequestInfo {
            request_id: String::new(),
            ip: None,
            user_agent: None,
        };
        let event = Event {
            action: PRUNED,
            target_type: "audit",
            target_id: organization_id
                .map_or_else(|| "installation".to_owned(), |id| id.to_string()),
            details: json!({}),
        };
        let note = self.audit_line(organization_id, (None, "system".to_owned()), &nobody, event);
        self.store()
            .audit_prune((organization_id, before), &note)
            .await
    }
}
