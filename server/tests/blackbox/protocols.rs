//! What is not a request and an answer: gRPC, Server-Sent Events, WebSockets.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use apiverse_testkit::{Engine, Raw};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::start;

struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A Python with `grpcio`; `make test` installs and names it.
fn grpc_peer() -> Command {
    let python = std::env::var("TEST_HTTPBIN").expect("TEST_HTTPBIN names a Python");
    let mut command = Command::new(python);
    command.arg("tests/blackbox/grpc_peer.py");
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_with_a_client_and_a_server_of_others() {
    let mut server = grpc_peer()
        .arg("server")
        .stdout(Stdio::piped())
        .spawn()
        .expect("the server starts");
    let said = BufReader::new(server.stdout.take().expect("is piped"));
    let _server = Peer(server);
    let port = said.lines().next().expect("a port").expect("is text");
    let app = start(Engine::Sqlite).await;
    let client = app.stranger("ada").await;
    let (_, key) = client.create_key("k").await;
    client
        .create_api("echo", &format!("http://127.0.0.1:{port}"))
        .await;
    client
        .create_api("named", &format!("grpc://127.0.0.1:{port}"))
        .await;
    for prefix in ["/proxy/echo", "/proxy/named", ""] {
        let mut command = grpc_peer();
        command.args(["client", app.authority(), prefix, &key]);
        let output = tokio::task::spawn_blocking(move || command.output()).await;
        let output = output.unwrap().expect("the client starts");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{prefix:?}: {text}");
    }
    for wrong in [
        "grpcx://127.0.0.1:1",
        "grpc://a@127.0.0.1:1",
        "grpc://10.1.2.3",
    ] {
        let body = json!({ "name": "wrong", "base_url": wrong });
        let answer = client.post("/apis", &body).await;
        answer.assert_problem(422, "validation_failed");
    }
}

/// Serves each connection with `serve` once its request's head has been read.
async fn upstream<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> String
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(socket.read_u8().await.unwrap());
            }
            tokio::spawn(serve(socket));
        }
    });
    base
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_pass_one_by_one_and_unchanged() {
    let (events, to_send) = mpsc::unbounded_channel::<String>();
    let to_send = std::sync::Arc::new(tokio::sync::Mutex::new(to_send));
    let base = upstream(move |mut socket| {
        let to_send = to_send.clone();
        async move {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\
                        transfer-encoding: chunked\r\n\r\n";
            socket.write_all(head.as_bytes()).await.unwrap();
            let mut to_send = to_send.lock().await;
            while let Some(event) = to_send.recv().await {
                let chunk = format!("{:x}\r\n{event}\r\n", event.len());
                socket.write_all(chunk.as_bytes()).await.unwrap();
            }
            socket.write_all(b"0\r\n\r\n").await.unwrap();
        }
    })
    .await;
    let app = start(Engine::Sqlite).await;
    let client = app.stranger("ada").await;
    client.create_api("events", &base).await;
    let (_, key) = client.create_key("k").await;
    let mut raw = Raw::connect(app.authority()).await;
    raw.send(format!(
        "GET /proxy/events/ HTTP/1.1\r\nhost: h\r\nx-api-key: {key}\r\naccept: text/event-stream\r\n\
         connection: close\r\n\r\n"
    ))
    .await;
    let head = raw.read_until(b"\r\n\r\n").await;
    let head = String::from_utf8(head).unwrap();
    assert!(head.contains("text/event-stream"), "{head}");
    // Nobody sends the second event before the first has arrived.
    let mut took = Vec::new();
    for number in 0..100 {
        let event = format!("id: {number}\ndata: one by one\n\n");
        let began = std::time::Instant::now();
        events.send(event.clone()).unwrap();
        let seen = String::from_utf8(raw.read_until(b"\n\n\r\n").await).unwrap();
        took.push(began.elapsed());
        assert_eq!(seen, format!("{:x}\r\n{event}\r\n", event.len()));
    }
    println!(
        "an event took {:?}, the first {:?}",
        took.iter().min(),
        took[0]
    );
    let mut expected = String::new();
    for number in 0..10_000 {
        let event = format!(
            "id: {number}\ndata: {}\n\n",
            "ä€\u{1f600}".repeat(number % 40)
        );
        expected.push_str(&event);
        events.send(event).unwrap();
    }
    drop(events);
    let rest = raw.read_to_end().await;
    assert!(
        decoded(&rest) == expected.as_bytes(),
        "an event was changed"
    );
}

/// The content of chunks.
fn decoded(mut chunks: &[u8]) -> Vec<u8> {
    let mut content = Vec::new();
    loop {
        let end = chunks.windows(2).position(|pair| pair == b"\r\n").unwrap();
        let size = std::str::from_utf8(&chunks[..end]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            return content;
        }
        content.extend_from_slice(&chunks[end + 2..end + 2 + size]);
        chunks = &chunks[end + 2 + size + 2..];
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_quiet_websockets_are_light() {
    const COUNT: usize = 2000;
    let base = upstream(async |mut socket| {
        let head = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\
                    connection: upgrade\r\n\r\n";
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut piece = [0; 256];
        while let Ok(count @ 1..) = socket.read(&mut piece).await {
            if socket.write_all(&piece[..count]).await.is_err() {
                return;
            }
        }
    })
    .await;
    let app = start(Engine::Sqlite).await;
    let client = app.stranger("ada").await;
    let id = client.create_api("chat", &base).await;
    let (_, key) = client.create_key("k").await;
    client.send(client.proxy("GET", "/nothing/", &key)).await;
    let before = app.own_bytes();
    let mut sockets = Vec::new();
    for _ in 0..COUNT {
        let mut raw = Raw::connect(app.authority()).await;
        raw.send(format!(
            "GET /proxy/chat/ HTTP/1.1\r\nhost: h\r\nx-api-key: {key}\r\nupgrade: websocket\r\n\
             connection: upgrade\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ))
        .await;
        let head = String::from_utf8(raw.read_until(b"\r\n\r\n").await).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
        sockets.push(raw);
    }
    let after = app.own_bytes();
    println!("{before} bytes before, {after} with {COUNT} websockets");
    assert!(after < 100 << 20, "{after} bytes");
    // A change of configuration, and each is still there.
    let patch = json!({ "description": "changed" });
    client
        .patch(&format!("/apis/{id}"), &patch)
        .await
        .assert_status(200);
    for raw in &mut sockets {
        raw.send(b"\x81\x82\0\0\0\0hi").await;
    }
    for raw in &mut sockets {
        let echo = raw.read_until(b"hi").await;
        assert_eq!(echo, b"\x81\x82\0\0\0\0hi");
    }
}
