-- Versions of an API end; callers choose one; calls tell which one they went to.
ALTER TABLE api_versions ADD COLUMN deprecated_at TEXT;
ALTER TABLE api_versions ADD COLUMN sunset_at TEXT;
ALTER TABLE api_versions ADD COLUMN refuse_after_sunset INTEGER NOT NULL DEFAULT 0;
ALTER TABLE api_versions ADD COLUMN link TEXT;

-- How callers of an API choose; the defaults where there is no row.
CREATE TABLE api_versioning (
    api_id BLOB PRIMARY KEY REFERENCES apis (id) ON DELETE CASCADE,
    document TEXT NOT NULL
) STRICT;

-- NULL: the version 'default'.
ALTER TABLE usage_metrics ADD COLUMN version_id BLOB;
