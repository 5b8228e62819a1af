//! What callers are told about limits.

use apiverse_contract::ErrorCode;
use apiverse_limits::header::{self, Policy};
use apiverse_limits::{Level, Period, Spec};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::Limiter;
use super::set::Set;

static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static X_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static X_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// The header fields of one answer.
#[derive(Debug)]
pub(crate) struct Fields {
    policies: HeaderValue,
    levels: HeaderValue,
    /// Limit, remaining, seconds until the reset: of the tightest limit.
    legacy: Option<[u64; 3]>,
    retry_after: Option<u64>,
}

/// Why limits refuse a call.
#[derive(Debug)]
pub(crate) struct LimitRefusal {
    pub(crate) code: ErrorCode,
    /// Names of the limits that refuse it.
    pub(crate) violated: Vec<String>,
    pub(crate) detail: String,
    pub(crate) fields: Fields,
    /// What each limit said, in the order of the set; none when calls at once were too many, as
    /// the others were not asked then.
    pub(crate) levels: Vec<Level>,
}

/// Puts the fields into an answer, in the place of the upstream's own: those are about another
/// caller's limits, the gateway's.
pub(crate) fn add_fields(fields: &Fields, headers: &mut HeaderMap) {
    headers.insert(&RATE_LIMIT_POLICY, fields.policies.clone());
    headers.insert(&RATE_LIMIT, fields.levels.clone());
    if let Some([limit, remaining, reset]) = fields.legacy {
        headers.insert(&X_LIMIT, HeaderValue::from(limit));
        headers.insert(&X_REMAINING, HeaderValue::from(remaining));
        headers.insert(&X_RESET, HeaderValue::from(reset));
    }
    if let Some(seconds) = fields.retry_after {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}

impl Fields {
    /// Whether an upstream's field is one of those that [`add_fields`] replaces.
    pub(crate) fn replace(name: &[u8]) -> bool {
        [&RATE_LIMIT, &RATE_LIMIT_POLICY]
            .iter()
            .any(|own| name.eq_ignore_ascii_case(own.as_str().as_bytes()))
    }

    /// The same as [`add_fields`], name by name.
    pub(crate) fn each(&self, mut write: impl FnMut(&[u8], &[u8])) {
        write(
            RATE_LIMIT_POLICY.as_str().as_bytes(),
            self.policies.as_bytes(),
        );
        write(RATE_LIMIT.as_str().as_bytes(), self.levels.as_bytes());
        let Some(numbers) = self.legacy else { return };
        for (name, number) in [&X_LIMIT, &X_REMAINING, &X_RESET].iter().zip(numbers) {
            let mut text = Vec::with_capacity(20);
            header::write_number(&mut text, number);
            write(name.as_str().as_bytes(), &text);
        }
    }
}

/// The fields of an answer; `levels`: the entries'.
pub(super) fn fields(limiter: &Limiter, set: &Set, levels: &mut Vec<Level>) -> Fields {
    for gate in &set.gates {
        levels.push(Level {
            remaining: u64::from(gate.limit.saturating_sub(gate.gate.open())),
            // When a call under way ends, nobody knows.
            reset_ns: u64::MAX,
            is_refused: false,
        });
    }
    let policies = || policies(set);
    let mut text = Vec::with_capacity(32 * levels.len());
    for (policy, level) in policies().zip(levels.iter()) {
        header::write_rate_limit(&mut text, policy, level);
    }
    let legacy = limiter.legacy_headers.then(|| {
        let tightest = header::tightest(levels)?;
        let (policy, level) = (policies().nth(tightest)?, levels.get(tightest)?);
        let reset = match level.reset_ns {
            u64::MAX => 0,
            ns => header::seconds(ns),
        };
        Some([policy.limit(), level.remaining, reset])
    });
    Fields {
        policies: set.policies.clone(),
        levels: HeaderValue::from_maybe_shared(bytes::Bytes::from(text))
            .unwrap_or_else(|_| HeaderValue::from_static("")),
        legacy: legacy.flatten(),
        retry_after: header::retry_after(levels),
    }
}

/// The refusal by rate limits and quotas.
pub(super) fn refusal(limiter: &Limiter, set: &Set, levels: &mut Vec<Level>) -> LimitRefusal {
    let fields = fields(limiter, set, levels);
    let violated = || {
        set.entries
            .iter()
            .zip(levels.iter())
            .filter(|(_, level)| level.is_refused)
    };
    let tightest = header::tightest(levels).and_then(|at| set.entries.get(at));
    let (code, detail) = match tightest.map(|entry| (entry, entry.spec)) {
        Some((entry, Spec::Quota { limit, period })) => {
            let period = match period {
                Period::Day => "day",
                Period::Month => "month",
            };
            let name = &entry.name;
            let text = format!("The quota `{name}` of {limit} calls a {period} is used up.");
            (ErrorCode::QuotaExceeded, text)
        }
        Some((
            entry,
            Spec::Gcra {
                limit, window_s, ..
            }
            | Spec::SlidingWindow {
                limit, window_s, ..
            },
        )) => {
            let name = &entry.name;
            let text = format!("The limit `{name}` of {limit} calls in {window_s} s is used up.");
            (ErrorCode::RateLimited, text)
        }
        None => (ErrorCode::RateLimited, "Too many calls.".to_owned()),
    };
    LimitRefusal {
        code,
        violated: violated()
            .map(|(entry, _)| entry.name.to_string())
            .collect(),
        detail,
        fields,
        levels: levels.clone(),
    }
}

/// The refusal by the gate at `at`.
pub(super) fn too_many_at_once(limiter: &Limiter, set: &Set, at: usize) -> LimitRefusal {
    let limit = set.gates.get(at).map_or(0, |gate| gate.limit);
    // The other limits have not been asked, and are not told of.
    let mut text = Vec::new();
    if let Some(gate) = set.gates.get(at) {
        header::write_rate_limit(
            &mut text,
            &gate.policy,
            &Level {
                remaining: 0,
                reset_ns: u64::MAX,
                is_refused: true,
            },
        );
    }
    LimitRefusal {
        code: ErrorCode::ConcurrencyLimited,
        violated: vec![apiverse_contract::limits::CONCURRENCY_NAME.to_owned()],
        detail: format!("{limit} calls are under way, which is as many as are allowed at once."),
        fields: Fields {
            policies: set.policies.clone(),
            levels: HeaderValue::from_maybe_shared(bytes::Bytes::from(text))
                .unwrap_or_else(|_| HeaderValue::from_static("")),
            legacy: limiter.legacy_headers.then_some([u64::from(limit), 0, 1]),
            // The soonest that can be said.
            retry_after: Some(1),
        },
        levels: Vec::new(),
    }
}

fn policies(set: &Set) -> impl Iterator<Item = &Policy> {
    let entries = set.entries.iter().map(|entry| &entry.policy);
    entries.chain(set.gates.iter().map(|gate| &gate.policy))
}
