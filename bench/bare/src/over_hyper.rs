//! hyper's server, hyper's client connections, and a pool.

use std::cell::RefCell;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::{Either, Empty};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{CONNECTION, HOST, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::spawn_local;

use crate::checks::{Checks, below};

type Link = SendRequest<Incoming>;

thread_local!(static IDLE: RefCell<Vec<Link>> = const { RefCell::new(Vec::new()) });

/// An answer's body, which gives its connection back when it has ended.
struct Answer {
    body: Incoming,
    link: Option<Link>,
}

impl Answer {
    fn ended(&mut self) {
        if let Some(link) = self.link.take() {
            IDLE.with_borrow_mut(|idle| idle.push(link));
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.ended();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.ended();
        }
    }
}

type Out = Response<Either<Answer, Empty<Bytes>>>;

fn refuse(status: u16) -> Out {
    let mut answer = Response::new(Either::Right(Empty::new()));
    *answer.status_mut() = StatusCode::from_u16(status).expect("a status");
    answer
}

async fn link(upstream: SocketAddr) -> Option<Link> {
    while let Some(mut link) = IDLE.with_borrow_mut(Vec::pop) {
        if link.ready().await.is_ok() {
            return Some(link);
        }
    }
    let io = TcpStream::connect(upstream).await.ok()?;
    io.set_nodelay(true).ok()?;
    let (link, connection) = handshake(TokioIo::new(io)).await.ok()?;
    spawn_local(connection);
    Some(link)
}

async fn call(checks: &Checks, upstream: SocketAddr, mut request: Request<Incoming>) -> Out {
    let began = Instant::now();
    let key = request.headers().get("x-api-key").map(HeaderValue::as_bytes);
    let consumer = match checks.admit(key) {
        Ok(consumer) => consumer,
        Err(refused) => return refuse(refused.status()),
    };
    let method = request.method().clone();
    let address = request.uri().path_and_query().map_or("/", |address| address.as_str());
    let path = below(address).to_owned();
    let (Ok(uri), Ok(host)) = (Uri::try_from(&path), HeaderValue::try_from(upstream.to_string())) else {
        return refuse(400);
    };
    *request.uri_mut() = uri;
    request.headers_mut().remove("x-api-key");
    request.headers_mut().remove(CONNECTION);
    request.headers_mut().insert(HOST, host);
    let Some(mut link) = link(upstream).await else { return refuse(502) };
    let Ok(answer) = link.send_request(request).await else { return refuse(502) };
    let (mut parts, body) = answer.into_parts();
    parts.headers.remove(CONNECTION);
    let bytes = body.size_hint().lower();
    checks.note(consumer, method.as_str(), &path, parts.status.as_u16(), bytes, began);
    Response::from_parts(parts, Either::Left(Answer { body, link: Some(link) }))
}

pub async fn serve(checks: Rc<Checks>, upstream: SocketAddr, io: TcpStream) {
    let service = service_fn(|request| async {
        let answer: Result<_, Infallible> = Ok(call(&checks, upstream, request).await);
        answer
    });
    // An end, wanted or not.
    let _ = http1::Builder::new().pipeline_flush(true).serve_connection(TokioIo::new(io), service).await;
}
