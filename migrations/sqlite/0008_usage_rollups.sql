-- What the response cache did for a call; NULL: nothing.
ALTER TABLE usage_metrics ADD COLUMN cache INTEGER;

-- Sums of calls. A batch of calls is stored with its sums by minute, in one transaction; later these are
-- added to blocks of a minute, an hour and a day, and deleted in the transaction that does so.
CREATE TABLE usage_deltas (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id BLOB NOT NULL,
    -- The first and the last minute that it has calls of.
    from_us INTEGER NOT NULL,
    to_us INTEGER NOT NULL,
    data BLOB NOT NULL
) STRICT;
CREATE INDEX usage_deltas_by_organization ON usage_deltas (organization_id, id);

-- view: by what calls are told apart; step: minute, hour, day; shard: which keys.
CREATE TABLE usage_blocks (
    organization_id BLOB NOT NULL,
    view INTEGER NOT NULL,
    step INTEGER NOT NULL,
    start_us INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (organization_id, view, step, start_us, shard)
) STRICT;
CREATE INDEX usage_blocks_by_age ON usage_blocks (step, start_us);

-- Routes that nobody configured, learned from paths.
CREATE TABLE usage_templates (
    organization_id BLOB NOT NULL,
    api_id BLOB NOT NULL,
    template TEXT NOT NULL,
    PRIMARY KEY (organization_id, api_id, template)
) STRICT, WITHOUT ROWID;

-- Hours of calls that were stored before there were sums.
CREATE TABLE usage_backfill (
    organization_id BLOB NOT NULL,
    hour_us INTEGER NOT NULL,
    PRIMARY KEY (organization_id, hour_us)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_backfill
SELECT DISTINCT organization_id, started_at_us / 3600000000 * 3600000000 FROM usage_metrics;
