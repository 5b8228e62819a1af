//! An upstream that keeps its callers waiting.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nheld";

/// Answers nothing until it is told to; knows how many calls it holds.
pub struct Held {
    base: String,
    holds: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
    is_open: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
}

impl Held {
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let base = format!("http://{}", listener.local_addr().expect("has an address"));
        let (is_open, watched) = watch::channel(false);
        let (holds, most) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let counts = (Arc::clone(&holds), Arc::clone(&most));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (holds, most) = counts.clone();
                tokio::spawn(serve(stream, watched.clone(), holds, most));
            }
        });
        Self {
            base,
            holds,
            most,
            is_open,
            server,
        }
    }

    /// `http://127.0.0.1:port`
    #[must_use]
    pub fn base(&self) -> String {
        self.base.clone()
    }

    /// Calls that wait for their answer now.
    #[must_use]
    pub fn holds(&self) -> usize {
        self.holds.load(Ordering::SeqCst)
    }

    /// The most calls that ever waited at the same time.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// Answers all that wait, and all that come until [`Held::hold`].
    pub fn release(&self) {
        self.is_open.send_replace(true);
    }

    pub fn hold(&self) {
        self.is_open.send_replace(false);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// Requests without bodies, one after the other.
async fn serve(
    mut stream: TcpStream,
    mut is_open: watch::Receiver<bool>,
    holds: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
) {
    let mut read = Vec::new();
    loop {
        while !read.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read_buf(&mut read).await {
                Ok(1..) => {}
                // The gateway has no more use for the connection.
                Ok(0) | Err(_) => return,
            }
        }
        read.clear();
        let now = holds.fetch_add(1, Ordering::SeqCst) + 1;
        most.fetch_max(now, Ordering::SeqCst);
        let mut byte = [0];
        let answers = tokio::select! {
            open = is_open.wait_for(|is_open| *is_open) => open.is_ok(),
            // Whoever hangs up is not held any longer.
            _ = stream.read(&mut byte) => false,
        };
        holds.fetch_sub(1, Ordering::SeqCst);
        if !answers || stream.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}
