-- Messages may be signed calls to an address too. A check cannot be changed, only a table.
CREATE TABLE notifications_new (
    id BLOB PRIMARY KEY,
    organization_id BLOB REFERENCES organizations (id) ON DELETE CASCADE,
    user_id BLOB REFERENCES users (id) ON DELETE CASCADE,
    event TEXT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('email', 'sms', 'webhook')),
    recipient TEXT NOT NULL,
    -- One cause, one message: what has the same key is not added again.
    idempotency_key TEXT NOT NULL CONSTRAINT notifications_key UNIQUE,
    subject TEXT NOT NULL,
    -- Encrypted for notifications.content:{id}; links in it open accounts.
    content BLOB,
    status TEXT NOT NULL CHECK (status IN (
        'requested', 'pending', 'sending', 'uncertain',
        'kept', 'sent', 'delivered', 'failed', 'suppressed'
    )),
    attempts INTEGER NOT NULL,
    due_at TEXT NOT NULL,
    -- Who works on it, and until when nobody else may.
    lease BLOB,
    leased_until TEXT,
    provider TEXT,
    provider_id TEXT,
    last_error TEXT,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
INSERT INTO notifications_new (id, organization_id, user_id, event, channel, recipient,
    idempotency_key, subject, content, status, attempts, due_at, lease, leased_until, provider,
    provider_id, last_error, created_at, updated_at)
SELECT id, organization_id, user_id, event, channel, recipient,
    idempotency_key, subject, content, status, attempts, due_at, lease, leased_until, provider,
    provider_id, last_error, created_at, updated_at FROM notifications;
DROP TABLE notifications;
ALTER TABLE notifications_new RENAME TO notifications;
CREATE INDEX notifications_due ON notifications (due_at)
    WHERE status IN ('requested', 'pending', 'sending', 'uncertain');
CREATE INDEX notifications_by_organization ON notifications (organization_id, id DESC);
CREATE INDEX notifications_by_user ON notifications (user_id, id DESC);
CREATE INDEX notifications_by_provider ON notifications (provider, provider_id);
CREATE INDEX notifications_by_age ON notifications (updated_at);

-- Rules that alert, and where each stands.
CREATE TABLE alert_rules (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    document TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'ok' CHECK (state IN ('ok', 'pending', 'firing')),
    -- Since when: it is in this state, and (firing) its condition does not hold.
    since_us INTEGER,
    calm_us INTEGER,
    value REAL,
    -- Up to when calls were looked at.
    looked_us INTEGER NOT NULL DEFAULT 0,
    incident_id BLOB,
    -- Counts what was noted: of two that looked at the same, one notes.
    turn INTEGER NOT NULL DEFAULT 0,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX alert_rules_by_organization ON alert_rules (organization_id, id);

-- Each time a rule fired.
CREATE TABLE alert_incidents (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    rule_id BLOB NOT NULL REFERENCES alert_rules (id) ON DELETE CASCADE,
    rule_name TEXT NOT NULL,
    severity TEXT NOT NULL,
    summary TEXT NOT NULL,
    began_us INTEGER NOT NULL,
    fired_us INTEGER NOT NULL,
    resolved_us INTEGER,
    value REAL,
    told INTEGER NOT NULL
) STRICT;
CREATE INDEX alert_incidents_by_organization ON alert_incidents (organization_id, fired_us DESC, id DESC);
CREATE INDEX alert_incidents_by_rule ON alert_incidents (rule_id, fired_us DESC);

-- Until when nobody is told. No rule: of none.
CREATE TABLE alert_silences (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    rule_id BLOB REFERENCES alert_rules (id) ON DELETE CASCADE,
    until_us INTEGER NOT NULL,
    reason TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_us INTEGER NOT NULL
) STRICT;
CREATE INDEX alert_silences_by_organization ON alert_silences (organization_id, id);

-- Addresses that are told.
CREATE TABLE alert_webhooks (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    url TEXT NOT NULL,
    topics TEXT NOT NULL,
    -- Encrypted for alert_webhooks.secret:{id}.
    secret BLOB NOT NULL,
    created_by TEXT NOT NULL,
    created_us INTEGER NOT NULL
) STRICT;
CREATE INDEX alert_webhooks_by_organization ON alert_webhooks (organization_id, id);

-- Service level objectives.
CREATE TABLE slos (
    id BLOB PRIMARY KEY,
    organization_id BLOB NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    document TEXT NOT NULL,
    created_at TEXT NOT NULL,
    updated_at TEXT NOT NULL
) STRICT;
CREATE INDEX slos_by_organization ON slos (organization_id, id);
