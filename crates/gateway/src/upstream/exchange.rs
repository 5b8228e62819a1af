//! One request to an upstream, until its answer begins.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use apiverse_contract::ErrorCode;
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Response, Uri, Version};
use http_body::Body;
use hyper::body::Incoming;

use super::connect::{ConnectError, Connected, Purpose, connect};
use super::pool::{Http1, Http2, Lease};
use crate::body::{RequestBody, RequestProgress};
use crate::explain::Notes;
use crate::snapshot::{Limits, Target};
use crate::timer::Deadline;
use crate::worker::Worker;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExchangeError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("the upstream did not answer in time")]
    Timeout,
    #[error("the caller stopped sending the request's body")]
    ClientStalled,
    #[error("the caller closed the connection")]
    ClientGone,
    #[error("the request's body is larger than the limit")]
    BodyTooLarge,
    #[error("the upstream's answer is not http")]
    Garbage(#[source] Cause),
    #[error("the upstream's answer has too large a head")]
    HeadTooLarge(#[source] Cause),
    #[error("the upstream closed the connection")]
    Closed(#[source] Cause),
    #[error("the upstream switched protocols unasked")]
    UnaskedUpgrade,
    #[error("the request's chunks are malformed")]
    BadBody,
}

/// What the protocol's implementation said.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

impl ExchangeError {
    pub(crate) const fn code(&self) -> ErrorCode {
        match self {
            Self::Connect(error) => error.code(),
            Self::Timeout => ErrorCode::UpstreamTimeout,
            Self::ClientStalled => ErrorCode::RequestTimeout,
            Self::ClientGone => ErrorCode::ClientClosedRequest,
            Self::BodyTooLarge => ErrorCode::BodyTooLarge,
            Self::BadBody => ErrorCode::InvalidRequest,
            Self::Garbage(_) | Self::HeadTooLarge(_) | Self::Closed(_) | Self::UnaskedUpgrade => {
                ErrorCode::UpstreamUnreachable
            }
        }
    }

    /// What a consumer may know.
    pub(crate) const fn external(&self) -> &'static str {
        match self {
            Self::Connect(error) => error.external(),
            Self::Timeout => "The upstream did not begin its answer in time.",
            Self::ClientStalled => "The request's body stopped arriving.",
            Self::ClientGone => "The caller closed the connection.",
            Self::BodyTooLarge => "The request's body is larger than this API accepts.",
            Self::Garbage(_) => "The upstream's answer is not HTTP.",
            Self::HeadTooLarge(_) => "The upstream's answer has too many or too large headers.",
            Self::Closed(_) => "The upstream closed the connection without an answer.",
            Self::UnaskedUpgrade => "The upstream switched protocols unasked.",
            Self::BadBody => "The request's body is malformed.",
        }
    }
}

/// A request ready to be sent, but for what depends on the connection's protocol.
pub(crate) struct Outbound {
    pub(crate) request: Request<RequestBody>,
    pub(crate) path: PathAndQuery,
    /// The caller understands trailers (RFC 9110, 10.1.4).
    pub(crate) wants_trailers: bool,
    /// The value of `Upgrade`, when the caller asks for another protocol.
    pub(crate) upgrade: Option<HeaderValue>,
    /// No other protocol will do.
    pub(crate) over_http2: bool,
    pub(crate) progress: Option<std::rc::Rc<RequestProgress>>,
}

/// The beginning of an answer, and the connection the rest will come from.
pub(crate) struct Answer {
    pub(crate) response: Response<Incoming>,
    pub(crate) lease: Lease,
}

/// Sends the request and waits for the head of the answer. `deadline` is left cleared.
pub(crate) async fn exchange(
    worker: &Worker,
    limits: &Limits,
    target: &Target,
    mut outbound: Outbound,
    deadline: &Deadline,
    notes: &mut Notes,
    began: Instant,
) -> Result<Answer, Failed> {
    let since_us = || u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX);
    let mut may_reuse = outbound.upgrade.is_none();
    loop {
        let (connection, reused) = match may_reuse
            .then(|| reusable(worker, target, outbound.over_http2))
            .flatten()
        {
            Some(connection) => {
                worker.gateway.meters.upstream_reused.increment(1);
                notes.begin_try(since_us(), true);
                (connection, true)
            }
            None => {
                notes.begin_try(since_us(), false);
                let opened = open(worker, limits, target, &outbound)
                    .await
                    .map_err(Failed::before)?;
                notes.connected(since_us());
                (opened, false)
            }
        };
        let sent = match connection {
            Connected::Http1(connection) => {
                prepare_http1(&mut outbound, target);
                let (request, rest) = outbound.split();
                let sent = send_http1(worker, limits, target, connection, request, deadline, &rest);
                (sent.await, rest)
            }
            Connected::Http2(connection, _) => {
                prepare_http2(&mut outbound, target);
                let (request, rest) = outbound.split();
                let sent = send_http2(worker, limits, connection, request, deadline, &rest);
                (sent.await, rest)
            }
        };
        match sent {
            (Ok(answer), rest) => {
                let switched = answer.response.status() == http::StatusCode::SWITCHING_PROTOCOLS;
                if switched && rest.upgrade.is_none() {
                    return Err(Failed::after(ExchangeError::UnaskedUpgrade));
                }
                return Ok(answer);
            }
            // The upstream closed an idle connection just now and has seen nothing of the
            // request: sending it again on a new one is safe, whatever its method.
            (Err(Unsent::Whole(request)), rest) if reused => {
                outbound = rest.join(*request);
                may_reuse = false;
            }
            (Err(Unsent::Whole(_)), _) => {
                let error = std::io::ErrorKind::ConnectionReset.into();
                return Err(Failed::before(ConnectError::Tcp(error)));
            }
            (Err(Unsent::Failed(error)), _) => return Err(Failed::after(error)),
        }
    }
}

/// An exchange without an answer.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) error: ExchangeError,
    /// The upstream may have seen some of the request.
    pub(crate) is_sent: bool,
}

impl Failed {
    fn before(error: ConnectError) -> Self {
        Self {
            error: error.into(),
            is_sent: false,
        }
    }

    const fn after(error: ExchangeError) -> Self {
        Self {
            error,
            is_sent: true,
        }
    }
}

/// How sending ended without an answer.
enum Unsent {
    /// Nothing of the request was written.
    Whole(Box<Request<RequestBody>>),
    Failed(ExchangeError),
}

/// An outbound request without the request itself.
struct Rest {
    path: PathAndQuery,
    wants_trailers: bool,
    upgrade: Option<HeaderValue>,
    over_http2: bool,
    progress: Option<std::rc::Rc<RequestProgress>>,
}

impl Outbound {
    fn split(self) -> (Request<RequestBody>, Rest) {
        let rest = Rest {
            path: self.path,
            wants_trailers: self.wants_trailers,
            upgrade: self.upgrade,
            over_http2: self.over_http2,
            progress: self.progress,
        };
        (self.request, rest)
    }
}

impl Outbound {
    /// The same request once more, to an address; `None` when its body cannot be sent again.
    pub(crate) fn again(&self, path: PathAndQuery) -> Option<Self> {
        let mut request = Request::new(self.request.body().again()?);
        request.method_mut().clone_from(self.request.method());
        request.headers_mut().clone_from(self.request.headers());
        Some(Self {
            request,
            path,
            wants_trailers: self.wants_trailers,
            upgrade: self.upgrade.clone(),
            over_http2: self.over_http2,
            progress: self.progress.clone(),
        })
    }
}

impl Rest {
    fn join(self, request: Request<RequestBody>) -> Outbound {
        Outbound {
            request,
            path: self.path,
            wants_trailers: self.wants_trailers,
            upgrade: self.upgrade,
            over_http2: self.over_http2,
            progress: self.progress,
        }
    }
}

fn reusable(worker: &Worker, target: &Target, over_http2: bool) -> Option<Connected> {
    if (target.origin.may_be_http2() || over_http2)
        && let Some(shared) = worker.pool.take_http2(&target.origin)
    {
        return Some(Connected::Http2(shared, None));
    }
    if over_http2 {
        return None;
    }
    worker.pool.take_http1(&target.origin).map(Connected::Http1)
}

async fn open(
    worker: &Worker,
    limits: &Limits,
    target: &Target,
    outbound: &Outbound,
) -> Result<Connected, ConnectError> {
    let purpose = match outbound.upgrade {
        None if outbound.over_http2 => Purpose::Http2,
        None => Purpose::Calls,
        Some(_) => Purpose::Upgrade,
    };
    let config = &worker.gateway.config;
    let connected = connect(&target.origin, config, limits.connect, purpose).await?;
    worker.gateway.meters.upstream_opened.increment(1);
    if let Connected::Http2(shared, peer) = &connected {
        worker.pool.put_http2(&target.origin, shared, *peer);
    }
    Ok(connected)
}

fn prepare_http1(outbound: &mut Outbound, target: &Target) {
    let request = &mut outbound.request;
    *request.uri_mut() = Uri::from(outbound.path.clone());
    *request.version_mut() = Version::HTTP_11;
    let has_body = !request.body().is_end_stream();
    let headers = request.headers_mut();
    headers.insert(HOST, target.host.clone());
    // Without it hyper would take a GET to have no body.
    if has_body && !headers.contains_key(CONTENT_LENGTH) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    if let Some(protocol) = &outbound.upgrade {
        headers.insert(http::header::UPGRADE, protocol.clone());
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    if outbound.wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.append(CONNECTION, HeaderValue::from_static("te"));
    }
}

fn prepare_http2(outbound: &mut Outbound, target: &Target) {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(target.scheme.clone());
    parts.authority = Some(target.authority.clone());
    parts.path_and_query = Some(outbound.path.clone());
    let request = &mut outbound.request;
    // With all three parts given there is nothing that could be missing.
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    *request.version_mut() = Version::HTTP_2;
    let headers = request.headers_mut();
    headers.remove(HOST);
    headers.remove(TRANSFER_ENCODING);
    headers.remove(CONNECTION);
    if outbound.wants_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
}

async fn send_http1(
    worker: &Worker,
    limits: &Limits,
    target: &Target,
    mut connection: Http1,
    request: Request<RequestBody>,
    deadline: &Deadline,
    rest: &Rest,
) -> Result<Answer, Unsent> {
    let sent = connection.sender.try_send_request(request);
    let response = answer(worker, limits, sent, deadline, rest).await?;
    connection.keep_ms = keep_alive_hint(&response);
    Ok(Answer {
        response,
        lease: Lease::Http1(connection, Arc::clone(&target.origin)),
    })
}

async fn send_http2(
    worker: &Worker,
    limits: &Limits,
    mut connection: Http2,
    request: Request<RequestBody>,
    deadline: &Deadline,
    rest: &Rest,
) -> Result<Answer, Unsent> {
    let sent = connection.try_send_request(request);
    let response = answer(worker, limits, sent, deadline, rest).await?;
    Ok(Answer {
        response,
        lease: Lease::Http2,
    })
}

type Sent = Result<Response<Incoming>, hyper::client::conn::TrySendError<Request<RequestBody>>>;

async fn answer(
    worker: &Worker,
    limits: &Limits,
    sent: impl Future<Output = Sent>,
    deadline: &Deadline,
    rest: &Rest,
) -> Result<Response<Incoming>, Unsent> {
    let progress = rest.progress.as_deref();
    let waited = within(worker, limits.first_byte, sent, deadline, progress).await;
    deadline.clear();
    match waited {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(mut error)) => match error.take_message() {
            Some(request) => Err(Unsent::Whole(Box::new(request))),
            None => Err(Unsent::Failed(classify(error.into_error(), progress))),
        },
        Err(error) => Err(Unsent::Failed(error)),
    }
}

/// Waits for `future`, as long as the request's body makes progress or `limit` is not over.
async fn within<F: Future>(
    worker: &Worker,
    limit: Duration,
    future: F,
    deadline: &Deadline,
    progress: Option<&RequestProgress>,
) -> Result<F::Output, ExchangeError> {
    let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX / 2);
    let mut future = pin!(future);
    deadline.set(limit);
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(output));
        }
        while deadline.poll(cx).is_ready() {
            let Some(progress) = progress else {
                return Poll::Ready(Err(ExchangeError::Timeout));
            };
            let until_ms = progress.last_ms.get().saturating_add(limit_ms);
            if until_ms <= worker.timer.now_ms() {
                return Poll::Ready(Err(if progress.waits_for_client.get() {
                    ExchangeError::ClientStalled
                } else {
                    ExchangeError::Timeout
                }));
            }
            deadline.set_at(until_ms);
        }
        Poll::Pending
    })
    .await
}

fn classify(error: hyper::Error, progress: Option<&RequestProgress>) -> ExchangeError {
    if let Some(progress) = progress {
        if progress.over_limit.get() {
            return ExchangeError::BodyTooLarge;
        }
        if progress.is_malformed.get() {
            return ExchangeError::BadBody;
        }
        if progress.client_failed.get() {
            return ExchangeError::ClientGone;
        }
    }
    if error.is_parse_too_large() {
        ExchangeError::HeadTooLarge(error.into())
    } else if error.is_parse() {
        ExchangeError::Garbage(error.into())
    } else {
        ExchangeError::Closed(error.into())
    }
}

/// How long the upstream says it keeps the connection (`Keep-Alive: timeout=5`), less a margin for
/// a request that is on its way when it closes.
fn keep_alive_hint(response: &Response<Incoming>) -> Option<u64> {
    const MARGIN_MS: u64 = 500;
    let text = response.headers().get("keep-alive")?.to_str().ok()?;
    let seconds: u64 = text
        .split(',')
        .find_map(|part| part.trim().strip_prefix("timeout="))?
        .parse()
        .ok()?;
    Some(seconds.saturating_mul(1000).saturating_sub(MARGIN_MS))
}
