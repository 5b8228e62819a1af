//! A thousand readers of calls, most of whom do not read.

use apiverse_testkit::{Engine, Events, Upstream};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::start;

const READERS: usize = 1_000;
const PROMPT: usize = 10;
const CALLS: u64 = 6_000;
/// What a thousand readers that do not read may cost the node: a third of a megabyte each, with
/// all that a connection needs. All they are to be told is some 2 MB for each.
const MOST_BYTES: u64 = 350 << 20;

/// Asks for the stream and reads nothing; what the kernel keeps for it is small.
async fn silent(authority: &str, token: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("is set");
    let address = authority.parse().expect("an address");
    let mut stream = socket.connect(address).await.expect("connects");
    let request = format!(
        "GET /api/v1/usage/live HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200");
    stream
}

/// Calls that were told and calls that were not, until there are so many.
async fn read_on(stream: &mut TcpStream) -> (u64, u64) {
    let (mut text, mut body) = (Vec::new(), Vec::new());
    let (mut told, mut dropped) = (0, 0);
    let mut has_begun = false;
    while told + dropped < CALLS {
        let mut buffer = [0; 65_536];
        let n = stream.read(&mut buffer).await.expect("goes on");
        assert!(n > 0, "ended after {told} and {dropped}");
        text.extend_from_slice(&buffer[..n]);
        if !has_begun {
            let Some(end) = find(&text, b"\r\n\r\n") else {
                continue;
            };
            text.drain(..end + 4);
            has_begun = true;
        }
        // Chunks (RFC 9112, 7.1).
        while let Some(end) = find(&text, b"\r\n") {
            let size = std::str::from_utf8(&text[..end]).expect("hexadecimal");
            let size = usize::from_str_radix(size, 16).expect("hexadecimal");
            if text.len() < end + 2 + size + 2 {
                break;
            }
            body.extend_from_slice(&text[end + 2..end + 2 + size]);
            text.drain(..end + 2 + size + 2);
        }
        while let Some(end) = find(&body, b"\n\n") {
            let event: Vec<u8> = body.drain(..end + 2).collect();
            let event = std::str::from_utf8(&event).expect("UTF-8");
            let field = |name| event.lines().find_map(|line| line.strip_prefix(name));
            let Some(data) = field("data: ") else {
                continue;
            };
            let data: Value = serde_json::from_str(data).expect("JSON");
            match field("event: ") {
                Some("calls") => told += data.as_array().expect("calls").len() as u64,
                Some("dropped") => dropped += data["calls"].as_u64().expect("a number"),
                Some("counters") => {}
                other => panic!("{other:?}"),
            }
        }
    }
    (told, dropped)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_cost_bounded_memory() {
    let app = start(Engine::Sqlite).await;
    let upstream = Upstream::echo().await;
    let client = app.stranger("ada").await;
    client.create_api("echo", &upstream.base()).await;
    let (_, key) = client.create_key("k").await;
    let before = app.resident_bytes();
    let mut silents = Vec::new();
    for _ in PROMPT..READERS {
        silents.push(silent(app.authority(), client.token().expect("signed in")).await);
    }
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..PROMPT {
        let mut events = Events::open(client.request("GET", "/usage/live")).await;
        readers.spawn(async move {
            let (mut told, mut dropped) = (0, 0);
            while told + dropped < CALLS {
                let event = events.next().await;
                match event.name.as_str() {
                    "calls" => told += event.data.as_array().expect("calls").len() as u64,
                    "dropped" => dropped += event.data["calls"].as_u64().expect("a number"),
                    _ => {}
                }
            }
            (told, dropped)
        });
    }
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, key) = (client.clone(), key.clone());
        callers.spawn(async move {
            for n in 0..CALLS / 8 {
                // As long as paths may well be.
                let path = format!("/echo/{n}/{}", "x".repeat(100));
                client
                    .send(client.proxy("GET", &path, &key))
                    .await
                    .assert_status(200);
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.expect("calls");
    }
    // Nobody who reads waits for those who do not.
    while let Some(done) = readers.join_next().await {
        let (told, dropped) = done.expect("reads");
        assert_eq!(told + dropped, CALLS);
    }
    let cost = app.resident_bytes().saturating_sub(before);
    assert!(cost < MOST_BYTES, "{} MiB", cost >> 20);
    println!("{READERS} readers: {} MiB", cost >> 20);
    // Who did not read is told how much that was.
    let (told, dropped) = read_on(&mut silents[0]).await;
    assert_eq!(told + dropped, CALLS);
}
