//! A configuration that judges calls.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use apiverse_contract::configuration::plan::{PlanOutcome, PlanVerdict};
use apiverse_contract::configuration::{
    ApiConfiguration, Configuration, KeyConfiguration, PolicyDocuments, VersionConfiguration,
};
use apiverse_contract::limits::{Per, PolicyScope};
use apiverse_contract::policies::PolicyKind;
use apiverse_contract::routes::{RouteTable, RouteTemplate};
use apiverse_contract::versions::{DEFAULT_VERSION, VersionIn};
use apiverse_contract::{ApiId, ErrorCode, KeyId, RouteId, VersionId};
use apiverse_store::UsageRow;
use serde_json::Value;
use uuid::Uuid;

use super::super::present::Present;
use super::counters::{Attached, Counters};
use super::quotas::Used;

/// How long answers are taken to be fresh where the policy says nothing.
const FRESH_US: i64 = 60_000_000;

/// One configuration, with counters of its own.
pub(super) struct Model<'a> {
    configuration: &'a Configuration,
    apis: HashMap<ApiId, Api<'a>>,
    keys: HashMap<KeyId, (String, &'a KeyConfiguration)>,
    counters: Counters<'a>,
    now_us: i64,
}

struct Api<'a> {
    place: String,
    own: &'a ApiConfiguration,
    /// Names, and where they are in the document.
    routes: RouteTable<(&'a str, String)>,
    /// Names of the versions that recorded calls have.
    versions: HashMap<VersionId, &'a str>,
}

impl<'a> Model<'a> {
    pub(super) fn new(
        configuration: &'a Configuration,
        present: &'a Present,
        used: &'a Used,
        now_us: i64,
    ) -> Self {
        let mut apis = HashMap::new();
        for (slug, rows) in &present.apis {
            let Some(own) = configuration.apis.get(slug) else {
                continue;
            };
            let place = format!("apis.{slug}");
            let mut routes = RouteTable::default();
            for (name, route) in &own.routes {
                let Ok(template) = RouteTemplate::parse(&route.path) else {
                    continue;
                };
                // A new one is younger than all that are there.
                let id = rows.routes.get(name).map(|row| row.id);
                let id = id.unwrap_or(RouteId(Uuid::max()));
                let value = (name.as_str(), format!("{place}.routes.{name}"));
                routes.insert(id, &template, &route.methods, value);
            }
            let versions = rows.versions.iter();
            let api = Api {
                place,
                own,
                routes,
                versions: versions
                    .map(|(name, row)| (row.id, name.as_str()))
                    .collect(),
            };
            apis.insert(rows.row.id, api);
        }
        let mut keys = HashMap::new();
        for (name, id) in &present.keys {
            if let Some(own) = configuration.keys.get(name) {
                keys.insert(*id, (format!("keys.{name}"), own));
            }
        }
        Self {
            configuration,
            apis,
            keys,
            counters: Counters::new(used),
            now_us,
        }
    }

    /// What becomes of a call, and for how many microseconds its answer is taken to be fresh when
    /// the cache is asked. Calls are judged in the order in which they began.
    pub(super) fn judge(&mut self, call: &UsageRow, key: KeyId, api: ApiId) -> (PlanVerdict, i64) {
        let refused = |code| (verdict(PlanOutcome::Refused, Some(code), None), 0);
        let Some(api) = self.apis.get(&api) else {
            return refused(ErrorCode::ApiNotFound);
        };
        if !api.own.is_active {
            return refused(ErrorCode::ApiDisabled);
        }
        let (version, path) = match api.version(call) {
            Ok(found) => found,
            Err(code) => return refused(code),
        };
        let own_version = api.own.versions.get(version);
        if own_version.is_some_and(|version| is_over(version, self.now_us)) {
            return refused(ErrorCode::VersionRetired);
        }
        let route = api.routes.find(&call.method, path);
        let route = route.and_then(|(name, place)| Some((place, api.own.routes.get(*name)?)));
        let key_own = self.keys.get(&key);

        let mut attached = Vec::new();
        let limits = [
            (
                PolicyScope::Organization,
                "",
                self.configuration.limits.as_ref(),
            ),
            (PolicyScope::Api, &*api.place, api.own.limits.as_ref()),
            (
                PolicyScope::Route,
                route.map_or("", |(place, _)| place),
                route.map(|(_, route)| &route.limits),
            ),
            (
                PolicyScope::Key,
                key_own.map_or("", |(place, _)| place),
                key_own.and_then(|(_, key)| key.limits.as_ref()),
            ),
        ];
        for (scope, place, policy) in limits {
            if let Some(policy) = policy {
                attached.push(Attached {
                    scope,
                    place,
                    policy,
                });
            }
        }
        if let Err(exceeded) = self.counters.take(&attached, call, key) {
            let verdict = verdict(PlanOutcome::Limited, Some(exceeded.code), Some(exceeded.by));
            return (verdict, 0);
        }

        // The nearest first.
        let version_place = format!("{}.versions.{version}.", api.place);
        let layers: [(String, Option<&PolicyDocuments>); 5] = [
            (
                key_own.map_or_else(String::new, |(place, _)| format!("{place}.")),
                key_own.map(|(_, key)| &key.policies),
            ),
            (
                route.map_or_else(String::new, |(place, _)| format!("{place}.")),
                route.map(|(_, route)| &route.policies),
            ),
            (version_place, own_version.map(|version| &version.policies)),
            (format!("{}.", api.place), Some(&api.own.policies)),
            (String::new(), Some(&self.configuration.policies)),
        ];
        if let Some((by, _)) = nearest(&layers, PolicyKind::Mock) {
            return (verdict(PlanOutcome::Mocked, None, Some(by)), 0);
        }
        if matches!(&*call.method, "GET" | "HEAD")
            && let Some((by, document)) = nearest(&layers, PolicyKind::Cache)
        {
            let seconds = document.get("default_ttl_seconds").and_then(Value::as_i64);
            let fresh_us = seconds.map_or(FRESH_US, |seconds| seconds.saturating_mul(1_000_000));
            return (verdict(PlanOutcome::Cached, None, Some(by)), fresh_us);
        }
        (verdict(PlanOutcome::Forwarded, None, None), 0)
    }

    /// What of this configuration depends on what is not recorded.
    pub(super) fn unknown(&self) -> Vec<String> {
        let mut kinds: BTreeSet<PolicyKind> = BTreeSet::new();
        let mut limits: Vec<_> = self.configuration.limits.iter().collect();
        kinds.extend(self.configuration.policies.keys().copied());
        for api in self.configuration.apis.values() {
            limits.extend(&api.limits);
            kinds.extend(api.policies.keys().copied());
            for version in api.versions.values() {
                kinds.extend(version.policies.keys().copied());
            }
            for route in api.routes.values() {
                limits.push(&route.limits);
                kinds.extend(route.policies.keys().copied());
            }
        }
        for key in self.configuration.keys.values() {
            limits.extend(&key.limits);
            kinds.extend(key.policies.keys().copied());
        }
        let mut unknown = Vec::new();
        let mut tell = |is_there: bool, text: &str| {
            if is_there {
                unknown.push(text.to_owned());
            }
        };
        let mut rates = limits.iter().flat_map(|policy| &policy.rate_limits);
        tell(
            rates.any(|limit| limit.per == Per::Address),
            "limits per address: addresses are not recorded",
        );
        tell(
            !self.counters.are_quotas_exact()
                && limits.iter().any(|policy| !policy.quotas.is_empty()),
            "quotas: calls of the period before these are counted by whole days, or not at all",
        );
        tell(
            kinds.contains(&PolicyKind::Validation),
            "validation: queries, fields and bodies are not recorded",
        );
        let transforms = [PolicyKind::RequestTransform, PolicyKind::ResponseTransform];
        tell(
            transforms.iter().any(|kind| kinds.contains(kind)),
            "transforms that fail: bodies are not recorded",
        );
        tell(
            kinds.contains(&PolicyKind::Cache),
            "cache hits: what upstreams say about their answers is not recorded",
        );
        unknown
    }
}

impl<'a> Api<'a> {
    /// The version of a call, and its path without what only names that.
    fn version<'c>(&'c self, call: &'c UsageRow) -> Result<(&'c str, &'c str), ErrorCode> {
        let versions = &self.own.versions;
        let versioning = self.own.versioning.as_ref();
        let default = versioning.map_or(DEFAULT_VERSION, |own| own.default.as_str());
        if versioning.is_none_or(|versioning| versioning.r#in == VersionIn::Path) {
            let first = call.path.trim_start_matches('/');
            let first = first.split('/').next().unwrap_or_default();
            if let Some((name, _)) = versions.get_key_value(first) {
                let said = call.path.find(first).unwrap_or(0) + first.len();
                let rest = call.path.get(said..).unwrap_or_default();
                return Ok((name.as_str(), rest));
            }
            return Ok((default, call.path.as_str()));
        }
        // What the call said is not recorded; what it got is.
        let named = call
            .version_id
            .and_then(|id| self.versions.get(&id).copied());
        match (call.version_id, named) {
            (None, _) => Ok((default, call.path.as_str())),
            (Some(_), Some(name)) if versions.contains_key(name) => Ok((name, call.path.as_str())),
            (Some(_), _) => Err(ErrorCode::VersionNotFound),
        }
    }
}

fn is_over(version: &VersionConfiguration, now_us: i64) -> bool {
    let sunset_us = version.sunset_at.map(|at| at.timestamp_micros());
    version.refuse_after_sunset && sunset_us.is_some_and(|at_us| at_us <= now_us)
}

fn verdict(outcome: PlanOutcome, code: Option<ErrorCode>, by: Option<String>) -> PlanVerdict {
    PlanVerdict { outcome, code, by }
}

/// The document of a kind that counts, and where it is; `None`: there is none, or it is off.
fn nearest<'d>(
    layers: &[(String, Option<&'d PolicyDocuments>)],
    kind: PolicyKind,
) -> Option<(String, &'d Value)> {
    let of_kind = |documents: &'d BTreeMap<PolicyKind, Value>| documents.get(&kind);
    let (place, document) = layers
        .iter()
        .find_map(|(place, documents)| Some((place, documents.and_then(of_kind)?)))?;
    let is_on = document.get("enabled") != Some(&Value::Bool(false));
    is_on.then(|| (format!("{place}policies.{kind}"), document))
}
