//! The configuration as it would be: what is there, and what the document says.

use apiverse_contract::configuration::{
    ApiConfiguration, Configuration, ConfigurationRequest, PolicyDocuments,
};

/// By the rules of [`super::super::compare`]: without `prune` what the document does not name
/// stays, a limit policy counts as a whole, and so does the document of a policy.
pub(super) fn merged(present: &Configuration, request: ConfigurationRequest) -> Configuration {
    let wanted = request.configuration;
    if request.prune {
        return wanted;
    }
    let mut all = present.clone();
    all.limits = wanted.limits.or(all.limits);
    add(&mut all.policies, wanted.policies);
    for (slug, api) in wanted.apis {
        let api = match all.apis.remove(&slug) {
            Some(old) => merged_api(old, api),
            None => api,
        };
        all.apis.insert(slug, api);
    }
    for (name, key) in wanted.keys {
        let own = all.keys.entry(name).or_default();
        own.limits = key.limits.or(own.limits.take());
        add(&mut own.policies, key.policies);
    }
    all
}

fn merged_api(old: ApiConfiguration, wanted: ApiConfiguration) -> ApiConfiguration {
    let mut api = ApiConfiguration {
        limits: wanted.limits.or(old.limits),
        versioning: wanted.versioning.or(old.versioning),
        policies: old.policies,
        versions: old.versions,
        routes: old.routes,
        ..wanted
    };
    add(&mut api.policies, wanted.policies);
    for (name, mut version) in wanted.versions {
        if let Some(old) = api.versions.remove(&name) {
            let own = std::mem::replace(&mut version.policies, old.policies);
            add(&mut version.policies, own);
        }
        api.versions.insert(name, version);
    }
    for (name, mut route) in wanted.routes {
        if let Some(old) = api.routes.remove(&name) {
            let own = std::mem::replace(&mut route.policies, old.policies);
            add(&mut route.policies, own);
        }
        api.routes.insert(name, route);
    }
    api
}

fn add(documents: &mut PolicyDocuments, more: PolicyDocuments) {
    documents.extend(more);
}
