-- Accounts, tenants, APIs, keys, usage, sessions, audit.

CREATE TABLE users (
    id UUID PRIMARY KEY,
    email TEXT NOT NULL CONSTRAINT users_email UNIQUE,
    password_hash TEXT NOT NULL,
    full_name TEXT,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE organizations (
    id UUID PRIMARY KEY,
    name TEXT NOT NULL,
    slug TEXT NOT NULL CONSTRAINT organizations_slug UNIQUE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE memberships (
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    role TEXT NOT NULL CHECK (role IN ('owner', 'admin', 'developer', 'billing', 'viewer')),
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (organization_id, user_id)
);
CREATE INDEX memberships_by_user ON memberships (user_id, created_at);

CREATE TABLE apis (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    created_by UUID REFERENCES users (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    slug TEXT NOT NULL,
    description TEXT,
    auth_type TEXT NOT NULL CHECK (auth_type IN ('none', 'api_key', 'bearer', 'basic', 'oauth2')),
    auth_public JSONB NOT NULL,
    auth_sealed BYTEA,
    is_active BOOLEAN NOT NULL DEFAULT TRUE,
    allow_query_key BOOLEAN NOT NULL DEFAULT FALSE,
    limits JSONB NOT NULL,
    is_sample BOOLEAN NOT NULL DEFAULT FALSE,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT apis_slug UNIQUE (organization_id, slug)
);
CREATE INDEX apis_by_organization ON apis (organization_id, id DESC);

-- Where the calls of an API go. Every API has the version 'default'.
CREATE TABLE api_versions (
    id UUID PRIMARY KEY,
    api_id UUID NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    base_url TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT api_versions_name UNIQUE (api_id, name)
);

CREATE TABLE api_keys (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    created_by UUID REFERENCES users (id) ON DELETE SET NULL,
    name TEXT NOT NULL,
    environment TEXT NOT NULL CHECK (environment IN ('live', 'test')),
    key_prefix TEXT NOT NULL CONSTRAINT api_keys_prefix UNIQUE,
    key_hash TEXT NOT NULL,
    previous_prefix TEXT CONSTRAINT api_keys_previous_prefix UNIQUE,
    previous_hash TEXT,
    previous_expires_at TIMESTAMPTZ,
    api_ids JSONB NOT NULL,
    methods JSONB NOT NULL,
    scopes JSONB NOT NULL,
    allowed_ips JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    revoked_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ
);
CREATE INDEX api_keys_by_organization ON api_keys (organization_id, id DESC);

-- Goes up with every change of an API or key, so that a node can tell cheaply whether it is behind.
CREATE TABLE config_version (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO config_version (id, version) VALUES (1, 0);

-- One row a proxied call. Times are microseconds since 1970: series are integer arithmetic.
CREATE TABLE usage_metrics (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL,
    api_id UUID,
    key_id UUID,
    request_id TEXT NOT NULL,
    started_at_us BIGINT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER NOT NULL,
    error_code TEXT,
    latency_us BIGINT NOT NULL,
    latency_bucket INTEGER NOT NULL,
    upstream_us BIGINT,
    bytes_in BIGINT NOT NULL,
    bytes_out BIGINT NOT NULL,
    refused BOOLEAN NOT NULL
);
CREATE INDEX usage_metrics_by_time ON usage_metrics (organization_id, started_at_us);
CREATE INDEX usage_metrics_by_api ON usage_metrics (organization_id, api_id, started_at_us);

CREATE TABLE sessions (
    id UUID PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('browser', 'token')),
    user_id UUID REFERENCES users (id) ON DELETE CASCADE,
    token_hash BYTEA NOT NULL CONSTRAINT sessions_token UNIQUE,
    data TEXT NOT NULL,
    ip TEXT,
    user_agent TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Used tokens stay until they expire: presenting one again is how theft shows.
CREATE TABLE refresh_tokens (
    token_hash BYTEA PRIMARY KEY,
    session_id UUID NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    used_at TIMESTAMPTZ,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

CREATE TABLE audit_events (
    id UUID PRIMARY KEY,
    organization_id UUID REFERENCES organizations (id) ON DELETE CASCADE,
    actor_user_id UUID,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    target_type TEXT NOT NULL,
    target_id TEXT,
    details JSONB NOT NULL,
    ip TEXT,
    request_id TEXT,
    created_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX audit_events_by_organization ON audit_events (organization_id, id DESC);
