-- What calls cost, and how much they may.
CREATE TABLE price_rules (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    document TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX price_rules_by_organization ON price_rules (organization_id, id);
CREATE TABLE budgets (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    document TEXT NOT NULL,
    -- The month that is looked at, and the highest threshold that was told in it, percent.
    month_us INTEGER NOT NULL DEFAULT 0,
    told INTEGER NOT NULL DEFAULT 0,
    -- Calls are refused until then.
    blocked_until_us INTEGER,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX budgets_by_organization ON budgets (organization_id, id);
