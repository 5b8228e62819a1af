//! WebSockets of clients that speak HTTP/2 (RFC 8441).

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sha1::{Digest, Sha1};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::world::*;

const FRAME: &[u8] = b"\x81\x02hi";
/// 1001, going away.
const CLOSE: &[u8] = b"\x88\x02\x03\xe9";

/// Accepts a handshake as RFC 6455 has it, gives back what comes; or does what the path says.
async fn websockets() -> SocketAddr {
    upstream(|mut socket| async move {
        let head = read_head(&mut socket).await.unwrap();
        if head.starts_with("GET /refused") {
            let answer =
                b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno";
            socket.write_all(answer).await.unwrap();
            return;
        }
        assert!(head.starts_with("GET /"), "{head}");
        assert!(head.contains("upgrade: websocket\r\n"), "{head}");
        assert!(head.contains("sec-websocket-version: 13\r\n"), "{head}");
        assert!(head.contains("sec-websocket-protocol: chat\r\n"), "{head}");
        let key = head
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-key: "))
            .unwrap();
        let mut sum = Sha1::new().chain_update(key);
        if !head.starts_with("GET /deaf") {
            sum.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        }
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\
             sec-websocket-accept: {}\r\nsec-websocket-protocol: chat\r\n\r\n",
            STANDARD.encode(sum.finalize())
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
        let mut piece = [0; 4096];
        while let Ok(count @ 1..) = socket.read(&mut piece).await {
            if socket.write_all(&piece[..count]).await.is_err() {
                break;
            }
        }
    })
    .await
}

async fn client(world: &World) -> SendRequest<Empty<&'static [u8]>> {
    let socket = TcpStream::connect(world.addr).await.unwrap();
    let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    sender
}

async fn connect(
    world: &World,
    sender: &mut SendRequest<Empty<&'static [u8]>>,
    path: &str,
    protocol: &'static str,
) -> Response<Incoming> {
    // The server's settings say that it may be asked for; they come after its first answer at the latest.
    let known = Request::get(format!("http://{}/proxy/none/", world.addr));
    let answer = sender.send_request(known.body(Empty::new()).unwrap());
    assert_eq!(in_time("an answer", answer).await.unwrap().status(), 401);
    let request = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("http://{}/proxy/x{path}", world.addr))
        .extension(Protocol::from_static(protocol))
        .header("x-api-key", &world.key)
        .header("sec-websocket-version", "13")
        .header("sec-websocket-protocol", "chat")
        .body(Empty::new())
        .unwrap();
    in_time("an answer", sender.send_request(request))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_websocket_is_a_stream_among_others() {
    let mut setup = Setup::default();
    setup.edge.idle_timeout = Duration::from_millis(200);
    let world = World::with(setup).await;
    world.add_api(websockets().await, |_| {}).await;
    let mut sender = client(&world).await;
    let mut open = Vec::new();
    for _ in 0..3 {
        let answer = connect(&world, &mut sender, "/", "websocket").await;
        assert_eq!(answer.status(), 200);
        let headers = answer.headers();
        assert_eq!(headers["sec-websocket-protocol"], "chat");
        assert!(!headers.contains_key("sec-websocket-accept"));
        let upgraded = in_time("the stream", hyper::upgrade::on(answer))
            .await
            .unwrap();
        open.push(TokioIo::new(upgraded));
    }
    let long = vec![b'x'; 300_000];
    for bytes in [FRAME, &long] {
        for socket in &mut open {
            let (mut read, mut write) = tokio::io::split(socket);
            let mut back = vec![0; bytes.len()];
            let (sent, got) = in_time(
                "an echo",
                futures_util::future::join(write.write_all(bytes), read.read_exact(&mut back)),
            )
            .await;
            sent.unwrap();
            got.unwrap();
            assert!(back == bytes);
        }
    }
    // A connection is not idle while one of its streams is a tunnel.
    let mut elsewhere = client(&world).await;
    in_time("an idle connection's end", async {
        while elsewhere.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let mut last = open.pop().unwrap();
    last.write_all(FRAME).await.unwrap();
    let mut back = [0; FRAME.len()];
    in_time("an echo", last.read_exact(&mut back))
        .await
        .unwrap();
    drop((open, last));
    in_time("the calls", async {
        while world
            .calls()
            .await
            .iter()
            .filter(|call| call.status == 101)
            .count()
            < 3
        {}
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_accept_is_not_joined() {
    let world = World::new().await;
    world.add_api(websockets().await, |_| {}).await;
    let mut sender = client(&world).await;
    let refused = connect(&world, &mut sender, "/refused", "websocket").await;
    assert_eq!(refused.status(), 403);
    let body = in_time("the body", refused.into_body().collect())
        .await
        .unwrap();
    assert_eq!(body.to_bytes(), "no");
    let deaf = connect(&world, &mut sender, "/deaf", "websocket").await;
    assert_eq!(deaf.status(), 502);
    assert!(deaf.headers().contains_key("x-apiverse-error"));
    let other = connect(&world, &mut sender, "/", "connect-udp").await;
    assert!(other.status().is_client_error(), "{}", other.status());
    // The connection is still good.
    let answer = connect(&world, &mut sender, "/", "websocket").await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_one_is_closed_by_a_frame() {
    let mut setup = Setup::default();
    setup.gateway.tunnel_idle_timeout = Duration::from_millis(100);
    let world = World::with(setup).await;
    world.add_api(websockets().await, |_| {}).await;
    let mut sender = client(&world).await;
    let answer = connect(&world, &mut sender, "/", "websocket").await;
    let upgraded = in_time("the stream", hyper::upgrade::on(answer))
        .await
        .unwrap();
    let mut all = Vec::new();
    in_time("the end", TokioIo::new(upgraded).read_to_end(&mut all))
        .await
        .unwrap();
    assert_eq!(all, CLOSE);
}
