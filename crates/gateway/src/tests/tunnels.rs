//! WebSockets and other upgrades: how they live, and how they end.

use std::time::Duration;

use apiverse_cluster::Change;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use super::world::*;

const SWITCHED: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
/// A frame of text, unmasked.
const FRAME: &[u8] = b"\x81\x02hi";
/// 1001, going away.
const CLOSE: &[u8] = b"\x88\x02\x03\xe9";

/// An upstream that switches, gives back what it gets, and tells what it got in all.
async fn echo() -> (std::net::SocketAddr, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (report, reports) = mpsc::unbounded_channel();
    let addr = upstream(move |mut socket| {
        let report = report.clone();
        async move {
            let head = read_head(&mut socket).await.unwrap();
            if head.starts_with("GET /refused") {
                let answer =
                    b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno";
                socket.write_all(answer).await.unwrap();
                return;
            }
            let protocol = if head.contains("upgrade: websocket") {
                "websocket"
            } else {
                "x"
            };
            let answer = String::from_utf8_lossy(SWITCHED).replace("websocket", protocol);
            socket.write_all(answer.as_bytes()).await.unwrap();
            let mut all = Vec::new();
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = socket.read(&mut piece).await {
                all.extend_from_slice(&piece[..count]);
                if socket.write_all(&piece[..count]).await.is_err() {
                    break;
                }
            }
            report.send(all).unwrap();
        }
    })
    .await;
    (addr, reports)
}

async fn open(world: &World, path: &str, protocol: &str) -> TcpStream {
    let mut socket = TcpStream::connect(world.addr).await.unwrap();
    let head = format!(
        "GET /proxy/x{path} HTTP/1.1\r\nhost: h\r\nx-api-key: {}\r\nconnection: Upgrade\r\n\
         upgrade: {protocol}\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        world.key
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket
}

async fn switched(world: &World, protocol: &str) -> TcpStream {
    let mut socket = open(world, "/", protocol).await;
    let head = in_time("the switch", read_head(&mut socket)).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    assert!(head.contains(&format!("upgrade: {protocol}\r\n")), "{head}");
    socket
}

async fn exchange(socket: &mut TcpStream, bytes: &[u8]) {
    socket.write_all(bytes).await.unwrap();
    let mut back = vec![0; bytes.len()];
    in_time("an echo", socket.read_exact(&mut back))
        .await
        .unwrap();
    assert_eq!(back, bytes);
}

async fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    in_time("the end", socket.read_to_end(&mut all))
        .await
        .unwrap();
    all
}

fn short(change: impl FnOnce(&mut Setup)) -> Setup {
    let mut setup = Setup::default();
    setup.gateway.tunnel_idle_timeout = Duration::from_secs(3600);
    change(&mut setup);
    setup
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tunnel_lives_through_changes_and_ends_with_either_side() {
    let world = World::new().await;
    let (addr, mut reports) = echo().await;
    let id = world.add_api(addr, |_| {}).await;
    let mut socket = switched(&world, "websocket").await;
    exchange(&mut socket, FRAME).await;
    world.gateway.apply(Change::Api(id)).await;
    world.add_api(addr, |row| row.slug = "y".to_owned()).await;
    exchange(&mut socket, &vec![b'x'; 300_000]).await;
    drop(socket);
    let got = in_time("the upstream's end", reports.recv()).await.unwrap();
    assert_eq!(got.len(), FRAME.len() + 300_000);
    let call = in_time("the call", async {
        loop {
            if let [call] = world.calls().await.as_slice() {
                return call.clone();
            }
        }
    })
    .await;
    assert_eq!(
        (call.status, call.bytes_in, call.bytes_out),
        (101, 300_004, 300_004)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_and_old_websockets_are_closed_by_a_frame() {
    for setup in [
        short(|setup| setup.gateway.tunnel_idle_timeout = Duration::from_millis(100)),
        short(|setup| setup.gateway.tunnel_lifetime = Duration::from_millis(100)),
    ] {
        let world = World::with(setup).await;
        let (addr, mut reports) = echo().await;
        world.add_api(addr, |_| {}).await;
        let mut socket = switched(&world, "websocket").await;
        assert_eq!(rest(&mut socket).await, CLOSE);
        drop(socket);
        let got = in_time("the upstream's end", reports.recv()).await.unwrap();
        let [0x88, 0x82, a, b, _, _, c, d] = got[..] else {
            panic!("no masked close frame: {got:?}");
        };
        assert_eq!([c ^ a, d ^ b], 1001_u16.to_be_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_frame_is_put_into_another() {
    let world = World::with(short(|setup| {
        setup.gateway.tunnel_idle_timeout = Duration::from_millis(100);
    }))
    .await;
    let (addr, mut reports) = echo().await;
    world.add_api(addr, |_| {}).await;
    // Half a frame, and another protocol.
    for (protocol, bytes) in [("websocket", &FRAME[..3]), ("x", FRAME)] {
        let mut socket = switched(&world, protocol).await;
        exchange(&mut socket, bytes).await;
        assert_eq!(rest(&mut socket).await, b"");
        drop(socket);
        let got = in_time("the upstream's end", reports.recv()).await.unwrap();
        assert_eq!(got, bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn half_of_an_upgrade_may_end() {
    let world = World::new().await;
    let addr = upstream(|mut socket| async move {
        read_head(&mut socket).await.unwrap();
        let head = String::from_utf8_lossy(SWITCHED).replace("websocket", "x");
        socket.write_all(head.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        socket.read_to_end(&mut all).await.unwrap();
        all.reverse();
        socket.write_all(&all).await.unwrap();
    })
    .await;
    world.add_api(addr, |_| {}).await;
    let mut socket = switched(&world, "x").await;
    socket.write_all(b"abc").await.unwrap();
    socket.shutdown().await.unwrap();
    assert_eq!(rest(&mut socket).await, b"cba");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_sent_ahead_belong_to_what_the_answer_says() {
    let world = World::new().await;
    let (addr, mut reports) = echo().await;
    world.add_api(addr, |_| {}).await;
    // To the tunnel.
    let mut socket = open(&world, "/", "websocket").await;
    socket.write_all(FRAME).await.unwrap();
    let head = in_time("the switch", read_head(&mut socket)).await.unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    let mut back = [0; FRAME.len()];
    in_time("an echo", socket.read_exact(&mut back))
        .await
        .unwrap();
    assert_eq!(back, FRAME);
    drop(socket);
    assert_eq!(in_time("the end", reports.recv()).await.unwrap(), FRAME);
    // To the next request, which is read as strictly as the first.
    for (next, status) in [
        (
            "GET /proxy/x/refused HTTP/1.1\r\nhost: h\r\nx-api-key: KEY\r\n",
            "403",
        ),
        (
            "GET /proxy/x/ HTTP/1.1\r\nhost: h\r\ncontent-length: 1\r\ncontent-length: 2\r\n",
            "400",
        ),
    ] {
        let mut socket = open(&world, "/refused", "websocket").await;
        let next = next.replace("KEY", &world.key);
        let next = format!("{next}connection: close\r\n\r\n");
        socket.write_all(next.as_bytes()).await.unwrap();
        let all = String::from_utf8_lossy(&rest(&mut socket).await).into_owned();
        let heads: Vec<&str> = all
            .split("HTTP/1.1 ")
            .skip(1)
            .map(|answer| &answer[..3])
            .collect();
        assert_eq!(heads, ["403", status], "{all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shutdown_tells_websockets() {
    let mut world = World::with(short(|_| {})).await;
    let (addr, _reports) = echo().await;
    world.add_api(addr, |_| {}).await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        let mut socket = switched(&world, "websocket").await;
        exchange(&mut socket, FRAME).await;
        sockets.push(socket);
    }
    let edge = world.edge.take().unwrap();
    let shutdown = tokio::spawn(edge.shutdown(PATIENCE));
    for mut socket in sockets {
        assert_eq!(rest(&mut socket).await, CLOSE);
    }
    assert_eq!(in_time("the end", shutdown).await.unwrap(), 0);
}
