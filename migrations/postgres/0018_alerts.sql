-- Messages may be signed calls to an address too.
ALTER TABLE notifications DROP CONSTRAINT notifications_channel_check;
ALTER TABLE notifications ADD CONSTRAINT notifications_channel_check
    CHECK (channel IN ('email', 'sms', 'webhook'));

-- Rules that alert, and where each stands.
CREATE TABLE alert_rules (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    document JSONB NOT NULL,
    state TEXT NOT NULL DEFAULT 'ok' CHECK (state IN ('ok', 'pending', 'firing')),
    -- Since when: it is in this state, and (firing) its condition does not hold.
    since_us BIGINT,
    calm_us BIGINT,
    value DOUBLE PRECISION,
    -- Up to when calls were looked at.
    looked_us BIGINT NOT NULL DEFAULT 0,
    incident_id UUID,
    -- Counts what was noted: of two that looked at the same, one notes.
    turn BIGINT NOT NULL DEFAULT 0,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX alert_rules_by_organization ON alert_rules (organization_id, id);

-- Each time a rule fired.
CREATE TABLE alert_incidents (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    rule_id UUID NOT NULL REFERENCES alert_rules (id) ON DELETE CASCADE,
    rule_name TEXT NOT NULL,
    severity TEXT NOT NULL,
    summary TEXT NOT NULL,
    began_us BIGINT NOT NULL,
    fired_us BIGINT NOT NULL,
    resolved_us BIGINT,
    value DOUBLE PRECISION,
    told BOOLEAN NOT NULL
);
CREATE INDEX alert_incidents_by_organization ON alert_incidents (organization_id, fired_us DESC, id DESC);
CREATE INDEX alert_incidents_by_rule ON alert_incidents (rule_id, fired_us DESC);

-- Until when nobody is told. No rule: of none.
CREATE TABLE alert_silences (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    rule_id UUID REFERENCES alert_rules (id) ON DELETE CASCADE,
    until_us BIGINT NOT NULL,
    reason TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE INDEX alert_silences_by_organization ON alert_silences (organization_id, id);

-- Addresses that are told.
CREATE TABLE alert_webhooks (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    topics JSONB NOT NULL,
    -- Encrypted for alert_webhooks.secret:{id}.
    secret BYTEA NOT NULL,
    created_by TEXT NOT NULL,
    created_us BIGINT NOT NULL
);
CREATE INDEX alert_webhooks_by_organization ON alert_webhooks (organization_id, id);

-- Service level objectives.
CREATE TABLE slos (
    id UUID PRIMARY KEY,
    organization_id UUID NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    document JSONB NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX slos_by_organization ON slos (organization_id, id);
