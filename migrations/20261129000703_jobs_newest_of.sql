-- The newest jobs of somebody, or of artists with a name, are chosen without their rows.
CREATE INDEX jobs_newest_of ON jobs (created_at DESC, id DESC) INCLUDE (batch_id, artist_id);
