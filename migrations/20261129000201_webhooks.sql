-- Notifications: webhooks, what is sent to them, and the standing watches that have something to tell.

ALTER TABLE cluster_settings
    -- Where the pages are; web notes it, so that whoever writes an event can link to them.
    ADD COLUMN main_url text NOT NULL DEFAULT '';

-- Who is told.
CREATE TABLE webhooks (
    id                uuid PRIMARY KEY,
    name              text NOT NULL,
    url               text NOT NULL,
    -- Which events, by name.
    events            text[] NOT NULL,
    active            boolean NOT NULL DEFAULT true,
    secret            bytea NOT NULL,
    -- The one before the last rotation; it signs too, until then.
    old_secret        bytea,
    old_secret_until  timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    created_by        text NOT NULL,
    last_success_at   timestamptz,
    -- Since when nothing has arrived there; null while all is well.
    failing_since     timestamptz,
    -- Why it was switched off by itself.
    off_note          text,
    CHECK ((old_secret IS NULL) = (old_secret_until IS NULL))
);

-- What is to be sent, and what became of it.
CREATE TABLE webhook_deliveries (
    id            uuid PRIMARY KEY,
    webhook_id    uuid NOT NULL REFERENCES webhooks (id) ON DELETE CASCADE,
    -- The same for every webhook that is told, and however often it is sent.
    event_id      uuid NOT NULL,
    event         text NOT NULL,
    -- To the byte as it is signed and sent.
    body          text NOT NULL,
    state         text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'failed')),
    tries         integer NOT NULL DEFAULT 0,
    created_at    timestamptz NOT NULL DEFAULT now(),
    next_try_at   timestamptz NOT NULL DEFAULT now(),
    -- A coordinator has it in hand until then.
    leased_until  timestamptz,
    -- Of the last try.
    tried_at      timestamptz,
    status        integer,
    latency_ms    bigint,
    answer        text,
    error         text,
    finished_at   timestamptz,
    CHECK ((finished_at IS NULL) = (state = 'pending'))
);
CREATE INDEX webhook_deliveries_due ON webhook_deliveries (webhook_id, next_try_at)
    WHERE state = 'pending';
CREATE INDEX webhook_deliveries_newest ON webhook_deliveries (webhook_id, created_at DESC, id DESC);
CREATE INDEX webhook_deliveries_old ON webhook_deliveries (created_at);

ALTER TABLE servers
    -- Since when people have been told that it is offline.
    ADD COLUMN offline_told_at timestamptz;

-- The standing watch over the balance: one row.
CREATE TABLE balance_watch (
    one              boolean PRIMARY KEY DEFAULT true CHECK (one),
    every            text NOT NULL DEFAULT 'daily' CHECK (every IN ('off', 'hourly', 'daily')),
    -- How far a server may be from its share, as a part of that share.
    tolerance        double precision NOT NULL DEFAULT 0.25 CHECK (tolerance BETWEEN 0.01 AND 1),
    -- Since when it is to run as it does.
    set_at           timestamptz NOT NULL DEFAULT now(),
    -- Somebody wants it to look now.
    wanted           boolean NOT NULL DEFAULT false,
    -- The last look, and what it found.
    run_at           timestamptz,
    worst_server_id  uuid REFERENCES servers (id),
    worst_off        double precision,
    -- Looks in a row that found the cluster out of balance.
    out_runs         integer NOT NULL DEFAULT 0,
    -- Since when people have been told so.
    alert_since      timestamptz,
    -- Since when people have been told that the watch does not run.
    silent_told_at   timestamptz
);
INSERT INTO balance_watch DEFAULT VALUES;

ALTER TABLE artists
    -- When the artist last put away the notice of a move.
    ADD COLUMN move_notice_read_at timestamptz;
