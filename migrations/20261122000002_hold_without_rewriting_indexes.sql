-- Holding an artist must be cheap: a request for 10,000 artists holds 10,000 of them. Without an
-- index on the column, and with room left on each page, the update stays on its page and touches
-- no index (HOT): a tenth of the time. Who is held is known from jobs_one_open_per_artist too.
DROP INDEX artists_held;
ALTER TABLE artists SET (fillfactor = 50);
