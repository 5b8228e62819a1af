-- Versions of an API end; callers choose one; calls tell which one they went to.
ALTER TABLE api_versions ADD COLUMN deprecated_at TIMESTAMPTZ;
ALTER TABLE api_versions ADD COLUMN sunset_at TIMESTAMPTZ;
ALTER TABLE api_versions ADD COLUMN refuse_after_sunset BOOLEAN NOT NULL DEFAULT false;
ALTER TABLE api_versions ADD COLUMN link TEXT;

-- How callers of an API choose; the defaults where there is no row.
CREATE TABLE api_versioning (
    api_id UUID PRIMARY KEY REFERENCES apis (id) ON DELETE CASCADE,
    document JSONB NOT NULL
);

-- NULL: the version 'default'.
ALTER TABLE usage_metrics ADD COLUMN version_id UUID;
