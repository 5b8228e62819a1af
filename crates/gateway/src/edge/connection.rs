//! One connection from a client.

use std::cell::Cell;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use apiverse_contract::ErrorCode;
use http::header::{CONNECTION, HOST};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::{http1 as hyper_http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::body::{Content, EdgeBody};
use super::extended::{Handshake, NotAccepted};
use super::stream::{Answer, EdgeStream, Protocol, Signals};
use super::streams::{Current, StreamExecutor};
use super::thread::{Phase, Thread};
use super::{ClientIp, control, http1};
use crate::activity::Activity;
use crate::body::GatewayBody;
use crate::call::unix_micros;
use crate::peer::Peer;
use crate::phases::{self, X_REQUEST_ID};
use crate::timer::Deadline;

/// HTTP/2 flow control: what a client may send on one stream, and on all, before we took it.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 2 << 20;
const PING_EVERY: Duration = Duration::from_secs(30);
/// Requests that a client may give up before they are answered, beyond those that it waits for.
const MAX_GIVEN_UP: u32 = 100;
/// How long a client may take to say good-bye.
const FAREWELL: Duration = Duration::from_secs(5);

/// What the requests of a connection share.
struct Connection {
    thread: Rc<Thread>,
    peer: Rc<Peer>,
    signals: Arc<Signals>,
    in_flight: Cell<usize>,
    /// Requests so far.
    requests: Cell<u64>,
    /// Requests that the client reset before they were answered, less those that were.
    given_up: Cell<u32>,
    /// The stream that is being served, in HTTP/2.
    stream: Rc<Current>,
}

/// A request that is not answered in full yet.
pub(super) struct InFlight {
    connection: Rc<Connection>,
    is_answered: bool,
}

impl InFlight {
    fn begin(connection: &Rc<Connection>) -> Self {
        connection.in_flight.set(connection.in_flight.get() + 1);
        Self {
            connection: Rc::clone(connection),
            is_answered: false,
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let connection = &self.connection;
        connection.in_flight.set(connection.in_flight.get() - 1);
        let given_up = connection.given_up.get();
        connection.given_up.set(if self.is_answered {
            given_up.saturating_sub(1)
        } else {
            given_up + 1
        });
        // What was read so far was this request; the next head begins from here.
        connection.signals.read.store(false, Ordering::Relaxed);
        if connection.signals.answer() == Answer::Open {
            connection.signals.set_answer(Answer::Over);
        }
    }
}

/// Serves the connection until either side closes it.
pub(super) async fn serve(
    thread: Rc<Thread>,
    socket: TcpStream,
    address: SocketAddr,
    _activity: Activity,
) {
    let _open = OpenGauge::new(&thread);
    let Some(tls) = &thread.config.tls else {
        return serve_stream(thread, socket, address, false).await;
    };
    let accepted = TlsAcceptor::from(tls.current()).accept(socket);
    let limit = thread.config.header_read_timeout;
    match tokio::time::timeout(limit, accepted).await {
        Ok(Ok(stream)) => serve_stream(thread, stream, address, true).await,
        Ok(Err(error)) => tracing::debug!(%error, peer = %address, "a tls handshake failed"),
        Err(_) => tracing::debug!(peer = %address, "a tls handshake took too long"),
    }
}

async fn serve_stream<S>(thread: Rc<Thread>, socket: S, address: SocketAddr, tls: bool)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let signals = Arc::new(Signals::default());
    let linger = Arc::new(AtomicBool::new(false));
    let mut stream = EdgeStream::new(socket, Arc::clone(&signals), Arc::clone(&linger));
    let deadline = thread.worker.timer.deadline();
    let Some(protocol) = protocol(&thread, &mut stream, &deadline).await else {
        return;
    };

    let trusted = &thread.worker.gateway.config.trusted_proxies;
    let peer = Rc::new(Peer::new(address, tls, trusted, linger));
    if protocol == Protocol::Http1 {
        match http1::serve(&thread, &peer, &deadline, &mut stream).await {
            http1::Ended::Closed => return,
            http1::Ended::General(bytes) => {
                let config = &thread.config;
                stream.guard(bytes, config.max_header_bytes, config.max_headers);
            }
        }
    }
    let config = Arc::clone(&thread.config);
    let timer = thread.worker.timer.clone();
    let connection = Rc::new(Connection {
        thread,
        peer,
        signals,
        in_flight: Cell::new(0),
        requests: Cell::new(0),
        given_up: Cell::new(0),
        stream: Rc::default(),
    });
    let shared = Rc::clone(&connection);
    let service = service_fn(move |request| handle(Rc::clone(&shared), request));
    match protocol {
        Protocol::Http1 => {
            let http = hyper_http1::Builder::new()
                // Watched over below, at a fraction of the cost.
                .header_read_timeout(None)
                .max_header_size(config.max_header_bytes)
                .max_headers(config.max_headers)
                // Not `pipeline_flush`: it leaves an answer unsent when the connection closes
                // with bytes of the request unread, as after a malformed head or a refused body.
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            let leave =
                |http: Pin<&mut _>| hyper_http1::UpgradeableConnection::graceful_shutdown(http);
            watch_over(&connection, http, leave, protocol, &deadline).await;
        }
        Protocol::Http2 => {
            let executor = StreamExecutor {
                timer,
                limit: config.send_timeout,
                current: Rc::clone(&connection.stream),
            };
            let http = http2::Builder::new(executor)
                .timer(TokioTimer::new())
                .keep_alive_interval(PING_EVERY)
                .enable_connect_protocol()
                .max_concurrent_streams(config.max_streams)
                .max_header_list_size(u32::try_from(config.max_header_bytes).unwrap_or(u32::MAX))
                .initial_stream_window_size(STREAM_WINDOW)
                .initial_connection_window_size(CONNECTION_WINDOW)
                .serve_connection(TokioIo::new(stream), service);
            let leave = |http: Pin<&mut _>| http2::Connection::graceful_shutdown(http);
            watch_over(&connection, http, leave, protocol, &deadline).await;
        }
    }
}

async fn protocol<S: AsyncRead + AsyncWrite + Unpin>(
    thread: &Thread,
    stream: &mut EdgeStream<S>,
    deadline: &Deadline,
) -> Option<Protocol> {
    deadline.set(thread.config.header_read_timeout);
    let found = poll_fn(|cx| {
        if let Poll::Ready(found) = stream.poll_protocol(cx) {
            return Poll::Ready(found.ok().flatten());
        }
        if deadline.poll(cx).is_ready() || thread.phase.get() == Phase::Closing {
            return Poll::Ready(None);
        }
        Poll::Pending
    });
    let found = found.await;
    deadline.clear();
    found
}

/// What a connection waits for, each with a limit of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    /// For us: a request is under way, and limits of its own watch over it.
    OnUs,
    /// For the rest of a request's head.
    Head,
    /// For the next request.
    Idle,
    /// For the client to read its answer.
    Reader,
    /// For the client to close.
    Farewell,
}

/// Drives hyper's connection, with the limits that hyper has none for, or expensive ones. `leave`
/// tells hyper to finish what is under way and close.
async fn watch_over<C>(
    connection: &Connection,
    http: C,
    leave: impl Fn(Pin<&mut C>),
    protocol: Protocol,
    deadline: &Deadline,
) where
    C: Future<Output = hyper::Result<()>>,
{
    let config = &connection.thread.config;
    let signals = &connection.signals;
    let mut http = pin!(http);
    let mut watch = Watch {
        waiting: Waiting::OnUs,
        is_leaving: false,
    };
    poll_fn(|cx| {
        if watch.should_leave(connection.thread.phase.get(), protocol) {
            leave(http.as_mut());
        }
        loop {
            if let Poll::Ready(ended) = http.as_mut().poll(cx) {
                if let Err(error) = ended {
                    tracing::debug!(%error, peer = %connection.peer.socket, "a connection broke");
                }
                return Poll::Ready(());
            }
            if connection.given_up.get() > MAX_GIVEN_UP {
                // Asking and taking it back costs the client nothing, and us a call each time
                // (CVE-2023-44487).
                tracing::debug!(peer = %connection.peer.socket, "a client gave up too many requests");
                return Poll::Ready(());
            }
            let waiting = connection.waiting(protocol, watch.waiting);
            let went_on =
                waiting == Waiting::Reader && signals.wrote.swap(false, Ordering::Relaxed);
            if waiting != watch.waiting || went_on {
                watch.waiting = waiting;
                match waiting {
                    Waiting::OnUs => deadline.clear(),
                    Waiting::Head => deadline.set(config.header_read_timeout),
                    Waiting::Idle => deadline.set(config.idle_timeout),
                    Waiting::Reader => deadline.set(config.send_timeout),
                    Waiting::Farewell => deadline.set(FAREWELL),
                }
            }
            if deadline.poll(cx).is_pending() {
                return Poll::Pending;
            }
            match watch.waiting {
                // Nothing is lost when a head or a reader that does not come is cut off.
                Waiting::Head | Waiting::Reader | Waiting::Farewell => return Poll::Ready(()),
                Waiting::Idle | Waiting::OnUs => {
                    watch.is_leaving = true;
                    watch.waiting = Waiting::Farewell;
                    deadline.set(FAREWELL);
                    leave(http.as_mut());
                }
            }
        }
    })
    .await;
}

struct Watch {
    waiting: Waiting,
    /// hyper was told to finish.
    is_leaving: bool,
}

impl Watch {
    /// Whether hyper is to be told now. HTTP/2 has a message for it, so it is told at once; an
    /// idle HTTP/1.1 connection would be closed, perhaps on a request that is on its way, so it is
    /// told last, when the answers it was to get have announced the end.
    fn should_leave(&mut self, phase: Phase, protocol: Protocol) -> bool {
        let from = match protocol {
            Protocol::Http1 => Phase::Closing,
            Protocol::Http2 => Phase::Draining,
        };
        let now = phase >= from && !self.is_leaving;
        self.is_leaving |= now;
        now
    }
}

impl Connection {
    fn waiting(&self, protocol: Protocol, before: Waiting) -> Waiting {
        if self.signals.write_blocked.load(Ordering::Relaxed) {
            Waiting::Reader
        } else if self.in_flight.get() > 0 || self.peer.tunnels() > 0 {
            Waiting::OnUs
        } else if before == Waiting::Farewell {
            Waiting::Farewell
        } else if protocol == Protocol::Http1 && self.signals.read.load(Ordering::Relaxed) {
            Waiting::Head
        } else {
            Waiting::Idle
        }
    }
}

async fn handle(
    connection: Rc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<EdgeBody>, Infallible> {
    let mut busy = InFlight::begin(&connection);
    let thread = &connection.thread;
    let version = request.version();
    let stream = connection.stream.take();
    let number = connection.requests.get();
    connection.requests.set(number + 1);
    let mut request = request;
    phases::route_grpc(&mut request);
    let response = if let Some(bad) = connection.signals.refused(number) {
        connection.peer.linger();
        http1::refusal(bad).map(Content::Gateway)
    } else if !is_sound(&request) {
        unsound(&connection, &request)
    } else if phases::is_proxied(request.uri().path()) {
        proxied(&connection, request).await.map(Content::Gateway)
    } else {
        control_plane(&connection, request).await
    };
    let mut response = response;
    busy.is_answered = true;
    let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
    if switched {
        connection.signals.set_answer(Answer::Switched);
    }
    if version < Version::HTTP_2 && thread.phase.get() > Phase::Serving && !switched {
        let headers = response.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|content| EdgeBody::new(content, busy, stream)))
}

async fn proxied(connection: &Connection, mut request: Request<Incoming>) -> Response<GatewayBody> {
    let worker = Rc::clone(&connection.thread.worker);
    let peer = Rc::clone(&connection.peer);
    let Some(handshake) = Handshake::of(&mut request) else {
        return phases::serve(worker, peer, request).await;
    };
    let mut response = phases::serve(worker, peer, request).await;
    match handshake.finish(&mut response) {
        Ok(()) => response,
        Err(NotAccepted) => {
            let unix_ms = u64::try_from(unix_micros() / 1000).unwrap_or(0);
            let request_id = phases::request_id(response.headers(), unix_ms);
            let detail = "The upstream did not accept the WebSocket's handshake.".to_owned();
            let code = ErrorCode::UpstreamUnreachable;
            phases::problem(code, detail, &request_id, &Method::GET)
        }
    }
}

async fn control_plane(
    connection: &Connection,
    mut request: Request<Incoming>,
) -> Response<Content> {
    let thread = &connection.thread;
    let unix_ms = u64::try_from(unix_micros() / 1000).unwrap_or(0);
    // Set on the request, so that the control plane's answers and logs have the same.
    let request_id = phases::request_id(request.headers(), unix_ms);
    request
        .headers_mut()
        .insert(&X_REQUEST_ID, request_id.clone());
    let method = request.method().clone();
    if !request.body().is_end_stream() {
        // A handler may answer without reading the body.
        connection.peer.linger();
    }
    let trusted = &thread.worker.gateway.config.trusted_proxies;
    let client = connection.peer.client_address(request.headers(), trusted);
    request.extensions_mut().insert(ClientIp(client));
    let answer = control::forward(
        thread.control.clone(),
        &thread.control_handle,
        connection.peer.socket,
        request,
        thread.config.body_timeout,
        connection.peer.linger_flag(),
    );
    match answer.await {
        Ok(response) => response.map(Content::Control),
        Err(error) => {
            tracing::error!(%error, request_id = ?request_id, "a request was not answered");
            let detail = "Something went wrong on our side.".to_owned();
            phases::problem(ErrorCode::Internal, detail, &request_id, &method).map(Content::Gateway)
        }
    }
}

/// What hyper lets through and must not go on. HTTP/1.1 was looked at by the guard.
fn is_sound(request: &Request<Incoming>) -> bool {
    let headers = request.headers();
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return false;
    }
    if request.version() != Version::HTTP_2 {
        return true;
    }
    // RFC 9113, 8.3.1: the two must not differ.
    let authority = request
        .uri()
        .authority()
        .map(|authority| authority.as_str());
    if let (Some(host), Some(authority)) = (host, authority)
        && !host.as_bytes().eq_ignore_ascii_case(authority.as_bytes())
    {
        return false;
    }
    if authority.is_some_and(|authority| authority.contains('@')) {
        return false;
    }
    // RFC 9113, 8.2.1: HTTP/1.1 would drop the blanks, and see another value.
    headers.values().all(|value| {
        let value = value.as_bytes();
        value.trim_ascii().len() == value.len()
    })
}

fn unsound(connection: &Connection, request: &Request<Incoming>) -> Response<Content> {
    if !request.body().is_end_stream() {
        connection.peer.linger();
    }
    let unix_ms = u64::try_from(unix_micros() / 1000).unwrap_or(0);
    let request_id = phases::request_id(request.headers(), unix_ms);
    let detail = "A request has one host, and field values without blanks around them.".to_owned();
    let method: &Method = request.method();
    phases::problem(ErrorCode::InvalidRequest, detail, &request_id, method).map(Content::Gateway)
}

/// Counts open connections.
struct OpenGauge(Rc<Thread>);

impl OpenGauge {
    fn new(thread: &Rc<Thread>) -> Self {
        thread.worker.gateway.meters.connections.increment(1.0);
        Self(Rc::clone(thread))
    }
}

impl Drop for OpenGauge {
    fn drop(&mut self) {
        self.0.worker.gateway.meters.connections.decrement(1.0);
    }
}
