//! Browser sessions of tower-sessions, kept in our store.
//!
//! The cookie holds a random id; the database holds only its hash, so that a copy of the database
//! opens no session. What the session list shows is kept beside the session's own data.

use std::collections::HashMap;

use apiverse_contract::{SessionId, UserId};
use apiverse_store::{SessionRow, Store};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use time::OffsetDateTime;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::{Error, Result, SessionStore};
use uuid::Uuid;

use crate::clock::{Clock, new_id};
use crate::platform::Platform;

/// What the services keep in a session's data.
pub(crate) mod keys {
    pub const USER: &str = "user_id";
    pub const SESSION: &str = "session_id";
    pub const IP: &str = "ip";
    pub const AGENT: &str = "user_agent";
    /// The user's `credentials_version` at sign-in.
    pub const VERSION: &str = "credentials_version";
    /// Whoever vouched for the user saw a second factor.
    pub const SECOND_FACTOR: &str = "second_factor";
}

/// Sessions in the database.
#[derive(Clone)]
pub struct StoredSessions {
    store: Store,
    clock: Clock,
}

impl std::fmt::Debug for StoredSessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredSessions").finish_non_exhaustive()
    }
}

impl Platform {
    /// Where the session layer keeps its sessions.
    #[must_use]
    pub fn session_store(&self) -> StoredSessions {
        StoredSessions {
            store: self.inner.store.clone(),
            clock: self.inner.clock.clone(),
        }
    }
}

fn hash(id: Id) -> [u8; 32] {
    *blake3::hash(&id.0.to_be_bytes()).as_bytes()
}

fn backend(error: apiverse_store::StoreError) -> Error {
    Error::Backend(error.cause())
}

impl StoredSessions {
    fn row(&self, record: &Record) -> Result<SessionRow> {
        let now = self.clock.now();
        let uuid = |key: &str| {
            let text = record.data.get(key).and_then(Value::as_str);
            text.and_then(|text| Uuid::try_parse(text).ok())
        };
        let text = |key: &str| {
            record
                .data
                .get(key)
                .and_then(Value::as_str)
                .map(str::to_owned)
        };
        let session_id = uuid(keys::SESSION).map(SessionId);
        Ok(SessionRow {
            id: session_id.unwrap_or_else(|| new_id!(self.clock, SessionId)),
            kind: "browser".to_owned(),
            user_id: uuid(keys::USER).map(UserId),
            token_hash: hash(record.id).to_vec(),
            data: serde_json::to_string(&record.data)
                .map_err(|error| Error::Encode(error.to_string()))?,
            ip: text(keys::IP),
            user_agent: text(keys::AGENT),
            created_at: now,
            last_seen_at: now,
            expires_at: to_chrono(record.expiry_date),
            credentials_version: record
                .data
                .get(keys::VERSION)
                .and_then(Value::as_i64)
                .and_then(|version| i32::try_from(version).ok())
                .unwrap_or(0),
            organization_id: None,
            authenticated_at: now,
        })
    }
}

#[async_trait]
impl SessionStore for StoredSessions {
    async fn create(&self, record: &mut Record) -> Result<()> {
        // 128 random bits do not collide, but taking over another's session must be impossible,
        // not unlikely.
        while !self
            .store
            .session_insert(&self.row(record)?)
            .await
            .map_err(backend)?
        {
            record.id = Id::default();
        }
        Ok(())
    }

    async fn save(&self, record: &Record) -> Result<()> {
        // One that was ended elsewhere meanwhile stays so, and that is no failure of the request.
        self.store
            .session_update(&self.row(record)?, self.clock.now())
            .await
            .map_err(backend)?;
        Ok(())
    }

    async fn load(&self, id: &Id) -> Result<Option<Record>> {
        let row = self
            .store
            .session_by_token(&hash(*id), self.clock.now())
            .await;
        let Some(row) = row.map_err(backend)? else {
            return Ok(None);
        };
        let data: HashMap<String, Value> =
            serde_json::from_str(&row.data).map_err(|error| Error::Decode(error.to_string()))?;
        Ok(Some(Record {
            id: *id,
            data,
            expiry_date: to_time(row.expires_at),
        }))
    }

    async fn delete(&self, id: &Id) -> Result<()> {
        self.store
            .session_delete_by_token(&hash(*id))
            .await
            .map_err(backend)
    }
}

fn to_chrono(at: OffsetDateTime) -> DateTime<Utc> {
    let micros = i64::try_from(at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX);
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

fn to_time(at: DateTime<Utc>) -> OffsetDateTime {
    let nanos = i128::from(at.timestamp_micros()) * 1000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}
