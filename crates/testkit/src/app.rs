//! The real binary.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use crate::client::Client;
use crate::database::{Database, Engine};
use crate::wait::eventually;

/// The account every [`App`] starts with.
pub const ADMIN_EMAIL: &str = "admin@example.com";
pub const ADMIN_PASSWORD: &str = "correct horse battery";

/// How to start the application.
pub struct Options {
    /// The binary: `env!("CARGO_BIN_EXE_apiverse")` of the calling test.
    pub binary: &'static str,
    pub engine: Engine,
    /// More environment, over the defaults of the test.
    pub env: Vec<(String, String)>,
    /// Where the database is to be reached, in place of its own address.
    pub database_at: Option<SocketAddr>,
}

impl Options {
    #[must_use]
    pub fn new(binary: &'static str, engine: Engine) -> Self {
        Self {
            binary,
            engine,
            env: Vec::new(),
            database_at: None,
        }
    }

    #[must_use]
    pub fn database_at(mut self, address: SocketAddr) -> Self {
        self.database_at = Some(address);
        self
    }

    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A running node. Dropping it kills the process.
pub struct App {
    options: Options,
    child: Child,
    base: String,
    folder: Arc<tempfile::TempDir>,
    database: Arc<Database>,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

/// A command of the binary that goes on by itself. Dropping it kills the process.
pub struct Running {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Running {
    /// All that was printed so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the command's log ---\n{}", text(&self.stderr));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary with the environment of a node.
fn environment(options: &Options, database: &Database, folder: &tempfile::TempDir) -> Command {
    let mut command = Command::new(options.binary);
    command
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("APIVERSE_ADDR", "127.0.0.1:0")
        .env("APIVERSE_DATA_DIR", folder.path().join("data"))
        .env("APIVERSE_ADMIN_EMAIL", ADMIN_EMAIL)
        .env("APIVERSE_ADMIN_PASSWORD", ADMIN_PASSWORD)
        .env("ALLOW_PRIVATE_UPSTREAMS", "127.0.0.0/8")
        .env("LOG_LEVEL", "info,apiverse=debug");
    if let Some(url) = database.url() {
        let url = match options.database_at {
            Some(address) => at_address(url, address),
            None => url.to_owned(),
        };
        command.env("DATABASE_URL", url);
    }
    for (name, value) in &options.env {
        command.env(name, value);
    }
    command
}

impl App {
    /// Starts a node on a database of its own and waits until it listens.
    ///
    /// # Panics
    /// When it does not start; what it said is in the message.
    pub async fn start(options: Options) -> Self {
        let database = Arc::new(Database::create(options.engine));
        let folder = Arc::new(tempfile::tempdir().expect("a temporary folder"));
        Self::launch(options, database, folder).await
    }

    /// Another node on the same database and secrets.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn another_node(&self) -> Self {
        let options = Options {
            binary: self.options.binary,
            engine: self.options.engine,
            env: self.options.env.clone(),
            database_at: self.options.database_at,
        };
        Self::launch(
            options,
            Arc::clone(&self.database),
            Arc::clone(&self.folder),
        )
        .await
    }

    /// Starts again on the data that a stopped node left.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(self) -> Self {
        self.another_node().await
    }

    async fn launch(
        options: Options,
        database: Arc<Database>,
        folder: Arc<tempfile::TempDir>,
    ) -> Self {
        let mut command = environment(&options, &database, &folder);
        command
            .arg("serve")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stdout = collect(child.stdout.take().expect("piped"));
        let stderr = collect(child.stderr.take().expect("piped"));
        let base = eventually("the node to listen", async || {
            if let Some(status) = child.try_wait().expect("has a state") {
                panic!("the node ended with {status}:\n{}", text(&stderr));
            }
            listening_on(&text(&stdout))
        })
        .await;
        Self {
            options,
            child,
            base,
            folder,
            database,
            stdout,
            stderr,
        }
    }

    /// Runs a command of the binary on this node's data; what it said, on both streams.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn command(&self, arguments: &[&str]) -> String {
        let mut command = environment(&self.options, &self.database, &self.folder);
        command.args(arguments).stdin(Stdio::null());
        let run = tokio::task::spawn_blocking(move || command.output());
        let output = run
            .await
            .expect("does not panic")
            .expect("the binary starts");
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// Starts a command of the binary on this node's data that goes on by itself.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn running(&self, arguments: &[&str]) -> Running {
        let mut command = environment(&self.options, &self.database, &self.folder);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("the binary starts");
        let stdout = collect(child.stdout.take().expect("piped"));
        let stderr = collect(child.stderr.take().expect("piped"));
        Running {
            child,
            stdout,
            stderr,
        }
    }

    /// `http://127.0.0.1:port`
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// `127.0.0.1:port`
    #[must_use]
    pub fn authority(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    /// `None`: SQLite in the data folder.
    #[must_use]
    pub fn database_url(&self) -> Option<&str> {
        self.database.url()
    }

    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// All that was printed so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// All that was logged so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes.
    ///
    /// # Panics
    /// When the process is gone.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.status_bytes("VmRSS:")
    }

    /// The part of the resident memory that is the process's own: without the pages of its binary,
    /// of which a build without optimisations has three times as many.
    ///
    /// # Panics
    /// When the process is gone.
    #[must_use]
    pub fn own_bytes(&self) -> u64 {
        self.status_bytes("RssAnon:")
    }

    fn status_bytes(&self, name: &str) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("is running");
        let line = status.lines().find(|line| line.starts_with(name));
        let kib: u64 = line
            .and_then(|line| line.split_whitespace().nth(1))
            .and_then(|n| n.parse().ok())
            .expect("a number");
        kib * 1024
    }

    /// A client nobody is signed in with.
    #[must_use]
    pub fn anonymous(&self) -> Client {
        Client::new(&self.base)
    }

    /// The first account, signed in.
    ///
    /// # Panics
    /// When signing in fails.
    pub async fn admin(&self) -> Client {
        let mut client = self.anonymous();
        client.login(ADMIN_EMAIL, ADMIN_PASSWORD).await;
        client
    }

    /// A new account with an organization of its own, signed in.
    ///
    /// # Panics
    /// When registering fails.
    pub async fn stranger(&self, name: &str) -> Client {
        let mut client = self.anonymous();
        let email = format!("{name}@example.org");
        let password = "a password of some length";
        let body = serde_json::json!({ "email": email, "password": password });
        client
            .post("/api/v1/auth/register", &body)
            .await
            .assert_status(201);
        client.login(&email, password).await;
        client
    }

    /// Sends a signal: `TERM`, `HUP`, `STOP`, `CONT`.
    ///
    /// # Panics
    /// When there is no such process.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([format!("-{name}"), self.pid().to_string()])
            .status()
            .expect("kill runs");
        assert!(sent.success());
    }

    /// Kills without warning (SIGKILL).
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("kills");
        self.child.wait().expect("ends");
    }

    /// Waits until the process has ended by itself.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the node to end", async || {
            child.try_wait().expect("has a state")
        })
        .await
    }
}

impl Drop for App {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the node's log ---\n{}", text(&self.stderr));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The same database at another host and port.
fn at_address(url: &str, address: SocketAddr) -> String {
    let authority_at = url.find("://").expect("an address") + 3;
    let (authority, rest) = url[authority_at..].split_once('/').expect("a database");
    let user = match authority.rsplit_once('@') {
        Some((user, _)) => format!("{user}@"),
        None => String::new(),
    };
    format!("{}{user}{address}/{rest}", &url[..authority_at])
}

fn text(shared: &Mutex<String>) -> String {
    shared
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .clone()
}

fn collect(stream: impl std::io::Read + Send + 'static) -> Arc<Mutex<String>> {
    let all = Arc::new(Mutex::new(String::new()));
    let sink = Arc::clone(&all);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            let mut all = sink
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            all.push_str(&line);
            all.push('\n');
        }
    });
    all
}

/// The address in the block that `serve` prints once it listens.
fn listening_on(stdout: &str) -> Option<String> {
    let line = stdout.lines().find(|line| line.contains("Listening"))?;
    let port = line.rsplit(':').next()?.trim().trim_end_matches('/');
    let port: u16 = port.parse().ok()?;
    Some(format!("http://127.0.0.1:{port}"))
}
