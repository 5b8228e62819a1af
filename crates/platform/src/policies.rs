//! Policies: set, shown, rolled back, and what they come to for a call.

mod document;
mod effective;
mod place;

use apiverse_contract::policies::{
    AttachedPolicy, PolicyDocument, PolicyKind, PolicyLevel, PolicyListQuery, PolicyRevision,
    RollBack,
};
use apiverse_contract::{ListQuery, Page, page};
use apiverse_store::{AttachedRow, PolicyChange, PolicyFilter};
use serde_json::{Value, json};

use crate::actor::Actor;
use crate::cursor;
use crate::fault::{ChangedMeanwhile, Invalid, PolicyGone, operation_error};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};
pub use effective::EffectivePoliciesError;
use place::{Found, permissions};
pub use place::{PlaceFound, PolicyPlace};

operation_error! {
    /// Why policies were not listed.
    PoliciesListError { Forbidden, Invalid }
}
operation_error! {
    /// Why a policy was not shown.
    PolicyReadError { Forbidden, PolicyGone, ApiGone, VersionGone, RouteGone, KeyGone }
}
operation_error! {
    /// Why the states of a policy were not listed.
    PolicyHistoryError { Forbidden, Invalid, PolicyGone, ApiGone, VersionGone, RouteGone, KeyGone }
}
operation_error! {
    /// Why a policy was not set or removed.
    PolicyWriteError {
        Forbidden, Invalid, ChangedMeanwhile, PolicyGone, ApiGone, VersionGone, RouteGone, KeyGone,
    }
}

/// What must hold for a change to be made (RFC 9110, 13.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    #[default]
    Any,
    /// `If-Match: *`
    Exists,
    /// `If-None-Match: *`
    Absent,
    /// `If-Match: "{version}"`
    Version(u32),
}

impl Condition {
    /// Checks what was read; the version to expect when it is written.
    fn check(self, row: Option<&AttachedRow>) -> Result<Option<i32>, ChangedMeanwhile> {
        let found = row.map_or(0, |row| row.version);
        let exists = row.is_some_and(|row| row.document.is_some());
        let holds = match self {
            Self::Any => return Ok(None),
            Self::Exists => exists,
            Self::Absent => !exists,
            Self::Version(version) => exists && i64::from(version) == i64::from(found),
        };
        if holds {
            Ok(Some(found))
        } else {
            Err(changed(row))
        }
    }
}

fn changed(row: Option<&AttachedRow>) -> ChangedMeanwhile {
    let row = row.filter(|row| row.document.is_some());
    ChangedMeanwhile {
        now: row.map_or(0, |row| number(row.version)),
    }
}

/// Versions begin with 1.
fn number(version: i32) -> u32 {
    u32::try_from(version).unwrap_or(0)
}

impl Platform {
    /// The policies of the actor's organization and of all it has.
    ///
    /// # Errors
    /// See [`PoliciesListError`].
    pub async fn policies_list(
        &self,
        actor: &Actor,
        query: PolicyListQuery,
    ) -> Result<Page<AttachedPolicy>, PoliciesListError> {
        let organization_id = actor.require(Permission::ApisRead)?.organization_id();
        actor.require(Permission::KeysRead)?;
        let limit = page::check_limit(query.limit).map_err(|error| Invalid(vec![error]))?;
        let after = cursor::to_policy(query.cursor.as_deref())?;
        let filter = PolicyFilter {
            level: query.level,
            kind: query.kind,
            api_id: query.api_id,
            target_id: query.target_id,
        };
        let after = after
            .as_ref()
            .map(|(target, kind)| (*target, kind.as_str()));
        let rows = self
            .store()
            .attached_list(organization_id, filter, after, limit + 1)
            .await?;
        let page = Page::from_rows(rows, limit, |row| {
            cursor::of_policy(row.target_id, &row.kind)
        });
        let next_cursor = page.next_cursor;
        // What a later version wrote is not shown: its kind has no name here.
        let data = page.data.into_iter().filter_map(view).collect();
        Ok(Page { data, next_cursor })
    }

    /// # Errors
    /// See [`PolicyReadError`].
    pub async fn policy_get(
        &self,
        actor: &Actor,
        place: PolicyPlace,
    ) -> Result<AttachedPolicy, PolicyReadError> {
        actor.require(permissions(place.level).0)?;
        let found = self.policy_place(actor, place).await?;
        let row = self
            .store()
            .attached_get(found.organization_id, found.scope, found.kind)
            .await?;
        Ok(row.and_then(view).ok_or(PolicyGone)?)
    }

    /// Sets a policy as a whole; it holds from the next call on. The same document again changes
    /// nothing. The second value says whether there was none before.
    ///
    /// # Errors
    /// See [`PolicyWriteError`].
    pub async fn policy_put(
        &self,
        actor: &Actor,
        place: PolicyPlace,
        document: PolicyDocument,
        condition: Condition,
    ) -> Result<(AttachedPolicy, bool), PolicyWriteError> {
        actor.require(permissions(place.level).1)?;
        let found = self.policy_place(actor, place).await?;
        let document = self.sealed(&found, document).await?;
        let value = self.checked(place.level, &document)?;
        let (row, is_new) = self
            .policy_write(actor, &found, Some(value), condition, "policy.updated")
            .await?;
        Ok((row.and_then(view).ok_or(PolicyGone)?, is_new))
    }

    /// Removes a policy: what is attached farther away counts again. Its history stays.
    ///
    /// # Errors
    /// See [`PolicyWriteError`].
    pub async fn policy_delete(
        &self,
        actor: &Actor,
        place: PolicyPlace,
        condition: Condition,
    ) -> Result<(), PolicyWriteError> {
        actor.require(permissions(place.level).1)?;
        let found = self.policy_place(actor, place).await?;
        let (_, was_absent) = self
            .policy_write(actor, &found, None, condition, "policy.removed")
            .await?;
        if was_absent {
            return Err(PolicyGone.into());
        }
        Ok(())
    }

    /// The states a policy had, newest first.
    ///
    /// # Errors
    /// See [`PolicyHistoryError`].
    pub async fn policy_history(
        &self,
        actor: &Actor,
        place: PolicyPlace,
        query: ListQuery,
    ) -> Result<Page<PolicyRevision>, PolicyHistoryError> {
        actor.require(permissions(place.level).0)?;
        let limit = query.limit().map_err(|error| Invalid(vec![error]))?;
        let before = cursor::to_number(query.cursor.as_deref())?;
        if query.q.is_some() {
            return Err(Invalid::one("q", "is not for histories").into());
        }
        let found = self.policy_place(actor, place).await?;
        let rows = self
            .store()
            .attached_revisions(
                found.organization_id,
                found.scope,
                found.kind,
                before,
                limit + 1,
            )
            .await?;
        let page = Page::from_rows(rows, limit, |row| cursor::of_number(row.version));
        Ok(page.map(|row| PolicyRevision {
            version: number(row.version),
            document: row.document,
            changed_at: row.changed_at,
            changed_by: row.changed_by,
        }))
    }

    /// Makes an earlier state the present one, as a new version. A state in which there was no
    /// policy removes it.
    ///
    /// # Errors
    /// See [`PolicyWriteError`].
    pub async fn policy_roll_back(
        &self,
        actor: &Actor,
        place: PolicyPlace,
        back: RollBack,
        condition: Condition,
    ) -> Result<PolicyRevision, PolicyWriteError> {
        actor.require(permissions(place.level).1)?;
        let found = self.policy_place(actor, place).await?;
        let unknown = || Invalid::one("version", "is not one of the history");
        let version = i32::try_from(back.version).map_err(|_| unknown())?;
        let before = version.checked_add(1).ok_or_else(unknown)?;
        let rows = self
            .store()
            .attached_revisions(
                found.organization_id,
                found.scope,
                found.kind,
                Some(before),
                1,
            )
            .await?;
        let old = rows.into_iter().find(|row| row.version == version);
        let old = old.ok_or_else(unknown)?;
        let value = match old.document {
            Some(value) => {
                // What was good when it was set may not be so any more.
                let document = PolicyDocument::from_value(place.kind, value).map_err(|_| {
                    Invalid::one("version", "holds what is not understood any more")
                })?;
                let document = self.sealed(&found, document).await?;
                Some(self.checked(place.level, &document)?)
            }
            None => None,
        };
        let (row, _) = self
            .policy_write(actor, &found, value, condition, "policy.rolled_back")
            .await?;
        let row = row.ok_or(PolicyGone)?;
        Ok(PolicyRevision {
            version: number(row.version),
            document: row.document,
            changed_at: row.updated_at,
            changed_by: row.updated_by,
        })
    }

    /// Writes what differs. The row as it is afterwards, and whether there was no policy before.
    async fn policy_write(
        &self,
        actor: &Actor,
        found: &Found,
        document: Option<Value>,
        condition: Condition,
        action: &str,
    ) -> Result<(Option<AttachedRow>, bool), PolicyWriteError> {
        let (organization_id, scope, kind) = (found.organization_id, found.scope, found.kind);
        let store = self.store();
        let before = store.attached_get(organization_id, scope, kind).await?;
        let expected = condition.check(before.as_ref())?;
        let old = before.as_ref().and_then(|row| row.document.as_ref());
        let was_absent = old.is_none();
        if old == document.as_ref() {
            return Ok((before, was_absent));
        }
        let event = Event {
            action,
            target_type: scope.level().as_str(),
            target_id: scope.target_id(organization_id).to_string(),
            details: json!({ "kind": kind, "before": old, "after": document }),
        };
        let line = self.audit(actor, event);
        let now = self.now();
        let change = PolicyChange {
            scope,
            kind,
            document: document.as_ref(),
            expected,
            at: now,
            by: &actor.name,
        };
        let set = store.attached_set(organization_id, &change, &line).await?;
        let Some(version) = set else {
            let present = store.attached_get(organization_id, scope, kind).await?;
            // Gone while we looked, when nothing was expected of it.
            return Err(match expected {
                Some(_) => changed(present.as_ref()).into(),
                None => PolicyGone.into(),
            });
        };
        let row = AttachedRow {
            level: scope.level().as_str().to_owned(),
            target_id: scope.target_id(organization_id),
            kind: kind.as_str().to_owned(),
            api_id: found.target.api_id,
            version,
            document,
            updated_at: now,
            updated_by: actor.name.clone(),
        };
        self.announce(found.change()).await;
        Ok((Some(row), was_absent))
    }
}

/// `None` for one that was removed, or that this version does not know.
fn view(row: AttachedRow) -> Option<AttachedPolicy> {
    Some(AttachedPolicy {
        level: PolicyLevel::parse(&row.level)?,
        target_id: row.target_id,
        kind: PolicyKind::parse(&row.kind)?,
        version: number(row.version),
        document: row.document?,
        updated_at: row.updated_at,
        updated_by: row.updated_by,
    })
}
