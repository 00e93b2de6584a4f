-- Statements on deployment_versions alone.

-- :insert
-- Add rows.
INSERT INTO deployment_versions (
       workspace, name, version, valid_from, valid_until, latest_until, changed_position, created_position,
       created_at, updated_at, config_version, id, project, config, status, status_message, model_provider_id, body)
SELECT workspace, name, version, valid_from, valid_until, latest_until, changed_position, created_position,
       created_at, updated_at, config_version, id, project, config, status, status_message, model_provider_id, body
  FROM json_to_recordset(%(rows)s) AS r (
       workspace text, name text, version bigint, valid_from bigint, valid_until bigint, latest_until bigint,
       changed_position bigint, created_position bigint, created_at timestamptz, updated_at timestamptz,
       config_version bigint, id text, project text, config text, status text, status_message text,
       model_provider_id text, body text);

-- :referrers
-- The deployments that refer to a config: of each the highest stored version which does.
SELECT DISTINCT ON (v.name) v.config_version, v.status
  FROM deployment_versions v
 WHERE v.workspace COLLATE "POSIX" = %(workspace)s AND v.config = %(config)s AND v.valid_until = 9223372036854775807
 ORDER BY v.name, v.version DESC;

-- :newest_to_restore
-- The newest open version before the latest one that was ever READY: any row of it, also one that ended, tells.
SELECT v.version
  FROM deployment_versions v
 WHERE v.workspace = %(workspace)s AND v.name = %(name)s AND v.valid_until = 9223372036854775807
   AND v.version < (
       SELECT o.version
         FROM deployment_versions o
        WHERE o.workspace = %(workspace)s AND o.name = %(name)s AND o.valid_until = 9223372036854775807
        ORDER BY o.version DESC
        LIMIT 1)
   AND EXISTS (
       SELECT 1
         FROM deployment_versions r
        WHERE r.workspace = %(workspace)s AND r.name = %(name)s AND r.version = v.version AND r.status = 'READY')
 ORDER BY v.version DESC
 LIMIT 1;
