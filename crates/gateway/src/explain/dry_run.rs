//! A call that is only asked about: the same phases, nothing sent, nothing counted.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use apiverse_balance::NoPick;
use apiverse_contract::explain::{ExplainRequest, Explanation, Named, PhaseOutcome, PhaseTrace};
use apiverse_contract::limits::CONCURRENCY_NAME;
use apiverse_contract::{ErrorCode, OrganizationId};
use chrono::DateTime;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::build::{Phase, named_api, named_key, origin};
use super::limits::{Names, traces};
use super::policies;
use crate::Gateway;
use crate::keys::{self, Candidate, Identifier, IdentifyError, VerifiedKeys};
use crate::limits::Caller;
use crate::phases;
use crate::snapshot::{ApiRecord, AuthPlan, KeyRecord, Snapshot, Target};
use crate::targets::{self, Own, Preview};

/// The phases so far.
pub(super) struct Course {
    began: Instant,
    at_us: u64,
    phases: Vec<PhaseTrace>,
}

impl Course {
    fn end(&mut self, phase: Phase, code: Option<ErrorCode>, detail: Option<String>) {
        self.end_of(phase.name(), code, detail);
    }

    pub(super) fn end_of(&mut self, name: &str, code: Option<ErrorCode>, detail: Option<String>) {
        let now_us = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let outcome = match code {
            Some(_) => PhaseOutcome::Refused,
            None => PhaseOutcome::Passed,
        };
        self.phases.push(PhaseTrace {
            name: name.to_owned(),
            outcome,
            began_us: self.at_us,
            took_us: now_us.saturating_sub(self.at_us),
            code,
            detail,
        });
        self.at_us = now_us;
    }

    fn skip(&mut self, phase: Phase, why: &str) {
        self.skip_of(phase.name(), why);
    }

    pub(super) fn skip_of(&mut self, name: &str, why: &str) {
        self.phases.push(PhaseTrace {
            name: name.to_owned(),
            outcome: PhaseOutcome::Skipped,
            began_us: self.at_us,
            took_us: 0,
            code: None,
            detail: Some(why.to_owned()),
        });
    }
}

impl Gateway {
    /// What would happen to a call of `organization`'s, as of `now_us` (microseconds since 1970).
    /// `asker` is where the call comes from when the question does not say. The question is
    /// taken as valid; APIs and keys of others are unknown here, as they are to a call.
    #[must_use]
    pub fn explain(
        self: &Arc<Self>,
        organization: OrganizationId,
        ask: &ExplainRequest,
        asker: IpAddr,
        now_us: i64,
    ) -> Explanation {
        let snapshot = self.loader.current();
        let mut answer = Explanation {
            request_id: None,
            started_at: DateTime::from_timestamp_micros(now_us).unwrap_or_default(),
            method: ask.method.clone().unwrap_or_else(|| "GET".to_owned()),
            path: ask.path.split('?').next().unwrap_or_default().to_owned(),
            api: None,
            route: None,
            key: None,
            status: None,
            code: None,
            phases: Vec::new(),
            limits: Vec::new(),
            attempts: Vec::new(),
            upstream: None,
        };
        let mut course = Course {
            began: Instant::now(),
            at_us: 0,
            phases: Vec::new(),
        };
        let ended = self.run(
            &snapshot,
            organization,
            ask,
            asker,
            now_us,
            &mut answer,
            &mut course,
        );
        answer.phases = course.phases;
        if let Err(code) = ended {
            answer.code = Some(code);
            answer.status = Some(code.status());
        }
        answer
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the parts of one question and its answer"
    )]
    fn run(
        self: &Arc<Self>,
        snapshot: &Snapshot,
        organization: OrganizationId,
        ask: &ExplainRequest,
        asker: IpAddr,
        now_us: i64,
        answer: &mut Explanation,
        course: &mut Course,
    ) -> Result<(), ErrorCode> {
        let refuse = |course: &mut Course, phase, code, why: &str| {
            course.end(phase, Some(code), Some(why.to_owned()));
            Err(code)
        };
        let method = Method::from_bytes(answer.method.as_bytes())
            .map_err(|_| ErrorCode::MethodNotAllowed)?;
        let target: PathAndQuery = ask.path.parse().map_err(|_| ErrorCode::InvalidPath)?;
        let Some(located) = phases::locate(&target) else {
            return refuse(
                course,
                Phase::Identify,
                ErrorCode::ApiNotFound,
                "not below /proxy",
            );
        };

        let api = snapshot.api(organization, located.selector).cloned();
        if let Some(api) = &api
            && let Some(status) =
                policies::preflight(snapshot, api, (&method, &headers(ask)), &located, course)
        {
            answer.api = Some(named_api(api));
            answer.status = Some(status);
            return Ok(());
        }
        let key = match self.who(snapshot, organization, ask, located.query, now_us) {
            Ok(key) => key,
            Err(code) => return refuse(course, Phase::Identify, code, "no key that may call"),
        };
        answer.key = Some(named_key(&key));
        if key.is_tied_to_networks() && !key.allows_address(ask.address.unwrap_or(asker)) {
            let address = ask.address.unwrap_or(asker);
            let why = format!("the key is not accepted from {address}");
            return refuse(course, Phase::Identify, ErrorCode::IpNotAllowed, &why);
        }
        let Some(api) = api else {
            let why = "the organization has no API of this name";
            return refuse(course, Phase::Identify, ErrorCode::ApiNotFound, why);
        };
        answer.api = Some(named_api(&api));
        answer.route = api
            .routes
            .find(method.as_str(), located.rest)
            .map(|route| Named {
                id: route.id,
                name: route.name.to_string(),
            });
        let key_name = answer.key.as_ref().map(|key| format!("key {}", key.name));
        course.end(Phase::Identify, None, key_name);

        let refused = if !key.allows_api(api.id) {
            Some((ErrorCode::KeyNotAllowed, "the key is not for this API"))
        } else if !key.allows_method(&method) {
            Some((ErrorCode::KeyNotAllowed, "the key is not for this method"))
        } else if !api.is_active {
            Some((ErrorCode::ApiDisabled, "the API is switched off"))
        } else {
            None
        };
        if let Some((code, why)) = refused {
            return refuse(course, Phase::Authorize, code, why);
        }
        course.end(Phase::Authorize, None, Some(format!("api {}", api.slug)));

        let (version, said) = match &api.versions {
            None => (None, 0),
            Some(versions) => {
                let chosen = versions.choose(located.rest, located.query, &headers(ask));
                let Ok((version, said)) = chosen else {
                    let why = "the API has no version of this name";
                    return refuse(course, Phase::Authorize, ErrorCode::VersionNotFound, why);
                };
                if version.check(now_us).is_err() {
                    let why = "the version is not served any more";
                    return refuse(course, Phase::Authorize, ErrorCode::VersionRetired, why);
                }
                (Some(version), said)
            }
        };
        let located = phases::Located {
            rest: located.rest.get(said..).unwrap_or_default(),
            ..located
        };
        let met = phases::meet(snapshot, &key, &api, &method, located.rest);
        if let Err(refusal) = met.within_budgets(&key, &api, now_us) {
            let why = "the budget is spent until the month is over";
            return refuse(course, Phase::Limit, refusal.code(), why);
        }
        let attached = met.limits(&key, &api);
        if attached.is_empty() {
            course.skip(Phase::Limit, "the call has no limits");
        } else {
            let set = self.limiter.set(&attached);
            let caller = Caller {
                organization,
                key: key.id,
                api: Some(Arc::clone(&api)),
                address: ask.address.unwrap_or(asker),
                began_us: now_us,
            };
            let now = self.limiter.moment(Instant::now(), now_us);
            let levels = self.limiter.peek_all(&set, &caller, now);
            let names = Names {
                api: Some(&api),
                key: Some(&key),
                route: answer.route.as_ref().map(|route| route.name.as_str()),
            };
            answer.limits = traces(&set, &levels, 0, &names);
            let violated: Vec<(&str, bool)> = set
                .entries
                .iter()
                .map(|entry| (&*entry.name, entry.spec.is_quota()))
                .chain(set.gates.iter().map(|gate| (gate.name(), false)))
                .zip(&levels)
                .filter(|(_, level)| level.is_refused)
                .map(|(limit, _)| limit)
                .collect();
            if let Some((name, is_quota)) = violated.first() {
                let code = match (*name, *is_quota) {
                    (_, true) => ErrorCode::QuotaExceeded,
                    (CONCURRENCY_NAME, _) => ErrorCode::ConcurrencyLimited,
                    _ => ErrorCode::RateLimited,
                };
                return refuse(course, Phase::Limit, code, &format!("`{name}` is used up"));
            }
            course.end(Phase::Limit, None, Some(format!("{} limits", levels.len())));
        }

        let plan = met.plan(&key, &api, version.as_deref());
        let plan = plan.unwrap_or_default();
        let subject = policies::subject(&method, headers(ask), &located, &met, (&key, &api));
        let foretold = policies::before(&plan, &subject, ask.body_bytes, course)?;
        let changed = match foretold {
            policies::Foretold::Forward(changed) => changed,
            policies::Foretold::Answered(status) => {
                answer.status = Some(status);
                policies::after(&plan, &subject, course);
                return Ok(());
            }
        };
        let located = match &changed {
            Some((rest, query)) => phases::Located {
                rest,
                query: query.as_deref(),
                ..located
            },
            None => located,
        };
        let own = Own {
            target: match &version {
                Some(version) => version.target.as_ref(),
                None => api.target.as_ref(),
            },
            version: version.as_ref().and_then(|version| version.id),
        };
        let previewed = match &plan.upstream {
            None => None,
            Some(compiled) => {
                let headers = headers(ask);
                let caller = targets::Caller::new(key.id, ask.address.unwrap_or(asker), &headers);
                let is_idempotent = method.is_idempotent();
                Preview::of(self, &api, own, compiled, &caller, is_idempotent)
            }
        };
        let target = match &previewed {
            Some(preview) => preview.target.as_deref().ok().or(own.target),
            None => own.target,
        };
        self.address(&api, target, &located, ask, course)?;
        if let Some(preview) = previewed {
            answer.upstream = Some(preview.trace);
            if let Some(wait_ms) = preview.refused_ms {
                let why = format!("the circuit is open for {wait_ms} ms yet");
                return refuse(course, Phase::Forward, ErrorCode::CircuitOpen, &why);
            }
            if let Err(reason) = preview.target {
                let why = match reason {
                    NoPick::NoneWell => "none of the targets is well",
                    NoPick::Full => "every target has as many calls under way as it takes",
                };
                return refuse(course, Phase::Forward, ErrorCode::ServiceUnavailable, why);
            }
        }
        course.skip(
            Phase::Forward,
            "a call that is only asked about reaches no upstream",
        );
        course.skip(Phase::Inbound, "there is no answer");
        policies::after(&plan, &subject, course);
        Ok(())
    }

    /// Whose call it would be.
    fn who(
        &self,
        snapshot: &Snapshot,
        organization: OrganizationId,
        ask: &ExplainRequest,
        query: Option<&str>,
        now_us: i64,
    ) -> Result<Arc<KeyRecord>, ErrorCode> {
        if let Some(id) = ask.key_id {
            let key = snapshot
                .key(id)
                .filter(|key| key.organization_id == organization)
                .ok_or(ErrorCode::InvalidApiKey)?;
            return match key.expires_at_us {
                Some(at_us) if at_us <= now_us => Err(ErrorCode::ExpiredApiKey),
                _ => Ok(Arc::clone(key)),
            };
        }
        let headers = headers(ask);
        let text = match (&ask.key, keys::from_headers(&headers)) {
            (Some(text), _) => text.as_bytes(),
            (None, Candidate::Text(text)) => text,
            (None, Candidate::Ambiguous) => return Err(ErrorCode::InvalidApiKey),
            (None, Candidate::None) => match keys::from_query(query) {
                Candidate::Text(text) => text,
                Candidate::None | Candidate::Ambiguous => return Err(ErrorCode::MissingApiKey),
            },
        };
        let identifier = Identifier {
            snapshot,
            vault: &self.vault,
            meters: &self.meters,
            hash_key: &self.hash_key,
            now_us,
            may_guess: true,
            guessed_wrong: Cell::default(),
        };
        let mut verified = VerifiedKeys::new(1);
        match identifier.identify(text, &mut verified) {
            Ok(key) if key.organization_id == organization => Ok(key),
            Err(IdentifyError::Expired {
                organization: whose,
                ..
            }) if whose == organization => Err(ErrorCode::ExpiredApiKey),
            Ok(_) | Err(_) => Err(ErrorCode::InvalidApiKey),
        }
    }

    /// Where the call would go.
    fn address(
        &self,
        api: &ApiRecord,
        target: Option<&Target>,
        located: &phases::Located<'_>,
        ask: &ExplainRequest,
        course: &mut Course,
    ) -> Result<(), ErrorCode> {
        let refuse = |course: &mut Course, code, why: String| {
            course.end(Phase::Direct, Some(code), Some(why));
            Err(code)
        };
        let Some(target) = target else {
            let why = "the API's base URL cannot be used".to_owned();
            return refuse(course, ErrorCode::UpstreamUnreachable, why);
        };
        if matches!(api.auth, AuthPlan::Unreadable) {
            let why = "the API's upstream credentials cannot be read".to_owned();
            return refuse(course, ErrorCode::UpstreamAuthFailed, why);
        }
        let limit = api.limits.max_body;
        if ask.body_bytes.is_some_and(|bytes| bytes > limit) {
            let why = format!("the body may have at most {limit} bytes");
            return refuse(course, ErrorCode::BodyTooLarge, why);
        }
        let mut address = Vec::new();
        // Without the upstream's credential: the document is shown to people.
        if phases::write_address(&mut address, target, located, None).is_err() {
            let why = "the path would leave the API's base path".to_owned();
            return refuse(course, ErrorCode::InvalidPath, why);
        }
        let path = String::from_utf8_lossy(&address);
        let path = path.split('?').next().unwrap_or_default();
        let origin = origin(target);
        course.end(Phase::Direct, None, Some(format!("{origin}{path}")));
        Ok(())
    }
}

fn headers(ask: &ExplainRequest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in &ask.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(value),
        ) {
            headers.append(name, value);
        }
    }
    headers
}
