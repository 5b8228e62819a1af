//! Requests under policies, whatever their pieces, codings and pauses: the upstream gets what was
//! sent, or nothing that it could take for the whole.

use std::sync::Arc;

use apiverse_contract::policies::PolicyKind;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::transform_bodies::{Attached, Case, Framing, add, cases};
use super::world::*;

const CHECKED: (PolicyKind, &str) = (
    PolicyKind::Validation,
    r#"{"body_schema":{"type":"array","items":{"type":"string"}}}"#,
);
const REMADE: (PolicyKind, &str) = (PolicyKind::RequestTransform, r#"{"body":{"jq":"."}}"#);
const TAKERS: [(&str, Attached); 4] = [
    ("plain", &[]),
    ("checked", &[CHECKED]),
    ("remade", &[REMADE]),
    ("both", &[CHECKED, REMADE]),
];

/// Sends a body as `case` says, and reads what is answered until the connection ends.
async fn send_pieces(world: &World, case: &Case, path: &str) -> Vec<u8> {
    let body = case.sent();
    let mut head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nx-api-key: {}\r\nconnection: close\r\n\
         content-type: application/json\r\n",
        world.key
    );
    if let Some(coding) = case.coding {
        head.push_str(&format!("content-encoding: {coding}\r\n"));
    }
    head.push_str(&match case.framing {
        Framing::Chunked => "transfer-encoding: chunked\r\n\r\n".to_owned(),
        Framing::Length | Framing::Close => format!("content-length: {}\r\n\r\n", body.len()),
    });
    let mut socket = TcpStream::connect(world.addr).await.unwrap();
    socket.write_all(head.as_bytes()).await.unwrap();
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
        let mut piece = part.to_vec();
        if case.framing == Framing::Chunked {
            piece = format!("{:x}\r\n", part.len()).into_bytes();
            piece.extend_from_slice(part);
            piece.extend_from_slice(b"\r\n");
        }
        if socket.write_all(&piece).await.is_err() {
            break;
        }
    }
    if case.cut.is_some() {
        // It is answered already, or there is nobody to tell.
        let _ = socket.shutdown().await;
    } else if case.framing == Framing::Chunked {
        let _ = socket.write_all(b"0\r\n\r\n").await;
    }
    let mut answer = Vec::new();
    let read = socket.read_to_end(&mut answer);
    // A connection that is reset is at its end too.
    let _ = in_time("the end", read).await;
    answer
}

/// The same over HTTP/2; the status, if there is an answer.
async fn send_frames(world: &World, case: &Case, path: &str) -> Option<StatusCode> {
    let body = case.sent();
    let mut request = Request::post(format!("http://{}{path}", world.addr))
        .header("x-api-key", &world.key)
        .header("content-type", "application/json");
    if let Some(coding) = case.coding {
        request = request.header("content-encoding", coding);
    }
    if case.framing == Framing::Length {
        request = request.header("content-length", body.len());
    }
    let mut rest = Bytes::from(body[..case.arriving(body.len())].to_vec());
    let (pieces, is_cut) = (case.pieces.clone(), case.cut.is_some());
    let (sender, receiver) = mpsc::channel::<std::io::Result<Frame<Bytes>>>(1);
    tokio::spawn(async move {
        for piece in pieces.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let next = rest.split_to((*piece).min(rest.len()));
            if next.is_empty() {
                for _ in 0..20 {
                    tokio::task::yield_now().await;
                }
            } else if sender.send(Ok(Frame::data(next))).await.is_err() {
                return;
            }
        }
        if is_cut {
            let _ = sender.send(Err(std::io::Error::other("cut"))).await;
        }
    });
    let frames = futures_util::stream::unfold(receiver, |mut receiver| async move {
        let next = receiver.recv().await?;
        Some((next, receiver))
    });
    let socket = TcpStream::connect(world.addr).await.unwrap();
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    let request = request.body(StreamBody::new(Box::pin(frames))).unwrap();
    let answer = in_time("an answer", client.send_request(request)).await;
    Some(answer.ok()?.status())
}

#[test]
fn requests_are_what_was_sent_or_do_not_arrive() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let taken: Arc<Mutex<Option<(HeaderMap, Bytes)>>> = Arc::default();
    let world = runtime.block_on(async {
        let world = World::new().await;
        let log = Arc::clone(&taken);
        let origin = hyper_upstream(move |request: Request<Incoming>| {
            let log = Arc::clone(&log);
            async move {
                let (parts, body) = request.into_parts();
                if let Ok(body) = body.collect().await {
                    *log.lock() = Some((parts.headers, body.to_bytes()));
                }
                Response::new(Full::<Bytes>::default())
            }
        })
        .await;
        for (name, attached) in TAKERS {
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
    let names = select(TAKERS.map(|(name, _)| name).to_vec());
    TestRunner::new(config)
        .run(&(names, cases()), |(name, case)| {
            *taken.lock() = None;
            let path = format!("/proxy/{name}/a");
            let answer = match case.window {
                None => runtime.block_on(send_pieces(&world, &case, &path)),
                Some(_) => {
                    let status = runtime.block_on(send_frames(&world, &case, &path));
                    let status = status.map_or(0, |status| status.as_u16());
                    format!("HTTP/1.1 {status}").into_bytes()
                }
            };
            let taken = taken.lock().take();
            if case.cut.is_some() {
                prop_assert!(taken.is_none(), "a part was passed on as the whole");
                return Ok(());
            }
            prop_assert!(
                answer.starts_with(b"HTTP/1.1 200"),
                "{}",
                String::from_utf8_lossy(&answer)
            );
            let (headers, body) = taken.unwrap();
            if matches!(name, "plain" | "checked") {
                let coding = case.coding.map(HeaderValue::from_static);
                prop_assert_eq!(headers.get("content-encoding"), coding.as_ref());
                prop_assert_eq!(&body[..], case.sent());
            } else {
                prop_assert!(!headers.contains_key("content-encoding"));
                prop_assert_eq!(&body[..], case.text());
            }
            Ok(())
        })
        .unwrap();
}
