-- Networks that keys were used from; microseconds since 1970.
CREATE TABLE key_places (
    key_id UUID NOT NULL REFERENCES api_keys (id) ON DELETE CASCADE,
    network TEXT NOT NULL,
    first_us BIGINT NOT NULL,
    last_us BIGINT NOT NULL,
    PRIMARY KEY (key_id, network)
);
CREATE INDEX key_places_by_age ON key_places (last_us);
