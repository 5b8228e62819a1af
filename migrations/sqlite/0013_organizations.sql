-- Several organizations for each user, and invitations to them.

-- Which one a session acts in; the one its user joined first when not set.
ALTER TABLE sessions ADD COLUMN organization_id BLOB REFERENCES organizations (id) ON DELETE SET NULL;

CREATE TABLE invitations (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    email TEXT NOT NULL,
    role TEXT NOT NULL CHECK (role IN ('admin', 'developer', 'billing', 'viewer')),
    token_hash BLOB NOT NULL CONSTRAINT invitations_token UNIQUE,
    invited_by BLOB REFERENCES users (id) ON DELETE SET NULL,
    created_at TEXT NOT NULL,
    -- When the latest mail was written.
    sent_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    accepted_at TEXT,
    revoked_at TEXT
) STRICT;
CREATE INDEX invitations_by_organization ON invitations (organization_id, id DESC);
CREATE UNIQUE INDEX invitations_open ON invitations (organization_id, email)
    WHERE accepted_at IS NULL AND revoked_at IS NULL;
CREATE INDEX memberships_by_organization ON memberships (organization_id, user_id);
