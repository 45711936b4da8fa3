-- Which of the master's keys a worker obeys, as it last told: their ids.
ALTER TABLE workers ADD COLUMN trusts text[] NOT NULL DEFAULT '{}';

-- The master's public keys, as the coordinator last had them; the private ones are in its keyring.
CREATE TABLE master_keys (
    public_key  text PRIMARY KEY,
    state       text NOT NULL CHECK (state IN ('next', 'current', 'old')),
    made_at     timestamptz NOT NULL,
    -- When an old one is dropped.
    drop_at     timestamptz
);
