-- What an account needs beyond e-mail and password.

ALTER TABLE users ADD COLUMN email_verified_at TIMESTAMPTZ;
-- Goes up when sessions must end: one that was begun under another number is over.
ALTER TABLE users ADD COLUMN credentials_version INTEGER NOT NULL DEFAULT 1;

ALTER TABLE sessions ADD COLUMN credentials_version INTEGER NOT NULL DEFAULT 1;
-- When its user last proved who they are.
ALTER TABLE sessions ADD COLUMN authenticated_at TIMESTAMPTZ;

-- Links that were sent by e-mail, each good once.
CREATE TABLE account_tokens (
    token_hash BYTEA PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    purpose TEXT NOT NULL CHECK (purpose IN ('verify_email', 'reset_password', 'change_email')),
    -- The address it was sent to.
    email TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX account_tokens_by_user ON account_tokens (user_id, purpose);
CREATE INDEX account_tokens_by_expiry ON account_tokens (expires_at);

-- Where users signed in before: a hash of device and network.
CREATE TABLE known_places (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    place BYTEA NOT NULL,
    last_seen_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (user_id, place)
);

CREATE INDEX audit_events_by_actor ON audit_events (actor_user_id, id);
