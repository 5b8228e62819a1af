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

-- A node of before would add sums to the blocks it knows and to no others, while it waits to be replaced. So only
-- transactions that say which blocks they know may take sums out of here; those of before leave them to who comes.
CREATE FUNCTION usage_deltas_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('apiverse.sums', true), '') <> '2' THEN
        RAISE EXCEPTION 'sums of usage are left to nodes of a newer version';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER usage_deltas_guard BEFORE DELETE ON usage_deltas
    FOR EACH STATEMENT EXECUTE FUNCTION usage_deltas_guard();
