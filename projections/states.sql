-- Statements on states of versions, held now or earlier; {versions} is one of the tables of versions.

-- :states
-- Versions that events touched, before and after: an added version is compared with what was the latest just before.
SELECT k.n, before.version, before.body, after.body
  FROM json_to_recordset(%(keys)s)
       AS k (n int, workspace text, name text, version bigint, position bigint, added boolean)
  LEFT JOIN LATERAL (
       (SELECT o.version, o.body
          FROM {versions} o
         WHERE NOT k.added
           AND o.workspace = k.workspace AND o.name = k.name AND o.version = k.version
           AND o.valid_from < k.position
         ORDER BY o.valid_from DESC
         LIMIT 1)
        UNION ALL
       SELECT l.version, l.body
         FROM (SELECT o.version, o.body, o.latest_until
                 FROM {versions} o
                WHERE k.added
                  AND o.workspace COLLATE "POSIX" = k.workspace AND o.name COLLATE "POSIX" = k.name
                  AND o.latest_until > 0 AND o.valid_from < k.position
                ORDER BY o.valid_from DESC
                LIMIT 1) l
        WHERE l.latest_until >= k.position
       ) before ON true
  LEFT JOIN LATERAL (
       SELECT o.body
         FROM {versions} o
        WHERE o.workspace = k.workspace AND o.name = k.name AND o.version = k.version
          AND o.valid_from = k.position
        LIMIT 1
       ) after ON true;

-- :newest_row
-- A version as it is or, if it was removed, as it last was.
SELECT o.version, o.changed_position, o.created_position, o.body
  FROM {versions} o
 WHERE o.workspace = %(workspace)s AND o.name = %(name)s AND o.version = %(version)s
 ORDER BY o.valid_from DESC
 LIMIT 1;

-- :row_as_of
-- A version as it was at a position.
SELECT v.version, v.changed_position, v.created_position, v.body
  FROM (SELECT o.*
          FROM {versions} o
         WHERE o.workspace = %(workspace)s AND o.name = %(name)s AND o.version = %(version)s
           AND o.valid_from <= %(position)s
         ORDER BY o.valid_from DESC
         LIMIT 1) v
 WHERE v.valid_until > %(position)s;

-- :latest_as_of
-- What was the latest version of a name at a position.
SELECT v.version, v.changed_position, v.created_position, v.body
  FROM (SELECT o.*
          FROM {versions} o
         WHERE o.workspace COLLATE "POSIX" = %(workspace)s AND o.name COLLATE "POSIX" = %(name)s AND o.latest_until > 0
           AND o.valid_from <= %(position)s
         ORDER BY o.valid_from DESC
         LIMIT 1) v
 WHERE v.latest_until > %(position)s;
