-- The audit log as chains: one for each organization, and one (of zeros) for the installation.
-- Each line holds the hash of the one before, so that a change, a gap or a swap shows.

ALTER TABLE audit_events ADD COLUMN seq BIGINT;
ALTER TABLE audit_events ADD COLUMN hash BYTEA;
CREATE UNIQUE INDEX audit_events_by_seq ON audit_events (organization_id, seq) WHERE organization_id IS NOT NULL;

-- The last line of each chain; writing it makes lines of a chain come one after the other.
CREATE TABLE audit_chains (
    chain UUID PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL
);

CREATE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'lines of the audit log are never changed';
END
$$;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION audit_events_append_only();
