//! gRPC and gRPC-Web through the gateway, in HTTP/2 from end to end.

use std::convert::Infallible;
use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::world::*;

type Sent = UnsyncBoxBody<Bytes, Infallible>;

/// What can be sent part by part.
fn channel() -> (mpsc::UnboundedSender<Frame<Bytes>>, Sent) {
    let (sender, mut frames) = mpsc::unbounded_channel();
    let stream = futures_util::stream::poll_fn(move |cx| frames.poll_recv(cx).map(|f| f.map(Ok)));
    (sender, StreamBody::new(stream).boxed_unsync())
}

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().unwrap());
    trailers.insert("x-count", "7".parse().unwrap());
    trailers.insert("content-length", "3".parse().unwrap());
    trailers
}

/// A server that speaks HTTP/2 alone and gives back each part as it comes, then trailers; `/none`
/// has an answer of trailers only.
async fn server() -> SocketAddr {
    upstream(|socket| async move {
        let service = service_fn(async |request: Request<Incoming>| {
            let (sender, body) = channel();
            let mut answer = Response::new(body);
            let headers = answer.headers_mut();
            let kind = request.headers()["content-type"].clone();
            headers.insert("x-saw-type", kind);
            headers.insert("x-saw-te", request.headers()["te"].clone());
            headers.insert("content-type", "application/grpc+proto".parse().unwrap());
            if request.uri().path().ends_with("/none") {
                headers.insert("grpc-status", "5".parse().unwrap());
                *answer.body_mut() = Full::default().boxed_unsync();
                return Ok::<_, Infallible>(answer);
            }
            tokio::spawn(async move {
                let mut body = request.into_body();
                while let Some(Ok(frame)) = body.frame().await {
                    let _ = sender.send(frame);
                }
                let _ = sender.send(Frame::trailers(trailers()));
            });
            Ok(answer)
        });
        let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(socket), service)
            .await;
    })
    .await
}

async fn client(world: &World) -> http2::SendRequest<Sent> {
    let socket = TcpStream::connect(world.addr).await.unwrap();
    let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

fn call(world: &World, path: &str, body: Sent) -> Request<Sent> {
    Request::post(format!("http://{}{path}", world.addr))
        .header("x-api-key", &world.key)
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers")
        .body(body)
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_and_trailers_pass_as_they_come() {
    let world = World::new().await;
    let addr = server().await;
    world.add_api(addr, |_| {}).await;
    world
        .add_api(addr, |row| {
            row.slug = "named".to_owned();
            row.base_url = format!("grpc://{addr}");
        })
        .await;
    let mut client = client(&world).await;
    for path in ["/proxy/x/a.B/C", "/proxy/named/a.B/C", "/a.B/C"] {
        let (parts, body) = channel();
        let mut request = call(&world, path, body);
        request
            .headers_mut()
            .insert("x-apiverse-api", "x".parse().unwrap());
        let answer = in_time("the head", client.send_request(request))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/grpc+proto");
        assert_eq!(answer.headers()["x-saw-te"], "trailers");
        let mut body = answer.into_body();
        for number in 0..20_u8 {
            // One at a time: the next is sent when the last has come back.
            parts
                .send(Frame::data(Bytes::from(vec![number; 100])))
                .unwrap();
            let mut back = Vec::new();
            while back.len() < 100 {
                let frame = in_time("a part", body.frame()).await.unwrap().unwrap();
                back.extend_from_slice(&frame.into_data().unwrap());
            }
            assert_eq!(back, [number; 100]);
        }
        drop(parts);
        let frame = in_time("the trailers", body.frame())
            .await
            .unwrap()
            .unwrap();
        let trailers = frame.into_trailers().unwrap();
        assert_eq!(
            (&trailers["grpc-status"], &trailers["x-count"]),
            (&"0".parse().unwrap(), &"7".parse().unwrap())
        );
        assert!(
            !trailers.contains_key("content-length"),
            "a length in a trailer"
        );
        assert!(body.frame().await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_gateway_refuses_in_grpcs_way() {
    let world = World::new().await;
    let addr = server().await;
    world.add_api(addr, |_| {}).await;
    let closed = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    world
        .add_api(closed, |row| row.slug = "closed".to_owned())
        .await;
    let http1 = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    world
        .add_api(http1, |row| row.slug = "old".to_owned())
        .await;
    let mut client = client(&world).await;
    for (path, key, status, code) in [
        ("/proxy/x/a.B/C", "", "16", "missing_api_key"),
        ("/proxy/x/a.B/C", "apv_live_x", "16", "invalid_api_key"),
        ("/proxy/none/a.B/C", &*world.key, "12", "api_not_found"),
        ("/a.B/C", &*world.key, "12", "api_not_found"),
        (
            "/proxy/closed/a.B/C",
            &*world.key,
            "14",
            "upstream_unreachable",
        ),
        (
            "/proxy/old/a.B/C",
            &*world.key,
            "14",
            "upstream_unreachable",
        ),
    ] {
        let mut request = call(&world, path, Full::default().boxed_unsync());
        request.headers_mut().remove("x-api-key");
        if !key.is_empty() {
            request
                .headers_mut()
                .insert("x-api-key", key.parse().unwrap());
        }
        let answer = in_time("an answer", client.send_request(request))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.headers()["content-type"], "application/grpc");
        assert_eq!(answer.headers()["grpc-status"], status, "{path}");
        assert_eq!(answer.headers()["x-apiverse-error"], code, "{path}");
        assert!(!answer.headers()["grpc-message"].is_empty());
        let body = answer.into_body().collect().await.unwrap();
        assert!(body.trailers().is_none());
        assert!(body.to_bytes().is_empty());
    }
    let calls = world.calls().await;
    assert!(
        calls.iter().any(|call| call.status == 502),
        "statistics keep the cause"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_web_is_translated_for_upstreams_that_only_know_grpc() {
    let world = World::new().await;
    let addr = server().await;
    world
        .add_api(addr, |row| row.base_url = format!("grpc://{addr}"))
        .await;
    let message = b"\0\0\0\0\x05hello";
    let mut last = b"\x80\0\0\0".to_vec();
    let text = "grpc-status: 0\r\nx-count: 7\r\n";
    last.push(u8::try_from(text.len()).unwrap());
    last.extend_from_slice(text.as_bytes());
    let whole = [message.as_slice(), &last].concat();

    for kind in [
        "application/grpc-web+proto",
        "application/grpc-web-text+proto",
    ] {
        let is_text = kind.contains("text");
        let body = if is_text {
            STANDARD.encode(message).into_bytes()
        } else {
            message.to_vec()
        };
        let request = world
            .request("POST", "/proxy/x/a.B/C")
            .header("content-type", kind)
            .body(Full::from(body))
            .unwrap();
        let answer = world.send(request).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], kind);
        assert_eq!(answer.headers()["x-saw-type"], "application/grpc+proto");
        let body = if is_text {
            let mut all = Vec::new();
            for group in answer.body().chunks(4) {
                all.extend(STANDARD.decode(group).unwrap());
            }
            all
        } else {
            answer.body().to_vec()
        };
        assert_eq!(body, whole, "{kind}");

        let request = world
            .request("POST", "/proxy/x/none")
            .header("content-type", kind)
            .body(Full::default())
            .unwrap();
        let answer = world.send(request).await;
        assert_eq!(answer.headers()["grpc-status"], "5");
        assert_eq!(answer.headers()["content-type"], kind);

        let request = Request::post("/proxy/x/a.B/C")
            .header("host", "h")
            .header("content-type", kind)
            .body(Full::default())
            .unwrap();
        let answer = world.send(request).await;
        assert_eq!(answer.headers()["grpc-status"], "16");
    }
    let request = world
        .request("POST", "/proxy/x/a.B/C")
        .header("content-type", "application/grpc-web-text")
        .body(Full::from("***"))
        .unwrap();
    assert_eq!(world.send(request).await.headers()["grpc-status"], "3");
}
