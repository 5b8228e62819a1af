//! Bodies under policies, whatever their pieces, codings and pauses: the caller gets what was sent,
//! or is told that it is not there.

use std::any::Any;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use apiverse_contract::policies::{PolicyKind, PolicyScope};
use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::world::*;

/// How an upstream ends its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length,
    Chunked,
    Close,
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) api: &'static str,
    pub(super) accept: Option<&'static str>,
    pub(super) coding: Option<&'static str>,
    pub(super) framing: Framing,
    /// Strings in the JSON array that is the body.
    pub(super) items: Vec<String>,
    /// Sizes of what is sent at once, again and again; 0: a pause.
    pub(super) pieces: Vec<usize>,
    /// Where it breaks off, in thousandths of the body.
    pub(super) cut: Option<usize>,
    /// The caller speaks HTTP/2, and takes so many bytes of a body at a time.
    pub(super) window: Option<u32>,
}

const ACCEPTED: [Option<&str>; 6] = [
    None,
    Some("gzip"),
    Some("br, gzip;q=0.5"),
    Some("zstd"),
    Some("identity"),
    Some("gzip;q=0, *;q=0.1"),
];

pub(super) fn cases() -> impl Strategy<Value = Case> {
    let item = prop_oneof![
        3 => "[a-f]{0,40}",
        1 => "\\PC{0,200}",
        1 => "[ab]{2000,4000}",
    ];
    let framing = select(vec![Framing::Length, Framing::Chunked, Framing::Close]);
    let cut = prop_oneof![3 => Just(None), 1 => (0_usize..1000).prop_map(Some)];
    let window = prop_oneof![1 => Just(None), 1 => (1_u32..70_000).prop_map(Some)];
    (
        select(APIS.map(|(name, _)| name).to_vec()),
        select(ACCEPTED.to_vec()),
        select(vec![None, None, Some("gzip"), Some("br"), Some("zstd")]),
        framing,
        proptest::collection::vec(item, 0..60),
        proptest::collection::vec(0_usize..5000, 1..8),
        cut,
        window,
    )
        .prop_map(
            |(api, accept, coding, framing, items, pieces, cut, window)| Case {
                window,
                api,
                accept,
                coding,
                framing,
                items,
                // Else nothing would ever be sent.
                pieces: match pieces.iter().any(|piece| *piece > 0) {
                    true => pieces,
                    false => vec![1],
                },
                // The end of the connection is the end of the body then.
                cut: cut.filter(|_| framing != Framing::Close),
            },
        )
}

pub(super) type Attached = &'static [(PolicyKind, &'static str)];

const APIS: [(&str, Attached); 6] = [
    ("plain", &[]),
    ("coded", &[(PolicyKind::Compression, "{}")]),
    ("made", &[MADE]),
    ("both", &[MADE, (PolicyKind::Compression, "{}")]),
    ("kept", &[KEPT, (PolicyKind::Compression, "{}")]),
    ("all", &[KEPT, MADE, (PolicyKind::Compression, "{}")]),
];
const MADE: (PolicyKind, &str) = (PolicyKind::ResponseTransform, r#"{"body":{"jq":"."}}"#);
const KEPT: (PolicyKind, &str) = (PolicyKind::Cache, r#"{"default_ttl_seconds":60}"#);

impl Case {
    pub(super) fn text(&self) -> Vec<u8> {
        serde_json::to_vec(&self.items).unwrap()
    }

    /// As the upstream sends it.
    pub(super) fn sent(&self) -> Vec<u8> {
        encode(self.coding, &self.text())
    }

    /// Bytes of the body that arrive.
    pub(super) fn arriving(&self, whole: usize) -> usize {
        match self.cut {
            // At least one is missing.
            Some(cut) => (whole * cut / 1000).min(whole - 1),
            None => whole,
        }
    }

    fn is_made(&self) -> bool {
        matches!(self.api, "made" | "both" | "all")
    }
}

fn encode(coding: Option<&str>, text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    match coding {
        None => out.extend_from_slice(text),
        Some("gzip") => {
            let mut reader = flate2::read::GzEncoder::new(text, flate2::Compression::fast());
            reader.read_to_end(&mut out).unwrap();
        }
        Some("br") => {
            let mut reader = brotli::CompressorReader::new(text, 4096, 1, 18);
            reader.read_to_end(&mut out).unwrap();
        }
        Some(_) => out = zstd::encode_all(text, 1).unwrap(),
    }
    out
}

fn decode(headers: &HeaderMap, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let coding = headers.get("content-encoding");
    match coding.map(|value| value.to_str().unwrap()) {
        None => out.extend_from_slice(body),
        Some("gzip") => {
            flate2::read::MultiGzDecoder::new(body).read_to_end(&mut out)?;
        }
        Some("br") => {
            brotli::Decompressor::new(body, 4096).read_to_end(&mut out)?;
        }
        Some("zstd") => out = zstd::decode_all(body)?,
        Some(other) => panic!("a coding that nobody asked for: {other}"),
    }
    Ok(out)
}

/// Sends the present case to whoever asks.
async fn sender(present: Arc<Mutex<Option<Case>>>) -> SocketAddr {
    upstream(move |mut socket| {
        let present = Arc::clone(&present);
        async move {
            while read_head(&mut socket).await.is_some() {
                let case = present.lock().clone().unwrap();
                let body = case.sent();
                let mut head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n".to_owned();
                if let Some(coding) = case.coding {
                    head.push_str(&format!("content-encoding: {coding}\r\n"));
                }
                head.push_str(&match case.framing {
                    Framing::Length => format!("content-length: {}\r\n\r\n", body.len()),
                    Framing::Chunked => "transfer-encoding: chunked\r\n\r\n".to_owned(),
                    Framing::Close => "connection: close\r\n\r\n".to_owned(),
                });
                if socket.write_all(head.as_bytes()).await.is_err() {
                    return;
                }
                let mut rest = &body[..case.arriving(body.len())];
                for piece in case.pieces.iter().cycle() {
                    if rest.is_empty() {
                        break;
                    }
                    let (part, after) = rest.split_at((*piece).min(rest.len()));
                    rest = after;
                    if part.is_empty() {
                        for _ in 0..20 {
                            tokio::task::yield_now().await;
                        }
                        continue;
                    }
                    let written = if case.framing == Framing::Chunked {
                        let mut chunk = format!("{:x}\r\n", part.len()).into_bytes();
                        chunk.extend_from_slice(part);
                        chunk.extend_from_slice(b"\r\n");
                        socket.write_all(&chunk).await
                    } else {
                        socket.write_all(part).await
                    };
                    if written.is_err() {
                        return;
                    }
                }
                if case.cut.is_some() || case.framing == Framing::Close {
                    return;
                }
                if case.framing == Framing::Chunked && socket.write_all(b"0\r\n\r\n").await.is_err()
                {
                    return;
                }
            }
        }
    })
    .await
}

/// Asks as the case says. The connection lasts as long as its sender, which comes along.
async fn ask(world: &World, case: &Case, number: usize) -> (Response<Incoming>, Box<dyn Any>) {
    let path = format!("/proxy/{}/{number}", case.api);
    let mut request = world.request("GET", &path);
    if let Some(accept) = case.accept {
        request = request.header("accept-encoding", accept);
    }
    let mut request = request.body(Full::default()).unwrap();
    let Some(window) = case.window else {
        let mut sender = world.connect().await;
        let response = in_time("an answer", sender.send_request(request)).await;
        return (response.unwrap(), Box::new(sender));
    };
    *request.uri_mut() = format!("http://{}{path}", world.addr).parse().unwrap();
    request.headers_mut().remove("host");
    let socket = TcpStream::connect(world.addr).await.unwrap();
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.initial_stream_window_size(window);
    let (mut sender, connection) = builder.handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    let response = in_time("an answer", sender.send_request(request)).await;
    (response.unwrap(), Box::new(sender))
}

async fn check(world: &World, case: &Case, number: usize) -> Result<(), TestCaseError> {
    let (response, _sender) = ask(world, case, number).await;
    let (parts, mut incoming) = response.into_parts();
    let mut body = Vec::new();
    let mut broke = false;
    while let Some(frame) = in_time("a part", incoming.frame()).await {
        let Ok(frame) = frame else {
            broke = true;
            break;
        };
        body.extend_from_slice(&frame.into_data().unwrap_or_default());
        for _ in 0..number % 5 {
            tokio::task::yield_now().await;
        }
    }
    if case.cut.is_some() {
        if case.is_made() {
            prop_assert!(!broke);
            prop_assert_eq!(parts.status, StatusCode::BAD_GATEWAY);
            prop_assert_eq!(&parts.headers["x-apiverse-error"], "upstream_unreachable");
        } else {
            prop_assert!(broke, "a part was passed on as the whole");
        }
        return Ok(());
    }
    prop_assert!(!broke);
    prop_assert_eq!(parts.status, StatusCode::OK);
    if case.coding.is_some() && !case.is_made() {
        let coding = case.coding.map(http::HeaderValue::from_static);
        prop_assert_eq!(parts.headers.get("content-encoding"), coding.as_ref());
        prop_assert_eq!(body, case.sent());
        return Ok(());
    }
    let coding = parts.headers.get("content-encoding");
    let is_refused = |name| match case.accept {
        None | Some("identity") => true,
        Some(accept) => name == "gzip" && accept.starts_with("gzip;q=0,"),
    };
    prop_assert!(!coding.is_some_and(|coding| is_refused(coding.to_str().unwrap())));
    let text = decode(&parts.headers, &body);
    prop_assert_eq!(text.map_err(|error| error.to_string()), Ok(case.text()));
    if case.api == "coded" && coding.is_some() {
        prop_assert_eq!(&parts.headers["vary"], "accept-encoding");
    }
    Ok(())
}

#[test]
fn bodies_are_what_was_sent_or_break_off() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let present = Arc::new(Mutex::new(None));
    let world = runtime.block_on(async {
        let world = World::new().await;
        let origin = sender(Arc::clone(&present)).await;
        for (name, attached) in APIS {
            add(&world, origin, name, attached).await;
        }
        world
    });
    let config = Config {
        cases: 160,
        max_shrink_iters: 200,
        failure_persistence: None,
        ..Config::default()
    };
    let number = AtomicUsize::new(0);
    TestRunner::new(config)
        .run(&cases(), |case| {
            *present.lock() = Some(case.clone());
            let number = number.fetch_add(1, Ordering::Relaxed);
            runtime.block_on(check(&world, &case, number))
        })
        .unwrap();
}

/// Sends JSON that never ends, and counts it.
async fn endless(sent: Arc<AtomicUsize>) -> SocketAddr {
    upstream(move |mut socket| {
        let sent = Arc::clone(&sent);
        async move {
            if read_head(&mut socket).await.is_none() {
                return;
            }
            let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\
                        connection: close\r\n\r\n[0";
            let mut next: &[u8] = head.as_bytes();
            while socket.write_all(next).await.is_ok() {
                sent.fetch_add(next.len(), Ordering::Relaxed);
                next = &[b' '; 16 << 10];
            }
        }
    })
    .await
}

#[tokio::test]
async fn an_endless_answer_is_read_up_to_the_limit() {
    let world = World::new().await;
    let sent = Arc::new(AtomicUsize::new(0));
    let api = world
        .add_api(endless(Arc::clone(&sent)).await, |_| {})
        .await;
    let document = json!({ "body": { "jq": ".", "max_bytes": 65_536 } });
    let (scope, kind) = (PolicyScope::Api(api), PolicyKind::ResponseTransform);
    world.set_policy(scope, Some(api), kind, document).await;
    let answer = world.get("/proxy/x").await;
    assert_eq!(code(&answer), "response_transform_failed");
    // What the sockets between hold is the system's affair; it does not grow with the body.
    let sent = sent.load(Ordering::Relaxed);
    assert!(sent < 32 << 20, "{sent} bytes were taken");
}

#[tokio::test]
async fn a_small_body_that_becomes_large_is_refused() {
    let zeros = vec![b' '; 64 << 20];
    for coding in ["gzip", "br", "zstd"] {
        let bomb = encode(Some(coding), &zeros);
        assert!(bomb.len() < 512 << 10, "{coding}: {}", bomb.len());
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: {coding}\r\n\
             content-length: {}\r\n\r\n",
            bomb.len()
        );
        let mut answer = head.into_bytes();
        answer.extend_from_slice(&bomb);
        let world = World::new().await;
        let api = world
            .add_api(answering(Bytes::from(answer)).await, |_| {})
            .await;
        let made: Value = json!({ "body": { "jq": "." } });
        let scope = PolicyScope::Api(api);
        world
            .set_policy(
                scope,
                Some(api),
                PolicyKind::ResponseTransform,
                made.clone(),
            )
            .await;
        let answer = world.get("/proxy/x").await;
        assert_eq!(code(&answer), "response_transform_failed", "{coding}");

        world
            .set_policy(scope, Some(api), PolicyKind::RequestTransform, made)
            .await;
        let request = world
            .request("POST", "/proxy/x")
            .header("content-type", "application/json")
            .header("content-encoding", coding)
            .body(Full::from(bomb))
            .unwrap();
        let answer = world.send(request).await;
        assert_eq!(code(&answer), "body_too_large", "{coding}");
    }
}

/// Registers an API with policies.
pub(super) async fn add(world: &World, origin: SocketAddr, name: &str, attached: Attached) {
    let api = world
        .add_api(origin, |row| {
            row.slug = name.to_owned();
            row.name = name.to_owned();
        })
        .await;
    for (kind, document) in attached {
        let document = serde_json::from_str(document).unwrap();
        let scope = PolicyScope::Api(api);
        world.set_policy(scope, Some(api), *kind, document).await;
    }
}
