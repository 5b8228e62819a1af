//! Upstreams that can be killed, brought back, and told to misbehave.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

use super::world::*;

/// What a place does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Mood {
    /// 200 with its name.
    Well,
    /// 503.
    Ill,
    /// Reads the request, then closes.
    Rude,
    /// Reads the request, and never answers.
    Silent,
}

/// One of several upstreams that answer the same.
pub(super) struct Place {
    pub(super) address: SocketAddr,
    shared: Arc<Shared>,
    serving: Option<AbortHandle>,
}

struct Shared {
    name: &'static str,
    mood: AtomicU8,
    calls: AtomicU64,
    checks: AtomicU64,
    /// Method, path and body of each request.
    seen: Mutex<Vec<(String, String, String)>>,
}

impl Place {
    pub(super) async fn new(name: &'static str) -> Self {
        Self::on(name, TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn on(name: &'static str, listener: TcpListener) -> Self {
        let mut place = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::new(Shared {
                name,
                mood: AtomicU8::new(Mood::Well as u8),
                calls: AtomicU64::new(0),
                checks: AtomicU64::new(0),
                seen: Mutex::default(),
            }),
            serving: None,
        };
        place.serve(listener);
        place
    }

    fn serve(&mut self, listener: TcpListener) {
        let shared = Arc::clone(&self.shared);
        let task = tokio::spawn(async move {
            // All connections end with this task.
            let mut connections = JoinSet::new();
            while let Ok((socket, _)) = listener.accept().await {
                connections.spawn(serve(socket, Arc::clone(&shared)));
            }
        });
        self.serving = Some(task.abort_handle());
    }

    /// Like a process that is killed: connections break, new ones are refused.
    pub(super) async fn kill(&mut self) {
        self.serving.take().unwrap().abort();
        in_time("the port to be free", async {
            while TcpStream::connect(self.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    pub(super) async fn come_back(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }

    pub(super) fn be(&self, mood: Mood) {
        self.shared.mood.store(mood as u8, Ordering::SeqCst);
    }

    /// Calls so far, checks not counted.
    pub(super) fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::SeqCst)
    }

    pub(super) fn checks(&self) -> u64 {
        self.shared.checks.load(Ordering::SeqCst)
    }

    /// Method, path and body of the calls so far.
    pub(super) fn seen(&self) -> Vec<(String, String, String)> {
        self.shared.seen.lock().unwrap().clone()
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }
}

async fn serve(mut socket: TcpStream, shared: Arc<Shared>) {
    while let Some(head) = read_head(&mut socket).await {
        let length = head
            .to_ascii_lowercase()
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok())
            .unwrap_or(0);
        let mut body = vec![0; length];
        if socket.read_exact(&mut body).await.is_err() {
            return;
        }
        let mut words = head.split_ascii_whitespace();
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let is_check = head.contains("apiverse-health");
        if is_check {
            shared.checks.fetch_add(1, Ordering::SeqCst);
        } else {
            let body = String::from_utf8(body).unwrap();
            let seen = (method.to_owned(), path.to_owned(), body);
            shared.seen.lock().unwrap().push(seen);
            shared.calls.fetch_add(1, Ordering::SeqCst);
        }
        let mood = shared.mood.load(Ordering::SeqCst);
        let is = |other: Mood| mood == other as u8;
        let status = if is(Mood::Rude) {
            return;
        } else if is(Mood::Silent) {
            std::future::pending::<()>().await;
            return;
        } else if is(Mood::Ill) {
            "503 Ill"
        } else {
            "200 OK"
        };
        let name = shared.name;
        let answer = format!(
            "HTTP/1.1 {status}\r\nx-place: {name}\r\ncontent-length: {}\r\n\r\n{name}",
            name.len()
        );
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}
