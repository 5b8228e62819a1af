-- From when to when an organization's calls are summed up by 28 days too, and which stretch is being made.
CREATE TABLE usage_long (
    organization_id BLOB PRIMARY KEY NOT NULL,
    from_us INTEGER NOT NULL,
    to_us INTEGER NOT NULL,
    making_us INTEGER
) STRICT, WITHOUT ROWID;

-- Organizations whose sums by API only are made of those without keys (view 3 of view 0).
CREATE TABLE usage_views_missing (
    organization_id BLOB PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO usage_views_missing SELECT DISTINCT organization_id FROM usage_blocks;
