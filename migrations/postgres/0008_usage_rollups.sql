-- What the response cache did for a call; NULL: nothing.
ALTER TABLE usage_metrics ADD COLUMN cache SMALLINT;

-- Sums of calls. A batch of calls is stored with its sums by minute, in one transaction; later these are
-- added to blocks of a minute, an hour and a day, and deleted in the transaction that does so.
CREATE TABLE usage_deltas (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    organization_id UUID NOT NULL,
    -- The first and the last minute that it has calls of.
    from_us BIGINT NOT NULL,
    to_us BIGINT NOT NULL,
    data BYTEA NOT NULL
);
CREATE INDEX usage_deltas_by_organization ON usage_deltas (organization_id, id);
ALTER TABLE usage_deltas ALTER COLUMN data SET STORAGE EXTERNAL;

-- view: by what calls are told apart; step: minute, hour, day; shard: which keys.
CREATE TABLE usage_blocks (
    organization_id UUID NOT NULL,
    view SMALLINT NOT NULL,
    step SMALLINT NOT NULL,
    start_us BIGINT NOT NULL,
    shard SMALLINT NOT NULL,
    data BYTEA NOT NULL,
    PRIMARY KEY (organization_id, view, step, start_us, shard)
) WITH (fillfactor = 70);
CREATE INDEX usage_blocks_by_age ON usage_blocks (step, start_us);
-- They are dense already; trying to compress them costs more than it saves.
ALTER TABLE usage_blocks ALTER COLUMN data SET STORAGE EXTERNAL;

-- Routes that nobody configured, learned from paths.
CREATE TABLE usage_templates (
    organization_id UUID NOT NULL,
    api_id UUID NOT NULL,
    template TEXT NOT NULL,
    PRIMARY KEY (organization_id, api_id, template)
);

-- Hours of calls that were stored before there were sums.
CREATE TABLE usage_backfill (
    organization_id UUID NOT NULL,
    hour_us BIGINT NOT NULL,
    PRIMARY KEY (organization_id, hour_us)
);
INSERT INTO usage_backfill
SELECT DISTINCT organization_id, started_at_us / 3600000000 * 3600000000 FROM usage_metrics;
