//! Calls that go well.

use apiverse_contract::apis::{KeyLocation, UpstreamAuth};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::world::*;

/// Answers with the request's own head as text.
async fn mirror() -> std::net::SocketAddr {
    upstream(|mut socket| async move {
        while let Some(head) = read_head(&mut socket).await {
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nx-upstream: yes\r\n\
                 X-Apiverse-Error: spoofed\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\n\r\n{head}",
                head.len()
            );
            if socket.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_arrives_as_it_was_sent() {
    let world = World::new().await;
    let upstream = mirror().await;
    world.add_api(upstream, |_| {}).await;
    let request = format!(
        "PROPFIND /proxy/x//a%2Fb/./c;d?q=%20+&&empty=&api_key=theirs HTTP/1.1\r\n\
         Host: gateway.example\r\nX-API-Key: {}\r\nAuthorization: Bearer theirs\r\n\
         Cookie: a=1; apiverse_session=secret; b=2\r\nX-Request-Id: my-id\r\n\
         Connection: x-private, close\r\nX-Private: 1\r\nX-Apiverse-Trust: 1\r\n\
         X-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\nAccept: a\r\nAccept: b\r\n\
         traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n\
         tracestate: a=b\r\n\r\n",
        world.key
    );
    let answer = world.raw(request).await;
    let (head, seen) = answer.split_once("\r\n\r\n").unwrap();

    assert!(
        seen.starts_with("PROPFIND //a%2Fb/./c;d?q=%20+&&empty=&api_key=theirs HTTP/1.1\r\n"),
        "{seen}"
    );
    let host = format!("host: {upstream}\r\n");
    for expected in [
        host.as_str(),
        "authorization: Bearer theirs\r\n",
        "cookie: a=1; b=2\r\n",
        "accept: a\r\naccept: b\r\n",
        "x-request-id: my-id\r\n",
        "via: 1.1 apiverse\r\n",
        "x-forwarded-for: 127.0.0.1\r\n",
        "x-forwarded-proto: http\r\n",
        "x-forwarded-host: gateway.example\r\n",
        "forwarded: for=127.0.0.1;host=\"gateway.example\";proto=http\r\n",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-",
        "tracestate: a=b\r\n",
    ] {
        assert!(seen.contains(expected), "{expected:?} is not in\n{seen}");
    }
    for absent in [
        "apv_",
        "secret",
        "x-private",
        "x-apiverse",
        "6.6.6.6",
        "00f067aa0ba902b7",
    ] {
        assert!(!seen.contains(absent), "{absent:?} is in\n{seen}");
    }
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("x-upstream: yes") && head.contains("x-request-id: my-id"),
        "{head}"
    );
    assert!(
        !head.contains("x-apiverse-error") && !head.contains("x-hop"),
        "{head}"
    );

    let call = world.only_call().await;
    assert_eq!(
        (call.method.as_str(), call.path.as_str()),
        ("PROPFIND", "//a%2Fb/./c;d")
    );
    assert_eq!(
        (call.status, call.refused, call.error_code),
        (200, false, None)
    );
    assert_eq!(call.request_id, "my-id");
    assert_eq!(call.bytes_out, seen.len() as i64);
    assert!(call.upstream_us.unwrap() <= call.latency_us);
    assert!(call.api_id.is_some() && call.key_id.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_absolute_form_is_understood() {
    let world = World::new().await;
    world.add_api(mirror().await, |_| {}).await;
    let request = format!(
        "GET http://asked.example/api/v1/proxy/x/a?b HTTP/1.1\r\nhost: other.example\r\n\
         x-api-key: {}\r\nconnection: close\r\n\r\n",
        world.key
    );
    let answer = world.raw(request).await;
    let (_, seen) = answer.split_once("\r\n\r\n").unwrap();
    assert!(seen.starts_with("GET /a?b HTTP/1.1\r\n"), "{seen}");
    assert!(
        seen.contains("x-forwarded-host: asked.example\r\n"),
        "{seen}"
    );
    assert_eq!(world.only_call().await.path, "/a");
}

#[tokio::test(flavor = "multi_thread")]
async fn upstream_credentials_take_the_callers_place() {
    let world = World::new().await;
    let addr = mirror().await;
    let auths = [
        (
            "bearer",
            UpstreamAuth::Bearer {
                token: "sesame".into(),
            },
            "authorization: Bearer sesame\r\n",
        ),
        (
            "basic",
            UpstreamAuth::Basic {
                username: "u".into(),
                password: "p".into(),
            },
            "authorization: Basic dTpw\r\n",
        ),
        (
            "header",
            UpstreamAuth::ApiKey {
                name: "X-API-Key".into(),
                value: "theirs".into(),
                r#in: KeyLocation::Header,
            },
            "x-api-key: theirs\r\n",
        ),
        (
            "query",
            UpstreamAuth::ApiKey {
                name: "token".into(),
                value: "a b".into(),
                r#in: KeyLocation::Query,
            },
            "GET /a?b&token=a%20b HTTP/1.1\r\n",
        ),
    ];
    for (slug, auth, expected) in auths {
        world
            .add_api(addr, |row| {
                row.slug = slug.to_owned();
                world.seal(row, &auth);
            })
            .await;
        let request = Request::get(format!("/proxy/{slug}/a?b&token=mine"))
            .header("host", "h")
            .header("authorization", format!("Bearer {}", world.key));
        let request = match slug {
            "query" => request,
            _ => Request::get(format!("/proxy/{slug}/a"))
                .header("host", "h")
                .header("authorization", format!("Bearer {}", world.key)),
        };
        let answer = world.send(request.body(Full::default()).unwrap()).await;
        let seen = String::from_utf8_lossy(answer.body()).into_owned();
        assert!(seen.contains(expected), "{slug}: {seen}");
        assert!(!seen.contains("apv_"), "{slug}: {seen}");
    }
    world
        .add_api(addr, |row| {
            row.slug = "broken".to_owned();
            row.auth_type = "bearer".to_owned();
            row.auth_sealed = Some(vec![1, 2, 3]);
        })
        .await;
    let answer = world.get("/proxy/broken/").await;
    assert_eq!(code(&answer), "upstream_auth_failed");
}

async fn echo(request: Request<Incoming>) -> Response<Incoming> {
    let length = request.headers().get("content-length").cloned();
    let chunked = request.headers().get("transfer-encoding").cloned();
    let mut response = Response::new(request.into_body());
    if let Some(length) = length {
        response.headers_mut().insert("x-length", length);
    }
    if let Some(chunked) = chunked {
        response.headers_mut().insert("x-coding", chunked);
    }
    response
}

/// Bytes in which a missing, doubled or swapped piece shows.
fn pattern(length: usize) -> Bytes {
    (0..length)
        .map(|at| (at as u32).wrapping_mul(2_654_435_761).to_be_bytes()[0])
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn big_bodies_pass_both_ways_unchanged() {
    let world = World::new().await;
    let addr = hyper_upstream(echo).await;
    world.add_api(addr, |_| {}).await;
    let body = pattern(24 * 1024 * 1024 + 7);

    let request = world
        .request("POST", "/proxy/x/")
        .body(Full::new(body.clone()))
        .unwrap();
    let answer = world.send(request).await;
    assert_eq!(answer.headers()["x-length"], body.len().to_string());
    assert!(*answer.body() == body);

    // Chunked, on a GET too.
    for method in ["PUT", "GET"] {
        let frames = body
            .chunks(100_003)
            .map(|part| Ok::<_, hyper::Error>(Frame::data(Bytes::copy_from_slice(part))))
            .collect::<Vec<_>>();
        let stream = StreamBody::new(futures_util::stream::iter(frames));
        let socket = TcpStream::connect(world.addr).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .unwrap();
        tokio::spawn(connection);
        let request = world
            .request(method, "/proxy/x/")
            .header("transfer-encoding", "chunked")
            .body(stream)
            .unwrap();
        let answer = in_time("an answer", sender.send_request(request))
            .await
            .unwrap();
        assert_eq!(answer.headers()["x-coding"], "chunked", "{method}");
        let back = in_time("the body", answer.into_body().collect())
            .await
            .unwrap();
        assert!(back.to_bytes() == body, "{method}");
    }
    let calls = world.calls().await;
    assert_eq!(calls.len(), 3);
    for call in calls {
        assert_eq!(
            (call.bytes_in, call.bytes_out),
            (body.len() as i64, body.len() as i64)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_the_upstream_are_used_again() {
    let world = World::new().await;
    let (opened, mut connections) = tokio::sync::mpsc::unbounded_channel();
    let addr = upstream(move |mut socket| {
        opened.send(()).unwrap();
        async move {
            while read_head(&mut socket).await.is_some() {
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                socket.write_all(answer).await.unwrap();
            }
        }
    })
    .await;
    world.add_api(addr, |_| {}).await;
    let mut sender = world.connect().await;
    for _ in 0..50 {
        let request = world
            .request("GET", "/proxy/x/")
            .body(Full::default())
            .unwrap();
        sender.ready().await.unwrap();
        let answer = in_time("an answer", sender.send_request(request))
            .await
            .unwrap();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "ok");
    }
    connections.recv().await.unwrap();
    assert!(
        connections.try_recv().is_err(),
        "more than one connection was opened"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_a_body_stay_so() {
    let world = World::new().await;
    for (slug, answer) in [
        ("head", "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n"),
        ("none", "HTTP/1.1 204 No Content\r\n\r\n"),
        ("same", "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\n\r\n"),
        (
            "away",
            "HTTP/1.1 302 Found\r\nlocation: http://10.0.0.1/\r\ncontent-length: 0\r\n\r\n",
        ),
    ] {
        let addr = answering(answer).await;
        world.add_api(addr, |row| row.slug = slug.to_owned()).await;
        let method = if slug == "head" { "HEAD" } else { "GET" };
        let path = format!("/proxy/{slug}/");
        let request = world.request(method, &path).body(Full::default()).unwrap();
        let got = world.send(request).await;
        assert!(
            answer.contains(&got.status().as_u16().to_string()),
            "{slug}"
        );
        assert!(got.body().is_empty());
        match slug {
            "head" => assert_eq!(got.headers()["content-length"], "1234"),
            "away" => assert_eq!(got.headers()["location"], "http://10.0.0.1/"),
            "same" => assert_eq!(got.headers()["etag"], "\"a\""),
            _ => {}
        }
    }
    let request = Request::head("/proxy/head/").header("host", "h");
    let refused = world.send(request.body(Full::default()).unwrap()).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["x-apiverse-error"], "missing_api_key");
    assert!(refused.body().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn trailers_pass_both_ways() {
    let world = World::new().await;
    let addr = upstream(|mut socket| async move {
        let head = read_head(&mut socket).await.unwrap();
        assert!(
            head.contains("te: trailers\r\n") && head.contains("trailer: x-sum\r\n"),
            "{head}"
        );
        let mut body = Vec::new();
        while !body.ends_with(b"x-sum: up\r\n\r\n") {
            body.push(socket.read_u8().await.unwrap());
        }
        let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
                      3\r\nabc\r\n0\r\nx-sum: down\r\n\r\n";
        socket.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    world.add_api(addr, |_| {}).await;
    let request = format!(
        "POST /proxy/x/ HTTP/1.1\r\nhost: h\r\nx-api-key: {}\r\nte: trailers\r\n\
         connection: te, close\r\ntrailer: x-sum\r\ntransfer-encoding: chunked\r\n\r\n\
         2\r\nhi\r\n0\r\nx-sum: up\r\n\r\n",
        world.key
    );
    let answer = world.raw(request).await;
    assert!(
        answer.ends_with("3\r\nabc\r\n0\r\nx-sum: down\r\n\r\n"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn http2_clients_are_served_with_prior_knowledge() {
    let world = World::new().await;
    let addr = hyper_upstream(echo).await;
    world.add_api(addr, |_| {}).await;
    let socket = TcpStream::connect(world.addr).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
            .await
            .unwrap();
    tokio::spawn(connection);
    let body = pattern(3 << 20);
    let mut answers = Vec::new();
    for _ in 0..8 {
        let request = Request::post(format!("http://{}/proxy/x/a", world.addr))
            .header("x-api-key", &world.key)
            .body(Full::new(body.clone()))
            .unwrap();
        let answer = sender.send_request(request);
        // Read side by side: one that is left lying would hold the connection's window.
        answers.push(tokio::spawn(async move {
            let answer = answer.await.unwrap();
            assert_eq!(answer.status(), 200);
            answer.into_body().collect().await.unwrap().to_bytes()
        }));
    }
    for answer in answers {
        assert!(in_time("an answer", answer).await.unwrap() == body);
    }
    let missing = Request::get(format!("http://{}/proxy/x/a", world.addr))
        .body(Full::default())
        .unwrap();
    let answer = in_time("an answer", sender.send_request(missing))
        .await
        .unwrap();
    assert_eq!(answer.status(), 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_switched_protocol_is_a_tunnel() {
    let world = World::new().await;
    let addr = upstream(|mut socket| async move {
        let head = read_head(&mut socket).await.unwrap();
        assert!(
            head.contains("upgrade: websocket") && head.contains("connection: upgrade"),
            "{head}"
        );
        let answer = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
                      connection: upgrade\r\nsec-websocket-accept: x\r\n\r\nhello";
        socket.write_all(answer.as_bytes()).await.unwrap();
        let (mut from, mut to) = socket.split();
        tokio::io::copy(&mut from, &mut to).await.unwrap();
    })
    .await;
    world.add_api(addr, |_| {}).await;
    let mut sender = {
        let socket = TcpStream::connect(world.addr).await.unwrap();
        let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .unwrap();
        tokio::spawn(connection.with_upgrades());
        sender
    };
    let request = world
        .request("GET", "/proxy/x/chat")
        .header("connection", "Upgrade")
        .header("upgrade", "websocket")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = in_time("the switch", sender.send_request(request))
        .await
        .unwrap();
    assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(answer.headers()["upgrade"], "websocket");
    assert_eq!(answer.headers()["sec-websocket-accept"], "x");
    let mut tunnel = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    let mut greeting = [0; 5];
    tunnel.read_exact(&mut greeting).await.unwrap();
    assert_eq!(&greeting, b"hello");
    tunnel.write_all(b"ping").await.unwrap();
    let mut back = [0; 4];
    tunnel.read_exact(&mut back).await.unwrap();
    assert_eq!(&back, b"ping");
    drop(tunnel);
    let call = world.only_call().await;
    assert_eq!((call.status, call.bytes_in, call.bytes_out), (101, 4, 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_early_answer_leaves_the_connection_usable() {
    let world = World::new().await;
    let addr = upstream(|mut socket| async move {
        while read_head(&mut socket).await.is_some() {
            socket
                .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nearly")
                .await
                .unwrap();
            socket.read_exact(&mut [0; 100_000]).await.unwrap();
        }
    })
    .await;
    world.add_api(addr, |_| {}).await;
    let mut socket = TcpStream::connect(world.addr).await.unwrap();
    let head = format!(
        "POST /proxy/x HTTP/1.1\r\nhost: h\r\nx-api-key: {}\r\ncontent-length: 100000\r\n\r\n",
        world.key
    );
    for _ in 0..3 {
        socket.write_all(head.as_bytes()).await.unwrap();
        let answer = in_time("the answer", read_head(&mut socket)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        socket.read_exact(&mut [0; 5]).await.unwrap();
        socket.write_all(&[b'x'; 100_000]).await.unwrap();
    }
}
