//! Bytes on a socket, for what a well-behaved client cannot send.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A plain connection to a node.
pub struct Raw {
    stream: TcpStream,
}

impl Raw {
    /// # Panics
    /// When the connection is refused.
    pub async fn connect(authority: &str) -> Self {
        Self {
            stream: TcpStream::connect(authority).await.expect("connects"),
        }
    }

    /// # Panics
    /// When the bytes cannot be written.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).await.expect("writes");
        self
    }

    /// Everything until the other side closes.
    ///
    /// # Panics
    /// When it does not close in time.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        let read = self.stream.read_to_end(&mut all);
        // A reset after the answer is an end as well.
        let _ = tokio::time::timeout(crate::WAIT, read)
            .await
            .expect("the connection closes");
        all
    }

    /// Reads until `end` has come.
    ///
    /// # Panics
    /// When the other side closes before, or nothing comes in time.
    pub async fn read_until(&mut self, end: &[u8]) -> Vec<u8> {
        let mut all = Vec::new();
        let mut chunk = [0; 4096];
        while !all.windows(end.len()).any(|window| window == end) {
            let read = self.stream.read(&mut chunk);
            let count = tokio::time::timeout(crate::WAIT, read)
                .await
                .expect("bytes come")
                .expect("reads");
            assert!(count > 0, "closed after: {}", String::from_utf8_lossy(&all));
            all.extend_from_slice(&chunk[..count]);
        }
        all
    }

    /// Ends our side of the connection.
    ///
    /// # Panics
    /// When the connection is gone.
    pub async fn half_close(&mut self) {
        self.stream.shutdown().await.expect("shuts down");
    }
}
