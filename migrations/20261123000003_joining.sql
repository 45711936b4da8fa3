-- Servers join by themselves: tokens that let them in once, their keys, and what is checked.

ALTER TABLE servers
    -- A deleted server stays as a row; nothing of it may join or report.
    ADD COLUMN IF NOT EXISTS deleted_at timestamptz,
    -- Ed25519, hex; the server's own, made by it.
    ADD COLUMN public_key            text CHECK (public_key ~ '^[0-9a-f]{64}$'),
    ADD COLUMN joined_at             timestamptz,
    -- RabbitMQ's salted hash: enough to make the user again, not to be it.
    ADD COLUMN broker_password_hash  text,
    -- The number of the agent's last report: a report with this or a lower one is a replay.
    ADD COLUMN agent_seq             bigint NOT NULL DEFAULT 0,
    ADD COLUMN agent_seen_at         timestamptz,
    ADD COLUMN agent_version         text,
    -- Checks that are older than this are run again.
    ADD COLUMN checks_wanted_at      timestamptz;

CREATE TABLE enrolments (
    -- SHA-256 of the token: a stolen database lets nobody in.
    token_hash   bytea PRIMARY KEY,
    server_id    uuid NOT NULL REFERENCES servers ON DELETE CASCADE,
    created_by   text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    -- Another token has taken its place.
    voided_at    timestamptz,
    used_at      timestamptz,
    -- Whose use it was: the same server may ask again while the token lives.
    public_key   text,
    -- The last refusal, for the page: {code, detail, remedy, at}.
    refusal      jsonb,
    CHECK ((used_at IS NULL) = (public_key IS NULL))
);
CREATE UNIQUE INDEX enrolments_one_open ON enrolments (server_id) WHERE voided_at IS NULL;

CREATE TABLE server_checks (
    server_id   uuid NOT NULL REFERENCES servers ON DELETE CASCADE,
    name        text NOT NULL,
    state       text NOT NULL CHECK (state IN ('green', 'red')),
    -- What was found, and how to mend it.
    cause       text NOT NULL,
    remedy      text NOT NULL,
    checked_at  timestamptz NOT NULL,
    PRIMARY KEY (server_id, name),
    CHECK (state = 'green' OR (cause <> '' AND remedy <> ''))
);
