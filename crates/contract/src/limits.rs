//! Limits: how often, how much and how many at once.
//!
//! A [`LimitPolicy`] is a document that is attached to an organization, an API, a route of an API,
//! or a key. All the limits of all the policies that a call meets apply at once: it passes only
//! when every one of them lets it. Of the limits of one name that APIs, routes and keys have, the
//! lowest (see [`PolicyScope`]) replaces the others; an organization's is replaced only by one that
//! says so. [`is_replaced`] is that rule.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::patch::Patch;
use crate::routes::RouteTemplate;
use crate::validation::{is_name, is_token};
use crate::{ApiId, FieldError, KeyId, RouteId, Validation};

/// Most rate limits of one policy.
pub const MAX_RATE_LIMITS: usize = 8;
/// Most quotas of one policy.
pub const MAX_QUOTAS: usize = 4;
/// Most calls a window, and most calls at once, of a rate limit.
pub const MAX_RATE: u32 = 1_000_000_000;
/// Longest window of a rate limit: 31 days.
pub const MAX_WINDOW_SECONDS: u32 = 2_678_400;
/// Most calls of a quota: what every JSON reader still keeps exactly.
pub const MAX_QUOTA: u64 = 1_000_000_000_000_000;
/// Most calls at once.
pub const MAX_CONCURRENCY: u32 = 1_000_000;
/// Most routes of one API.
pub const MAX_ROUTES: usize = 200;
/// What the concurrency limit is called where limits are told apart by name; no other may be
/// called so.
pub const CONCURRENCY_NAME: &str = "concurrency";

/// What a policy is attached to, from the uppermost to the lowest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PolicyScope {
    /// Every call of the organization's keys and to its APIs.
    Organization,
    /// Every call to one API.
    Api,
    /// The calls to one API that a route matches.
    Route,
    /// Every call with one key.
    Key,
}

impl PolicyScope {
    pub const ALL: [Self; 4] = [Self::Organization, Self::Api, Self::Route, Self::Key];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Api => "api",
            Self::Route => "route",
            Self::Key => "key",
        }
    }

    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == text)
    }
}

impl fmt::Display for PolicyScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a rate limit counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Algorithm {
    /// Calls come back one by one, `window / limit` apart, and up to `burst` of them may be
    /// made at once (the generic cell rate algorithm).
    #[default]
    Gcra,
    /// Never more than `limit` calls in any stretch of the window's length.
    SlidingWindow,
}

/// Whose calls share a counter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Per {
    /// One counter for all that the policy is attached to.
    #[default]
    Scope,
    /// A counter for each API key.
    Key,
    /// A counter for each client address; of IPv6 the first 64 bits, which is what one client has.
    Address,
}

/// Whose calls share a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum QuotaPer {
    /// One counter for all that the policy is attached to.
    #[default]
    Scope,
    /// A counter for each API key.
    Key,
}

/// The calendar's stretch that a quota is for, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Day,
    Month,
}

/// At most so many calls in a stretch of time that moves along.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// 1 to 64 of `a-z 0-9 _ -`. Callers see it in `RateLimit-Policy` and in refusals; a lower
    /// policy replaces this limit by having one of the same name, the organization's only when it
    /// also says `replaces_organization`.
    #[cfg_attr(feature = "openapi", schema(example = "burst"))]
    pub name: String,
    /// Calls a window, 1 to 1,000,000,000.
    #[cfg_attr(feature = "openapi", schema(example = 100))]
    pub limit: u32,
    /// 1 to 2,678,400 (31 days).
    #[cfg_attr(feature = "openapi", schema(example = 60))]
    pub window_seconds: u32,
    #[serde(default)]
    pub algorithm: Algorithm,
    /// For `gcra` only: calls that may be made at once, 1 to 1,000,000,000; `limit` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    #[serde(default)]
    pub per: Per,
    /// Whether a call that is refused counts too. A caller who keeps on trying then stays refused.
    #[serde(default)]
    pub count_denied: bool,
    /// Of an API, route or key: whether it holds in the place of the organization's limit of the
    /// same name; otherwise both hold. Only owners and admins may say so.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replaces_organization: bool,
}

impl RateLimit {
    /// Calls that may be made at once.
    #[must_use]
    pub fn burst(&self) -> u32 {
        match self.algorithm {
            Algorithm::Gcra => self.burst.unwrap_or(self.limit),
            Algorithm::SlidingWindow => self.limit,
        }
    }
}

/// At most so many calls in a day or month of the calendar, UTC.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// As that of a rate limit, and different from the names of those beside it.
    #[cfg_attr(feature = "openapi", schema(example = "monthly"))]
    pub name: String,
    /// Calls a period, 1 to 1,000,000,000,000,000.
    #[cfg_attr(feature = "openapi", schema(example = 1_000_000))]
    pub limit: u64,
    pub period: Period,
    #[serde(default)]
    pub per: QuotaPer,
    /// As that of a rate limit.
    #[serde(default, skip_serializing_if = "is_false")]
    pub replaces_organization: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// The limits that are attached to one thing; empty: none of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct LimitPolicy {
    /// At most 8.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rate_limits: Vec<RateLimit>,
    /// At most 4.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<Quota>,
    /// Calls that may be under way at once, 1 to 1,000,000. It has no name, so every policy's
    /// applies; none replaces another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<u32>,
}

impl LimitPolicy {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rate_limits.is_empty() && self.quotas.is_empty() && self.concurrency.is_none()
    }

    /// Whether the limit of this name replaces the organization's; `None`: there is none.
    #[must_use]
    pub fn replaces_organization(&self, name: &str) -> Option<bool> {
        let rate = self.rate_limits.iter().find(|limit| limit.name == name);
        let quota = || self.quotas.iter().find(|quota| quota.name == name);
        rate.map(|limit| limit.replaces_organization)
            .or_else(|| quota().map(|quota| quota.replaces_organization))
    }

    /// The limits that replace the organization's of the same name.
    pub fn replacing(&self) -> impl Iterator<Item = Limit> + '_ {
        limits_of(self).filter(|limit| match limit {
            Limit::RateLimit(limit) => limit.replaces_organization,
            Limit::Quota(quota) => quota.replaces_organization,
            Limit::Concurrency { .. } => false,
        })
    }

    /// # Errors
    /// Every field that is not acceptable, as `rate_limits.0.limit`.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        self.check(&mut v, "");
        v.finish()
    }

    fn check(&self, v: &mut Validation, prefix: &str) {
        v.check(
            self.rate_limits.len() <= MAX_RATE_LIMITS,
            &format!("{prefix}rate_limits"),
            "must have at most 8 entries",
        );
        v.check(
            self.quotas.len() <= MAX_QUOTAS,
            &format!("{prefix}quotas"),
            "must have at most 4 entries",
        );
        v.check(
            self.concurrency
                .is_none_or(|calls| (1..=MAX_CONCURRENCY).contains(&calls)),
            &format!("{prefix}concurrency"),
            "must be between 1 and 1000000",
        );
        let mut names: Vec<&str> = Vec::new();
        for (at, limit) in self.rate_limits.iter().enumerate().take(MAX_RATE_LIMITS) {
            let field = format!("{prefix}rate_limits.{at}");
            check_limit_name(v, &mut names, &limit.name, &field);
            check_rate_limit(v, limit, &field);
        }
        for (at, quota) in self.quotas.iter().enumerate().take(MAX_QUOTAS) {
            let field = format!("{prefix}quotas.{at}");
            check_limit_name(v, &mut names, &quota.name, &field);
            v.check(
                (1..=MAX_QUOTA).contains(&quota.limit),
                &format!("{field}.limit"),
                "must be between 1 and 1000000000000000",
            );
        }
    }
}

fn check_limit_name<'a>(v: &mut Validation, names: &mut Vec<&'a str>, name: &'a str, field: &str) {
    let field = format!("{field}.name");
    let is_word = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-');
    v.check(
        is_word,
        &field,
        "must have 1 to 64 lower-case letters, digits, underscores and dashes",
    );
    v.check(
        name != CONCURRENCY_NAME,
        &field,
        "is the concurrency limit's; choose another",
    );
    v.check(
        !names.contains(&name),
        &field,
        "is another limit's of this policy; names must differ",
    );
    names.push(name);
}

fn check_rate_limit(v: &mut Validation, limit: &RateLimit, field: &str) {
    v.check(
        (1..=MAX_RATE).contains(&limit.limit),
        &format!("{field}.limit"),
        "must be between 1 and 1000000000",
    );
    v.check(
        (1..=MAX_WINDOW_SECONDS).contains(&limit.window_seconds),
        &format!("{field}.window_seconds"),
        "must be between 1 and 2678400",
    );
    let field = format!("{field}.burst");
    v.check(
        limit
            .burst
            .is_none_or(|calls| (1..=MAX_RATE).contains(&calls)),
        &field,
        "must be between 1 and 1000000000",
    );
    v.check(
        limit.burst.is_none() || limit.algorithm == Algorithm::Gcra,
        &field,
        "is for the algorithm `gcra` only",
    );
}

/// A policy and what it is attached to.
#[derive(Clone, Copy, Debug)]
pub struct PolicySource<'a> {
    pub scope: PolicyScope,
    /// Id of the organization, API, route or key.
    pub target_id: Uuid,
    pub target_name: &'a str,
    pub policy: &'a LimitPolicy,
}

/// One limit of any kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Limit {
    RateLimit(RateLimit),
    Quota(Quota),
    Concurrency { limit: u32 },
}

impl Limit {
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::RateLimit(limit) => &limit.name,
            Self::Quota(quota) => &quota.name,
            Self::Concurrency { .. } => CONCURRENCY_NAME,
        }
    }
}

/// Where a limit comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LimitOrigin {
    pub scope: PolicyScope,
    /// Id of the organization, API, route or key.
    pub target_id: Uuid,
    pub target_name: String,
}

/// An upper policy's limit that does not apply, as a lower one has the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OverriddenLimit {
    pub limit: Limit,
    pub from: LimitOrigin,
}

/// A limit that applies to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EffectiveLimit {
    pub limit: Limit,
    pub from: LimitOrigin,
    /// What it replaces, the lowest first.
    pub overrides: Vec<OverriddenLimit>,
}

/// Whether a limit of this name, of a policy at `scope`, does not hold for a call that meets the
/// policies `below`, which are given from the uppermost to the lowest.
///
/// Of the limits of one name that APIs, routes and keys have, the lowest holds, whatever its kind.
/// An organization's holds as well, unless that lowest one replaces it: whoever may change an API
/// or a key could otherwise undo what is set for all.
#[must_use]
pub fn is_replaced<'a>(
    scope: PolicyScope,
    name: &str,
    below: impl DoubleEndedIterator<Item = &'a LimitPolicy>,
) -> bool {
    let lowest = below
        .rev()
        .find_map(|policy| policy.replaces_organization(name));
    match scope {
        PolicyScope::Organization => lowest == Some(true),
        PolicyScope::Api | PolicyScope::Route | PolicyScope::Key => lowest.is_some(),
    }
}

/// The limits that hold for a call which meets these policies, uppermost first and in the order
/// of their documents. `sources` may stand in any order; of each scope there is at most one.
#[must_use]
pub fn effective(sources: &[PolicySource<'_>]) -> Vec<EffectiveLimit> {
    let mut sources = sources.to_vec();
    sources.sort_by_key(|source| source.scope);
    let mut found: Vec<EffectiveLimit> = Vec::new();
    let mut replaced: Vec<OverriddenLimit> = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let below = sources[at + 1..].iter().map(|lower| lower.policy);
        for limit in limits_of(source.policy) {
            let from = LimitOrigin {
                scope: source.scope,
                target_id: source.target_id,
                target_name: source.target_name.to_owned(),
            };
            let is_named = !matches!(limit, Limit::Concurrency { .. });
            if is_named && is_replaced(source.scope, limit.name(), below.clone()) {
                replaced.push(OverriddenLimit { limit, from });
            } else {
                found.push(EffectiveLimit {
                    limit,
                    from,
                    overrides: Vec::new(),
                });
            }
        }
    }
    // The lowest of a name is what replaced the others.
    for upper in replaced.into_iter().rev() {
        let lowest = found
            .iter_mut()
            .rev()
            .find(|lower| lower.limit.name() == upper.limit.name());
        if let Some(lowest) = lowest {
            lowest.overrides.push(upper);
        }
    }
    found
}

/// The limits of a policy, one after the other.
pub fn limits_of(policy: &LimitPolicy) -> impl Iterator<Item = Limit> {
    let rates = policy.rate_limits.iter().cloned().map(Limit::RateLimit);
    let quotas = policy.quotas.iter().cloned().map(Limit::Quota);
    let concurrency = policy.concurrency.map(|limit| Limit::Concurrency { limit });
    rates.chain(quotas).chain(concurrency)
}

/// `GET` and `PUT` of `/organization/limits`, `/apis/{id}/limits`, `/api-keys/{id}/limits`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyView {
    #[serde(flatten)]
    pub policy: LimitPolicy,
    /// `null` while there never was one.
    pub updated_at: Option<DateTime<Utc>>,
}

/// A part of an API that has limits of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RouteView {
    pub id: RouteId,
    pub api_id: ApiId,
    /// Unique in the API.
    pub name: String,
    /// In upper case; empty: all.
    pub methods: Vec<String>,
    /// See [`RouteTemplate`].
    pub path: String,
    pub policy: LimitPolicy,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// `POST /apis/{id}/routes`
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CreateRoute {
    #[cfg_attr(feature = "openapi", schema(example = "Search"))]
    pub name: String,
    #[serde(default)]
    pub methods: Vec<String>,
    /// Segments as they are, `{name}` for any one segment, and `*` as the last for any number of
    /// them: `/users/{id}/files/*`.
    #[cfg_attr(feature = "openapi", schema(example = "/users/{id}/*"))]
    pub path: String,
    #[serde(default)]
    pub policy: LimitPolicy,
}

impl CreateRoute {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        check_route_name(&mut v, &self.name);
        check_methods(&mut v, &self.methods);
        check_path(&mut v, &self.path);
        self.policy.check(&mut v, "policy.");
        v.finish()
    }
}

/// `PATCH /apis/{id}/routes/{route_id}`: only what is named changes; `policy` changes as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct PatchRoute {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// `null` is the empty list: all methods.
    #[serde(default, skip_serializing_if = "Patch::is_absent")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub methods: Patch<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<LimitPolicy>,
}

impl PatchRoute {
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        if let Some(name) = &self.name {
            check_route_name(&mut v, name);
        }
        if let Some(methods) = self.methods.value() {
            check_methods(&mut v, methods);
        }
        if let Some(path) = &self.path {
            check_path(&mut v, path);
        }
        if let Some(policy) = &self.policy {
            policy.check(&mut v, "policy.");
        }
        v.finish()
    }
}

fn check_route_name(v: &mut Validation, name: &str) {
    v.check(is_name(name, 100), "name", "must have 1 to 100 characters");
}

fn check_methods(v: &mut Validation, methods: &[String]) {
    v.check(
        methods.len() <= 20 && methods.iter().all(|m| is_token(m) && m.len() <= 20),
        "methods",
        "must be HTTP methods",
    );
}

fn check_path(v: &mut Validation, path: &str) {
    if let Err(error) = RouteTemplate::parse(path) {
        v.check(false, "path", &error.to_string());
    }
}

/// `GET /limits/effective`: the call that is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::IntoParams, utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", into_params(parameter_in = Query))]
#[serde(deny_unknown_fields)]
pub struct EffectiveQuery {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub api_id: Option<ApiId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", param(value_type = Option<String>, format = Uuid))]
    pub key_id: Option<KeyId>,
    /// `GET` when absent; only routes ask for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path below the API; no route is looked for when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// `GET /limits/effective`
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EffectiveLimits {
    /// The route that method and path come to.
    pub route: Option<RouteView>,
    /// All of them apply at once.
    pub limits: Vec<EffectiveLimit>,
}

#[cfg(test)]
mod tests;
