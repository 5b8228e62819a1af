-- Whose calls somebody watches, until when; and these calls, for two minutes.
CREATE TABLE usage_watchers (
    organization_id UUID PRIMARY KEY,
    until_us BIGINT NOT NULL
);
CREATE TABLE usage_live (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id UUID NOT NULL,
    stored_us BIGINT NOT NULL,
    calls BIGINT NOT NULL,
    -- Calls that were stored with these and are not told.
    left_out BIGINT NOT NULL,
    data BYTEA NOT NULL
);
CREATE INDEX usage_live_by_organization ON usage_live (organization_id, id);

-- What was unusual. Zeros: no API; an empty route: the API as a whole.
CREATE TABLE usage_findings (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    api_id UUID NOT NULL,
    route TEXT NOT NULL,
    metric TEXT NOT NULL,
    state TEXT NOT NULL,
    above BOOLEAN NOT NULL,
    started_us BIGINT NOT NULL,
    ended_us BIGINT,
    worst_us BIGINT NOT NULL,
    value DOUBLE PRECISION NOT NULL,
    expected DOUBLE PRECISION NOT NULL,
    score DOUBLE PRECISION NOT NULL,
    parts JSONB NOT NULL,
    acknowledged_us BIGINT,
    acknowledged_by TEXT,
    note TEXT,
    CONSTRAINT usage_findings_place UNIQUE (organization_id, api_id, route, metric, started_us)
);
CREATE INDEX usage_findings_by_time ON usage_findings (organization_id, started_us, id);
CREATE TABLE usage_mutes (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    api_id UUID,
    route TEXT,
    metric TEXT,
    until_us BIGINT,
    created_by TEXT NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE INDEX usage_mutes_by_organization ON usage_mutes (organization_id, id);

-- Tasks that one node does for all.
CREATE TABLE node_leases (
    name TEXT PRIMARY KEY,
    holder UUID NOT NULL,
    until_us BIGINT NOT NULL
);

-- What `apiverse demo` made.
CREATE TABLE usage_demo (
    organization_id UUID PRIMARY KEY REFERENCES organizations (id) ON DELETE CASCADE,
    document JSONB NOT NULL
);
