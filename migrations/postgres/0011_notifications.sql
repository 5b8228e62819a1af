-- The outbox: every e-mail and text message from the moment it is owed to the moment it is settled.

CREATE TABLE notifications (
    id UUID PRIMARY KEY,
    organization_id UUID REFERENCES organizations (id) ON DELETE CASCADE,
    user_id UUID REFERENCES users (id) ON DELETE CASCADE,
    event TEXT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('email', 'sms')),
    recipient TEXT NOT NULL,
    -- One cause, one message: what has the same key is not added again.
    idempotency_key TEXT NOT NULL CONSTRAINT notifications_key UNIQUE,
    subject TEXT NOT NULL,
    -- Encrypted for notifications.content:{id}; links in it open accounts.
    content BYTEA,
    status TEXT NOT NULL CHECK (status IN (
        'requested', 'pending', 'sending', 'uncertain',
        'kept', 'sent', 'delivered', 'failed', 'suppressed'
    )),
    attempts INTEGER NOT NULL,
    due_at TIMESTAMPTZ NOT NULL,
    -- Who works on it, and until when nobody else may.
    lease UUID,
    leased_until TIMESTAMPTZ,
    provider TEXT,
    provider_id TEXT,
    last_error TEXT,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);
CREATE INDEX notifications_due ON notifications (due_at)
    WHERE status IN ('requested', 'pending', 'sending', 'uncertain');
CREATE INDEX notifications_by_organization ON notifications (organization_id, id DESC);
CREATE INDEX notifications_by_user ON notifications (user_id, id DESC);
CREATE INDEX notifications_by_provider ON notifications (provider, provider_id);
CREATE INDEX notifications_by_age ON notifications (updated_at);

-- What a user does not want to hear of, or does though it is off by default.
CREATE TABLE notification_preferences (
    user_id UUID NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    event TEXT NOT NULL,
    channel TEXT NOT NULL CHECK (channel IN ('email', 'sms')),
    enabled BOOLEAN NOT NULL,
    PRIMARY KEY (user_id, event, channel)
);

-- Addresses that bounced or complained: nothing is sent there until somebody takes them off.
CREATE TABLE notification_suppressions (
    channel TEXT NOT NULL CHECK (channel IN ('email', 'sms')),
    recipient TEXT NOT NULL,
    reason TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (channel, recipient)
);

-- Signed messages of providers that were acted on, so that none counts twice.
CREATE TABLE webhook_receipts (
    provider TEXT NOT NULL,
    receipt BYTEA NOT NULL,
    received_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (provider, receipt)
);
CREATE INDEX webhook_receipts_by_age ON webhook_receipts (received_at);
