//! What can go wrong with the database, by what a caller can do about it.

/// A unique value that is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conflict {
    Email,
    OrganizationSlug,
    ApiSlug,
    KeyPrefix,
    RouteName,
    VersionName,
    ServiceAccountName,
    SavedViewName,
    /// Another constraint: a fault of ours, not of the input.
    Other,
}

/// An operation on the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database cannot be reached, or has no connection free: try again later.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A unique value is taken.
    #[error("a unique value is taken: {0:?}")]
    Conflict(Conflict),
    /// A row holds what this version cannot read.
    #[error("a row cannot be read")]
    Inconsistent(#[source] sqlx::Error),
    /// The migrations do not fit this database.
    #[error("the schema could not be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The address of the database is not understood.
    #[error("the database address is not understood: {0}")]
    Address(String),
    /// The embedded database's own connection for usage events failed.
    #[error("usage events could not be written")]
    Usage(#[from] rusqlite::Error),
    /// Anything else.
    #[error("a query failed")]
    Query(#[source] sqlx::Error),
}

impl StoreError {
    /// The innermost reason, for logs.
    #[must_use]
    pub fn cause(&self) -> String {
        let mut reason: &dyn std::error::Error = self;
        while let Some(source) = reason.source() {
            reason = source;
        }
        reason.to_string()
    }

    /// An operation that somebody gave up waiting for.
    #[must_use]
    pub fn timed_out() -> Self {
        Self::Unavailable(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))
    }

    /// Whether the same call may succeed later without anything else changing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) => true,
            Self::Usage(error) => is_passing(error),
            _ => false,
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed
            | sqlx::Error::Protocol(_) => Self::Unavailable(error),
            sqlx::Error::ColumnDecode { .. }
            | sqlx::Error::Decode(_)
            | sqlx::Error::ColumnNotFound(_)
            | sqlx::Error::TypeNotFound { .. } => Self::Inconsistent(error),
            sqlx::Error::Database(db) if db.is_unique_violation() => {
                // PostgreSQL names the constraint, SQLite only the columns in its message.
                Self::Conflict(conflict(db.constraint().unwrap_or_else(|| db.message())))
            }
            sqlx::Error::Database(db) if is_outage(db.code().as_deref()) => {
                Self::Unavailable(error)
            }
            _ => Self::Query(error),
        }
    }
}

fn conflict(named: &str) -> Conflict {
    let is = |constraint: &str, column: &str| named == constraint || named.contains(column);
    if is("users_email", "users.email") {
        Conflict::Email
    } else if is("organizations_slug", "organizations.slug") {
        Conflict::OrganizationSlug
    } else if is("apis_slug", "apis.slug") {
        Conflict::ApiSlug
    } else if is("api_keys_prefix", "api_keys.key_prefix")
        || is("api_keys_previous_prefix", "api_keys.previous_prefix")
    {
        Conflict::KeyPrefix
    } else if is("api_routes_name", "api_routes.name") {
        Conflict::RouteName
    } else if is("api_versions_name", "api_versions.name") {
        Conflict::VersionName
    } else if named == "service_accounts_name" || named.contains("service_accounts.name") {
        Conflict::ServiceAccountName
    } else if is("saved_views_name", "saved_views.name") {
        Conflict::SavedViewName
    } else {
        Conflict::Other
    }
}

/// A database that is locked, full, or cannot be read or written now.
fn is_passing(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode;
    matches!(
        error.sqlite_error_code(),
        Some(
            ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::ReadOnly
                | ErrorCode::OutOfMemory
        )
    )
}

/// SQLSTATEs of a database that is starting, stopping, full or cutting us off, and SQLite's busy.
fn is_outage(code: Option<&str>) -> bool {
    let Some(code) = code else { return false };
    code.starts_with("08")
        || code.starts_with("53")
        || code.starts_with("57")
        || code == "40001"
        || code == "40P01"
        || code == "5"
        || code == "261"
        || code == "517"
}
