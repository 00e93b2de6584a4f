-- Statements that find who set what; {versions} is one of the tables of versions, {ends} the second one for each column
-- that changes while a version lives.

-- :descent
-- The line of descent of a version: itself, what was the latest version just before it was created, and so on. Of each:
-- its body when it was created, and for each changing column the end of the newest row, of those before the next
-- version in the line, that had another value than the present one.
WITH RECURSIVE line (step, version, created_position, until) AS (
       SELECT 0, %(version)s::bigint, %(created_position)s::bigint, %(until)s::bigint
        UNION ALL
       SELECT line.step + 1, p.version, p.created_position, line.created_position
         FROM line
        CROSS JOIN LATERAL (
              SELECT l.version, l.created_position
                FROM (SELECT o.version, o.created_position, o.latest_until
                        FROM {versions} o
                       WHERE o.workspace COLLATE "POSIX" = %(workspace)s AND o.name COLLATE "POSIX" = %(name)s
                         AND o.latest_until > 0 AND o.valid_from < line.created_position
                       ORDER BY o.valid_from DESC
                       LIMIT 1) l
               WHERE l.latest_until >= line.created_position
              ) p
        WHERE line.step < %(steps)s
     )
SELECT line.version, line.created_position, line.until, created.body, ARRAY[{ends}]::bigint[]
  FROM line
  JOIN LATERAL (
       SELECT o.body
         FROM {versions} o
        WHERE o.workspace = %(workspace)s AND o.name = %(name)s AND o.version = line.version
          AND o.valid_from = line.created_position
        LIMIT 1
       ) created ON true
 ORDER BY line.step;

-- :until_changed
-- When {column} last had another value than the present one.
(SELECT o.valid_until
   FROM {versions} o
  WHERE o.workspace = %(workspace)s AND o.name = %(name)s AND o.version = line.version
    AND o.valid_from < line.until AND o.{column} IS DISTINCT FROM %({column})s
  ORDER BY o.valid_from DESC
  LIMIT 1)
