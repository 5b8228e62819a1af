-- The route that a call came to. Of a verification of a key: for how many calls it counts; null: a call.
ALTER TABLE usage_metrics ADD COLUMN route_id BLOB;
ALTER TABLE usage_metrics ADD COLUMN verified INTEGER;

-- How many calls quotas have counted, in steps of five minutes; after two days, of a day. Kept in the
-- transaction that stores the calls. Zeros: all keys; no API; no route.
CREATE TABLE usage_counts (
    organization_id BLOB NOT NULL,
    key_id BLOB NOT NULL,
    start_us INTEGER NOT NULL,
    api_id BLOB NOT NULL,
    route_id BLOB NOT NULL,
    calls INTEGER NOT NULL,
    PRIMARY KEY (organization_id, key_id, start_us, api_id, route_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX usage_counts_by_time ON usage_counts (start_us);
INSERT INTO usage_counts
SELECT organization_id, key_id, started_at_us / 300000000 * 300000000, coalesce(api_id, zeroblob(16)), zeroblob(16), count(*)
FROM usage_metrics
WHERE NOT refused AND key_id IS NOT NULL
GROUP BY 1, 2, 3, 4;
INSERT INTO usage_counts
SELECT organization_id, zeroblob(16), started_at_us / 300000000 * 300000000, coalesce(api_id, zeroblob(16)), zeroblob(16), count(*)
FROM usage_metrics
WHERE NOT refused
GROUP BY 1, 3, 4;
