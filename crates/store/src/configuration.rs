//! Many changes to one organization's configuration, all of them or none.

use apiverse_contract::limits::LimitPolicy;
use apiverse_contract::policies::{PolicyKind, PolicyScope};
use apiverse_contract::versions::{DEFAULT_VERSION, Versioning};
use apiverse_contract::{ApiId, OrganizationId, RouteId, VersionId};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::types::Json;

use crate::apis::{delete_api, insert_api, update_api};
use crate::audit::insert_audit;
use crate::gateway::Fingerprint;
use crate::limits::{delete_route, insert_route, put_limits, update_route};
use crate::policies::set_policy;
use crate::pool::{Store, with_transaction};
use crate::rows::{ApiRow, AuditRow};
use crate::versions::{VersionRow, delete_version, insert_version, put_versioning, update_version};
use crate::{PolicyChange, PolicyRow, PolicyTarget, Result, RouteRow};

/// One of the changes, which may build on those before it.
#[derive(Clone, Debug)]
pub enum ConfigurationStep {
    ApiInsert(ApiRow),
    ApiUpdate(ApiRow),
    ApiDelete(ApiId),
    RouteInsert(RouteRow),
    RouteUpdate(RouteRow),
    RouteDelete(ApiId, RouteId),
    VersionInsert(VersionRow),
    VersionUpdate(VersionRow),
    VersionDelete(ApiId, VersionId),
    Versioning(ApiId, Versioning),
    Limits(PolicyTarget, LimitPolicy),
    Policy {
        scope: PolicyScope,
        kind: PolicyKind,
        document: Option<Value>,
    },
}

/// What became of the changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    All,
    /// None: something was changed since `expected` was read.
    Changed,
    /// None: what this step is about is not there, or there is no room for it.
    Refused(usize),
}

const UPDATE: &str =
    "UPDATE config_version SET version = version + $2 WHERE id = 1 AND version = $1";

impl Store {
    /// Makes all changes, or none. `expected` is the count of changes when what they build on was
    /// read, and `announced` how many announcements of them will be made; `at` and `by` are for the
    /// history of policies.
    ///
    /// # Errors
    /// [`crate::Conflict`] when a name or slug is taken.
    pub async fn configuration_apply(
        &self,
        organization_id: OrganizationId,
        (expected, announced): (Fingerprint, i64),
        steps: &[ConfigurationStep],
        audit: &AuditRow,
        (at, by): (DateTime<Utc>, &str),
    ) -> Result<Applied> {
        Ok(with_transaction!(self, tx => {
            // The row's lock keeps everybody else waiting until these changes are made.
            let unchanged = sqlx::query(UPDATE)
                .bind(expected.0)
                .bind(announced)
                .execute(&mut *tx)
                .await?
                .rows_affected()
                > 0;
            if !unchanged {
                tx.rollback().await?;
                return Ok(Applied::Changed);
            }
            for (n, step) in steps.iter().enumerate() {
                let done = match step {
                    ConfigurationStep::ApiInsert(row) => {
                        insert_api!(tx, row);
                        true
                    }
                    ConfigurationStep::ApiUpdate(row) => update_api!(tx, row),
                    ConfigurationStep::ApiDelete(id) => delete_api!(tx, organization_id, *id),
                    ConfigurationStep::RouteInsert(row) => {
                        insert_route!(tx, row, apiverse_contract::limits::MAX_ROUTES)
                    }
                    ConfigurationStep::RouteUpdate(row) => update_route!(tx, row),
                    ConfigurationStep::RouteDelete(api_id, id) => {
                        delete_route!(tx, organization_id, *api_id, *id)
                    }
                    ConfigurationStep::VersionInsert(row) => insert_version!(
                        tx,
                        organization_id,
                        row,
                        apiverse_contract::versions::MAX_VERSIONS
                    ),
                    ConfigurationStep::VersionUpdate(row) => {
                        update_version!(tx, organization_id, row)
                    }
                    ConfigurationStep::VersionDelete(api_id, id) => {
                        delete_version!(tx, organization_id, *api_id, *id)
                    }
                    ConfigurationStep::Versioning(api_id, document) => {
                        put_versioning!(tx, organization_id, *api_id, document)
                    }
                    ConfigurationStep::Limits(target, document) => {
                        let row = PolicyRow {
                            document: document.clone(),
                            updated_at: at,
                        };
                        put_limits!(tx, organization_id, *target, &row)
                    }
                    ConfigurationStep::Policy { scope, kind, document } => {
                        let change = PolicyChange {
                            scope: *scope,
                            kind: *kind,
                            document: document.as_ref(),
                            expected: None,
                            at,
                            by,
                        };
                        set_policy!(tx, organization_id, &change).is_some()
                    }
                };
                if !done {
                    tx.rollback().await?;
                    return Ok(Applied::Refused(n));
                }
            }
            insert_audit!(audit, &mut *tx);
            Applied::All
        }))
    }
}
