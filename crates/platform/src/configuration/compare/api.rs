//! An API's own fields, and how its versions are told apart.

use apiverse_cluster::Change;
use apiverse_contract::apis::CreateApi;
use apiverse_contract::configuration::{ApiConfiguration, VersionConfiguration};
use apiverse_contract::policies::PolicyScope;
use apiverse_contract::validation::is_slug;
use apiverse_contract::versions::{DEFAULT_VERSION, Versioning};
use apiverse_contract::{ApiId, FieldError};
use apiverse_store::{ApiRow, ConfigurationStep, PolicyTarget};
use serde_json::Value;

use super::super::present::PresentApi;
use super::Comparing;
use crate::apis::FillError;
use crate::clock::new_id;
use crate::fault::{Broken, Invalid};

impl Comparing<'_> {
    pub(super) fn api_create(
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

    pub(super) fn api_update(
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
