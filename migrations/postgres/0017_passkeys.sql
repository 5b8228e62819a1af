-- Passkeys, codes by text message, and how long the audit log is kept.

CREATE TABLE passkeys (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    credential_id BYTEA NOT NULL CONSTRAINT passkeys_credential UNIQUE,
    -- Bits: how a browser may reach the authenticator.
    transports INTEGER NOT NULL,
    public_key BYTEA NOT NULL,
    -- What changes with each use: the signature counter, whether it is backed up.
    state BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ
);
CREATE INDEX passkeys_by_user ON passkeys (user_id, id);

-- What was asked of an authenticator and is not answered yet.
CREATE TABLE passkey_ceremonies (
    token_hash BYTEA PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('register', 'sign_in', 'second_factor')),
    -- None while it is not known who signs in.
    user_id UUID REFERENCES users (id) ON DELETE CASCADE,
    state BYTEA NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX passkey_ceremonies_by_expiry ON passkey_ceremonies (expires_at);

CREATE TABLE user_phones (
    user_id UUID PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- E.164.
    phone TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    -- Not in force before.
    confirmed_at TIMESTAMPTZ
);

-- The newest code of each user for each purpose.
CREATE TABLE phone_codes (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('confirm', 'second_factor')),
    code_hash BYTEA NOT NULL,
    attempts_left INTEGER NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, purpose)
);
CREATE INDEX phone_codes_by_expiry ON phone_codes (expires_at);

-- The last line of each chain that is not kept any more: what is left begins behind it.
CREATE TABLE audit_anchors (
    chain UUID PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    created_at TIMESTAMPTZ NOT NULL
);
