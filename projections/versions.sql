-- Statements on a table of versions; {versions} is deployment_versions or deployment_config_versions.
-- 9223372036854775807 is the open end of a row that still holds. The open row of a version is its newest one, and
-- the latest version the highest with one: written as "the last in order", a look-up stays short on either index
-- that the planner may take.

-- :load
-- For each key the highest version ever given out, and the open rows of the latest version and of the one asked for.
SELECT k.n, coalesce(last.version, 0), v.version, v.valid_from, v.latest_until, v.changed_position, v.created_position, v.place, v.body
  FROM json_to_recordset(%(keys)s) AS k (n int, workspace text, name text, version bigint)
 CROSS JOIN LATERAL (
       SELECT max(l.version) AS version
         FROM {versions} l
        WHERE l.workspace = k.workspace AND l.name = k.name
       ) last
  LEFT JOIN LATERAL (
       (SELECT a.*, a.ctid AS place
          FROM {versions} a
         WHERE a.workspace = k.workspace AND a.name = k.name AND a.valid_until = 9223372036854775807
         ORDER BY a.version DESC
         LIMIT 1)
        UNION ALL
       (SELECT b.*, b.ctid AS place
          FROM {versions} b
         WHERE b.workspace = k.workspace AND b.name = k.name AND b.version = k.version
           AND b.valid_until = 9223372036854775807 AND b.latest_until <> 9223372036854775807
         ORDER BY b.valid_from DESC
         LIMIT 1)
       ) v ON true;

-- :load_all
-- Every open row of a name, with the highest version ever given out.
SELECT 0, (SELECT max(l.version) FROM {versions} l WHERE l.workspace = %(workspace)s AND l.name = %(name)s),
       v.version, v.valid_from, v.latest_until, v.changed_position, v.created_position, v.ctid, v.body
  FROM {versions} v
 WHERE v.workspace = %(workspace)s AND v.name = %(name)s AND v.valid_until = 9223372036854775807
 ORDER BY v.version;

-- :load_open
-- Every open row of many names.
SELECT k.n, v.version, v.valid_from, v.latest_until, v.changed_position, v.created_position, v.ctid, v.body
  FROM json_to_recordset(%(keys)s) AS k (n int, workspace text, name text)
  JOIN {versions} v ON v.workspace = k.workspace AND v.name = k.name AND v.valid_until = 9223372036854775807
 ORDER BY k.n, v.version;

-- :load_below
-- The open row of the next lower version, which becomes the latest if the versions above it go.
SELECT 0, 0, v.version, v.valid_from, v.latest_until, v.changed_position, v.created_position, v.ctid, v.body
  FROM {versions} v
 WHERE v.workspace = %(workspace)s AND v.name = %(name)s AND v.valid_until = 9223372036854775807
   AND v.version < %(version)s
 ORDER BY v.version DESC
 LIMIT 1;

-- :end
-- Move the ends of rows that were loaded in this transaction. Their place cannot change meanwhile: only holders of the
-- log's lock update rows. It saves a second look-up, and leaves the planner nothing to choose.
UPDATE {versions} v
   SET valid_until = e.valid_until, latest_until = e.latest_until
  FROM json_to_recordset(%(rows)s) AS e (place tid, valid_until bigint, latest_until bigint)
 WHERE v.ctid = e.place;

-- :get_latest
-- The answers for the latest versions of many names.
SELECT k.n, v.body, v.changed_position
  FROM json_to_recordset(%(keys)s) AS k (n int, workspace text, name text)
  JOIN LATERAL (
       SELECT o.body, o.changed_position
         FROM {versions} o
        WHERE o.workspace = k.workspace AND o.name = k.name AND o.valid_until = 9223372036854775807
        ORDER BY o.version DESC
        LIMIT 1
       ) v ON true;

-- :get_version
-- The answers for given versions of many names.
SELECT k.n, v.body, v.changed_position
  FROM json_to_recordset(%(keys)s) AS k (n int, workspace text, name text, version bigint)
  JOIN LATERAL (
       SELECT o.body, o.changed_position
         FROM {versions} o
        WHERE o.workspace = k.workspace AND o.name = k.name AND o.version = k.version
          AND o.valid_until = 9223372036854775807
        ORDER BY o.valid_from DESC
        LIMIT 1
       ) v ON true;

-- :list_versions
-- The answers for all versions of a name, highest first.
SELECT v.body
  FROM {versions} v
 WHERE v.workspace = %(workspace)s AND v.name = %(name)s AND v.valid_until = 9223372036854775807
 ORDER BY v.version DESC;

-- :get_latest_as_of
-- The answer for what was the latest version of a name at a position: the last row that became the latest before it, if
-- it had not ended by then.
SELECT v.body, v.changed_position
  FROM (SELECT o.body, o.changed_position, o.latest_until
          FROM {versions} o
         WHERE o.workspace COLLATE "POSIX" = %(workspace)s AND o.name COLLATE "POSIX" = %(name)s AND o.latest_until > 0
           AND o.valid_from <= %(position)s
         ORDER BY o.valid_from DESC
         LIMIT 1) v
 WHERE v.latest_until > %(position)s;

-- :get_version_as_of
-- The answer for a version as it was at a position.
SELECT v.body, v.changed_position
  FROM (SELECT o.body, o.changed_position, o.valid_until
          FROM {versions} o
         WHERE o.workspace = %(workspace)s AND o.name = %(name)s AND o.version = %(version)s
           AND o.valid_from <= %(position)s
         ORDER BY o.valid_from DESC
         LIMIT 1) v
 WHERE v.valid_until > %(position)s;

-- :list_versions_as_of
-- The answers for all versions of a name as they were at a position, highest first.
SELECT v.body
  FROM {versions} v
 WHERE v.workspace = %(workspace)s AND v.name = %(name)s
   AND v.valid_from <= %(position)s AND v.valid_until > %(position)s
 ORDER BY v.version DESC;
