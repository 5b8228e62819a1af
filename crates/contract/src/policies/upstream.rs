//! Where calls go, and what happens when that fails.

mod connection;
mod failure;
mod split;
mod state;

use serde::{Deserialize, Serialize};

use super::PolicyLevel;
use crate::{FieldError, Validation};

pub use connection::{HttpVersion, SEALED, UpstreamTimeouts, UpstreamTls};
pub use failure::{Breaker, Checks, Ejection, Hedging, Retries};
pub use split::{Canary, Mirror, SplitBy};
pub use state::{CircuitState, TargetHealth, TargetList, TargetState, TargetsOfPolicy};

/// Most targets of one list.
pub const MAX_TARGETS: usize = 64;
/// Most calls that a target may be allowed at once.
pub const MAX_UNDER_WAY: u32 = 1_000_000;

/// The targets of an API and how they are used. What is absent has a default that suits most
/// APIs; an empty document adds ejection, retries where they are safe, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamPolicy {
    /// False switches the policy off below: calls go to the API's base URL.
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
    /// Instead of the API's base URL; at most 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<UpstreamTarget>,
    pub balancing: Balancing,
    /// Statuses by which a target is judged to have failed; 502, 503 and 504 when absent. No
    /// connection and no answer in time are failures in any case.
    pub failure_statuses: Vec<u16>,
    /// Requests made to find out whether a target is well; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checks: Option<Checks>,
    /// Targets that calls fail on get none for a while.
    pub ejection: Ejection,
    /// Where less than this percentage of the weights is well, health is ignored: 0 to 100. With 0
    /// calls are refused when no target is well.
    #[cfg_attr(feature = "openapi", schema(default = 10))]
    pub panic_percent: u8,
    pub retries: Retries,
    /// A second request beside one that takes long; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedging: Option<Hedging>,
    /// Refuses calls while most of them fail; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub breaker: Option<Breaker>,
    pub timeouts: UpstreamTimeouts,
    /// For `https` targets; whom the system trusts, without a client certificate, when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<UpstreamTls>,
    pub http_version: HttpVersion,
    /// Seconds after which names are resolved anew, 1 to 3600.
    #[cfg_attr(feature = "openapi", schema(default = 30))]
    pub dns_refresh_seconds: u32,
    /// A part of the calls that goes elsewhere; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Copies of calls, whose answers nobody sees; none when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
}

impl Default for UpstreamPolicy {
    fn default() -> Self {
        Self {
            enabled: true,
            targets: Vec::new(),
            balancing: Balancing::default(),
            failure_statuses: vec![502, 503, 504],
            checks: None,
            ejection: Ejection::default(),
            panic_percent: 10,
            retries: Retries::default(),
            hedging: None,
            breaker: None,
            timeouts: UpstreamTimeouts::default(),
            tls: None,
            http_version: HttpVersion::Auto,
            dns_refresh_seconds: 30,
            canary: None,
            mirror: None,
        }
    }
}

/// One of several places that answer the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpstreamTarget {
    /// `http` or `https`; a path is kept and put before the caller's.
    #[cfg_attr(feature = "openapi", schema(example = "https://eu.api.example.com/v1"))]
    pub url: String,
    /// Its share of the calls in relation to the others', 0 to 1000.
    #[serde(default = "one")]
    #[cfg_attr(feature = "openapi", schema(default = 1))]
    pub weight: u32,
}

const fn one() -> u32 {
    1
}

/// How a target is chosen for a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Balancing {
    pub method: BalancingMethod,
    /// For `hash`: what decides.
    pub hash_by: SplitBy,
    /// For `hash_by: header`: its name. A call without it is spread like any other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// For `hash`: most calls under way on one target in percent of the average, 100 to 1000; 0
    /// for no bound. What is above goes to the next target.
    #[cfg_attr(feature = "openapi", schema(default = 150))]
    pub load_percent: u32,
    /// Most calls under way on one target at once, 1 to 1,000,000, counted by each node for itself;
    /// no limit when absent. A call that finds every target full is refused with 503.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_under_way: Option<u32>,
}

impl Default for Balancing {
    fn default() -> Self {
        Self {
            method: BalancingMethod::LeastRequest,
            hash_by: SplitBy::Key,
            header: None,
            load_percent: 150,
            max_under_way: None,
        }
    }
}

/// How a target is chosen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BalancingMethod {
    /// Two are drawn by weight, and the one with fewer calls under way gets the call.
    #[default]
    LeastRequest,
    /// The same caller, the same target, as long as that is well and has room.
    Hash,
}

impl UpstreamPolicy {
    /// Checks all but the URLs' and certificates' own syntax, which need parsers.
    ///
    /// # Errors
    /// Every field that is not acceptable.
    pub fn validate(&self, _level: PolicyLevel) -> Result<(), Vec<FieldError>> {
        let mut v = Validation::default();
        check_targets(&mut v, "targets", &self.targets);
        v.check(
            self.balancing
                .hash_by
                .has_its_header(self.balancing.header.as_deref()),
            "balancing.header",
            "must be a header's name when `hash_by` is `header`",
        );
        v.check(
            matches!(self.balancing.load_percent, 0 | 100..=1000),
            "balancing.load_percent",
            "must be 0, or between 100 and 1000",
        );
        v.check(
            self.balancing
                .max_under_way
                .is_none_or(|calls| (1..=MAX_UNDER_WAY).contains(&calls)),
            "balancing.max_under_way",
            "must be between 1 and 1000000",
        );
        v.check(
            self.failure_statuses.len() <= 100 && self.failure_statuses.iter().all(is_failure),
            "failure_statuses",
            "must be statuses between 400 and 599",
        );
        v.check(
            self.panic_percent <= 100,
            "panic_percent",
            "must be at most 100",
        );
        v.check(
            (1..=3600).contains(&self.dns_refresh_seconds),
            "dns_refresh_seconds",
            "must be between 1 and 3600",
        );
        if let Some(checks) = &self.checks {
            checks.validate(&mut v);
        }
        self.ejection.validate(&mut v);
        self.retries.validate(&mut v);
        if let Some(hedging) = &self.hedging {
            hedging.validate(&mut v);
        }
        if let Some(breaker) = &self.breaker {
            breaker.validate(&mut v);
        }
        self.timeouts.validate(&mut v);
        if let Some(tls) = &self.tls {
            tls.validate(&mut v);
        }
        if let Some(canary) = &self.canary {
            canary.validate(&mut v);
        }
        if let Some(mirror) = &self.mirror {
            mirror.validate(&mut v);
        }
        v.finish()
    }

    /// Every URL of the document, with the path of its field.
    pub fn urls(&self) -> impl Iterator<Item = (String, &str)> {
        let listed = |name: &'static str, targets: &'_ [UpstreamTarget]| {
            (0..targets.len()).map(move |at| format!("{name}.{at}.url"))
        };
        let canaries = self
            .canary
            .as_ref()
            .map_or(&[][..], |canary| &canary.targets);
        let names = listed("targets", &self.targets).chain(listed("canary.targets", canaries));
        let urls = self
            .targets
            .iter()
            .chain(canaries)
            .map(|target| &*target.url);
        let mirror = self.mirror.as_ref();
        names
            .zip(urls)
            .chain(mirror.map(|mirror| ("mirror.url".to_owned(), &*mirror.url)))
    }
}

const fn is_failure(status: &u16) -> bool {
    matches!(*status, 400..=599)
}

fn check_targets(v: &mut Validation, field: &str, targets: &[UpstreamTarget]) {
    v.check(
        targets.len() <= MAX_TARGETS,
        field,
        "must have at most 64 entries",
    );
    for (at, target) in targets.iter().enumerate().take(MAX_TARGETS) {
        v.check(
            target.weight <= 1000,
            &format!("{field}.{at}.weight"),
            "must be at most 1000",
        );
        v.check(
            !target.url.trim().is_empty(),
            &format!("{field}.{at}.url"),
            "is required",
        );
        let is_twice = targets[..at].iter().any(|other| other.url == target.url);
        v.check(
            !is_twice,
            &format!("{field}.{at}.url"),
            "is in the list already",
        );
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn problems(document: serde_json::Value) -> Vec<String> {
        let policy: UpstreamPolicy = serde_json::from_value(document).expect("is understood");
        match policy.validate(PolicyLevel::Api) {
            Ok(()) => Vec::new(),
            Err(errors) => errors.into_iter().map(|error| error.field).collect(),
        }
    }

    #[test]
    fn an_empty_document_is_good_and_writes_what_it_means() {
        assert_eq!(problems(json!({})), Vec::<String>::new());
        let written = serde_json::to_value(UpstreamPolicy::default()).unwrap();
        assert_eq!(written["retries"]["max"], 2);
        assert_eq!(written["ejection"]["enabled"], true);
        assert!(written.get("tls").is_none());
        let read: UpstreamPolicy = serde_json::from_value(written).unwrap();
        assert_eq!(read, UpstreamPolicy::default());
    }

    #[test]
    fn every_problem_is_told_with_its_field() {
        let document = json!({
            "targets": [{"url": "http://a", "weight": 1001}, {"url": "http://a"}, {"url": " "}],
            "balancing": {
                "method": "hash", "hash_by": "header", "load_percent": 50, "max_under_way": 0
            },
            "failure_statuses": [200],
            "panic_percent": 101,
            "dns_refresh_seconds": 0,
            "checks": {"path": "no slash", "interval_ms": 1, "healthy": 0},
            "ejection": {"max_ejected_percent": 101},
            "retries": {"max": 11, "statuses": [302]},
            "hedging": {"after_ms": 0},
            "breaker": {"failure_percent": 0},
            "timeouts": {"total_ms": 1},
            "tls": {"client_certificate": "x"},
            "canary": {"targets": [], "percent": 101.0},
            "mirror": {"url": "", "percent": -1.0},
        });
        let expected = [
            "targets.0.weight",
            "targets.1.url",
            "targets.2.url",
            "balancing.header",
            "balancing.load_percent",
            "balancing.max_under_way",
            "failure_statuses",
            "panic_percent",
            "dns_refresh_seconds",
            "checks.path",
            "checks.interval_ms",
            "checks.healthy",
            "ejection.max_ejected_percent",
            "retries.max",
            "retries.statuses",
            "hedging.after_ms",
            "breaker.failure_percent",
            "timeouts.total_ms",
            "tls.client_key",
            "canary.targets",
            "canary.percent",
            "mirror.url",
            "mirror.percent",
        ];
        assert_eq!(problems(document), expected);
    }

    #[test]
    fn all_urls_are_told() {
        let policy: UpstreamPolicy = serde_json::from_value(json!({
            "targets": [{"url": "http://a"}, {"url": "http://b"}],
            "canary": {"targets": [{"url": "http://c"}], "percent": 1.5},
            "mirror": {"url": "http://d"},
        }))
        .unwrap();
        let urls: Vec<(String, &str)> = policy.urls().collect();
        let expected = [
            ("targets.0.url", "http://a"),
            ("targets.1.url", "http://b"),
            ("canary.targets.0.url", "http://c"),
            ("mirror.url", "http://d"),
        ];
        assert_eq!(urls, expected.map(|(field, url)| (field.to_owned(), url)));
    }

    #[test]
    fn a_clients_key_is_never_printed() {
        let tls = UpstreamTls {
            client_key: Some("very secret".to_owned()),
            ..UpstreamTls::default()
        };
        let policy = UpstreamPolicy {
            tls: Some(tls),
            ..UpstreamPolicy::default()
        };
        assert!(!format!("{policy:?}").contains("very secret"));
    }
}
