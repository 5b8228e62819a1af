-- Accounts, tenants, APIs, keys, usage, sessions, audit.

CREATE TABLE users (
    id BLOB PRIMARY KEY,
    email TEXT NOT NULL CONSTRAINT users_email UNIQUE,
    password_hash TEXT NOT NULL,
    full_name TEXT,
    is_active INTEGER NOT NULL DEFAULT 1,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE organizations (
    id BLOB PRIMARY KEY,
    name TEXT NOT NULL,
    slug TEXT NOT NULL CONSTRAINT organizations_slug UNIQUE,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;

CREATE TABLE memberships (
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'billing', 'viewer')),
    created_at TEXT NOT NULL,
    PRIMARY KEY (organization_id, user_id)
) STRICT;
CREATE INDEX memberships_by_user ON memberships (user_id, created_at);

CREATE TABLE apis (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    created_by BLOB REFERENCES users (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    description TEXT,
    auth_type TEXT NOT NULL CHECK (auth_type IN ('none', 'api_key', 'bearer', 'basic', 'oauth2')),
    auth_public TEXT NOT NULL,
    auth_sealed BLOB,
    is_active INTEGER NOT NULL DEFAULT 1,
    allow_query_key INTEGER NOT NULL DEFAULT 0,
    limits TEXT NOT NULL,
    is_sample INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    CONSTRAINT apis_slug UNIQUE (organization_id, slug)
) STRICT;
CREATE INDEX apis_by_organization ON apis (organization_id, id DESC);

-- Where the calls of an API go. Every API has the version 'default'.
CREATE TABLE api_versions (
    id BLOB PRIMARY KEY,
    api_id BLOB NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    base_url TEXT NOT NULL,
    created_at TEXT NOT NULL,
    CONSTRAINT api_versions_name UNIQUE (api_id, name)
) STRICT;

CREATE TABLE api_keys (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    created_by BLOB REFERENCES users (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    environment TEXT NOT NULL CHECK (environment IN ('live', 'test')),
    key_prefix TEXT NOT NULL CONSTRAINT api_keys_prefix UNIQUE,
    key_hash TEXT NOT NULL,
    previous_prefix TEXT CONSTRAINT api_keys_previous_prefix UNIQUE,
    previous_hash TEXT,
    previous_expires_at TEXT,
    api_ids TEXT NOT NULL,
    methods TEXT NOT NULL,
    scopes TEXT NOT NULL,
    allowed_ips TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT,
    last_used_at TEXT
) STRICT;
CREATE INDEX api_keys_by_organization ON api_keys (organization_id, id DESC);

-- Goes up with every change of an API or key, so that a node can tell cheaply whether it is behind.
CREATE TABLE config_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version INTEGER NOT NULL
) STRICT;
INSERT INTO config_version (id, version) VALUES (1, 0);

-- One row a proxied call. Times are microseconds since 1970: series are integer arithmetic.
CREATE TABLE usage_metrics (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL,
    api_id BLOB,
    key_id BLOB,
    request_id TEXT NOT NULL,
    started_at_us INTEGER NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER NOT NULL,
    error_code TEXT,
    latency_us INTEGER NOT NULL,
    latency_bucket INTEGER NOT NULL,
    upstream_us INTEGER,
    bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    refused INTEGER NOT NULL
) STRICT;
CREATE INDEX usage_metrics_by_time ON usage_metrics (organization_id, started_at_us);
CREATE INDEX usage_metrics_by_api ON usage_metrics (organization_id, api_id, started_at_us);

CREATE TABLE sessions (
    id BLOB PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('browser', 'token')),
    user_id BLOB REFERENCES users (id) ON DELETE CASCADE,
    token_hash BLOB NOT NULL CONSTRAINT sessions_token UNIQUE,
    data TEXT NOT NULL,
    ip TEXT,
    user_agent TEXT,
    created_at TEXT NOT NULL,
    last_seen_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Used tokens stay until they expire: presenting one again is how theft shows.
CREATE TABLE refresh_tokens (
    token_hash BLOB PRIMARY KEY,
    session_id BLOB NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    used_at TEXT,
    expires_at TEXT NOT NULL
) STRICT;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

CREATE TABLE audit_events (
    id BLOB PRIMARY KEY,
    organization_id BLOB REFERENCES organizations (id) ON DELETE CASCADE,
    actor_user_id BLOB,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_id TEXT,
    details TEXT NOT NULL,
    ip TEXT,
    request_id TEXT,
    created_at TEXT NOT NULL
) STRICT;
CREATE INDEX audit_events_by_organization ON audit_events (organization_id, id DESC);
