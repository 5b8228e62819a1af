-- When reports are made.
CREATE TABLE report_schedules (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    document TEXT NOT NULL,
    created_by TEXT NOT NULL,
    -- When the next one is to be made; NULL: it is switched off.
    due_us INTEGER,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX report_schedules_by_organization ON report_schedules (organization_id, id);
CREATE INDEX report_schedules_due ON report_schedules (due_us) WHERE due_us IS NOT NULL;

-- Reports that are kept. Their files are elsewhere, so a row stays when its organization goes: it
-- is what the files are found by when they are deleted.
CREATE TABLE reports (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL,
    -- A schedule may go before what it made.
    schedule_id BLOB,
    name TEXT NOT NULL,
    api_id BLOB,
    from_us INTEGER NOT NULL,
    to_us INTEGER NOT NULL,
    time_zone TEXT NOT NULL,
    made_us INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('ready', 'failed')),
    problem TEXT,
    size INTEGER NOT NULL,
    -- Both files are named for it.
    object_key TEXT NOT NULL,
    headline TEXT NOT NULL,
    created_by TEXT NOT NULL,
    -- One report for each time of a schedule, however many nodes make it.
    CONSTRAINT reports_once UNIQUE (schedule_id, from_us, to_us)
) STRICT;
CREATE INDEX reports_by_organization ON reports (organization_id, id DESC);
CREATE INDEX reports_by_age ON reports (made_us);
