-- What calls cost, and how much they may.
CREATE TABLE price_rules (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    document JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX price_rules_by_organization ON price_rules (organization_id, id);
CREATE TABLE budgets (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    document JSONB NOT NULL,
    -- The month that is looked at, and the highest threshold that was told in it, percent.
    month_us BIGINT NOT NULL DEFAULT 0,
    told BIGINT NOT NULL DEFAULT 0,
    -- Calls are refused until then.
    blocked_until_us BIGINT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX budgets_by_organization ON budgets (organization_id, id);
