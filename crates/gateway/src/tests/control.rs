//! What is not the gateway's goes to the control plane.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Request as AxumRequest};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use bytes::Bytes;
use futures_util::StreamExt;
use http::HeaderMap;
use http_body_util::{BodyExt, Full};

use super::world::*;

fn router() -> Router {
    Router::new()
        .route(
            "/peer",
            get(async |ConnectInfo(peer): ConnectInfo<SocketAddr>| peer.to_string()),
        )
        .route(
            "/id",
            get(async |headers: HeaderMap| headers["x-request-id"].to_str().unwrap().to_owned()),
        )
        .route(
            "/echo",
            post(async |request: AxumRequest| request.into_body()),
        )
        .route("/panic", any(async || -> String { panic!("as a test") }))
        .route(
            "/stream",
            get(async || {
                let parts = futures_util::stream::iter(0..1000)
                    .map(|number| Ok::<_, std::io::Error>(format!("{number}\n")));
                Body::from_stream(parts).into_response()
            }),
        )
}

async fn world() -> World {
    World::with(Setup {
        control: router(),
        ..Setup::default()
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_reach_the_router_and_bodies_stream() {
    let world = world().await;
    let peer: SocketAddr = String::from_utf8_lossy(world.get("/peer").await.body())
        .parse()
        .unwrap();
    assert!(peer.ip().is_loopback());
    let request = world.request("GET", "/id").header("x-request-id", "mine");
    let answer = world.send(request.body(Full::default()).unwrap()).await;
    assert_eq!(answer.body(), "mine");
    assert_eq!(world.get("/id").await.body().len(), 36);

    let body = Bytes::from(vec![b'x'; 5 << 20]);
    let request = world
        .request("POST", "/echo")
        .body(Full::new(body.clone()))
        .unwrap();
    assert!(*world.send(request).await.body() == body);

    let streamed = world.get("/stream").await;
    let text = String::from_utf8_lossy(streamed.body()).into_owned();
    assert_eq!(text.lines().count(), 1000);
    assert!(text.ends_with("\n999\n"));

    for path in ["/", "/proxy", "/proxyx/a", "/nothing"] {
        let answer = world.get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert!(!answer.headers().contains_key("x-apiverse-error"), "{path}");
    }
    let head = world
        .request("HEAD", "/peer")
        .body(Full::default())
        .unwrap();
    let answer = world.send(head).await;
    assert_eq!(answer.status(), 200);
    assert!(answer.headers().contains_key("content-length"));
    assert!(world.calls().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_an_unread_body_arrives() {
    let world = world().await;
    let body = Bytes::from(vec![b'x'; 16 << 20]);
    for _ in 0..5 {
        let request = world
            .request("POST", "/peer")
            .body(Full::new(body.clone()))
            .unwrap();
        assert_eq!(world.send(request).await.status(), 405);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn strange_targets_are_answered() {
    let world = world().await;
    for head in [
        "CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443",
        "OPTIONS * HTTP/1.1\r\nhost: h",
        "GET http://h/nothing HTTP/1.1\r\nhost: h",
        "GET //peer HTTP/1.1\r\nhost: h",
    ] {
        let answer = world
            .raw(format!("{head}\r\nconnection: close\r\n\r\n"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 4"), "{head}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_is_an_answer() {
    let world = world().await;
    let answer = world.get("/panic").await;
    assert_eq!(
        (answer.status().as_u16(), code(&answer).as_str()),
        (500, "internal")
    );
    assert_eq!(world.get("/peer").await.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_nobody_reads_ends() {
    let (sent, mut count) = tokio::sync::mpsc::unbounded_channel();
    let endless = Router::new().route(
        "/endless",
        get(async move || {
            let parts = futures_util::stream::repeat(()).map(move |()| {
                // Dropped with the stream, which the test waits for.
                let _ = sent.send(());
                Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 10_000]))
            });
            Body::from_stream(parts).into_response()
        }),
    );
    let world = World::with(Setup {
        control: endless,
        ..Setup::default()
    })
    .await;
    let mut sender = world.connect().await;
    let request = world
        .request("GET", "/endless")
        .body(Full::default())
        .unwrap();
    let answer = in_time("the head", sender.send_request(request))
        .await
        .unwrap();
    let mut body = answer.into_body();
    body.frame().await.unwrap().unwrap();
    drop((body, sender));
    // The router itself holds a sender as well: what must end is the flow.
    in_time("the stream to end", async {
        loop {
            while count.try_recv().is_ok() {}
            let quiet = tokio::time::timeout(std::time::Duration::from_millis(300), count.recv());
            if quiet.await.is_err() {
                return;
            }
        }
    })
    .await;
}
