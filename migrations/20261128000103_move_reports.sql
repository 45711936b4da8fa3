-- What a move did, and what was verified and how; signed by the master. A row without a report is
-- one that the coordinator has yet to write.
CREATE TABLE move_reports (
    job_id      uuid PRIMARY KEY REFERENCES jobs ON DELETE CASCADE,
    report      jsonb,
    written_at  timestamptz
);
CREATE INDEX move_reports_owed ON move_reports (job_id) WHERE report IS NULL;
