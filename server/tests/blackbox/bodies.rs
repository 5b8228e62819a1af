//! Bodies: whole, streamed, limited, in constant memory.

use std::time::Duration;

use apiverse_testkit::{Engine, Raw, Upstream, both, eventually};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::start;

both!(
    large_bodies_pass_in_constant_memory,
    too_large_bodies_are_refused,
    answers_are_streamed_as_they_come,
    a_caller_that_leaves_ends_the_upstream_call,
    misbehaving_upstreams_become_documented_problems,
);

const MIB: usize = 1 << 20;

/// A byte of a large body, which tells where it belongs.
fn pattern(offset: usize) -> u8 {
    (offset.wrapping_mul(2_654_435_761) >> 13) as u8
}

async fn large_bodies_pass_in_constant_memory(engine: Engine) {
    const SIZE: usize = 100 * MIB;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    // Reads the request to its end, checks each byte, then sends as much back.
    let upstream = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.expect("reads"));
        }
        let mut chunk = vec![0; 64 * 1024];
        let mut offset = 0;
        while offset < SIZE {
            let count = stream.read(&mut chunk).await.expect("reads");
            assert!(count > 0, "the body ended at {offset}");
            for (n, &byte) in chunk[..count].iter().enumerate() {
                assert_eq!(byte, pattern(offset + n), "at {}", offset + n);
            }
            offset += count;
        }
        stream
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n").as_bytes())
            .await
            .expect("writes");
        let mut offset = 0;
        while offset < SIZE {
            let part: Vec<u8> = (offset..offset + MIB).map(pattern).collect();
            stream.write_all(&part).await.expect("writes");
            offset += MIB;
        }
    });
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    client.create_api("big", &base).await;
    let (_, key) = client.create_key("k").await;
    let before = app.resident_bytes();
    let parts = stream::iter((0..SIZE / MIB).map(|part| {
        let bytes: Vec<u8> = (part * MIB..(part + 1) * MIB).map(pattern).collect();
        Ok::<_, std::io::Error>(Bytes::from(bytes))
    }));
    let answer = client
        .proxy("POST", "/big/x", &key)
        .header("content-length", SIZE)
        .body(reqwest_body(parts))
        .send()
        .await
        .expect("an answer");
    assert_eq!(answer.status().as_u16(), 200);
    let mut offset = 0;
    let mut peak = 0;
    let mut body = answer.bytes_stream();
    while let Some(part) = body.next().await {
        for &byte in &part.expect("a part") {
            assert_eq!(byte, pattern(offset), "at {offset}");
            offset += 1;
        }
        peak = peak.max(app.resident_bytes());
    }
    assert_eq!(offset, SIZE);
    upstream.await.expect("the upstream got every byte");
    let grown = peak.saturating_sub(before);
    assert!(grown < 40 * MIB as u64, "memory grew by {grown} bytes");
    let calls = eventually("the call in usage", async || {
        let calls = client.get("/usage/calls").await.expect_status(200).json();
        (!calls["data"].as_array()?.is_empty()).then_some(calls)
    })
    .await;
    assert_eq!(calls["data"][0]["bytes_in"], SIZE);
    assert_eq!(calls["data"][0]["bytes_out"], SIZE);
}

fn reqwest_body(
    parts: impl futures_util::Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
) -> apiverse_testkit::Body {
    apiverse_testkit::Body::wrap_stream(parts)
}

async fn too_large_bodies_are_refused(engine: Engine) {
    let app = start(engine).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    let id = client.create_api("small", &upstream.base()).await;
    let patch = json!({ "limits": { "max_body_bytes": 1000 } });
    client
        .patch(&format!("/apis/{id}"), &patch)
        .await
        .assert_status(200);
    let (_, key) = client.create_key("k").await;
    let call = client.proxy("POST", "/small/x", &key);
    client
        .send(call.body(vec![b'x'; 1000]))
        .await
        .assert_status(200);
    assert_eq!(upstream.last().body.len(), 1000);
    let call = client.proxy("POST", "/small/x", &key);
    client
        .send(call.body(vec![b'x'; 1001]))
        .await
        .assert_gateway_problem(413, "body_too_large");

    // Chunked: the length shows only on the way.
    let mut raw = Raw::connect(app.authority()).await;
    raw.send(format!(
        "POST /proxy/small/x HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\n\
         Transfer-Encoding: chunked\r\n\r\n"
    ))
    .await;
    raw.send(format!("1000\r\n{}\r\n", "x".repeat(4096))).await;
    let answer = raw.read_until(b"body_too_large\"").await;
    assert!(
        answer.starts_with(b"HTTP/1.1 413"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

async fn answers_are_streamed_as_they_come(engine: Engine) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    client.create_api("events", &base).await;
    let (_, key) = client.create_key("k").await;
    let mut raw = Raw::connect(app.authority()).await;
    raw.send(format!(
        "GET /proxy/events/x HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\n\r\n"
    ))
    .await;
    let (mut upstream, _) = listener.accept().await.expect("accepts");
    let mut head = [0; 4096];
    assert!(upstream.read(&mut head).await.expect("reads") > 0);
    upstream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .expect("writes");
    // Each event must arrive before the next is even written.
    for n in 0..20 {
        let event = format!("data: {n}\n\n");
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        upstream.write_all(chunk.as_bytes()).await.expect("writes");
        raw.read_until(event.as_bytes()).await;
    }
    upstream.write_all(b"0\r\n\r\n").await.expect("writes");
    raw.read_until(b"0\r\n\r\n").await;
}

async fn a_caller_that_leaves_ends_the_upstream_call(engine: Engine) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    client.create_api("slow", &base).await;
    let (_, key) = client.create_key("k").await;
    let mut raw = Raw::connect(app.authority()).await;
    raw.send(format!(
        "GET /proxy/slow/x HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\n\r\n"
    ))
    .await;
    let (mut upstream, _) = listener.accept().await.expect("accepts");
    let mut head = [0; 1024];
    assert!(upstream.read(&mut head).await.expect("reads") > 0);
    drop(raw);
    let ended = tokio::time::timeout(apiverse_testkit::WAIT, async {
        while !matches!(upstream.read(&mut head).await, Ok(0) | Err(_)) {}
    });
    ended
        .await
        .expect("the upstream's connection ends with the caller's");
    let call = eventually("the call in usage", async || {
        let calls = client.get("/usage/calls").await.expect_status(200).json();
        calls["data"].get(0).cloned()
    })
    .await;
    assert_eq!(call["status"], 499);
    assert_eq!(call["error_code"], "client_closed_request");
}

async fn misbehaving_upstreams_become_documented_problems(engine: Engine) {
    let app = start(engine).await;
    let client = app.stranger("ada").await;
    let (_, key) = client.create_key("k").await;

    // Nothing listens there.
    let unused = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = unused.local_addr().expect("an address");
    drop(unused);
    client
        .create_api("gone", &format!("http://{address}"))
        .await;
    client
        .send(client.proxy("GET", "/gone/x", &key))
        .await
        .assert_gateway_problem(502, "upstream_unreachable");

    client
        .create_api("nowhere", "http://does-not-exist.invalid")
        .await;
    client
        .send(client.proxy("GET", "/nowhere/x", &key))
        .await
        .assert_gateway_problem(502, "upstream_unreachable");

    for (slug, says) in [
        ("garbage", "this is not HTTP\r\n\r\n".to_owned()),
        ("silent", String::new()),
        ("half-head", "HTTP/1.1 200 OK\r\nContent-Le".to_owned()),
        (
            "bad-length",
            "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n".to_owned(),
        ),
        (
            "both-lengths",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".to_owned(),
        ),
        (
            "huge-head",
            format!("HTTP/1.1 200 OK\r\nX-Big: {}\r\n\r\n", "x".repeat(2 * MIB)),
        ),
    ] {
        let base = says_and_closes(says).await;
        client.create_api(slug, &base).await;
        let answer = client
            .send(client.proxy("GET", &format!("/{slug}/x"), &key))
            .await;
        answer.assert_gateway_problem(502, "upstream_unreachable");
    }

    // A body that ends before its length: the caller must be able to tell.
    let base =
        says_and_closes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this".to_owned()).await;
    client.create_api("short", &base).await;
    let mut raw = Raw::connect(app.authority()).await;
    raw.send(format!(
        "GET /proxy/short/x HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\n\r\n"
    ))
    .await;
    let answer = String::from_utf8_lossy(&raw.read_to_end().await).into_owned();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("only this"),
        "{answer}"
    );

    // It accepts and never answers.
    let never = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let base = format!("http://{}", never.local_addr().expect("an address"));
    let id = client.create_api("never", &base).await;
    let patch = json!({ "limits": { "first_byte_timeout_ms": 200 } });
    client
        .patch(&format!("/apis/{id}"), &patch)
        .await
        .assert_status(200);
    client
        .send(client.proxy("GET", "/never/x", &key))
        .await
        .assert_gateway_problem(504, "upstream_timeout");

    // It starts to answer and falls silent: the connection must end, not hang.
    let stalls = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let base = format!("http://{}", stalls.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut stream, _) = stalls.accept().await.expect("accepts");
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.expect("reads") > 0);
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
        stream.write_all(head).await.expect("writes");
        tokio::time::sleep(Duration::from_secs(3600)).await;
        drop(stream);
    });
    let id = client.create_api("stalls", &base).await;
    let patch = json!({ "limits": { "idle_timeout_ms": 300 } });
    client
        .patch(&format!("/apis/{id}"), &patch)
        .await
        .assert_status(200);
    let mut raw = Raw::connect(app.authority()).await;
    raw.send(format!(
        "GET /proxy/stalls/x HTTP/1.1\r\nHost: h\r\nX-API-Key: {key}\r\n\r\n"
    ))
    .await;
    let answer = String::from_utf8_lossy(&raw.read_to_end().await).into_owned();
    assert!(answer.ends_with("half"), "{answer}");
}

/// An upstream that reads a request's head, says this, and closes.
async fn says_and_closes(says: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let _ = stream.read(&mut head).await;
            let _ = stream.write_all(says.as_bytes()).await;
        }
    });
    base
}
