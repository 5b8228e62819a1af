//! From what is there to what the document says.

use apiverse_cluster::Change;
use apiverse_contract::apis::CreateApi;
use apiverse_contract::configuration::{
    ApiConfiguration, ConfigurationAction, ConfigurationChange, ConfigurationRequest,
    PolicyDocuments, RouteConfiguration, VersionConfiguration,
};
use apiverse_contract::limits::{CreateRoute, LimitPolicy};
use apiverse_contract::policies::{PolicyDocument, PolicyScope};
use apiverse_contract::validation::is_slug;
use apiverse_contract::versions::{CreateVersion, DEFAULT_VERSION, Versioning};
use apiverse_contract::{ApiId, FieldError, KeyId, OrganizationId, VersionId};
use apiverse_store::{ApiRow, ConfigurationStep, PolicyTarget, RouteRow, VersionRow};
use serde::Serialize;
use serde_json::Value;

use super::present::{Present, PresentApi};
use crate::actor::Actor;
use crate::apis::FillError;
use crate::clock::new_id;
use crate::fault::{Broken, Invalid};
use crate::keys::upper;
use crate::platform::Platform;

/// The differences. A step and the change that tells of it have the same place.
pub(super) struct Comparison {
    pub(super) changes: Vec<ConfigurationChange>,
    pub(super) steps: Vec<ConfigurationStep>,
    /// What nodes have to read again.
    pub(super) announce: Vec<Change>,
}

/// Why there is no comparison.
pub(super) enum CompareError {
    Invalid(Invalid),
    Broken(Broken),
}

struct Comparing<'a> {
    platform: &'a Platform,
    actor: &'a Actor,
    organization_id: OrganizationId,
    prune: bool,
    found: Comparison,
    errors: Vec<FieldError>,
}

impl Comparison {
    pub(super) fn new(
        platform: &Platform,
        actor: &Actor,
        present: &Present,
        request: &ConfigurationRequest,
    ) -> Result<Self, CompareError> {
        let mut comparing = Comparing {
            platform,
            actor,
            organization_id: actor.organization_id,
            prune: request.prune,
            found: Self {
                changes: Vec::new(),
                steps: Vec::new(),
                announce: Vec::new(),
            },
            errors: Vec::new(),
        };
        comparing
            .all(present, request)
            .map_err(CompareError::Broken)?;
        if comparing.errors.is_empty() {
            Ok(comparing.found)
        } else {
            Err(CompareError::Invalid(Invalid(comparing.errors)))
        }
    }
}

impl Comparing<'_> {
    fn all(&mut self, present: &Present, request: &ConfigurationRequest) -> Result<(), Broken> {
        let (old, new) = (&present.configuration, &request.configuration);
        let organization = Change::Organization(self.organization_id);
        let (old_limits, new_limits) = (old.limits.as_ref(), new.limits.as_ref());
        let target = PolicyTarget::Organization;
        self.limits("limits", target, old_limits, new_limits, organization);
        let scope = PolicyScope::Organization;
        self.policies(
            "policies",
            scope,
            Some(&old.policies),
            &new.policies,
            organization,
        );

        for (slug, wanted) in &new.apis {
            let path = format!("apis.{slug}");
            match (present.apis.get(slug), old.apis.get(slug)) {
                (Some(rows), Some(shown)) => {
                    self.api_update(&path, slug, rows, shown, wanted)?;
                }
                _ => self.api_create(&path, slug, wanted)?,
            }
        }
        for (name, wanted) in &new.keys {
            let path = format!("keys.{name}");
            let Some(&id) = present.keys.get(name) else {
                let message = "there is no key with this name; create it first";
                self.errors.push(FieldError::new(path, message));
                continue;
            };
            let shown = old.keys.get(name);
            let old_limits = shown.and_then(|shown| shown.limits.as_ref());
            self.key(
                &path,
                id,
                old_limits,
                shown.map(|shown| &shown.policies),
                wanted,
            );
        }
        if !self.prune {
            return Ok(());
        }
        for (name, shown) in &old.keys {
            if let (false, Some(&id)) = (new.keys.contains_key(name), present.keys.get(name)) {
                let (limits, policies) = (shown.limits.as_ref(), Some(&shown.policies));
                self.key(
                    &format!("keys.{name}"),
                    id,
                    limits,
                    policies,
                    &Default::default(),
                );
            }
        }
        for (slug, shown) in &old.apis {
            if let (false, Some(rows)) = (new.apis.contains_key(slug), present.apis.get(slug)) {
                let step = ConfigurationStep::ApiDelete(rows.row.id);
                let path = format!("apis.{slug}");
                self.push(
                    &path,
                    Some(shown),
                    None::<&()>,
                    step,
                    Change::Api(rows.row.id),
                );
            }
        }
        Ok(())
    }

    fn key(
        &mut self,
        path: &str,
        id: KeyId,
        old_limits: Option<&LimitPolicy>,
        old_policies: Option<&PolicyDocuments>,
        wanted: &apiverse_contract::configuration::KeyConfiguration,
    ) {
        let (target, change) = (PolicyTarget::Key(id), Change::Key(id));
        let limits = format!("{path}.limits");
        self.limits(&limits, target, old_limits, wanted.limits.as_ref(), change);
        let (policies, scope) = (format!("{path}.policies"), PolicyScope::Key(id));
        self.policies(&policies, scope, old_policies, &wanted.policies, change);
    }

    fn api_create(
        &mut self,
        path: &str,
        slug: &str,
        wanted: &ApiConfiguration,
    ) -> Result<(), Broken> {
        let now = self.platform.now();
        let id = new_id!(self.platform.inner.clock, ApiId);
        let mut row = ApiRow {
            id,
            organization_id: self.organization_id,
            created_by: self.actor.user_id,
            name: String::new(),
            slug: slug.to_owned(),
            description: None,
            base_url: String::new(),
            auth_type: String::new(),
            auth_public: Value::Null,
            auth_sealed: None,
            is_active: true,
            allow_query_key: false,
            limits: wanted.transport,
            is_sample: false,
            created_at: now,
            updated_at: now,
        };
        let filled = self.platform.fill_api(&mut row, input(slug, wanted), None);
        if self.filled(path, slug, filled)? {
            let step = ConfigurationStep::ApiInsert(row);
            self.push(
                path,
                None::<&()>,
                Some(&bare(wanted)),
                step,
                Change::Api(id),
            );
        }
        self.api_parts(path, id, None, None, wanted);
        Ok(())
    }

    fn api_update(
        &mut self,
        path: &str,
        slug: &str,
        rows: &PresentApi,
        shown: &ApiConfiguration,
        wanted: &ApiConfiguration,
    ) -> Result<(), Broken> {
        let old = &rows.row;
        let auth = self.platform.open_auth(old)?;
        let mut row = old.clone();
        let filled = self
            .platform
            .fill_api(&mut row, input(slug, wanted), Some(&auth));
        if self.filled(path, slug, filled)? {
            // Sealed anew, the same credentials look different.
            if self.platform.open_auth(&row)? == auth {
                row.auth_sealed.clone_from(&old.auth_sealed);
            }
            if row != *old {
                row.updated_at = self.platform.now();
                let step = ConfigurationStep::ApiUpdate(row);
                let change = Change::Api(old.id);
                self.push(path, Some(&bare(shown)), Some(&bare(wanted)), step, change);
            }
        }
        self.api_parts(path, old.id, Some(rows), Some(shown), wanted);
        Ok(())
    }

    /// Notes what is wrong with an API's own fields; whether nothing is.
    fn filled(
        &mut self,
        path: &str,
        slug: &str,
        filled: Result<(), FillError>,
    ) -> Result<bool, Broken> {
        if !is_slug(slug) {
            let message = "must be a slug: 1 to 63 lower-case letters, digits and single dashes";
            self.errors.push(FieldError::new(path, message));
            return Ok(false);
        }
        match filled {
            Ok(()) => Ok(true),
            Err(FillError::Invalid(Invalid(errors))) => {
                self.invalid(path, errors);
                Ok(false)
            }
            Err(FillError::Broken(broken)) => Err(broken),
        }
    }

    fn api_parts(
        &mut self,
        path: &str,
        id: ApiId,
        rows: Option<&PresentApi>,
        shown: Option<&ApiConfiguration>,
        wanted: &ApiConfiguration,
    ) {
        let change = Change::Api(id);
        let old_limits = shown.and_then(|shown| shown.limits.as_ref());
        let (limits, target) = (format!("{path}.limits"), PolicyTarget::Api(id));
        self.limits(&limits, target, old_limits, wanted.limits.as_ref(), change);
        let (policies, scope) = (format!("{path}.policies"), PolicyScope::Api(id));
        let old_policies = shown.map(|shown| &shown.policies);
        self.policies(&policies, scope, old_policies, &wanted.policies, change);

        for (name, version) in &wanted.versions {
            let old = rows.and_then(|rows| rows.versions.get(name));
            let old_shown = shown.and_then(|shown| shown.versions.get(name));
            self.version(
                &format!("{path}.versions.{name}"),
                id,
                name,
                old,
                old_shown,
                version,
            );
        }
        self.versioning(path, id, rows, shown, wanted);
        for (name, route) in &wanted.routes {
            let old = rows.and_then(|rows| rows.routes.get(name));
            let old_shown = shown.and_then(|shown| shown.routes.get(name));
            self.route(
                &format!("{path}.routes.{name}"),
                id,
                name,
                old,
                old_shown,
                route,
            );
        }
        let (true, Some(rows), Some(shown)) = (self.prune, rows, shown) else {
            return;
        };
        for (name, row) in &rows.routes {
            if !wanted.routes.contains_key(name) {
                let step = ConfigurationStep::RouteDelete(id, row.id);
                let path = format!("{path}.routes.{name}");
                self.push(&path, shown.routes.get(name), None::<&()>, step, change);
            }
        }
        for (name, row) in &rows.versions {
            if wanted.versions.contains_key(name) {
                continue;
            }
            let path = format!("{path}.versions.{name}");
            let old_shown = shown.versions.get(name);
            if name == DEFAULT_VERSION {
                let nothing = VersionConfiguration::default();
                self.version(&path, id, name, Some(row), old_shown, &nothing);
            } else {
                let step = ConfigurationStep::VersionDelete(id, row.id);
                self.push(&path, old_shown, None::<&()>, step, change);
            }
        }
    }

    fn versioning(
        &mut self,
        path: &str,
        id: ApiId,
        rows: Option<&PresentApi>,
        shown: Option<&ApiConfiguration>,
        wanted: &ApiConfiguration,
    ) {
        let path = format!("{path}.versioning");
        let default = Versioning::default();
        let old = shown.and_then(|shown| shown.versioning.as_ref());
        let new = match &wanted.versioning {
            Some(versioning) => versioning,
            None if self.prune => &default,
            None => return,
        };
        if let Err(errors) = new.validate() {
            self.invalid(&path, errors);
        }
        let is_there = new.default == DEFAULT_VERSION
            || wanted.versions.contains_key(&new.default)
            || (!self.prune && rows.is_some_and(|rows| rows.versions.contains_key(&new.default)));
        if !is_there {
            let message = "is not a version of this API";
            self.errors
                .push(FieldError::new(format!("{path}.default"), message));
        }
        if new != old.unwrap_or(&default) {
            let step = ConfigurationStep::Versioning(id, new.clone());
            self.push(&path, old, Some(new), step, Change::Api(id));
        }
    }

    fn version(
        &mut self,
        path: &str,
        api_id: ApiId,
        name: &str,
        old: Option<&VersionRow>,
        shown: Option<&VersionConfiguration>,
        wanted: &VersionConfiguration,
    ) {
        let is_default = name == DEFAULT_VERSION;
        if is_default && wanted.base_url.is_some() {
            let message = "of the version `default` is the API's";
            self.errors
                .push(FieldError::new(format!("{path}.base_url"), message));
            return;
        }
        // Made with its API, under the API's id.
        let default_id = is_default.then_some(VersionId(api_id.0));
        let id = old.map(|row| row.id).or(default_id);
        let id = id.unwrap_or_else(|| new_id!(self.platform.inner.clock, VersionId));
        let input = CreateVersion {
            name: name.to_owned(),
            base_url: wanted.base_url.clone().unwrap_or_default(),
            deprecated_at: wanted.deprecated_at,
            sunset_at: wanted.sunset_at,
            refuse_after_sunset: wanted.refuse_after_sunset,
            link: wanted.link.clone(),
        };
        let checked = if is_default {
            let checked = input.validate().map_err(Invalid);
            checked.map(|()| old.map(|row| row.base_url.clone()).unwrap_or_default())
        } else {
            self.platform.checked_version(&input, old)
        };
        match checked {
            Err(Invalid(errors)) => self.invalid(path, errors),
            Ok(base_url) => {
                let row = VersionRow {
                    id,
                    api_id,
                    name: input.name,
                    base_url,
                    deprecated_at: input.deprecated_at,
                    sunset_at: input.sunset_at,
                    refuse_after_sunset: input.refuse_after_sunset,
                    link: input.link,
                    created_at: old.map_or_else(|| self.platform.now(), |row| row.created_at),
                };
                let before = shown.map(plain_version);
                let after = plain_version(wanted);
                let change = Change::Api(api_id);
                let is_new = old.is_none() && !is_default;
                if is_new {
                    let step = ConfigurationStep::VersionInsert(row);
                    self.push(path, before.as_ref(), Some(&after), step, change);
                } else if old.is_some_and(|old| *old != row) {
                    let step = ConfigurationStep::VersionUpdate(row);
                    self.push(path, before.as_ref(), Some(&after), step, change);
                } else if old.is_none() && after != VersionConfiguration::default() {
                    let message = "cannot be set while its API is made; apply the document twice";
                    self.errors.push(FieldError::new(path, message));
                }
            }
        }
        let (policies, scope) = (format!("{path}.policies"), PolicyScope::Version(id));
        let old_policies = shown.map(|shown| &shown.policies);
        let change = Change::Api(api_id);
        self.policies(&policies, scope, old_policies, &wanted.policies, change);
    }

    fn route(
        &mut self,
        path: &str,
        api_id: ApiId,
        name: &str,
        old: Option<&RouteRow>,
        shown: Option<&RouteConfiguration>,
        wanted: &RouteConfiguration,
    ) {
        let change = Change::Api(api_id);
        let id = old.map(|row| row.id);
        let id = id.unwrap_or_else(|| new_id!(self.platform.inner.clock, RouteId));
        let input = CreateRoute {
            name: name.to_owned(),
            methods: wanted.methods.clone(),
            path: wanted.path.clone(),
            policy: wanted.limits.clone(),
        };
        if let Err(errors) = input.validate() {
            self.invalid(path, errors);
        }
        let now = self.platform.now();
        let mut row = RouteRow {
            id,
            organization_id: self.organization_id,
            api_id,
            name: input.name,
            methods: upper(&input.methods),
            path: input.path,
            policy: input.policy,
            created_at: old.map_or(now, |row| row.created_at),
            updated_at: old.map_or(now, |row| row.updated_at),
        };
        let plain = |route: &RouteConfiguration| RouteConfiguration {
            policies: PolicyDocuments::new(),
            ..route.clone()
        };
        let (before, after) = (shown.map(plain), plain(wanted));
        if old.is_none() {
            let step = ConfigurationStep::RouteInsert(row);
            self.push(path, None::<&()>, Some(&after), step, change);
        } else if old.is_some_and(|old| *old != row) {
            row.updated_at = now;
            let step = ConfigurationStep::RouteUpdate(row);
            self.push(path, before.as_ref(), Some(&after), step, change);
        }
        let (policies, scope) = (format!("{path}.policies"), PolicyScope::Route(id));
        let old_policies = shown.map(|shown| &shown.policies);
        self.policies(&policies, scope, old_policies, &wanted.policies, change);
    }

    fn limits(
        &mut self,
        path: &str,
        target: PolicyTarget,
        old: Option<&LimitPolicy>,
        new: Option<&LimitPolicy>,
        change: Change,
    ) {
        let empty = LimitPolicy::default();
        let new = match new {
            Some(limits) => limits,
            None if self.prune => &empty,
            None => return,
        };
        if let Err(errors) = new.validate() {
            self.invalid(path, errors);
        }
        if new != old.unwrap_or(&empty) {
            let step = ConfigurationStep::Limits(target, new.clone());
            let after = (!new.is_empty()).then_some(new);
            self.push(path, old, after, step, change);
        }
    }

    fn policies(
        &mut self,
        path: &str,
        scope: PolicyScope,
        old: Option<&PolicyDocuments>,
        new: &PolicyDocuments,
        change: Change,
    ) {
        for (&kind, value) in new {
            let path = format!("{path}.{kind}");
            let document = match PolicyDocument::from_value(kind, value.clone()) {
                Ok(document) => document,
                Err(error) => {
                    self.errors.push(FieldError::new(path, error.to_string()));
                    continue;
                }
            };
            let before = old.and_then(|old| old.get(&kind));
            let platform = self.platform;
            let sealed = platform.seal(self.organization_id, document, before);
            match sealed.and_then(|document| platform.checked(scope.level(), &document)) {
                Err(Invalid(errors)) => self.invalid(&path, errors),
                Ok(value) => {
                    if before != Some(&value) {
                        let step = ConfigurationStep::Policy {
                            scope,
                            kind,
                            document: Some(value.clone()),
                        };
                        self.push(&path, before, Some(&value), step, change);
                    }
                }
            }
        }
        for (&kind, before) in old.into_iter().flatten() {
            if self.prune && !new.contains_key(&kind) {
                let step = ConfigurationStep::Policy {
                    scope,
                    kind,
                    document: None,
                };
                let path = format!("{path}.{kind}");
                self.push(&path, Some(before), None::<&()>, step, change);
            }
        }
    }

    fn invalid(&mut self, path: &str, errors: Vec<FieldError>) {
        let errors = errors.into_iter().map(|error| FieldError {
            field: format!("{path}.{}", error.field),
            message: error.message,
        });
        self.errors.extend(errors);
    }

    fn push(
        &mut self,
        path: &str,
        before: Option<&impl Serialize>,
        after: Option<&impl Serialize>,
        step: ConfigurationStep,
        change: Change,
    ) {
        let action = match (&before, &after) {
            (None, _) => ConfigurationAction::Create,
            (_, None) => ConfigurationAction::Delete,
            (Some(_), Some(_)) => ConfigurationAction::Update,
        };
        self.found.changes.push(ConfigurationChange {
            action,
            path: path.to_owned(),
            before: serde_json::to_value(before).unwrap_or_default(),
            after: serde_json::to_value(after).unwrap_or_default(),
        });
        self.found.steps.push(step);
        if !self.found.announce.contains(&change) {
            self.found.announce.push(change);
        }
    }
}

fn input(slug: &str, wanted: &ApiConfiguration) -> CreateApi {
    CreateApi {
        name: wanted.name.clone(),
        slug: Some(slug.to_owned()),
        description: wanted.description.clone(),
        base_url: wanted.base_url.clone(),
        auth_type: wanted.auth_type,
        auth_config: wanted.auth_config.clone(),
        is_active: wanted.is_active,
        allow_query_key: wanted.allow_query_key,
        limits: wanted.transport,
    }
}

/// An API's own fields, without what has changes of its own and without anything secret.
fn bare(api: &ApiConfiguration) -> Value {
    let mut value = serde_json::to_value(api).unwrap_or_default();
    if let Some(fields) = value.as_object_mut() {
        for part in [
            "limits",
            "policies",
            "versioning",
            "versions",
            "routes",
            "auth_config",
        ] {
            fields.remove(part);
        }
    }
    value
}

fn plain_version(version: &VersionConfiguration) -> VersionConfiguration {
    VersionConfiguration {
        policies: PolicyDocuments::new(),
        ..version.clone()
    }
}
