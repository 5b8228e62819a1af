//! Reading the audit log.

use apiverse_contract::audit::AuditView;
use apiverse_contract::{AuditEventId, ListQuery, Page};

use crate::actor::Actor;
use crate::cursor;
use crate::fault::{Invalid, operation_error};
use crate::permissions::Permission;
use crate::platform::Platform;

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
        let permit = actor.require(Permission::AuditRead)?;
        let limit = query.limit().map_err(|error| Invalid(vec![error]))?;
        let after = cursor::to_id(query.cursor.as_deref())?.map(AuditEventId);
        let rows = self
            .store()
            .audit_list(permit.organization_id(), after, limit + 1)
            .await?;
        Ok(
            Page::from_rows(rows, limit, |row| cursor::of_id(row.id.0)).map(|row| AuditView {
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
            }),
        )
    }
}
