-- Policies: a document for each kind that an organization, API, version, route or key has, and
-- what each of them was before.

CREATE TABLE policies (
    level TEXT NOT NULL CHECK (level IN ('organization', 'api', 'version', 'route', 'key')),
    -- Id of what it is attached to; once more below as what deletes it.
    target_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    -- Of a version or route, its API.
    api_id BLOB REFERENCES apis (id) ON DELETE CASCADE,
    version_id BLOB REFERENCES api_versions (id) ON DELETE CASCADE,
    route_id BLOB REFERENCES api_routes (id) ON DELETE CASCADE,
    key_id BLOB REFERENCES api_keys (id) ON DELETE CASCADE,
    version INTEGER NOT NULL,
    -- NULL: removed. The row stays, so that numbers are never used twice.
    document TEXT,
    updated_at TEXT NOT NULL,
    updated_by TEXT NOT NULL,
    PRIMARY KEY (level, target_id, kind)
) STRICT;
CREATE INDEX policies_by_organization ON policies (organization_id, target_id, kind);
CREATE INDEX policies_by_api ON policies (api_id);
CREATE INDEX policies_by_version ON policies (version_id);
CREATE INDEX policies_by_route ON policies (route_id);
CREATE INDEX policies_by_key ON policies (key_id);

CREATE TABLE policy_revisions (
    level TEXT NOT NULL,
    target_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    version INTEGER NOT NULL,
    document TEXT,
    changed_at TEXT NOT NULL,
    changed_by TEXT NOT NULL,
    PRIMARY KEY (level, target_id, kind, version),
    FOREIGN KEY (level, target_id, kind) REFERENCES policies (level, target_id, kind) ON DELETE CASCADE
) STRICT;
