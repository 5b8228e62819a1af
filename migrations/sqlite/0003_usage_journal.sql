-- Usage is written by journal. A call is stored where its organization and time say: the primary key is the
-- order of the rows themselves, so that writing costs one tree and a series is one stretch of it.
CREATE TABLE usage_metrics_new (
    organization_id BLOB NOT NULL,
    started_at_us INTEGER NOT NULL,
    id BLOB NOT NULL,
    api_id BLOB,
    key_id BLOB,
    request_id TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER NOT NULL,
    error_code TEXT,
    latency_us INTEGER NOT NULL,
    latency_bucket INTEGER NOT NULL,
    upstream_us INTEGER,
    bytes_in INTEGER NOT NULL,
    bytes_out INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    PRIMARY KEY (organization_id, started_at_us, id)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_metrics_new
SELECT organization_id, started_at_us, id, api_id, key_id, request_id, method, path, status, error_code, latency_us,
    latency_bucket, upstream_us, bytes_in, bytes_out, refused
FROM usage_metrics
ORDER BY organization_id, started_at_us, id;
DROP TABLE usage_metrics;
ALTER TABLE usage_metrics_new RENAME TO usage_metrics;

-- How far each journal of usage events is stored; moved in the transaction that stores them.
CREATE TABLE usage_journals (
    journal_id BLOB PRIMARY KEY,
    position INTEGER NOT NULL,
    updated_at_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
