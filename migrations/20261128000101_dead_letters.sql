-- What the broker took off its queues for good, as the coordinator found it among the dead letters.
-- Kept when it is settled, so that what was thrown away can still be read for a while.
CREATE TABLE dead_letters (
    id           uuid PRIMARY KEY,
    -- The same letter may be delivered twice.
    fingerprint  bytea NOT NULL UNIQUE,
    died_at      timestamptz NOT NULL,
    stored_at    timestamptz NOT NULL DEFAULT now(),
    queue        text NOT NULL,
    server_slug  text,
    lane         text,
    -- The broker's word for it.
    reason       text NOT NULL,
    -- What we find wrong with it.
    fault        text NOT NULL,
    detail       text NOT NULL DEFAULT '',
    routing_key  text NOT NULL,
    -- `work` or `event`; the step's kind or the event's name where it can be read.
    sort         text NOT NULL CHECK (sort IN ('work', 'event')),
    kind         text,
    job_id       uuid,
    seq          integer,
    epoch        bigint,
    headers      jsonb NOT NULL,
    body         bytea NOT NULL,
    state        text NOT NULL DEFAULT 'waiting'
                 CHECK (state IN ('waiting', 'requeueing', 'requeued', 'discarded')),
    -- What came of the last requeue that did not work.
    note         text,
    settled_by   text,
    settled_at   timestamptz,
    CHECK ((settled_at IS NOT NULL) = (state IN ('requeued', 'discarded')))
);
CREATE INDEX dead_letters_waiting ON dead_letters (died_at DESC, id DESC)
    WHERE state IN ('waiting', 'requeueing');
CREATE INDEX dead_letters_settled ON dead_letters (settled_at) WHERE settled_at IS NOT NULL;
