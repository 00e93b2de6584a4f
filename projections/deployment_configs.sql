-- Statements on deployment_config_versions alone.

-- :insert
-- Add rows.
INSERT INTO deployment_config_versions (
       workspace, name, version, valid_from, valid_until, latest_until, changed_position, created_position,
       created_at, updated_at, id, project, description, engine, model_entity_id, body)
SELECT workspace, name, version, valid_from, valid_until, latest_until, changed_position, created_position,
       created_at, updated_at, id, project, description, engine, model_entity_id, body
  FROM json_to_recordset(%(rows)s) AS r (
       workspace text, name text, version bigint, valid_from bigint, valid_until bigint, latest_until bigint,
       changed_position bigint, created_position bigint, created_at timestamptz, updated_at timestamptz,
       id text, project text, description text, engine text, model_entity_id text, body text);

-- :pin
-- The versions that config references resolve to: the one named, or the latest if none is.
SELECT k.n, v.version
  FROM json_to_recordset(%(keys)s) AS k (n int, workspace text, name text, version bigint)
  JOIN LATERAL (
       (SELECT a.version
          FROM deployment_config_versions a
         WHERE k.version IS NULL
           AND a.workspace = k.workspace AND a.name = k.name AND a.valid_until = 9223372036854775807
         ORDER BY a.version DESC
         LIMIT 1)
        UNION ALL
       (SELECT b.version
          FROM deployment_config_versions b
         WHERE b.workspace = k.workspace AND b.name = k.name AND b.version = k.version
           AND b.valid_until = 9223372036854775807
         ORDER BY b.valid_from DESC
         LIMIT 1)
       ) v ON true;
