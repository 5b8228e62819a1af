-- Signing in elsewhere: OpenID Connect providers, Clerk.

CREATE TABLE identities (
    id BLOB PRIMARY KEY,
    user_id BLOB NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    -- The issuer's id of somebody, which never becomes somebody else's.
    subject TEXT NOT NULL,
    -- What the issuer said last; for their owner to read, nothing is found by it.
    email TEXT,
    created_at TEXT NOT NULL,
    last_used_at TEXT NOT NULL,
    CONSTRAINT identities_subject UNIQUE (issuer, subject)
) STRICT;
CREATE INDEX identities_by_user ON identities (user_id);

-- The latest that was reported of something elsewhere, so that late reports change nothing.
CREATE TABLE external_objects (
    issuer TEXT NOT NULL,
    kind TEXT NOT NULL,
    external_id TEXT NOT NULL,
    -- When it was changed there, milliseconds since 1970.
    version INTEGER NOT NULL,
    is_gone INTEGER NOT NULL,
    noted_at TEXT NOT NULL,
    PRIMARY KEY (issuer, kind, external_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE external_organizations (
    issuer TEXT NOT NULL,
    external_id TEXT NOT NULL,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    PRIMARY KEY (issuer, external_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX external_organizations_by_ours ON external_organizations (organization_id);

-- Sessions that began with a session elsewhere, and end with it.
CREATE TABLE session_origins (
    session_id BLOB PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    external_id TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_origins_by_theirs ON session_origins (issuer, external_id);
