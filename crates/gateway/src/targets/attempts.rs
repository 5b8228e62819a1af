//! The tries of one call: which target, what when it fails, and what the caller gets in the end.

use std::cell::{Cell, RefCell};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use apiverse_balance::{
    Attempt, Failure, NoPick, NoRetry, Outcome, Picked, Way, parse_retry_after, permit,
};
use apiverse_contract::ErrorCode;
use apiverse_contract::policies::PolicyLevel;
use apiverse_contract::policies::upstream::CircuitState;
use http::Response;
use http::header::RETRY_AFTER;
use http::uri::PathAndQuery;
use http_body::Body;
use hyper::body::Incoming;

use super::compile::{Caller, Upstreaming};
use super::mirror;
use super::registry::{Own, Registry};
use super::state::{Circuit, Held, State};
use crate::call::CallRecord;
use crate::explain::{Notes, Try};
use crate::phases::InvalidPath;
use crate::snapshot::{ApiRecord, Limits, Target};
use crate::timer::Deadline;
use crate::upstream::{Answer, ExchangeError, Failed, Origin, Outbound, exchange};
use crate::worker::Worker;

/// A call's answer, and what it holds until its end.
pub(crate) struct Balanced {
    pub(crate) answer: Answer,
    pub(crate) deadline: Deadline,
    pub(crate) held: Held,
    pub(crate) limits: Limits,
    /// When the whole call has to be over.
    pub(crate) until: Option<Instant>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NotBalanced {
    /// The circuit is open for these milliseconds.
    Circuit(u64),
    /// There is no target at all.
    NoTarget,
    /// None of the targets is well.
    NoneWell,
    /// All that are well have as many calls as they take.
    Full,
    Path(InvalidPath),
    Exchange(ExchangeError),
}

/// Where a call belongs.
#[derive(Clone, Copy)]
pub(crate) struct Choice {
    pub(super) is_canary: bool,
    pub(super) way: Way,
}

impl Upstreaming {
    pub(crate) fn choice(&self, api: &ApiRecord, caller: &Caller<'_>) -> Choice {
        Choice {
            is_canary: self.is_canary(api.id, caller),
            way: self.way(caller),
        }
    }
}

impl Choice {
    /// How a target is found among several.
    pub(super) const fn told(self, picked: Picked, targets: usize) -> &'static str {
        match self.way {
            _ if targets == 1 => "the only target",
            _ if picked.is_trial => "the call decides whether its ejection ends",
            Way::LeastRequest => "drawn by weight and calls under way; the next call may differ",
            Way::Hash(_) => "by hash: the same caller has the same target",
        }
    }
}

/// What the policy did with the call, for people.
#[derive(Clone, Copy)]
pub(crate) struct UpstreamNote {
    pub(crate) level: PolicyLevel,
    pub(crate) is_canary: bool,
    /// `None`: there is no breaker.
    pub(crate) circuit: Option<CircuitState>,
}

/// What one try came to, for people.
#[derive(Clone)]
pub(crate) struct TryNote {
    pub(crate) origin: Arc<Origin>,
    pub(crate) url: Arc<str>,
    pub(crate) tried: Try,
    pub(crate) ended_us: u32,
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<ErrorCode>,
    /// Why this target, and why it was the last try or not.
    pub(crate) detail: String,
}

/// Makes a call, by as many tries as its policy allows. `address`: what it asks a target for.
pub(crate) async fn balanced(
    record: &mut CallRecord,
    api: &Arc<ApiRecord>,
    own: Own<'_>,
    compiled: &Arc<Upstreaming>,
    choice: Choice,
    template: Outbound,
    address: &dyn Fn(&Target) -> Result<PathAndQuery, InvalidPath>,
) -> Result<Balanced, NotBalanced> {
    let worker = Rc::clone(&record.worker);
    let state =
        Registry::state(&worker.gateway, api, own, compiled).ok_or(NotBalanced::NoTarget)?;
    let entered = Circuit::enter(&state);
    record.notes.upstream = Some(UpstreamNote {
        level: compiled.place.level,
        is_canary: choice.is_canary,
        circuit: state.circuit_met(&entered),
    });
    let mut circuit = entered.map_err(NotBalanced::Circuit)?;
    state.budget.note_call(state.clock.now_ms());

    let limits = compiled.limits(&api.limits);
    let until = compiled.total().map(|total| Instant::now() + total);
    let course = Course {
        worker: &worker,
        state: &state,
        compiled,
        choice,
        address,
        limits,
        until,
        is_idempotent: template.request.method().is_idempotent(),
        began: record.started,
        template: &template,
        tried: Cell::new(0),
        notes: RefCell::default(),
    };
    let ended = course.run().await;
    record.notes.tried = course.notes.take();
    circuit.settle(match &ended {
        Ok(ended) => Some(compiled.is_failure(ended.answer.response.status().as_u16())),
        Err(NotBalanced::Exchange(error)) => is_upstreams(error).then_some(true),
        Err(_) => None,
    });
    if compiled.is_mirrored(rand::random())
        && let (Some(target), Some(document)) = (&compiled.mirror, &compiled.document.mirror)
        && let Ok(path) = address(target)
    {
        let most = usize::try_from(document.max_body_bytes).unwrap_or(0);
        let target = Arc::clone(target);
        mirror::send(&worker, &state, target, limits, &template, path, most);
    }
    ended
}

struct Course<'c> {
    worker: &'c Rc<Worker>,
    state: &'c Arc<State>,
    compiled: &'c Upstreaming,
    choice: Choice,
    address: &'c dyn Fn(&Target) -> Result<PathAndQuery, InvalidPath>,
    limits: Limits,
    until: Option<Instant>,
    is_idempotent: bool,
    began: Instant,
    template: &'c Outbound,
    /// Bits of the targets that were tried.
    tried: Cell<u64>,
    notes: RefCell<Vec<TryNote>>,
}

/// A try that is over.
struct Ended {
    result: Result<Answer, Failed>,
    held: Held,
    deadline: Deadline,
    note: TryNote,
    is_good: bool,
}

impl Course<'_> {
    async fn run(&self) -> Result<Balanced, NotBalanced> {
        let max_tries = self.compiled.document.retries.max + 1;
        let mut tries = 0;
        loop {
            tries += 1;
            let mut ended = match self.round(tries).await {
                Ok(ended) => ended,
                Err(error) => return Err(error),
            };
            let wait = if ended.is_good {
                None
            } else {
                match self.next_wait(&ended.result, tries, max_tries) {
                    Ok(wait) => {
                        self.state.meters.retries.increment(1);
                        add(
                            &mut ended.note.detail,
                            &format!("repeated after {} ms", wait.as_millis()),
                        );
                        Some(wait)
                    }
                    Err(Some(reason)) => {
                        add(&mut ended.note.detail, reason);
                        None
                    }
                    Err(None) => None,
                }
            };
            self.notes.borrow_mut().push(ended.note);
            if let Some(wait) = wait {
                // What the try holds is free while it is waited for the next.
                drop((ended.result, ended.held));
                tokio::time::sleep(wait).await;
                continue;
            }
            return match ended.result {
                Ok(answer) => Ok(Balanced {
                    answer,
                    deadline: ended.deadline,
                    held: ended.held,
                    limits: self.limits,
                    until: self.until,
                }),
                Err(failed) => Err(NotBalanced::Exchange(failed.error)),
            };
        }
    }

    /// One try; or two, when the first takes long and the policy hedges.
    async fn round(&self, tries: u32) -> Result<Ended, NotBalanced> {
        let held = self.choose()?;
        let first = self.start(held)?;
        let mut first = pin!(first);
        let hedging = self.compiled.document.hedging.as_ref();
        let is_hedged = tries == 1
            && self.is_idempotent
            && self.template.upgrade.is_none()
            && self.template.request.body().is_end_stream();
        let Some(hedging) = hedging.filter(|_| is_hedged) else {
            return Ok(first.await);
        };
        let after = Duration::from_millis(u64::from(hedging.after_ms));
        tokio::select! {
            biased;
            ended = &mut first => return Ok(ended),
            () = tokio::time::sleep(after) => {}
        }
        let Some(held) = self.choose_another() else {
            return Ok(first.await);
        };
        if !self.state.budget.take(self.state.clock.now_ms()) {
            return Ok(first.await);
        }
        self.state.meters.hedges.increment(1);
        let second = self.start(held)?;
        let mut second = pin!(second);
        let (mut ended, is_first) = tokio::select! {
            ended = &mut first => (ended, true),
            ended = &mut second => (ended, false),
        };
        if !is_first {
            add(&mut ended.note.detail, "hedged");
        }
        if ended.is_good {
            return Ok(ended);
        }
        self.notes.borrow_mut().push(ended.note);
        drop((ended.result, ended.held));
        let mut last = if is_first { second.await } else { first.await };
        if is_first {
            add(&mut last.note.detail, "hedged");
        }
        Ok(last)
    }

    fn choose(&self) -> Result<Held, NotBalanced> {
        let held = Held::choose(
            self.state,
            self.choice.is_canary,
            self.choice.way,
            self.tried.get(),
            self.is_repeatable(),
        );
        let held = held.map_err(|reason| match reason {
            NoPick::NoneWell => NotBalanced::NoneWell,
            NoPick::Full => NotBalanced::Full,
        })?;
        self.tried.set(self.tried.get() | 1 << held.picked.index);
        Ok(held)
    }

    /// A target that was not tried, if there is one that is well.
    fn choose_another(&self) -> Option<Held> {
        let before = self.tried.get();
        let held = self.choose().ok()?;
        (before & (1 << held.picked.index) == 0).then_some(held)
    }

    /// Whether a try that fails could be repeated.
    fn is_repeatable(&self) -> bool {
        let upper = self.template.request.body().size_hint().upper();
        self.is_idempotent
            && self.compiled.document.retries.max > 0
            && upper.is_some_and(|bytes| bytes <= self.compiled.keeps() as u64)
    }

    fn start(&self, held: Held) -> Result<impl Future<Output = Ended> + use<'_>, NotBalanced> {
        let target = Arc::clone(&held.listed().target);
        let path = (self.address)(&target).map_err(NotBalanced::Path)?;
        // Only what is at hand is tried again, see `next_wait`.
        let gone = || NotBalanced::Exchange(ExchangeError::ClientGone);
        let outbound = self.template.again(path).ok_or_else(gone)?;
        let limits = self.limits_of_try();
        let (worker, compiled, began) = (self.worker, self.compiled, self.began);
        let mut held = held;
        Ok(async move {
            let deadline = worker.timer.deadline();
            let mut notes = Notes::default();
            let exchanged = exchange(
                worker, &limits, &target, outbound, &deadline, &mut notes, began,
            );
            let result = exchanged.await;
            let ended_us = u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
            let status = match &result {
                Ok(answer) => {
                    notes.answered(ended_us);
                    Some(answer.response.status().as_u16())
                }
                Err(_) => None,
            };
            let outcome = match &result {
                Ok(_) if status.is_some_and(|status| compiled.is_failure(status)) => {
                    Outcome::Failure
                }
                Ok(_) => Outcome::Success,
                Err(failed) if is_upstreams(&failed.error) => Outcome::Failure,
                Err(_) => Outcome::Neutral,
            };
            held.settle(outcome);
            let is_repeated =
                status.is_some_and(|status| compiled.document.retries.statuses.contains(&status));
            let note = TryNote {
                origin: Arc::clone(&target.origin),
                url: Arc::clone(&held.listed().url),
                tried: notes.last().unwrap_or_default(),
                ended_us,
                status,
                error: result.as_ref().err().map(|failed| failed.error.code()),
                detail: held.describe(),
            };
            Ended {
                is_good: result.is_ok() && !is_repeated,
                result,
                held,
                deadline,
                note,
            }
        })
    }

    fn limits_of_try(&self) -> Limits {
        let mut limits = self.limits;
        if let Some(per_try) = self.compiled.per_try() {
            limits.first_byte = limits.first_byte.min(per_try);
        }
        if let Some(until) = self.until {
            let left = until.saturating_duration_since(Instant::now());
            limits.connect = limits.connect.min(left);
            limits.first_byte = limits.first_byte.min(left);
        }
        limits
    }

    /// How long to wait for the next try.
    ///
    /// # Errors
    /// Why there is none, where that is worth telling.
    fn next_wait(
        &self,
        result: &Result<Answer, Failed>,
        tries: u32,
        max_tries: u32,
    ) -> Result<Duration, Option<&'static str>> {
        let (failure, is_sent) = match result {
            Ok(answer) => {
                let retry_after_ms = retry_after(&answer.response);
                (Failure::Status { retry_after_ms }, true)
            }
            Err(failed) if !is_upstreams(&failed.error) => return Err(None),
            Err(failed) => {
                let failure = match &failed.error {
                    ExchangeError::Connect(_) => Failure::Connect,
                    ExchangeError::Timeout => Failure::Timeout,
                    _ => Failure::Closed,
                };
                (failure, failed.is_sent)
            }
        };
        let attempt = Attempt {
            failure,
            is_sent,
            is_idempotent: self.is_idempotent,
            is_replayable: self.template.request.body().again().is_some(),
            tries,
        };
        let permitted = permit(
            &attempt,
            max_tries,
            self.compiled.backoff(),
            &self.state.budget,
            rand::random(),
            self.state.clock.now_ms(),
        );
        let wait = match permitted {
            Ok(wait_ms) => Duration::from_millis(wait_ms),
            Err(NoRetry::Tries) if max_tries == 1 => return Err(None),
            Err(reason) => return Err(Some(told(reason))),
        };
        if self
            .until
            .is_some_and(|until| Instant::now() + wait >= until)
        {
            return Err(Some("not repeated: the call's time is over"));
        }
        Ok(wait)
    }
}

impl Held {
    fn describe(&self) -> String {
        why(self.picked, self.is_canary())
    }
}

/// Why a target was chosen, where that is not the ordinary way.
pub(super) fn why(picked: Picked, is_canary: bool) -> String {
    let mut detail = String::new();
    if is_canary {
        add(&mut detail, "canary");
    }
    if picked.is_trial {
        add(&mut detail, "trial of an ejected target");
    }
    if picked.is_panic {
        add(&mut detail, "health ignored: too few targets are well");
    }
    detail
}

impl Upstreaming {
    fn is_failure(&self, status: u16) -> bool {
        self.document.failure_statuses.contains(&status)
    }
}

const fn told(reason: NoRetry) -> &'static str {
    match reason {
        NoRetry::Tries => "not repeated: as often as allowed",
        NoRetry::Unsafe => "not repeated: the upstream may have acted on it",
        NoRetry::Body => "not repeated: the body is gone",
        NoRetry::Budget => "not repeated: the budget of retries is used up",
        NoRetry::RetryAfter => "not repeated: the upstream asks for more time",
    }
}

pub(super) fn add(detail: &mut String, more: &str) {
    if !detail.is_empty() {
        detail.push_str("; ");
    }
    detail.push_str(more);
}

/// Whether an error is the upstream's doing, and not the caller's.
const fn is_upstreams(error: &ExchangeError) -> bool {
    match error {
        ExchangeError::ClientStalled
        | ExchangeError::ClientGone
        | ExchangeError::BodyTooLarge
        | ExchangeError::BadBody => false,
        ExchangeError::Connect(_)
        | ExchangeError::Timeout
        | ExchangeError::Garbage(_)
        | ExchangeError::HeadTooLarge(_)
        | ExchangeError::Closed(_)
        | ExchangeError::UnaskedUpgrade => true,
    }
}

/// Milliseconds that an answer asks to wait (RFC 9110, 10.2.3).
fn retry_after(response: &Response<Incoming>) -> Option<u64> {
    let value = response.headers().get(RETRY_AFTER)?;
    if let Some(ms) = parse_retry_after(value.as_bytes()) {
        return Some(ms);
    }
    let date = httpdate::parse_http_date(value.to_str().ok()?).ok()?;
    let wait = date
        .duration_since(std::time::SystemTime::now())
        .unwrap_or_default();
    u64::try_from(wait.as_millis()).ok()
}
