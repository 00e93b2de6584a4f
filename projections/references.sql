-- A version of a name as it was meant; {versions} is one of the tables of versions.

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
