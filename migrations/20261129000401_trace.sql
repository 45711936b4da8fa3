-- The request that a job follows from: a W3C traceparent. Null for jobs of versions before.
ALTER TABLE jobs ADD COLUMN trace_parent text CHECK (length(trace_parent) <= 55);
