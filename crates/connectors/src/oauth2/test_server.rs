//! A token endpoint for tests: a real HTTP server that remembers what it was asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::ClientCredentials;
use crate::egress::EgressPolicy;

#[derive(Clone, Debug)]
pub struct Request {
    pub head: String,
    pub body: String,
}

pub struct TestServer {
    pub url: String,
    requests: Arc<Mutex<Vec<Request>>>,
    /// Each answer takes a permit, so a test that closes it can hold answers back.
    gate: Arc<Semaphore>,
    task: JoinHandle<()>,
}

pub fn policy() -> EgressPolicy {
    EgressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()])
}

pub fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}

pub fn token(token: &str, expires_in: &str) -> String {
    let body =
        format!(r#"{{"access_token":"{token}","token_type":"Bearer","expires_in":{expires_in}}}"#);
    answer("200 OK", &body)
}

impl TestServer {
    /// Answers every request with what `respond` makes of it; nothing hangs up.
    pub async fn start(respond: impl Fn(&Request) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        let respond = Arc::new(respond);
        let (seen, open) = (Arc::clone(&requests), Arc::clone(&gate));
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (seen, open) = (Arc::clone(&seen), Arc::clone(&open));
                let respond = Arc::clone(&respond);
                tokio::spawn(async move {
                    let Some(request) = read_request(&mut stream).await else {
                        return;
                    };
                    let reply = respond(&request);
                    seen.lock().push(request);
                    let _permit = open.acquire().await;
                    let _ = stream.write_all(reply.as_bytes()).await;
                });
            }
        });
        Self {
            url: format!("http://{address}/token"),
            requests,
            gate,
            task,
        }
    }

    pub fn client(&self) -> reqwest::Client {
        crate::http::client(policy(), Duration::from_secs(10)).unwrap()
    }

    pub fn credentials(&self) -> ClientCredentials {
        ClientCredentials {
            token_url: self.url.clone(),
            client_id: "id".into(),
            client_secret: "s3cret".into(),
            scope: None,
            audience: None,
        }
    }

    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().clone()
    }

    /// Holds answers back until `open`.
    pub fn close(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub fn open(&self) {
        self.gate.add_permits(1000);
    }

    /// Stops listening.
    pub async fn stop(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8(bytes[..end + 4].to_vec()).unwrap();
            let length = head
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
                .map_or(0, |(_, value)| value.trim().parse().unwrap());
            if bytes.len() >= end + 4 + length {
                let body = String::from_utf8(bytes[end + 4..].to_vec()).unwrap();
                return Some(Request { head, body });
            }
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
