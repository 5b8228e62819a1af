//! A fresh, migrated database for one case.

use apiverse_store::{ConnectOptions, Store};

pub struct Database {
    store: Store,
    cleanup: Cleanup,
}

enum Cleanup {
    Folder(tempfile::TempDir),
    Postgres { server: String, name: String },
}

fn options() -> ConnectOptions {
    ConnectOptions {
        max_connections: 4,
        ..ConnectOptions::default()
    }
}

impl Database {
    pub async fn sqlite() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = format!("sqlite://{}/deep/test.db", folder.path().display());
        let store = Store::connect(&url, &options())
            .await
            .expect("SQLite opens");
        store.migrate().await.expect("migrations run");
        Self {
            store,
            cleanup: Cleanup::Folder(folder),
        }
    }

    pub async fn postgres() -> Self {
        let server = std::env::var("TEST_DATABASE_URL").expect(
            "TEST_DATABASE_URL must name a PostgreSQL server that may create databases; \
             `make test` starts one",
        );
        let name = format!(
            "conformance_{}_{}",
            std::process::id(),
            crate::samples::id().simple()
        );
        admin(&server, &format!("CREATE DATABASE {name}")).await;
        let store = Store::connect(&with_database(&server, &name), &options())
            .await
            .expect("PostgreSQL answers");
        store.migrate().await.expect("migrations run");
        Self {
            store,
            cleanup: Cleanup::Postgres { server, name },
        }
    }

    /// What another program does with the database; the error's text when it is refused.
    pub async fn of_another(&self, sql: &str) -> Result<(), String> {
        use sqlx::{AssertSqlSafe, Connection};
        let Cleanup::Postgres { server, name } = &self.cleanup else {
            panic!("SQLite is for one process");
        };
        let mut connection = sqlx::PgConnection::connect(&with_database(server, name))
            .await
            .expect("the PostgreSQL server answers");
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
            .execute(&mut connection)
            .await
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    pub async fn drop(self) {
        self.store.close().await;
        match self.cleanup {
            Cleanup::Folder(folder) => drop(folder),
            Cleanup::Postgres { server, name } => {
                admin(&server, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
            }
        }
    }
}

async fn admin(server: &str, sql: &str) {
    use sqlx::{AssertSqlSafe, Connection};
    let mut connection = sqlx::PgConnection::connect(server)
        .await
        .expect("the PostgreSQL server answers");
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(&mut connection)
        .await
        .expect(sql);
    connection.close().await.expect("the connection closes");
}

/// The same server address with another database.
fn with_database(server: &str, name: &str) -> String {
    let (base, query) = match server.split_once('?') {
        Some((base, query)) => (base, format!("?{query}")),
        None => (server, String::new()),
    };
    let authority_at = base.find("://").expect("an address") + 3;
    let end = base[authority_at..]
        .find('/')
        .map_or(base.len(), |at| authority_at + at);
    format!("{}/{name}{query}", &base[..end])
}
