//! Versions and routes of an API.

use apiverse_cluster::Change;
use apiverse_contract::configuration::{PolicyDocuments, RouteConfiguration, VersionConfiguration};
use apiverse_contract::limits::CreateRoute;
use apiverse_contract::policies::PolicyScope;
use apiverse_contract::versions::{CreateVersion, DEFAULT_VERSION};
use apiverse_contract::{ApiId, FieldError, VersionId};
use apiverse_store::{ConfigurationStep, RouteRow, VersionRow};

use super::Comparing;
use crate::clock::new_id;
use crate::fault::Invalid;
use crate::keys::upper;

impl Comparing<'_> {
    pub(super) fn version(
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

    pub(super) fn route(
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
}

fn plain_version(version: &VersionConfiguration) -> VersionConfiguration {
    VersionConfiguration {
        policies: PolicyDocuments::new(),
        ..version.clone()
    }
}
