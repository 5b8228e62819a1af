-- The audit log as chains: one for each organization, and one (of zeros) for the installation.
-- Each line holds the hash of the one before, so that a change, a gap or a swap shows.

ALTER TABLE audit_events ADD COLUMN seq INTEGER;
ALTER TABLE audit_events ADD COLUMN hash BLOB;
CREATE UNIQUE INDEX audit_events_by_seq ON audit_events (organization_id, seq) WHERE organization_id IS NOT NULL;

-- The last line of each chain; writing it makes lines of a chain come one after the other.
CREATE TABLE audit_chains (
    chain BLOB PRIMARY KEY,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TRIGGER audit_events_append_only BEFORE UPDATE ON audit_events
BEGIN
    SELECT RAISE(ABORT, 'lines of the audit log are never changed');
END;
