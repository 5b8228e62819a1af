-- Whose calls somebody watches, until when; and these calls, for two minutes.
CREATE TABLE usage_watchers (
    organization_id BLOB PRIMARY KEY,
    until_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE usage_live (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id BLOB NOT NULL,
    stored_us INTEGER NOT NULL,
    calls INTEGER NOT NULL,
    -- Calls that were stored with these and are not told.
    left_out INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX usage_live_by_organization ON usage_live (organization_id, id);

-- What was unusual. Zeros: no API; an empty route: the API as a whole.
CREATE TABLE usage_findings (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    api_id BLOB NOT NULL,
    route TEXT NOT NULL,
    metric TEXT NOT NULL,
    state TEXT NOT NULL,
    above INTEGER NOT NULL,
    started_us INTEGER NOT NULL,
    ended_us INTEGER,
    worst_us INTEGER NOT NULL,
    value REAL NOT NULL,
    expected REAL NOT NULL,
    score REAL NOT NULL,
    parts TEXT NOT NULL,
    acknowledged_us INTEGER,
    acknowledged_by TEXT,
    note TEXT,
    CONSTRAINT usage_findings_place UNIQUE (organization_id, api_id, route, metric, started_us)
) STRICT;
CREATE INDEX usage_findings_by_time ON usage_findings (organization_id, started_us, id);
CREATE TABLE usage_mutes (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    api_id BLOB,
    route TEXT,
    metric TEXT,
    until_us INTEGER,
    created_by TEXT NOT NULL,
    created_us INTEGER NOT NULL
) STRICT;
CREATE INDEX usage_mutes_by_organization ON usage_mutes (organization_id, id);

-- Tasks that one node does for all.
CREATE TABLE node_leases (
    name TEXT PRIMARY KEY,
    holder BLOB NOT NULL,
    until_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What `apiverse demo` made.
CREATE TABLE usage_demo (
    organization_id BLOB PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    document TEXT NOT NULL
) STRICT;
