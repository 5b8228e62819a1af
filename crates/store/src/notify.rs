//! PostgreSQL's LISTEN/NOTIFY: how nodes on one database tell each other of changes.

use sqlx::postgres::PgListener;

use crate::Result;
use crate::pool::{Pool, Store};

const CHANNEL: &str = "apiverse_changes";

/// What a [`Listener`] hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    Message(String),
    /// The connection was lost and is back: messages may have been missed.
    Reconnected,
}

/// A connection of its own that waits for messages.
pub struct Listener {
    inner: PgListener,
}

impl Listener {
    /// The next message. Reconnects by itself.
    ///
    /// # Errors
    /// When reconnecting fails; call again after a pause.
    pub async fn recv(&mut self) -> Result<Heard> {
        match self.inner.try_recv().await? {
            Some(notification) => Ok(Heard::Message(notification.payload().to_owned())),
            None => Ok(Heard::Reconnected),
        }
    }
}

impl Store {
    /// Tells the other nodes; nothing on SQLite, which has one node.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn notify(&self, text: &str) -> Result<()> {
        match &self.pool {
            Pool::Sqlite(_) => {}
            Pool::Postgres(pool) => {
                sqlx::query("SELECT pg_notify($1, $2)")
                    .bind(CHANNEL)
                    .bind(text)
                    .execute(pool)
                    .await?;
            }
        }
        Ok(())
    }

    /// `None` on SQLite.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn listen(&self) -> Result<Option<Listener>> {
        match &self.pool {
            Pool::Sqlite(_) => Ok(None),
            Pool::Postgres(pool) => {
                let mut inner = PgListener::connect_with(pool).await?;
                inner.listen(CHANNEL).await?;
                Ok(Some(Listener { inner }))
            }
        }
    }
}
