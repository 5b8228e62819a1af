-- How single calls went through the gateway: every one that failed, and a sample of the others.
-- Kept for days, not months; a caller may send one request id twice, and then the last counts.

CREATE TABLE call_explanations (
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    request_id TEXT NOT NULL,
    -- Microseconds since 1970, as in usage_metrics.
    started_at_us INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (organization_id, request_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX call_explanations_by_time ON call_explanations (started_at_us);
