//! A Redis server of one test's own, which can be killed and started again.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use crate::wait::eventually;

pub struct Redis {
    port: u16,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Redis {
    /// # Panics
    /// When `redis-server` is not installed or does not start.
    pub async fn start() -> Self {
        let port = free_port();
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut redis = Self {
            port,
            folder,
            child: None,
        };
        redis.resume().await;
        redis
    }

    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/0", self.port)
    }

    /// # Panics
    /// When it does not start.
    pub async fn resume(&mut self) {
        let child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server starts");
        self.child = Some(child);
        let port = self.port;
        eventually("redis to listen", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .ok()
        })
        .await;
    }

    /// What `redis-cli` says to these arguments.
    ///
    /// # Panics
    /// When it is not installed.
    #[must_use]
    pub fn command(&self, args: &[&str]) -> String {
        let said = Command::new("redis-cli")
            .args(["-p", &self.port.to_string()])
            .args(args)
            .output()
            .expect("redis-cli runs");
        String::from_utf8_lossy(&said.stdout).into_owned()
    }

    /// Sends a signal: `STOP`, `CONT`.
    ///
    /// # Panics
    /// When it does not run.
    pub fn signal(&self, name: &str) {
        let child = self.child.as_ref().expect("it runs");
        let sent = Command::new("kill")
            .args([format!("-{name}"), child.id().to_string()])
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }

    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("kills");
            child.wait().expect("ends");
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A port that was free a moment ago.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .expect("binds")
        .local_addr()
        .expect("has an address")
        .port()
}
