-- Plays by day, and the batches in which they came.

-- What was applied: a batch that is delivered again changes nothing.
CREATE TABLE play_batches (
    id          uuid PRIMARY KEY,
    server_id   uuid NOT NULL REFERENCES servers ON DELETE CASCADE,
    plays       bigint NOT NULL,
    applied_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX play_batches_by_age ON play_batches (applied_at);

-- Days in UTC. What falls out of the last 30 days is taken off artists.plays_30d.
CREATE TABLE artist_days (
    artist_id  uuid NOT NULL REFERENCES artists ON DELETE CASCADE,
    day        date NOT NULL,
    plays      bigint NOT NULL CHECK (plays >= 0),
    PRIMARY KEY (artist_id, day)
);
CREATE INDEX artist_days_by_day ON artist_days (day);

-- By the server that sent the audio, wherever the artist lives now.
CREATE TABLE server_days (
    server_id  uuid NOT NULL REFERENCES servers ON DELETE CASCADE,
    day        date NOT NULL,
    plays      bigint NOT NULL CHECK (plays >= 0),
    PRIMARY KEY (server_id, day)
);

-- The last day that has been taken off.
CREATE TABLE plays_window (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    gone_day  date NOT NULL
);
INSERT INTO plays_window (gone_day) VALUES ((now() AT TIME ZONE 'UTC')::date - 30);

-- What is known of the last 30 days has no days: it counts as of today, and leaves in 30.
INSERT INTO artist_days (artist_id, day, plays)
SELECT id, (now() AT TIME ZONE 'UTC')::date, plays_30d FROM artists WHERE plays_30d > 0;

CREATE INDEX songs_by_path ON songs (artist_id, path);
