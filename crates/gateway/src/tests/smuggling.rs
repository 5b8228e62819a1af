//! Requests whose end, address or header could be read in two ways: each refused, on a new
//! connection and behind a request that went to hyper, and an upstream that notes every byte sees
//! nothing of what follows.

use std::sync::Arc;

use axum::Router;
use axum::routing::any;
use parking_lot::Mutex;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::world::*;

/// What would be done for whoever gets it through.
const SMUGGLED: &str = "GET /proxy/x/smuggled HTTP/1.1\r\nhost: h\r\nx-api-key: KEY\r\n\r\n";

/// Heads with a length in doubt; `|` stands for the end of a line, `KEY` for the key.
const FRAMING: &[&str] = &[
    "content-length: 5|content-length: 6||hello",
    "content-length: 5|content-length: 5||hello",
    "content-length: 5|Content-Length : 5||hello",
    "content-length: 5, 5||hello",
    "content-length: 5,||hello",
    "content-length: 5;||hello",
    "content-length: +5||hello",
    "content-length: -5||hello",
    "content-length: 0x5||hello",
    "content-length: 5.0||hello",
    "content-length: 5e0||hello",
    "content-length: \"5\"||hello",
    "content-length: 5 5||hello",
    "content-length: \x0b5||hello",
    "content-length: 5\0||hello",
    "content-length:||hello",
    "content-length: 18446744073709551621||hello",
    "content-length: 99999999999999999999999999||hello",
    "content-length: \u{665}||hello",
    "content-length: 5|transfer-encoding: chunked||0||",
    "transfer-encoding: chunked|content-length: 5||0||",
    "transfer-encoding: chunked|content-length: 0||0||",
    "transfer-encoding: xchunked||0||",
    "transfer-encoding: chunkedx||0||",
    "transfer-encoding: chunke||0||",
    "transfer-encoding : chunked||0||",
    "transfer-encoding\t: chunked||0||",
    " transfer-encoding: chunked||0||",
    "x: y| transfer-encoding: chunked||0||",
    "x: y|\ttransfer-encoding: chunked||0||",
    "transfer-encoding:| chunked||0||",
    "transfer-encoding: chunked|transfer-encoding: x||0||",
    "transfer-encoding: x|transfer-encoding: chunked||0||",
    "transfer-encoding: chunked|transfer-encoding: chunked||0||",
    "transfer-encoding: identity, chunked||0||",
    "transfer-encoding: chunked, identity||0||",
    "transfer-encoding: chunked, chunked||0||",
    "transfer-encoding: gzip, chunked||0||",
    "transfer-encoding: ,chunked||0||",
    "transfer-encoding: chunked,||0||",
    "transfer-encoding: chunked;q=1||0||",
    "transfer-encoding: \"chunked\"||0||",
    "transfer-encoding: 'chunked'||0||",
    "transfer-encoding: identity||hello",
    "transfer-encoding:||hello",
    "transfer-encoding: \x0bchunked||0||",
    "transfer-encoding: \x0cchunked||0||",
    "transfer-encoding: chunked\x0b||0||",
    "transfer-encoding: chunked\0||0||",
    "transfer-encoding: \u{212a}hunked||0||",
    "transfer-encoding\0: chunked||0||",
    "transfer_encoding\x7f: chunked||0||",
    "x: y\ntransfer-encoding: chunked||0||",
    "x: y\rtransfer-encoding: chunked||0||",
    "x: y\r\rtransfer-encoding: chunked||0||",
    "expect: 100-continue|content-length: 5|content-length: 6||hello",
    "expect: y 100-continue|content-length: 5||hello",
    "expect: 100-continue, x|content-length: 5||hello",
    "expect: 200-ok|content-length: 5||hello",
    "upgrade: websocket|connection: upgrade|content-length: 5|transfer-encoding: chunked||0||",
    "te: trailers|content-length: 5|transfer-encoding: chunked||0||",
];

/// Fields and lines that are none.
const FIELDS: &[&str] = &[
    "x: a| b||",
    "x: a|\tb||",
    "x||",
    ": y||",
    "x y: z||",
    "x: \0||",
    "x: a\0b||",
    "x\n: y||",
    "(x): y||",
    "x: a\nb: c||",
    "x: a\rb||",
    "host: other||",
    "x: y\n\n",
    "x: y\r\n\n",
    "x: y\n\r\n",
    "\u{e9}: y||",
];

/// Bodies in chunks that are none. Each follows a good head, which an upstream may see.
const CHUNKS: &[&str] = &[
    "|",
    "g|",
    "0x5|hello|0||",
    "+5|hello|0||",
    "-5|hello|0||",
    " 5|hello|0||",
    "5\nhello|0||",
    "5\rhello|0||",
    "5|hello\n0||",
    "5|hello0||",
    "5|hellox|0||",
    "5|helloxx0||",
    "5 5|hello|0||",
    "5,5|hello|0||",
    "5;a\nb|hello|0||",
    "5;a=\"\n\"|hello|0||",
    "5;a\rb|hello|0||",
    "5;a\0b|hello|0||",
    "5\0|hello|0||",
    "00000000000000005|hello|0||",
    "10000000000000005|hello|0||",
    "fffffffffffffffff|hello|0||",
    "ffffffffffffffff0|hello|0||",
    "5|hello|0|\n",
    "5|hello|0|x: y\n|",
    "5|hello|0|x: y\0||",
    "5|hello|0|x\ry||",
];

/// Whole heads.
const LINES: &[&str] = &[
    "GET /proxy/x/||",
    "GET /proxy/x/ HTTP/0.9|host: h||",
    "GET /proxy/x/ HTTP/1.2|host: h||",
    "GET /proxy/x/ HTTP/2.0|host: h||",
    "GET /proxy/x/ HTTP/11|host: h||",
    "GET /proxy/x/ http/1.1|host: h||",
    "GET /proxy/x/ HTTP/1.1 x|host: h||",
    "GET /proxy/x/ HTTP/1.1 |host: h||",
    "GET  /proxy/x/ HTTP/1.1|host: h||",
    "GET /proxy/x/  HTTP/1.1|host: h||",
    "GET /proxy/x/ a HTTP/1.1|host: h||",
    "GET\t/proxy/x/ HTTP/1.1|host: h||",
    "GET /proxy/x/\tHTTP/1.1|host: h||",
    " GET /proxy/x/ HTTP/1.1|host: h||",
    "G\0T /proxy/x/ HTTP/1.1|host: h||",
    "G(T /proxy/x/ HTTP/1.1|host: h||",
    "GET /proxy/x/\0 HTTP/1.1|host: h||",
    "GET /proxy/x/\x7f HTTP/1.1|host: h||",
    "GET /proxy/x/#f HTTP/1.1|host: h||",
    "GET /proxy/x/ HTTP/1.1||",
    "GET /proxy/x/ HTTP/1.1|host: h|host: h||",
    "GET /proxy/x/ HTTP/1.1|host: h, i||",
    "GET /proxy/x/ HTTP/1.1|host: h i||",
    "GET /proxy/x/ HTTP/1.1|host: h/i||",
    "GET /proxy/x/ HTTP/1.1|host: a@h||",
    "GET http://a@h/proxy/x/ HTTP/1.1|host: h||",
    "GET /proxy/x/ HTTP/1.1\nhost: h\n\n",
    "GET /proxy/x/ HTTP/1.1\rhost: h\r\r",
    "GET /proxy/x/ HTTP/1.0|transfer-encoding: chunked||0||",
    "|||||||||||GET /proxy/x/ HTTP/1.1|host: h||",
    "\nGET /proxy/x/ HTTP/1.1|host: h||",
];

fn whole(rest: &str, key: &str) -> String {
    let text = format!("POST /proxy/x/ HTTP/1.1|host: h|x-api-key: KEY|{rest}");
    filled(&text, key)
}

fn filled(text: &str, key: &str) -> String {
    format!("{}{SMUGGLED}", text.replace('|', "\r\n")).replace("KEY", key)
}

/// An upstream that answers every head, and all that it ever read.
async fn recording() -> (std::net::SocketAddr, Arc<Mutex<String>>) {
    let seen = Arc::new(Mutex::new(String::new()));
    let noted = Arc::clone(&seen);
    let addr = upstream(move |mut socket| {
        let seen = Arc::clone(&noted);
        async move {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = socket.read(&mut piece).await {
                let text = String::from_utf8_lossy(&piece[..count]).into_owned();
                let is_head = text.contains(" HTTP/1.1\r\n");
                seen.lock().push_str(&text);
                let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
                if is_head && text.contains("GET ") && socket.write_all(answer).await.is_err() {
                    return;
                }
            }
        }
    })
    .await;
    (addr, seen)
}

/// Sends it; the answers, when the connection has been closed.
async fn ask(world: &World, bytes: &str) -> Vec<String> {
    let answer = world.raw(bytes).await;
    let answers = answer.split("HTTP/1.1 ").skip(1);
    let statuses = answers.map(|answer| answer[..3].to_owned());
    // A problem's text names the protocol too.
    statuses
        .filter(|text| text.parse::<u16>().is_ok())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_read_in_two_ways_is_refused() {
    let world = World::new().await;
    let (addr, seen) = recording().await;
    world.add_api(addr, |_| {}).await;
    let heads = FRAMING
        .iter()
        .chain(FIELDS)
        .map(|rest| whole(rest, &world.key));
    let lines = LINES.iter().map(|line| filled(line, &world.key));
    for bytes in heads.chain(lines) {
        assert_eq!(ask(&world, &bytes).await, ["400"], "{bytes:?}");
        let behind = format!("GET /elsewhere HTTP/1.1\r\nhost: h\r\n\r\n{bytes}");
        assert_eq!(ask(&world, &behind).await, ["404", "400"], "{behind:?}");
        let behind = format!(
            "GET /proxy/x/first HTTP/1.1\r\nhost: h\r\nte: trailers\r\nconnection: te\r\n\
             x-api-key: {}\r\n\r\n{bytes}",
            world.key
        );
        assert_eq!(ask(&world, &behind).await, ["200", "400"], "{behind:?}");
        let seen = std::mem::take(&mut *seen.lock());
        assert_eq!(
            seen.matches(" HTTP/1.1\r\n").count(),
            1,
            "{bytes:?}: {seen}"
        );
        assert!(seen.starts_with("GET /first HTTP/1.1\r\n"), "{seen}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_that_are_none_end_the_call() {
    let world = World::new().await;
    let (addr, seen) = recording().await;
    world.add_api(addr, |_| {}).await;
    for chunks in CHUNKS {
        let bytes = whole(&format!("transfer-encoding: chunked||{chunks}"), &world.key);
        assert_eq!(ask(&world, &bytes).await, ["400"], "{bytes:?}");
        let behind = format!("GET /elsewhere HTTP/1.1\r\nhost: h\r\n\r\n{bytes}");
        assert_eq!(ask(&world, &behind).await, ["404", "400"], "{behind:?}");
        let seen = std::mem::take(&mut *seen.lock());
        assert!(!seen.contains("smuggled"), "{bytes:?}: {seen}");
        assert!(
            !seen.contains("\r\n0\r\n\r\n"),
            "the body was ended: {bytes:?}: {seen}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_well_formed_passes() {
    let world = World::new().await;
    let addr =
        hyper_upstream(|request| async move { http::Response::new(request.into_body()) }).await;
    world.add_api(addr, |_| {}).await;
    for (rest, body) in [
        ("connection: close|content-length: 5||hello", "hello"),
        ("connection: close|content-length: 005||hello", "hello"),
        ("connection: close|content-length:5  ||hello", "hello"),
        (
            "connection: close|transfer-encoding: Chunked||5;a=\"b;c\";d|hello|0|x: y||",
            "hello",
        ),
        (
            "connection: close|transfer-encoding: chunked||5 ;a|hello|00||",
            "hello",
        ),
        (
            "connection: close|expect: 100-continue|content-length: 5||hello",
            "hello",
        ),
        (
            "connection: close, te|te: trailers|transfer-encoding: chunked||5|hello|0||",
            "hello",
        ),
    ] {
        for before in ["", "GET /elsewhere HTTP/1.1\r\nhost: h\r\n\r\n"] {
            let text = format!("POST /proxy/x/ HTTP/1.1|host: h|x-api-key: KEY|{rest}");
            let text = text.replace('|', "\r\n").replace("KEY", &world.key);
            let answer = world.raw(format!("{before}{text}")).await;
            assert!(answer.contains("HTTP/1.1 200 "), "{rest}: {answer}");
            assert!(answer.contains(body), "{rest}: {answer}");
        }
    }
    for line in [
        "GET http://h:80/proxy/x/ HTTP/1.1|host: h:80",
        "GET http://H/proxy/x/?a=://b HTTP/1.1|host: h",
        "GET /proxy/x/?a=http://b HTTP/1.1|host: h",
        "||GET /proxy/x/ HTTP/1.1|host: [::1]:80",
        "GET /proxy/x/ HTTP/1.0",
    ] {
        let text = format!("{line}|connection: close|x-api-key: {}||", world.key);
        let answer = world.raw(text.replace('|', "\r\n")).await;
        let status = answer.split(' ').nth(1);
        assert_eq!(status, Some("200"), "{line}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn header_bombs_are_refused_while_others_are_served() {
    let world = World::new().await;
    let addr = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
    world.add_api(addr, |_| {}).await;
    for before in ["", "GET /elsewhere HTTP/1.1\r\nhost: h\r\n\r\n"] {
        for bomb in [
            format!("x: {}\r\n\r\n", "y".repeat(10 << 20)),
            format!("{}\r\n", "x: y\r\n".repeat(10_000)),
            "y".repeat(10 << 20),
            format!("{}: y\r\n\r\n", "x".repeat(1 << 20)),
        ] {
            let head = format!("{before}GET /proxy/x/ HTTP/1.1\r\nhost: h\r\n{bomb}");
            let mut socket = TcpStream::connect(world.addr).await.unwrap();
            let (mut reading, mut writing) = socket.split();
            let mut answer = Vec::new();
            // The edge stops reading: what it said is read though the rest cannot be sent.
            let send = async {
                let _ = writing.write_all(head.as_bytes()).await;
            };
            let receive = async {
                let _ = reading.read_to_end(&mut answer).await;
            };
            in_time("the end", async { tokio::join!(send, receive) }).await;
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.contains("HTTP/1.1 431 "), "{}: {answer}", head.len());
            assert!(answer.contains("connection: close"), "{answer}");
        }
        assert_eq!(world.get("/proxy/x/").await.body(), "ok");
    }
    let long = format!("/proxy/x/{}", "a".repeat(100_000));
    let answer = world
        .raw(format!("GET {long} HTTP/1.1\r\nhost: h\r\n\r\n"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
}

/// One request for the control plane and the body it sends.
fn request(number: usize, body: &str, kind: u8) -> String {
    let head = format!("POST /echo{number} HTTP/1.1\r\nhost: h\r\n");
    match kind {
        0 => format!("{head}content-length: {}\r\n\r\n{body}", body.len()),
        1 if !body.is_empty() => format!(
            "{head}transfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\nx: y\r\n\r\n",
            body.len()
        ),
        2 => format!(
            "{head}connection: upgrade\r\nupgrade: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
        _ => format!("{head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn requests_that_follow_each_other_keep_their_bodies(
        bodies in proptest::collection::vec(("[ab\r\n]{0,30}", 0u8..3), 1..8), cut in 1usize..80
    ) {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let setup = Setup {
                control: Router::new().fallback(any(async |body: String| format!("<{body}>"))),
                ..Setup::default()
            };
            let world = World::with(setup).await;
            let mut expected = String::new();
            let mut bytes = String::new();
            for (number, (body, kind)) in bodies.iter().enumerate() {
                bytes.push_str(&request(number, body, *kind));
                expected.push_str(&format!("<{body}>"));
            }
            bytes.push_str("GET /last HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n");
            let mut socket = TcpStream::connect(world.addr).await.unwrap();
            socket.set_nodelay(true).unwrap();
            let (mut reading, mut writing) = socket.split();
            let mut answer = String::new();
            let send = async {
                for piece in bytes.as_bytes().chunks(cut) {
                    writing.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
            };
            let (read, ()) = in_time("the answers", async {
                tokio::join!(reading.read_to_string(&mut answer), send)
            })
            .await;
            read.unwrap();
            let mut found = String::new();
            for (number, part) in answer.split("HTTP/1.1 200 OK\r\n").enumerate() {
                if number == 0 {
                    assert_eq!(part, "");
                    continue;
                }
                found.push_str(part.split_once("\r\n\r\n").unwrap().1);
            }
            expected.push_str("<>");
            assert_eq!(found, expected);
        });
    }
}
