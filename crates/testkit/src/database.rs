//! A database for one test.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Which database a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

/// A database of one test's own; dropped with the value.
pub struct Database {
    url: Option<String>,
    postgres: Option<(String, String)>,
}

impl Database {
    /// SQLite lives in the application's data folder; PostgreSQL on `TEST_DATABASE_URL`.
    ///
    /// # Panics
    /// When PostgreSQL is asked for and not there.
    #[must_use]
    pub fn create(engine: Engine) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        match engine {
            Engine::Sqlite => Self {
                url: None,
                postgres: None,
            },
            Engine::Postgres => {
                let server = std::env::var("TEST_DATABASE_URL").expect(
                    "TEST_DATABASE_URL must name a PostgreSQL server that may create databases; \
                     `make test` starts one",
                );
                let name = format!(
                    "test_{}_{}",
                    std::process::id(),
                    NEXT.fetch_add(1, Ordering::Relaxed)
                );
                psql(&server, &format!("CREATE DATABASE {name}"));
                let authority_at = server.find("://").expect("an address") + 3;
                let end = server[authority_at..]
                    .find(['/', '?'])
                    .map_or(server.len(), |at| authority_at + at);
                let url = format!("{}/{name}", &server[..end]);
                Self {
                    url: Some(url),
                    postgres: Some((server, name)),
                }
            }
        }
    }

    /// `None`: the application's default, SQLite in its data folder.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }
}

/// Where the PostgreSQL server of the tests listens: `host:port`.
///
/// # Panics
/// When there is none.
#[must_use]
pub fn postgres_address() -> String {
    let server = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL names a server");
    let rest = server.split("://").nth(1).unwrap_or_default();
    let authority = rest.split(['/', '?']).next().unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    if address.contains(':') {
        address.to_owned()
    } else {
        format!("{address}:5432")
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if let Some((server, name)) = &self.postgres {
            psql(
                server,
                &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
            );
        }
    }
}

fn psql(server: &str, sql: &str) {
    let done = Command::new("psql")
        .args([
            "--quiet",
            "--no-psqlrc",
            "--dbname",
            server,
            "--command",
            sql,
        ])
        .output()
        .expect("psql runs");
    assert!(
        done.status.success(),
        "{sql}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}
