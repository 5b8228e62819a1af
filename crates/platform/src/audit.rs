//! Reading the audit log.

use apiverse_contract::audit::{AuditQuery, AuditView};
use apiverse_contract::{AuditEventId, ListQuery, Page};
use apiverse_store::{AuditFilter, AuditRow};

use crate::actor::Actor;
use crate::cursor;
use crate::fault::{Invalid, operation_error};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};

operation_error! {
    /// Why the audit log was not shown.
    AuditListError { Forbidden, Invalid }
}

impl Platform {
    /// The organization's audit log, newest first.
    ///
    /// # Errors
    /// See [`AuditListError`].
    pub async fn audit_list(
        &self,
        actor: &Actor,
        query: ListQuery,
    ) -> Result<Page<AuditView>, AuditListError> {
        let query = AuditQuery {
            limit: query.limit,
            cursor: query.cursor,
            q: query.q,
            ..AuditQuery::default()
        };
        self.audit_search(actor, query).await
    }

    /// Those lines of the organization's audit log that fit, newest first.
    ///
    /// # Errors
    /// See [`AuditListError`].
    pub async fn audit_search(
        &self,
        actor: &Actor,
        query: AuditQuery,
    ) -> Result<Page<AuditView>, AuditListError> {
        let permit = actor.require(Permission::AuditRead)?;
        let limit = query.limit().map_err(|error| Invalid(vec![error]))?;
        let after = cursor::to_id(query.cursor.as_deref())?.map(AuditEventId);
        let rows = self
            .store()
            .audit_search(permit.organization_id(), &filter(&query), after, limit + 1)
            .await?;
        Ok(Page::from_rows(rows, limit, |row| cursor::of_id(row.id.0)).map(view))
    }
}

/// Lines of one export.
const MOST_LINES: usize = 100_000;
/// Lines read at once for it.
const PAGE: u32 = 1000;

operation_error! {
    /// Why the audit log was not exported.
    AuditExportError { Forbidden, Invalid }
}

impl Platform {
    /// All of the organization's lines that fit, newest first; at most a hundred thousand. That
    /// they were taken along is in the log too.
    ///
    /// # Errors
    /// See [`AuditExportError`].
    pub async fn audit_export(
        &self,
        actor: &Actor,
        query: AuditQuery,
    ) -> Result<Vec<AuditView>, AuditExportError> {
        let permit = actor.require(Permission::AuditRead)?;
        let filter = filter(&query);
        let mut after = cursor::to_id(query.cursor.as_deref())?.map(AuditEventId);
        let mut lines = Vec::new();
        loop {
            let page = self
                .store()
                .audit_search(permit.organization_id(), &filter, after, PAGE)
                .await?;
            let is_last = page.len() < PAGE as usize;
            for row in page {
                after = Some(row.id);
                lines.push(view(row));
            }
            if is_last || lines.len() >= MOST_LINES {
                break;
            }
        }
        let event = Event {
            action: "audit.exported",
            target_type: "organization",
            target_id: permit.organization_id().to_string(),
            details: serde_json::json!({ "lines": lines.len() }),
        };
        let line = self.audit(actor, event);
        self.store().audit_insert(&line).await?;
        Ok(lines)
    }
}

fn filter(query: &AuditQuery) -> AuditFilter {
    AuditFilter {
        action: query.action.clone(),
        target_type: query.target_type.clone(),
        target_id: query.target_id.clone(),
        text: query.q.clone(),
        from: query.from,
        to: query.to,
    }
}

pub(crate) fn view(row: AuditRow) -> AuditView {
    AuditView {
        id: row.id,
        created_at: row.created_at,
        actor_user_id: row.actor_user_id,
        actor: row.actor,
        action: row.action,
        target_type: row.target_type,
        target_id: row.target_id,
        details: row.details,
        ip: row.ip,
        request_id: row.request_id,
    }
}
