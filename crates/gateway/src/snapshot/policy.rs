//! Limit policies as the snapshot carries them. An empty one is `None`: most things have no
//! limits of their own, and a call should find that out by one comparison.

use std::sync::Arc;

use apiverse_contract::RouteId;
use apiverse_contract::limits::LimitPolicy;
use apiverse_contract::policies::PolicyLevel;
use apiverse_contract::routes::{RouteTable, RouteTemplate};
use apiverse_store::{AttachedRow, RouteRow};

use super::plan::{Policies, Tools, policies};

/// A policy that says something.
pub(crate) type Policy = Option<Arc<LimitPolicy>>;

/// A part of an API that has limits or policies of its own.
#[derive(Debug)]
pub(crate) struct RouteRecord {
    pub(crate) id: RouteId,
    pub(crate) name: Box<str>,
    /// Its template, as it is written.
    pub(crate) path: Box<str>,
    pub(crate) policy: Policy,
    pub(crate) policies: Policies,
}

pub(super) fn policy(document: Option<LimitPolicy>) -> Policy {
    document
        .filter(|document| !document.is_empty())
        .map(Arc::new)
}

/// A route that cannot be read is left out: it must not take the API's other routes with it.
pub(super) fn routes(
    rows: Vec<RouteRow>,
    attached: &[AttachedRow],
    tools: Tools<'_>,
) -> RouteTable<Arc<RouteRecord>> {
    let mut table = RouteTable::default();
    for row in rows {
        match RouteTemplate::parse(&row.path) {
            Ok(template) => {
                let level = PolicyLevel::Route;
                let policies = policies(attached, row.organization_id, level, row.id.0, tools);
                let record = RouteRecord {
                    id: row.id,
                    name: row.name.into(),
                    path: row.path.into(),
                    policy: policy(Some(row.policy)),
                    policies,
                };
                table.insert(row.id, &template, &row.methods, Arc::new(record));
            }
            Err(error) => {
                tracing::warn!(route_id = %row.id, %error, "the route's path cannot be used");
            }
        }
    }
    table
}
