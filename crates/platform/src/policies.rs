//! Policies: set, shown, rolled back, and what they come to for a call.

use apiverse_cluster::Change;
use apiverse_contract::policies::{
    AttachedPolicy, EffectivePolicies, EffectivePoliciesQuery, EffectivePolicy, PolicyDocument,
    PolicyKind, PolicyLevel, PolicyListQuery, PolicyOrigin, PolicyRevision, PolicyScope, RollBack,
};
use apiverse_contract::validation::is_token;
use apiverse_contract::{FieldError, ListQuery, OrganizationId, Page, page};
use apiverse_store::{AttachedRow, PolicyChange, PolicyFilter, TargetRow};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::actor::Actor;
use crate::cursor;
use crate::fault::{
    ApiGone, ChangedMeanwhile, Invalid, KeyGone, PolicyGone, RouteGone, StoreFault, VersionGone,
    operation_error,
};
use crate::permissions::Permission;
use crate::platform::{Event, Platform};
use crate::policy_secrets::seal_client_key;
use crate::urls;

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
operation_error! {
    /// Why it was not told which policies a call meets.
    EffectivePoliciesError { Forbidden, Invalid, ApiGone, VersionGone, RouteGone, KeyGone }
}
operation_error! {
    /// Why there is nothing to attach a policy to.
    TargetError { PolicyGone, ApiGone, VersionGone, RouteGone, KeyGone }
}

/// Where a policy is, or would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyPlace {
    pub level: PolicyLevel,
    /// `None`: the actor's organization.
    pub target_id: Option<Uuid>,
    pub kind: PolicyKind,
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

const fn permissions(level: PolicyLevel) -> (Permission, Permission) {
    match level {
        PolicyLevel::Organization => (Permission::OrganizationRead, Permission::OrganizationWrite),
        PolicyLevel::Api | PolicyLevel::Version | PolicyLevel::Route => {
            (Permission::ApisRead, Permission::ApisWrite)
        }
        PolicyLevel::Key => (Permission::KeysRead, Permission::KeysWrite),
    }
}

/// A place that was found in an organization.
struct Found {
    organization_id: OrganizationId,
    scope: PolicyScope,
    kind: PolicyKind,
    target: TargetRow,
}

impl Found {
    fn change(&self) -> Change {
        match (self.scope, self.target.api_id) {
            (PolicyScope::Key(id), _) => Change::Key(id),
            (_, Some(api_id)) => Change::Api(api_id),
            (_, None) => Change::Organization(self.organization_id),
        }
    }
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

    /// What holds for a call, of each kind, and where it comes from.
    ///
    /// # Errors
    /// See [`EffectivePoliciesError`].
    pub async fn policies_effective(
        &self,
        actor: &Actor,
        query: EffectivePoliciesQuery,
    ) -> Result<EffectivePolicies, EffectivePoliciesError> {
        let organization_id = actor.require(Permission::ApisRead)?.organization_id();
        actor.require(Permission::KeysRead)?;
        check(&query)?;
        // From the farthest to the nearest.
        let mut scopes = vec![PolicyScope::Organization];
        if let Some(id) = query.api_id {
            scopes.push(PolicyScope::Api(id));
        }
        if let Some(id) = query.version_id {
            scopes.push(PolicyScope::Version(id));
        }
        if let Some(id) = query.route_id {
            scopes.push(PolicyScope::Route(id));
        } else if let (Some(api_id), Some(path)) = (query.api_id, &query.path) {
            let method = query.method.as_deref().unwrap_or("GET");
            let path = path.split(['?', '#']).next().unwrap_or_default();
            let route = self.route_of(organization_id, api_id, method, path).await?;
            scopes.extend(route.map(|route| PolicyScope::Route(route.id)));
        }
        if let Some(id) = query.key_id {
            scopes.push(PolicyScope::Key(id));
        }

        let mut answer = EffectivePolicies {
            version: None,
            route: None,
            policies: Vec::new(),
        };
        for scope in scopes {
            let target = self.policy_target(organization_id, scope).await?;
            if target.api_id.is_some() && target.api_id != query.api_id {
                return Err(ApiGone.into());
            }
            let name = target.name;
            let filter = PolicyFilter {
                level: Some(scope.level()),
                target_id: Some(scope.target_id(organization_id)),
                ..PolicyFilter::default()
            };
            let most = u32::try_from(PolicyKind::ALL.len()).unwrap_or(u32::MAX);
            let rows = self
                .store()
                .attached_list(organization_id, filter, None, most)
                .await?;
            for policy in rows.into_iter().filter_map(view) {
                add(&mut answer.policies, policy, &name);
            }
            match scope.level() {
                PolicyLevel::Version => answer.version = Some(name),
                PolicyLevel::Route => answer.route = Some(name),
                PolicyLevel::Organization | PolicyLevel::Api | PolicyLevel::Key => {}
            }
        }
        answer.policies.sort_by_key(|policy| policy.kind);
        Ok(answer)
    }

    async fn policy_place(&self, actor: &Actor, place: PolicyPlace) -> Result<Found, TargetError> {
        let organization_id = actor.organization_id;
        let target_id = match (place.level, place.target_id) {
            (PolicyLevel::Organization, None) => organization_id.0,
            (PolicyLevel::Organization, Some(id)) if id != organization_id.0 => {
                return Err(PolicyGone.into());
            }
            (_, Some(id)) => id,
            (_, None) => return Err(PolicyGone.into()),
        };
        let scope = PolicyScope::new(place.level, target_id);
        let target = self.policy_target(organization_id, scope).await?;
        Ok(Found {
            organization_id,
            scope,
            kind: place.kind,
            target,
        })
    }

    async fn policy_target(
        &self,
        organization_id: OrganizationId,
        scope: PolicyScope,
    ) -> Result<TargetRow, TargetError> {
        let found = self.store().attached_target(organization_id, scope).await?;
        found.ok_or(match scope.level() {
            PolicyLevel::Organization => PolicyGone.into(),
            PolicyLevel::Api => ApiGone.into(),
            PolicyLevel::Version => VersionGone.into(),
            PolicyLevel::Route => RouteGone.into(),
            PolicyLevel::Key => KeyGone.into(),
        })
    }

    /// The document with its secrets encrypted.
    async fn sealed(
        &self,
        found: &Found,
        document: PolicyDocument,
    ) -> Result<PolicyDocument, PolicyWriteError> {
        let (organization_id, scope, kind) = (found.organization_id, found.scope, found.kind);
        let before = match &document {
            PolicyDocument::Upstream(upstream) if upstream.tls.is_some() => self
                .store()
                .attached_get(organization_id, scope, kind)
                .await?
                .and_then(|row| row.document),
            _ => None,
        };
        Ok(self.seal(organization_id, document, before.as_ref())?)
    }

    /// The document with its secrets encrypted. `before`: the one that it replaces.
    pub(crate) fn seal(
        &self,
        organization_id: OrganizationId,
        document: PolicyDocument,
        before: Option<&Value>,
    ) -> Result<PolicyDocument, Invalid> {
        let PolicyDocument::Upstream(mut upstream) = document else {
            return Ok(document);
        };
        let known = before.and_then(|before| before["tls"]["client_key"].as_str());
        seal_client_key(&mut upstream, known, organization_id, &self.inner.vault)
            .map_err(|error| Invalid(vec![error]))?;
        Ok(PolicyDocument::Upstream(upstream))
    }

    /// The document as it is stored.
    pub(crate) fn checked(
        &self,
        level: PolicyLevel,
        document: &PolicyDocument,
    ) -> Result<Value, Invalid> {
        document.validate(level).map_err(Invalid)?;
        let errors = self.check_further(document);
        if !errors.is_empty() {
            return Err(Invalid(errors));
        }
        serde_json::to_value(document)
            .map_err(|_| Invalid::one(document.kind().as_str(), "cannot be kept"))
    }

    /// What the contract cannot judge, as it needs settings or engines.
    fn check_further(&self, document: &PolicyDocument) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if let PolicyDocument::Upstream(upstream) = document
            && upstream.enabled
        {
            let config = &self.inner.config;
            for (field, url) in upstream.urls() {
                if let Err(message) = urls::base_url(url, &config.egress, config.sample_enabled) {
                    errors.push(FieldError::new(field, message));
                }
            }
        }
        errors
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

/// A nearer policy takes the place of the one that was there.
fn add(policies: &mut Vec<EffectivePolicy>, policy: AttachedPolicy, name: &str) {
    let from = PolicyOrigin {
        level: policy.level,
        target_id: policy.target_id,
        target_name: name.to_owned(),
        version: policy.version,
    };
    let enabled = policy.document.get("enabled") != Some(&Value::Bool(false));
    let farther = policies.iter().position(|other| other.kind == policy.kind);
    let mut overrides = Vec::new();
    if let Some(at) = farther {
        let other = policies.remove(at);
        overrides.push(other.from);
        overrides.extend(other.overrides);
    }
    policies.push(EffectivePolicy {
        kind: policy.kind,
        enabled,
        document: policy.document,
        from,
        overrides,
    });
}

fn check(query: &EffectivePoliciesQuery) -> Result<(), Invalid> {
    let mut errors = Vec::new();
    let method = query.method.as_deref();
    if method.is_some_and(|method| !is_token(method)) {
        errors.push(FieldError::new("method", "must be an HTTP method"));
    }
    let of_api = query.path.is_some() || query.version_id.is_some() || query.route_id.is_some();
    if of_api && query.api_id.is_none() {
        let message = "is required with `path`, `version_id` and `route_id`";
        errors.push(FieldError::new("api_id", message));
    }
    if errors.is_empty() {
        Ok(())
    } else {
        Err(Invalid(errors))
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

macro_rules! from_target_error {
    ($($name:ident)*) => {$(
        impl From<TargetError> for $name {
            fn from(error: TargetError) -> Self {
                match error {
                    TargetError::PolicyGone(kind) => kind.into(),
                    TargetError::ApiGone(kind) => kind.into(),
                    TargetError::VersionGone(kind) => kind.into(),
                    TargetError::RouteGone(kind) => kind.into(),
                    TargetError::KeyGone(kind) => kind.into(),
                    TargetError::Store(fault) => Self::Store(fault),
                }
            }
        }
    )*};
}
from_target_error!(PolicyReadError PolicyHistoryError PolicyWriteError);

impl From<TargetError> for EffectivePoliciesError {
    fn from(error: TargetError) -> Self {
        match error {
            // The organization of a signed-in actor is there.
            TargetError::PolicyGone(_) | TargetError::ApiGone(_) => ApiGone.into(),
            TargetError::VersionGone(kind) => kind.into(),
            TargetError::RouteGone(kind) => kind.into(),
            TargetError::KeyGone(kind) => kind.into(),
            TargetError::Store(StoreFault(error)) => error.into(),
        }
    }
}
