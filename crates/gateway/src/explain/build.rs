//! From a call's record to the document that explains it.

use apiverse_contract::explain::{
    AttemptTrace, Explanation, Named, PhaseOutcome, PhaseTrace, UpstreamTrace,
};
use apiverse_contract::policies::{PolicyKind, PolicyLevel};
use apiverse_contract::{ApiId, ErrorCode, KeyId};
use chrono::DateTime;

use super::limits::{Names, traces};
use super::{PolicyNote, Try};
use crate::call::CallRecord;
use crate::snapshot::{ApiRecord, KeyRecord, Target};
use crate::targets::{TryNote, UpstreamNote};

/// The phases as documents name them, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Identify,
    Authorize,
    Limit,
    Cache,
    Direct,
    Forward,
    Inbound,
}

impl Phase {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Authorize => "authorize",
            Self::Limit => "limit",
            Self::Cache => "cache",
            Self::Direct => "direct",
            Self::Forward => "forward",
            Self::Inbound => "inbound",
        }
    }

    /// Where a call ends with `code`; `reached`: the upstream's answer had begun.
    pub(super) const fn of_code(code: ErrorCode, reached: bool) -> Self {
        match code {
            ErrorCode::MissingApiKey
            | ErrorCode::InvalidApiKey
            | ErrorCode::ExpiredApiKey
            | ErrorCode::IpNotAllowed
            | ErrorCode::ApiNotFound
            | ErrorCode::TooManyAttempts => Self::Identify,
            ErrorCode::KeyNotAllowed | ErrorCode::ApiDisabled => Self::Authorize,
            ErrorCode::RateLimited
            | ErrorCode::QuotaExceeded
            | ErrorCode::BudgetExceeded
            | ErrorCode::ConcurrencyLimited => Self::Limit,
            ErrorCode::InvalidPath
            | ErrorCode::UpstreamAuthFailed
            | ErrorCode::RequestInvalid
            | ErrorCode::RequestTransformFailed => Self::Direct,
            _ if reached => Self::Inbound,
            _ => Self::Forward,
        }
    }
}

/// What one phase took, as it is known.
struct Step {
    phase: Phase,
    until_us: Option<u32>,
    detail: Option<String>,
}

/// The document of a call that is over after `total_us`.
pub(crate) fn explanation(record: &CallRecord, total_us: u32) -> Explanation {
    let notes = &record.notes;
    let snapshot = record.worker.gateway.loader.current();
    let key = record.key_id.and_then(|id| snapshot.key(id));
    let reached = notes.answered_us.is_some();
    let ended = record
        .error
        .map(|code| (Phase::of_code(code, reached), code));
    let ended_by_limit = ended
        .filter(|(phase, _)| *phase == Phase::Limit)
        .map(|_| total_us);
    let cache = notes.cache.map(|(line, at_us)| {
        let mut text = String::new();
        line.write(&mut text);
        (text, at_us)
    });
    let steps = [
        Step {
            phase: Phase::Identify,
            until_us: notes.admitted_us,
            detail: key.map(|key| format!("key {}", key_name(key))),
        },
        Step {
            phase: Phase::Authorize,
            until_us: notes.admitted_us,
            detail: record.api.as_ref().map(|api| format!("api {}", api.slug)),
        },
        Step {
            phase: Phase::Limit,
            until_us: notes.limited_us.or(ended_by_limit),
            detail: record
                .limits
                .as_ref()
                .map(|set| format!("{} limits", set.entries.len() + set.gates.len())),
        },
        Step {
            phase: Phase::Cache,
            until_us: cache.as_ref().map(|(_, at_us)| *at_us),
            detail: cache.map(|(text, _)| text),
        },
        Step {
            phase: Phase::Direct,
            until_us: notes.prepared_us,
            detail: match notes.tried.last() {
                Some(last) => Some(last.origin.text()),
                None => aimed_at(record).map(origin),
            },
        },
        Step {
            phase: Phase::Forward,
            until_us: notes.answered_us,
            detail: reached.then(|| format!("status {}", record.status)),
        },
        Step {
            phase: Phase::Inbound,
            until_us: reached.then_some(total_us),
            detail: reached.then(|| format!("{} bytes of body passed on", record.bytes_out)),
        },
    ];
    let route = record.api.as_ref().and_then(|api| {
        let route = api.routes.find(record.method.as_str(), record.path())?;
        Some(Named {
            id: route.id,
            name: route.name.to_string(),
        })
    });
    let names = Names {
        api: record.api.as_deref(),
        key: key.map(|key| &**key),
        route: route.as_ref().map(|route| route.name.as_str()),
    };
    let limits = match (&record.limits, &record.grant) {
        (Some(set), Some(grant)) => traces(set, &grant.levels, 1, &names),
        (Some(set), None) => traces(set, &notes.refused_levels, 0, &names),
        (None, _) => Vec::new(),
    };
    Explanation {
        request_id: record.request_id.to_str().ok().map(str::to_owned),
        started_at: DateTime::from_timestamp_micros(record.started_at_us).unwrap_or_default(),
        method: record.method.as_str().to_owned(),
        // Without the query: it is where callers put what nobody should keep.
        path: record.target.path().to_owned(),
        api: record.api.as_ref().map(|api| named_api(api)),
        route,
        key: key.map(|key| named_key(key)),
        status: Some(record.status),
        code: record.error,
        phases: with_policies(phases(steps, ended, total_us), &notes.policies),
        limits,
        attempts: attempts(record, total_us),
        upstream: notes.upstream.map(|note| upstream(note, &notes.tried)),
    }
}

fn upstream(note: UpstreamNote, tried: &[TryNote]) -> UpstreamTrace {
    let last = tried.last();
    UpstreamTrace {
        level: note.level,
        is_canary: note.is_canary,
        circuit: note.circuit,
        target: last.map(|last| last.url.to_string()),
        detail: last
            .map(|last| last.detail.clone())
            .filter(|detail| !detail.is_empty()),
        targets: Vec::new(),
    }
}

pub(super) fn named_api(api: &ApiRecord) -> Named<ApiId> {
    Named {
        id: api.id,
        name: api.slug.to_string(),
    }
}

pub(super) fn named_key(key: &KeyRecord) -> Named<KeyId> {
    Named {
        id: key.id,
        name: key_name(key),
    }
}

/// What may be shown of a key: the beginning that it is found by.
pub(super) fn key_name(key: &KeyRecord) -> String {
    String::from_utf8_lossy(&key.current.prefix).into_owned()
}

/// Scheme, host and port of the upstream.
pub(super) fn origin(target: &Target) -> String {
    let origin = &target.origin;
    let scheme = if origin.tls { "https" } else { "http" };
    format!("{scheme}://{}:{}", origin.host, origin.port)
}

fn aimed_at(record: &CallRecord) -> Option<&Target> {
    match &record.version {
        Some(version) => version.target.as_ref(),
        None => record.api.as_ref()?.target.as_ref(),
    }
}

fn phases(steps: [Step; 7], ended: Option<(Phase, ErrorCode)>, total_us: u32) -> Vec<PhaseTrace> {
    let mut at_us = 0;
    let mut is_over = false;
    let mut all = Vec::with_capacity(steps.len());
    for step in steps {
        if step.phase == Phase::Cache && step.until_us.is_none() {
            // Most calls have nothing to do with it.
            continue;
        }
        let refusal = ended.filter(|(phase, _)| *phase == step.phase);
        let outcome = match refusal {
            _ if is_over => PhaseOutcome::Skipped,
            Some(_) => PhaseOutcome::Refused,
            None if step.until_us.is_none() => PhaseOutcome::Skipped,
            None => PhaseOutcome::Passed,
        };
        let until_us = match outcome {
            PhaseOutcome::Passed => step.until_us.unwrap_or(at_us).max(at_us),
            PhaseOutcome::Refused => total_us.max(at_us),
            PhaseOutcome::Skipped => at_us,
        };
        all.push(PhaseTrace {
            name: step.phase.name().to_owned(),
            outcome,
            began_us: u64::from(at_us),
            took_us: u64::from(until_us - at_us),
            code: refusal.map(|(_, code)| code),
            detail: step.detail.filter(|_| outcome != PhaseOutcome::Skipped),
        });
        at_us = until_us;
        is_over |= refusal.is_some();
    }
    all
}

/// Policies stand where they run: those before the upstream before `cache` and `direct`.
fn with_policies(mut phases: Vec<PhaseTrace>, notes: &[PolicyNote]) -> Vec<PhaseTrace> {
    for note in notes {
        let place = match note.kind {
            PolicyKind::Tokens
            | PolicyKind::ResponseTransform
            | PolicyKind::Compression
            | PolicyKind::Cors => None,
            _ => phases.iter().position(|phase| {
                [Phase::Cache, Phase::Direct]
                    .iter()
                    .any(|at| at.name() == phase.name)
            }),
        };
        let trace = PhaseTrace {
            name: note.kind.as_str().to_owned(),
            outcome: match note.code {
                Some(_) => PhaseOutcome::Refused,
                None => PhaseOutcome::Passed,
            },
            began_us: u64::from(note.began_us),
            took_us: u64::from(note.took_us),
            code: note.code,
            detail: Some(told(note.level, &note.said)),
        };
        phases.insert(place.unwrap_or(phases.len()), trace);
        // The call ended at the policy, not at the phase that comes after it.
        for phase in &mut phases {
            let is_next = phase.name == Phase::Direct.name() || phase.name == Phase::Inbound.name();
            if is_next && phase.code.is_some() && phase.code == note.code {
                phase.outcome = match place {
                    Some(_) => PhaseOutcome::Skipped,
                    None => PhaseOutcome::Passed,
                };
                phase.code = None;
            }
        }
    }
    phases
}

/// Where a policy is attached, and what it came to.
pub(super) fn told(level: PolicyLevel, said: &str) -> String {
    match said {
        "" => format!("from the {level}"),
        said => format!("from the {level}: {said}"),
    }
}

fn attempts(record: &CallRecord, total_us: u32) -> Vec<AttemptTrace> {
    let tried = &record.notes.tried;
    if !tried.is_empty() {
        let last = tried.len().saturating_sub(1);
        let all = tried.iter().enumerate();
        return all
            .map(|(number, note)| attempt(note, number == last, total_us))
            .collect();
    }
    let Some(origin) = aimed_at(record).map(origin) else {
        return Vec::new();
    };
    let tries: Vec<&Try> = record.notes.tries.iter().flatten().collect();
    let last = tries.len().saturating_sub(1);
    let after = |one: &Try, at_us: u32| u64::from(at_us.saturating_sub(one.began_us));
    tries
        .into_iter()
        .enumerate()
        .map(|(number, one)| AttemptTrace {
            origin: origin.clone(),
            began_us: u64::from(one.began_us),
            reused: one.reused,
            connect_us: one.connected_us.map(|at_us| after(one, at_us)),
            first_byte_us: one.answered_us.map(|at_us| after(one, at_us)),
            total_us: (number == last).then(|| after(one, total_us)),
            status: one.answered_us.map(|_| record.status),
            // A try that was followed by another found its connection closed.
            error: if number == last {
                record.error
            } else {
                Some(ErrorCode::UpstreamUnreachable)
            },
            detail: None,
        })
        .collect()
}

fn attempt(note: &TryNote, is_last: bool, total_us: u32) -> AttemptTrace {
    let tried = &note.tried;
    let after = |at_us: u32| u64::from(at_us.saturating_sub(tried.began_us));
    let ended_us = if is_last { total_us } else { note.ended_us };
    AttemptTrace {
        origin: note.origin.text(),
        began_us: u64::from(tried.began_us),
        reused: tried.reused,
        connect_us: tried.connected_us.map(after),
        first_byte_us: tried.answered_us.map(after),
        total_us: Some(after(ended_us)),
        status: note.status,
        error: note.error,
        detail: (!note.detail.is_empty()).then(|| note.detail.clone()),
    }
}
