-- Lists of latest versions by status find count and page in an index. No row changes, so the table stays of its version.
-- Where the index is there already, an operator made it beforehand, without keeping writes waiting.

CREATE INDEX IF NOT EXISTS deployment_versions_latest_status
    ON deployment_versions (workspace COLLATE "POSIX", status, created_position)
    WHERE latest_until = 9223372036854775807;
