//! What is done about targets that fail.

use serde::{Deserialize, Serialize};

use crate::Validation;

/// Requests that a target has to answer to get calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Checks {
    /// Of the target's host: a base path is not put before it. `/` when absent.
    pub path: String,
    /// Milliseconds between two checks of a target, 100 to 3,600,000.
    #[cfg_attr(feature = "openapi", schema(default = 1000))]
    pub interval_ms: u32,
    /// Milliseconds for a check, the connection included; 50 to 60,000.
    #[cfg_attr(feature = "openapi", schema(default = 1000))]
    pub timeout_ms: u32,
    /// Statuses that are good; 200 to 399 when empty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<u16>,
    /// Good checks in a row after which a target gets calls again, 1 to 20.
    #[cfg_attr(feature = "openapi", schema(default = 2))]
    pub healthy: u32,
    /// Bad checks in a row after which it gets none, 1 to 20.
    #[cfg_attr(feature = "openapi", schema(default = 2))]
    pub unhealthy: u32,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            path: "/".to_owned(),
            interval_ms: 1000,
            timeout_ms: 1000,
            statuses: Vec::new(),
            healthy: 2,
            unhealthy: 2,
        }
    }
}

impl Checks {
    pub(super) fn validate(&self, v: &mut Validation) {
        let is_path = self.path.starts_with('/')
            && self.path.len() <= 2048
            && self
                .path
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'#');
        v.check(
            is_path,
            "checks.path",
            "must be a path that begins with `/`",
        );
        v.check(
            (100..=3_600_000).contains(&self.interval_ms),
            "checks.interval_ms",
            "must be between 100 and 3600000",
        );
        v.check(
            (50..=60_000).contains(&self.timeout_ms),
            "checks.timeout_ms",
            "must be between 50 and 60000",
        );
        v.check(
            self.statuses.len() <= 100
                && self
                    .statuses
                    .iter()
                    .all(|status| (100..=599).contains(status)),
            "checks.statuses",
            "must be statuses between 100 and 599",
        );
        v.check(
            (1..=20).contains(&self.healthy),
            "checks.healthy",
            "must be between 1 and 20",
        );
        v.check(
            (1..=20).contains(&self.unhealthy),
            "checks.unhealthy",
            "must be between 1 and 20",
        );
    }
}

/// When a target that calls fail on gets none for a while. After that one call is tried; where it
/// fails, the time doubles.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Ejection {
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub enabled: bool,
    /// Failed calls in a row, 0 to 1000; 0: this does not eject.
    #[cfg_attr(feature = "openapi", schema(default = 3))]
    pub consecutive_failures: u32,
    /// Failed calls in the window in percent, 0 to 100; 0: this does not eject.
    #[cfg_attr(feature = "openapi", schema(default = 50))]
    pub failure_percent: u8,
    /// 1 to 600.
    #[cfg_attr(feature = "openapi", schema(default = 10))]
    pub window_seconds: u32,
    /// Calls in the window below which their percentage says nothing, 1 to 100,000.
    #[cfg_attr(feature = "openapi", schema(default = 20))]
    pub min_calls: u32,
    /// Milliseconds of the first ejection, 100 to 3,600,000.
    #[cfg_attr(feature = "openapi", schema(default = 2000))]
    pub base_ms: u32,
    /// Of the longest.
    #[cfg_attr(feature = "openapi", schema(default = 60000))]
    pub max_ms: u32,
    /// Targets ejected at once in percent; one may be in any case, the last one never is.
    #[cfg_attr(feature = "openapi", schema(default = 50))]
    pub max_ejected_percent: u8,
}

impl Default for Ejection {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive_failures: 3,
            failure_percent: 50,
            window_seconds: 10,
            min_calls: 20,
            base_ms: 2000,
            max_ms: 60_000,
            max_ejected_percent: 50,
        }
    }
}

impl Ejection {
    pub(super) fn validate(&self, v: &mut Validation) {
        v.check(
            self.consecutive_failures <= 1000,
            "ejection.consecutive_failures",
            "must be at most 1000",
        );
        v.check(
            self.failure_percent <= 100,
            "ejection.failure_percent",
            "must be at most 100",
        );
        v.check(
            (1..=600).contains(&self.window_seconds),
            "ejection.window_seconds",
            "must be between 1 and 600",
        );
        v.check(
            (1..=100_000).contains(&self.min_calls),
            "ejection.min_calls",
            "must be between 1 and 100000",
        );
        v.check(
            (100..=3_600_000).contains(&self.base_ms),
            "ejection.base_ms",
            "must be between 100 and 3600000",
        );
        v.check(
            (self.base_ms..=3_600_000).contains(&self.max_ms),
            "ejection.max_ms",
            "must be between `base_ms` and 3600000",
        );
        v.check(
            self.max_ejected_percent <= 100,
            "ejection.max_ejected_percent",
            "must be at most 100",
        );
    }
}

/// When a failed try is repeated, on another target where there is one: if nothing of the request
/// was sent, or if its method may be repeated (RFC 9110, 9.2.2) and its body is still at hand.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Retries {
    /// Tries after the first, 0 to 10.
    #[cfg_attr(feature = "openapi", schema(default = 2))]
    pub max: u32,
    /// Statuses between 400 and 599 that are tried again; 502, 503 and 504 when absent.
    pub statuses: Vec<u16>,
    /// Milliseconds until one try's answer begins, 50 to 3,600,000; what `timeouts` say when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_try_timeout_ms: Option<u32>,
    /// The wait before the second try is at most this and doubles with each; 0 to 60,000.
    #[cfg_attr(feature = "openapi", schema(default = 25))]
    pub base_ms: u32,
    /// The longest wait. A `Retry-After` that asks for more ends the tries; 0 to 60,000.
    #[cfg_attr(feature = "openapi", schema(default = 1000))]
    pub max_wait_ms: u32,
    /// Retries of the last ten seconds in percent of the calls, 0 to 100,
    #[cfg_attr(feature = "openapi", schema(default = 20))]
    pub budget_percent: u32,
    /// and as many a second beside them, 0 to 10,000.
    #[cfg_attr(feature = "openapi", schema(default = 3))]
    pub budget_min_per_second: u32,
    /// Bytes of a request's body that are kept for another try, up to 16 MiB. A longer one is sent
    /// once.
    #[cfg_attr(feature = "openapi", schema(default = 65536))]
    pub max_body_bytes: u32,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            max: 2,
            statuses: vec![502, 503, 504],
            per_try_timeout_ms: None,
            base_ms: 25,
            max_wait_ms: 1000,
            budget_percent: 20,
            budget_min_per_second: 3,
            max_body_bytes: 64 << 10,
        }
    }
}

impl Retries {
    pub(super) fn validate(&self, v: &mut Validation) {
        v.check(self.max <= 10, "retries.max", "must be at most 10");
        v.check(
            self.statuses.len() <= 100
                && self
                    .statuses
                    .iter()
                    .all(|status| (400..=599).contains(status)),
            "retries.statuses",
            "must be statuses between 400 and 599",
        );
        v.check(
            self.per_try_timeout_ms
                .is_none_or(|ms| (50..=3_600_000).contains(&ms)),
            "retries.per_try_timeout_ms",
            "must be between 50 and 3600000",
        );
        v.check(
            self.base_ms <= 60_000,
            "retries.base_ms",
            "must be at most 60000",
        );
        v.check(
            self.max_wait_ms <= 60_000,
            "retries.max_wait_ms",
            "must be at most 60000",
        );
        v.check(
            self.budget_percent <= 100,
            "retries.budget_percent",
            "must be at most 100",
        );
        v.check(
            self.budget_min_per_second <= 10_000,
            "retries.budget_min_per_second",
            "must be at most 10000",
        );
        v.check(
            self.max_body_bytes <= 16 << 20,
            "retries.max_body_bytes",
            "must be at most 16777216",
        );
    }
}

/// A second request to another target when the first takes long; the answer that begins first is
/// passed on, the other is dropped. Only for requests without a body whose method may be repeated,
/// and within the budget of retries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Hedging {
    /// Milliseconds after which the second is sent, 1 to 60,000.
    pub after_ms: u32,
}

impl Hedging {
    pub(super) fn validate(&self, v: &mut Validation) {
        v.check(
            (1..=60_000).contains(&self.after_ms),
            "hedging.after_ms",
            "must be between 1 and 60000",
        );
    }
}

/// When calls are refused with 503 `circuit_open` because most of the last ones failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Breaker {
    /// 1 to 600.
    #[cfg_attr(feature = "openapi", schema(default = 10))]
    pub window_seconds: u32,
    /// Calls in the window below which it never opens, 1 to 100,000.
    #[cfg_attr(feature = "openapi", schema(default = 20))]
    pub min_calls: u32,
    /// Failed calls in the window in percent, 1 to 100.
    #[cfg_attr(feature = "openapi", schema(default = 50))]
    pub failure_percent: u8,
    /// Milliseconds until calls are tried again, 100 to 3,600,000.
    #[cfg_attr(feature = "openapi", schema(default = 10000))]
    pub open_ms: u32,
    /// Calls that are tried then, and have to succeed for the others to pass; 1 to 100.
    #[cfg_attr(feature = "openapi", schema(default = 3))]
    pub trials: u32,
}

impl Default for Breaker {
    fn default() -> Self {
        Self {
            window_seconds: 10,
            min_calls: 20,
            failure_percent: 50,
            open_ms: 10_000,
            trials: 3,
        }
    }
}

impl Breaker {
    pub(super) fn validate(&self, v: &mut Validation) {
        v.check(
            (1..=600).contains(&self.window_seconds),
            "breaker.window_seconds",
            "must be between 1 and 600",
        );
        v.check(
            (1..=100_000).contains(&self.min_calls),
            "breaker.min_calls",
            "must be between 1 and 100000",
        );
        v.check(
            (1..=100).contains(&self.failure_percent),
            "breaker.failure_percent",
            "must be between 1 and 100",
        );
        v.check(
            (100..=3_600_000).contains(&self.open_ms),
            "breaker.open_ms",
            "must be between 100 and 3600000",
        );
        v.check(
            (1..=100).contains(&self.trials),
            "breaker.trials",
            "must be between 1 and 100",
        );
    }
}
