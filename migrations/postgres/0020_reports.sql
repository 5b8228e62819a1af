-- When reports are made.
CREATE TABLE report_schedules (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    document JSONB NOT NULL,
    created_by TEXT NOT NULL,
    -- When the next one is to be made; NULL: it is switched off.
    due_us BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX report_schedules_by_organization ON report_schedules (organization_id, id);
CREATE INDEX report_schedules_due ON report_schedules (due_us) WHERE due_us IS NOT NULL;

-- Reports that are kept. Their files are elsewhere, so a row stays when its organization goes: it
-- is what the files are found by when they are deleted.
CREATE TABLE reports (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL,
    -- A schedule may go before what it made.
    schedule_id UUID,
    name TEXT NOT NULL,
    api_id UUID,
    from_us BIGINT NOT NULL,
    to_us BIGINT NOT NULL,
    time_zone TEXT NOT NULL,
    made_us BIGINT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ready', 'failed')),
    problem TEXT,
    size BIGINT NOT NULL,
    -- Both files are named for it.
    object_key TEXT NOT NULL,
    headline JSONB NOT NULL,
    created_by TEXT NOT NULL,
    -- One report for each time of a schedule, however many nodes make it.
    CONSTRAINT reports_once UNIQUE (schedule_id, from_us, to_us)
);
CREATE INDEX reports_by_organization ON reports (organization_id, id DESC);
CREATE INDEX reports_by_age ON reports (made_us);
