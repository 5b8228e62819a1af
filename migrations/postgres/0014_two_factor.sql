-- Two-factor authentication, personal access tokens, service accounts.

ALTER TABLE organizations ADD COLUMN require_two_factor BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE user_totp (
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- Encrypted for user_totp.secret:{user_id}.
    secret BYTEA NOT NULL,
    -- The time step whose code was used last: no code counts twice (RFC 6238, 5.2).
    last_step BIGINT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- Not in force before.
    confirmed_at TIMESTAMPTZ
);

CREATE TABLE recovery_codes (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    code_hash BYTEA NOT NULL,
    used_at TIMESTAMPTZ,
    PRIMARY KEY (user_id, code_hash)
);

-- Sign-ins whose password was right and whose second factor is awaited.
CREATE TABLE mfa_challenges (
    token_hash BYTEA PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    credentials_version INTEGER NOT NULL,
    attempts_left INTEGER NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX mfa_challenges_by_expiry ON mfa_challenges (expires_at);

CREATE TABLE service_accounts (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('admin', 'developer', 'billing', 'viewer')),
    created_by UUID REFERENCES users (id) ON DELETE SET NULL,
    created_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT service_accounts_name UNIQUE (organization_id, name)
);

CREATE TABLE access_tokens (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- Whose it is: one of the two.
    user_id UUID REFERENCES users (id) ON DELETE CASCADE,
    service_account_id UUID REFERENCES service_accounts (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    token_hash BYTEA NOT NULL CONSTRAINT access_tokens_hash UNIQUE,
    token_prefix TEXT NOT NULL,
    scopes JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ,
    last_used_at TIMESTAMPTZ,
    last_used_ip TEXT,
    revoked_at TIMESTAMPTZ,
    CHECK ((user_id IS NULL) <> (service_account_id IS NULL))
);
CREATE INDEX access_tokens_by_organization ON access_tokens (organization_id, id DESC);
