-- Statements on the log and the tables of versions that show what happened; {versions} is one of these tables,
-- {direction} ASC or DESC. Of ranges, %(low)s is exclusive and %(high)s inclusive.

-- :stream_versions
-- How many events streams had at positions: by bisection, since the versions of a stream are dense from 1.
WITH RECURSIVE search (n, stream, position, low, high) AS (
       SELECT k.n, k.stream, k.position, 0::bigint,
              coalesce((SELECT max(e.originator_version) FROM stored_events e WHERE e.originator_id = k.stream), 0)
         FROM json_to_recordset(%(keys)s) AS k (n int, stream text, position bigint)
        UNION ALL
       SELECT s.n, s.stream, s.position,
              CASE WHEN e.notification_id <= s.position THEN e.originator_version ELSE s.low END,
              CASE WHEN e.notification_id <= s.position THEN s.high ELSE e.originator_version - 1 END
         FROM search s
         JOIN LATERAL (
              SELECT m.originator_version, m.notification_id
                FROM stored_events m
               WHERE m.originator_id = s.stream AND m.originator_version = (s.low + s.high + 1) / 2
              ) e ON true
        WHERE s.low < s.high
     )
SELECT n, low FROM search WHERE low = high;

-- :events_of_streams
-- Events of a few streams, from ranges of their stream versions.
SELECT e.originator_id, e.originator_version, e.topic, e.state, e.notification_id
  FROM json_to_recordset(%(ranges)s) AS r (stream text, low bigint, high bigint)
 CROSS JOIN LATERAL (
       SELECT s.*
         FROM stored_events s
        WHERE s.originator_id = r.stream AND s.originator_version > r.low AND s.originator_version <= r.high
          AND (%(kind)s::text IS NULL OR s.topic = %(kind)s)
          AND (%(actor)s::text IS NULL
               OR %(actor)s IN (convert_from(s.state, 'UTF8')::json -> 'by' ->> 'id',
                                convert_from(s.state, 'UTF8')::json -> 'by' ->> 'on_behalf_of'))
        ORDER BY s.originator_version {direction}
        LIMIT %(limit)s
       ) e
 ORDER BY e.notification_id {direction}
 LIMIT %(limit)s;

-- :events_of_workspace
-- Events of a workspace.
SELECT e.originator_id, e.originator_version, e.topic, e.state, e.notification_id
  FROM stored_events e
 WHERE split_part(e.originator_id, '/', 1) = %(workspace)s
   AND e.notification_id > %(low)s AND e.notification_id <= %(high)s
   AND (%(resource)s::text IS NULL OR split_part(e.originator_id, '/', 2) = %(resource)s)
   AND (%(kind)s::text IS NULL OR e.topic = %(kind)s)
   AND (%(actor)s::text IS NULL
        OR %(actor)s IN (convert_from(e.state, 'UTF8')::json -> 'by' ->> 'id',
                         convert_from(e.state, 'UTF8')::json -> 'by' ->> 'on_behalf_of'))
 ORDER BY e.notification_id {direction}
 LIMIT %(limit)s;

-- :events_of_all
-- Events of all workspaces.
SELECT e.originator_id, e.originator_version, e.topic, e.state, e.notification_id
  FROM stored_events e
 WHERE e.notification_id > %(low)s AND e.notification_id <= %(high)s
   AND (%(resource)s::text IS NULL OR split_part(e.originator_id, '/', 2) = %(resource)s)
   AND (%(name)s::text IS NULL OR split_part(e.originator_id, '/', 3) = %(name)s)
   AND (%(kind)s::text IS NULL OR e.topic = %(kind)s)
   AND (%(actor)s::text IS NULL
        OR %(actor)s IN (convert_from(e.state, 'UTF8')::json -> 'by' ->> 'id',
                         convert_from(e.state, 'UTF8')::json -> 'by' ->> 'on_behalf_of'))
 ORDER BY e.notification_id {direction}
 LIMIT %(limit)s;

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
