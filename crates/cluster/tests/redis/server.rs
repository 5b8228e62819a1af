//! A Redis of a test's own.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub const PATIENCE: Duration = Duration::from_secs(20);

/// A Redis of our own, which ends with the test.
pub struct RedisServer {
    pub port: u16,
    password: Option<&'static str>,
    folder: TempDir,
    process: Child,
}

impl RedisServer {
    /// `None`, said aloud, where there is no `redis-server`.
    pub async fn start(password: Option<&'static str>) -> Option<Self> {
        // Free now; taken by another in between is possible, and seen as a failed start.
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let folder = tempfile::tempdir().unwrap();
        let Some(process) = spawn(port, password, &folder) else {
            eprintln!("SKIPPED: no redis-server on this machine");
            return None;
        };
        let mut server = Self {
            port,
            password,
            folder,
            process,
        };
        server.wait_until_up().await;
        Some(server)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    pub async fn restart(&mut self) {
        self.process = spawn(self.port, self.password, &self.folder).unwrap();
        self.wait_until_up().await;
    }

    async fn wait_until_up(&mut self) {
        let start = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port))
            .await
            .is_err()
        {
            let exited = self.process.try_wait().unwrap();
            assert!(exited.is_none(), "redis-server ended: {exited:?}");
            assert!(start.elapsed() < PATIENCE, "redis-server does not listen");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(port: u16, password: Option<&str>, folder: &TempDir) -> Option<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
    command
        .args(["--port", &port.to_string()])
        .arg("--dir")
        .arg(folder.path());
    if let Some(password) = password {
        command.args(["--requirepass", password]);
    }
    command.stdout(Stdio::null()).spawn().ok()
}
