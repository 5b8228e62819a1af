-- Usage is written by journal, into a partition for each day (UTC), which goes as a whole when it is too old.
ALTER TABLE usage_metrics RENAME TO usage_metrics_old;
DROP INDEX usage_metrics_by_time, usage_metrics_by_api;
CREATE TABLE usage_metrics (
    organization_id UUID NOT NULL,
    started_at_us BIGINT NOT NULL,
    id UUID NOT NULL,
    api_id UUID,
    key_id UUID,
    request_id TEXT NOT NULL,
    method TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER NOT NULL,
    error_code TEXT,
    latency_us BIGINT NOT NULL,
    latency_bucket INTEGER NOT NULL,
    upstream_us BIGINT,
    bytes_in BIGINT NOT NULL,
    bytes_out BIGINT NOT NULL,
    refused BOOLEAN NOT NULL
) PARTITION BY RANGE (started_at_us);
DO $$
DECLARE
    day BIGINT;
BEGIN
    FOR day IN SELECT DISTINCT started_at_us / 86400000000 FROM usage_metrics_old LOOP
        EXECUTE format(
            'CREATE TABLE usage_metrics_%s PARTITION OF usage_metrics FOR VALUES FROM (%s) TO (%s)',
            to_char(to_timestamp(day * 86400) AT TIME ZONE 'UTC', 'YYYYMMDD'), day * 86400000000, (day + 1) * 86400000000
        );
    END LOOP;
END $$;
INSERT INTO usage_metrics
SELECT organization_id, started_at_us, id, api_id, key_id, request_id, method, path, status, error_code, latency_us,
    latency_bucket, upstream_us, bytes_in, bytes_out, refused
FROM usage_metrics_old;
DROP TABLE usage_metrics_old;
CREATE INDEX usage_metrics_by_time ON usage_metrics (organization_id, started_at_us, id);

-- How far each journal of usage events is stored; moved in the transaction that stores them.
CREATE TABLE usage_journals (
    journal_id UUID PRIMARY KEY,
    position BIGINT NOT NULL,
    updated_at_us BIGINT NOT NULL
);
