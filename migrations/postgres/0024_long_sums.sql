-- From when to when an organization's calls are summed up by 28 days too, and which stretch is being made.
CREATE TABLE usage_long (
    organization_id UUID PRIMARY KEY NOT NULL,
    from_us BIGINT NOT NULL,
    to_us BIGINT NOT NULL,
    making_us BIGINT
);

-- Organizations whose sums by API only are made of those without keys (view 3 of view 0).
CREATE TABLE usage_views_missing (
    organization_id UUID PRIMARY KEY NOT NULL
);
INSERT INTO usage_views_missing SELECT DISTINCT organization_id FROM usage_blocks;
