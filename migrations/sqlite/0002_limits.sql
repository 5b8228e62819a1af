-- Limits: a document for each organization, API or key that has any, and the routes of an API
-- with theirs.

CREATE TABLE limit_policies (
    scope TEXT NOT NULL CHECK (scope IN ('organization', 'api', 'key')),
    -- Id of the organization, API or key; the latter two once more as what deletes it with them.
    target_id BLOB NOT NULL,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    api_id BLOB REFERENCES apis (id) ON DELETE CASCADE,
    key_id BLOB REFERENCES api_keys (id) ON DELETE CASCADE,
    document TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    PRIMARY KEY (scope, target_id)
) STRICT;
CREATE INDEX limit_policies_by_organization ON limit_policies (organization_id);
CREATE INDEX limit_policies_by_api ON limit_policies (api_id);
CREATE INDEX limit_policies_by_key ON limit_policies (key_id);

CREATE TABLE api_routes (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    api_id BLOB NOT NULL REFERENCES apis (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    methods TEXT NOT NULL,
    path TEXT NOT NULL,
    policy TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    CONSTRAINT api_routes_name UNIQUE (api_id, name)
) STRICT;
CREATE INDEX api_routes_by_organization ON api_routes (organization_id, api_id, id);
