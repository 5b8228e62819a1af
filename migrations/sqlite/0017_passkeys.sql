-- Passkeys, codes by text message, and how long the audit log is kept.

CREATE TABLE passkeys (
    id BLOB PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    credential_id BLOB NOT NULL CONSTRAINT passkeys_credential UNIQUE,
    -- Bits: how a browser may reach the authenticator.
    transports INTEGER NOT NULL,
    public_key BLOB NOT NULL,
    -- What changes with each use: the signature counter, whether it is backed up.
    state BLOB NOT NULL,
    created_at TEXT NOT NULL,
    last_used_at TEXT
) STRICT;
CREATE INDEX passkeys_by_user ON passkeys (user_id, id);

-- What was asked of an authenticator and is not answered yet.
CREATE TABLE passkey_ceremonies (
    token_hash BLOB PRIMARY KEY,
    purpose TEXT NOT NULL CHECK (purpose IN ('register', 'sign_in', 'second_factor')),
    -- None while it is not known who signs in.
    user_id BLOB REFERENCES users (id) ON DELETE CASCADE,
    state BLOB NOT NULL,
    expires_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX passkey_ceremonies_by_expiry ON passkey_ceremonies (expires_at);

CREATE TABLE user_phones (
    user_id BLOB PRIMARY KEY REFERENCES users (id) ON DELETE CASCADE,
    -- E.164.
    phone TEXT NOT NULL,
    created_at TEXT NOT NULL,
    -- Not in force before.
    confirmed_at TEXT
) STRICT;

-- The newest code of each user for each purpose.
CREATE TABLE phone_codes (
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('confirm', 'second_factor')),
    code_hash BLOB NOT NULL,
    attempts_left INTEGER NOT NULL,
    expires_at TEXT NOT NULL,
    PRIMARY KEY (user_id, purpose)
) STRICT, WITHOUT ROWID;
CREATE INDEX phone_codes_by_expiry ON phone_codes (expires_at);

-- The last line of each chain that is not kept any more: what is left begins behind it.
CREATE TABLE audit_anchors (
    chain BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    created_at TEXT NOT NULL
) STRICT, WITHOUT ROWID;
