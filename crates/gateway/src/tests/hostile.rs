//! Upstreams and clients that misbehave.

use std::time::Duration;

use apiverse_contract::apis::ApiLimits;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::world::*;

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

fn short() -> ApiLimits {
    ApiLimits {
        connect_timeout_ms: Some(2000),
        first_byte_timeout_ms: Some(150),
        idle_timeout_ms: Some(150),
        max_body_bytes: Some(100_000),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn upstreams_that_do_not_answer_are_told_apart() {
    let world = World::new().await;
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let silent = upstream(|mut socket| async move {
        let mut scrap = [0; 1024];
        while socket.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    let slamming = upstream(|mut socket| async move {
        read_head(&mut socket).await;
    })
    .await;
    let garbage = answering("220 mail.example.com ESMTP\r\n").await;
    let huge = answering(format!(
        "HTTP/1.1 200 OK\r\nx: {}\r\n\r\n",
        "y".repeat(300_000)
    ))
    .await;
    let many = answering(format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(500))).await;
    let switching = answering("HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n").await;
    let bad_length =
        answering("HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!").await;
    let unreachable = "upstream_unreachable";
    for (slug, addr, status, expected) in [
        ("closed", closed, 502, unreachable),
        ("silent", silent, 504, "upstream_timeout"),
        ("slamming", slamming, 502, unreachable),
        ("garbage", garbage, 502, unreachable),
        ("huge", huge, 502, unreachable),
        ("many", many, 502, unreachable),
        ("switching", switching, 502, unreachable),
        ("bad-length", bad_length, 502, unreachable),
    ] {
        world
            .add_api(addr, |row| {
                row.slug = slug.to_owned();
                row.limits = short();
            })
            .await;
        let answer = world.get(&format!("/proxy/{slug}/")).await;
        assert_eq!(
            (answer.status().as_u16(), code(&answer).as_str()),
            (status, expected),
            "{slug}"
        );
        let calls = world.calls().await;
        assert_eq!(calls[0].error_code.as_deref(), Some(expected), "{slug}");
        assert_eq!(calls[0].refused, slug == "closed", "{slug}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn private_addresses_are_blocked() {
    let mut setup = Setup::default();
    setup.gateway.egress = apiverse_connectors::EgressPolicy::default();
    let world = World::with(setup).await;
    let addr = answering(OK).await;
    world.add_api(addr, |_| {}).await;
    world
        .add_api(addr, |row| {
            row.slug = "name".to_owned();
            row.base_url = format!("http://localhost:{}", addr.port());
        })
        .await;
    world
        .add_api(addr, |row| {
            row.slug = "sample".to_owned();
            row.is_sample = true;
        })
        .await;
    assert_eq!(code(&world.get("/proxy/x/").await), "upstream_blocked");
    assert_eq!(code(&world.get("/proxy/name/").await), "upstream_blocked");
    // Switched off.
    assert_eq!(
        code(&world.get("/proxy/sample/").await),
        "upstream_unreachable"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sample_is_reached_by_its_set_address() {
    let mut setup = Setup::default();
    setup.gateway.egress = apiverse_connectors::EgressPolicy::default();
    setup.gateway.sample_upstream = Some(answering(OK).await);
    let world = World::with(setup).await;
    world
        .add_api("127.0.0.1:1".parse().unwrap(), |row| {
            row.is_sample = true;
            row.base_url = "http://sample.apiverse.internal".to_owned();
        })
        .await;
    assert_eq!(world.get("/proxy/x/hello").await.body(), "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_breaks_off_is_seen_as_broken() {
    let world = World::new().await;
    let sized = upstream(|mut socket| async move {
        read_head(&mut socket).await;
        let part = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
        socket.write_all(part).await.unwrap();
    })
    .await;
    let chunked = upstream(|mut socket| async move {
        read_head(&mut socket).await;
        let part = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nhalf\r\n";
        socket.write_all(part).await.unwrap();
    })
    .await;
    let stalled = upstream(|mut socket| async move {
        read_head(&mut socket).await;
        let part = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
        socket.write_all(part).await.unwrap();
        let mut scrap = [0; 1];
        let _ = socket.read(&mut scrap).await;
    })
    .await;
    for (slug, addr, expected) in [
        ("sized", sized, "upstream_unreachable"),
        ("chunked", chunked, "upstream_unreachable"),
        ("stalled", stalled, "upstream_timeout"),
    ] {
        world
            .add_api(addr, |row| {
                row.slug = slug.to_owned();
                row.limits = short();
            })
            .await;
        let path = format!("/proxy/{slug}/");
        let request = world.request("GET", &path).body(Full::default()).unwrap();
        let mut sender = world.connect().await;
        let answer = in_time("the head", sender.send_request(request))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
        let body = in_time("the end", answer.into_body().collect()).await;
        assert!(
            body.is_err(),
            "{slug}: the caller must see that something is missing"
        );
        let calls = world.calls().await;
        assert_eq!((calls[0].status, calls[0].bytes_out), (200, 4), "{slug}");
        assert_eq!(calls[0].error_code.as_deref(), Some(expected), "{slug}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_went_stale_is_replaced() {
    let world = World::new().await;
    let (closed, mut was_closed) = mpsc::unbounded_channel();
    let addr = upstream(move |mut socket| {
        let closed = closed.clone();
        async move {
            // Promises to keep the connection, and does not.
            let head = read_head(&mut socket).await.unwrap();
            if head.contains("content-length: 4") {
                let mut body = [0; 4];
                socket.read_exact(&mut body).await.unwrap();
            }
            socket.write_all(OK.as_bytes()).await.unwrap();
            drop(socket);
            closed.send(()).unwrap();
        }
    })
    .await;
    world.add_api(addr, |_| {}).await;
    let mut sender = world.connect().await;
    for round in 0..40 {
        sender.ready().await.unwrap();
        let request = world
            .request("POST", "/proxy/x/")
            .body(Full::from(Bytes::from_static(b"body")))
            .unwrap();
        let answer = in_time("an answer", sender.send_request(request))
            .await
            .unwrap();
        assert_eq!(answer.status(), 200, "round {round}");
        answer.into_body().collect().await.unwrap();
        in_time("the upstream to close", was_closed.recv())
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_ends_the_upstreams_work() {
    let world = World::new().await;
    let (event, mut events) = mpsc::unbounded_channel();
    let addr = upstream(move |mut socket| {
        let event = event.clone();
        async move {
            let head = read_head(&mut socket).await.unwrap();
            if head.starts_with("GET /begun") {
                let part = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n";
                socket.write_all(part).await.unwrap();
            }
            event.send("called").unwrap();
            let mut scrap = [0; 64];
            // End or error: the gateway has closed.
            while socket.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
            event.send("closed").unwrap();
        }
    })
    .await;
    world.add_api(addr, |_| {}).await;
    for (path, status) in [("/waiting", 499), ("/begun", 200)] {
        let mut socket = TcpStream::connect(world.addr).await.unwrap();
        let head = format!(
            "GET /proxy/x{path} HTTP/1.1\r\nhost: h\r\nx-api-key: {}\r\n\r\n",
            world.key
        );
        socket.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(in_time("the call", events.recv()).await, Some("called"));
        if path == "/begun" {
            let mut seen = Vec::new();
            while !seen.ends_with(b"hi\r\n") {
                seen.push(socket.read_u8().await.unwrap());
            }
        }
        drop(socket);
        assert_eq!(
            in_time("the upstream to be closed", events.recv()).await,
            Some("closed")
        );
        let call = in_time("the call", async {
            loop {
                let calls = world.calls().await;
                if let Some(call) = calls.into_iter().find(|call| call.path == path) {
                    return call;
                }
            }
        });
        let call = call.await;
        assert_eq!(call.status, status, "{path}");
        assert_eq!(
            call.error_code.as_deref(),
            Some("client_closed_request"),
            "{path}"
        );
        assert!(!call.refused);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_over_the_limit_are_refused() {
    let world = World::new().await;
    let addr = upstream(|mut socket| async move {
        let mut scrap = [0; 65_536];
        while socket.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    world.add_api(addr, |row| row.limits = short()).await;
    let key = &world.key;

    // Announced: answered at once, and the answer survives that the body keeps coming.
    let body = Bytes::from(vec![b'x'; 8 << 20]);
    let request = world
        .request("POST", "/proxy/x/")
        .body(Full::new(body))
        .unwrap();
    let answer = world.send(request).await;
    assert_eq!(
        (answer.status().as_u16(), code(&answer).as_str()),
        (413, "body_too_large")
    );

    // Expected: the caller never has to send it.
    let expecting = format!(
        "POST /proxy/x/ HTTP/1.1\r\nhost: h\r\nx-api-key: {key}\r\ncontent-length: 100001\r\n\
         expect: 100-continue\r\nconnection: close\r\n\r\n"
    );
    let answer = world.raw(expecting).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");

    // Not announced: noticed while it streams.
    let mut chunked = format!(
        "POST /proxy/x/ HTTP/1.1\r\nhost: h\r\nx-api-key: {key}\r\n\
         transfer-encoding: chunked\r\n\r\n"
    );
    for _ in 0..11 {
        chunked.push_str(&format!("{:x}\r\n{}\r\n", 10_000, "y".repeat(10_000)));
    }
    let answer = world.raw(chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"code\":\"body_too_large\""), "{answer}");
    let calls = world.calls().await;
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.status == 413));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_stops_sending_is_not_the_upstreams_fault() {
    let world = World::new().await;
    let addr = upstream(|mut socket| async move {
        let mut scrap = [0; 1024];
        while socket.read(&mut scrap).await.is_ok_and(|count| count > 0) {}
    })
    .await;
    world.add_api(addr, |row| row.limits = short()).await;
    let head = format!(
        "POST /proxy/x/ HTTP/1.1\r\nhost: h\r\nx-api-key: {}\r\ncontent-length: 10\r\n\r\nhalf",
        world.key
    );
    let answer = world.raw(head).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("stopped arriving"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_may_answer_before_it_has_read() {
    let world = World::new().await;
    let addr = upstream(|mut socket| async move {
        read_head(&mut socket).await;
        let answer = "HTTP/1.1 403 Forbidden\r\ncontent-length: 4\r\n\r\nstop";
        socket.write_all(answer.as_bytes()).await.unwrap();
        // Stays, and reads nothing.
        std::future::pending::<()>().await;
    })
    .await;
    world.add_api(addr, |_| {}).await;
    let body = Bytes::from(vec![b'x'; 16 << 20]);
    let request = world
        .request("POST", "/proxy/x/")
        .body(Full::new(body))
        .unwrap();
    let answer = world.send(request).await;
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.body(), "stop");
    assert_eq!(world.only_call().await.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_and_idle_connections_are_closed() {
    let mut setup = Setup::default();
    setup.edge.header_read_timeout = Duration::from_millis(150);
    setup.edge.idle_timeout = Duration::from_millis(300);
    let world = World::with(setup).await;
    let addr = answering(OK).await;
    world.add_api(addr, |_| {}).await;
    assert_eq!(world.raw("").await, "");
    assert_eq!(world.raw("GET /proxy/x/ HT").await, "");
    let request = format!(
        "GET /proxy/x/ HTTP/1.1\r\nhost: h\r\nx-api-key: {}\r\n\r\n",
        world.key
    );
    // Answered, then closed as idle; and while a second head never ends.
    let idle = world.raw(&request).await;
    assert!(
        idle.starts_with("HTTP/1.1 200 ") && idle.ends_with("\r\n\r\nok"),
        "{idle}"
    );
    let half = world.raw(format!("{request}GET /")).await;
    assert!(half.ends_with("\r\n\r\nok"), "{half}");
    assert_eq!(world.raw("PRI * HTTP/2.0\r\n").await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_stops_is_given_up() {
    let mut setup = Setup::default();
    setup.edge.send_timeout = Duration::from_millis(200);
    let world = World::with(setup).await;
    let (closed, mut was_closed) = mpsc::unbounded_channel();
    let addr = upstream(move |mut socket| {
        let closed = closed.clone();
        async move {
            read_head(&mut socket).await;
            let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            socket.write_all(head).await.unwrap();
            let chunk = format!("{:x}\r\n{}\r\n", 60_000, "x".repeat(60_000));
            while socket.write_all(chunk.as_bytes()).await.is_ok() {}
            closed.send(()).unwrap();
        }
    })
    .await;
    world.add_api(addr, |_| {}).await;
    let mut socket = TcpStream::connect(world.addr).await.unwrap();
    let head = format!(
        "GET /proxy/x/ HTTP/1.1\r\nhost: h\r\nx-api-key: {}\r\n\r\n",
        world.key
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    in_time("the upstream to be closed", was_closed.recv())
        .await
        .unwrap();
    let call = world.only_call().await;
    assert_eq!(call.error_code.as_deref(), Some("client_closed_request"));
    drop(socket);
}

#[tokio::test(flavor = "multi_thread")]
async fn ambiguous_and_malformed_requests_are_refused() {
    let world = World::new().await;
    let addr = answering(OK).await;
    world.add_api(addr, |_| {}).await;
    let key = &world.key;
    for (head, status) in [
        (
            format!("GET /proxy/x/ HTTP/1.1\r\nx-api-key: {key}\r\nconnection: close\r\n\r\n"),
            400,
        ),
        (
            format!(
                "GET /proxy/x/ HTTP/1.1\r\nhost: a\r\nhost: b\r\nconnection: close\r\nx-api-key: {key}\r\n\r\n"
            ),
            400,
        ),
        (
            format!("GET /proxy/x/ HTTP/1.0\r\nx-api-key: {key}\r\n\r\n"),
            200,
        ),
        (
            format!(
                "CONNECT /proxy/x/ HTTP/1.1\r\nhost: a\r\nx-api-key: {key}\r\nconnection: close\r\n\r\n"
            ),
            405,
        ),
        (
            format!(
                "POST /proxy/x/ HTTP/1.1\r\nhost: a\r\nx-api-key: {key}\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab"
            ),
            400,
        ),
        (
            format!("GET /proxy/x/ HTTP/1.1\r\nhost: a\r\nx-api-key : {key}\r\n\r\n"),
            400,
        ),
        (
            format!(
                "GET /proxy/x/ HTTP/1.1\r\nhost: a\r\nx-api-key: {key}\r\nx: {}\r\n\r\n",
                "y".repeat(70_000)
            ),
            431,
        ),
        ("GARBAGE\r\n\r\n".to_owned(), 400),
    ] {
        let answer = world.raw(&head).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} "))
                || answer.starts_with(&format!("HTTP/1.0 {status} ")),
            "{head:.300}\n{answer}"
        );
    }
    let circle = Request::get("/proxy/x/")
        .header("host", "h")
        .header("x-api-key", key)
        .header("via", ["1.1 apiverse"; 8].join(", "))
        .body(Full::default())
        .unwrap();
    assert_eq!(code(&world.send(circle).await), "upstream_unreachable");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_that_wait_hold_up_nobody() {
    let world = World::new().await;
    let addr = answering(OK).await;
    world.add_api(addr, |_| {}).await;
    let head = format!(
        "POST /proxy/x/ HTTP/1.1\r\nhost: h\r\nx-api-key: {}\r\ncontent-length: 9\r\n\r\nhalf",
        world.key
    );
    // Idle, within a head, within a body, and behind a request that went to hyper.
    let mut waiting = Vec::new();
    for number in 0..800 {
        let mut socket = TcpStream::connect(world.addr).await.unwrap();
        let sent = match number % 4 {
            0 => "",
            1 => &head[..30],
            2 => &head,
            _ => "GET /elsewhere HTTP/1.1\r\nhost: h\r\n\r\nGET / HT",
        };
        socket.write_all(sent.as_bytes()).await.unwrap();
        waiting.push(socket);
    }
    for _ in 0..20 {
        assert_eq!(world.get("/proxy/x/").await.body(), "ok");
    }
}
