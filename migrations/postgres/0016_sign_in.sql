-- Signing in elsewhere: OpenID Connect providers, Clerk.

CREATE TABLE identities (
    id UUID PRIMARY KEY,
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    -- The issuer's id of somebody, which never becomes somebody else's.
    subject TEXT NOT NULL,
    -- What the issuer said last; for their owner to read, nothing is found by it.
    email TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    last_used_at TIMESTAMPTZ NOT NULL,
    CONSTRAINT identities_subject UNIQUE (issuer, subject)
);
CREATE INDEX identities_by_user ON identities (user_id);

-- The latest that was reported of something elsewhere, so that late reports change nothing.
CREATE TABLE external_objects (
    issuer TEXT NOT NULL,
    kind TEXT NOT NULL,
    external_id TEXT NOT NULL,
    -- When it was changed there, milliseconds since 1970.
    version BIGINT NOT NULL,
    is_gone BOOLEAN NOT NULL,
    noted_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (issuer, kind, external_id)
);

CREATE TABLE external_organizations (
    issuer TEXT NOT NULL,
    external_id TEXT NOT NULL,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    PRIMARY KEY (issuer, external_id)
);
CREATE INDEX external_organizations_by_ours ON external_organizations (organization_id);

-- Sessions that began with a session elsewhere, and end with it.
CREATE TABLE session_origins (
    session_id UUID PRIMARY KEY REFERENCES sessions (id) ON DELETE CASCADE,
    issuer TEXT NOT NULL,
    external_id TEXT NOT NULL
);
CREATE INDEX session_origins_by_theirs ON session_origins (issuer, external_id);
