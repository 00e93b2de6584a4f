-- Statements on the log of events; {direction} is ASC or DESC. Ranges begin after `low` and end with `high`. That an
-- actor's id occurs in an event at all is found out first: that takes a fraction of what decoding takes. A stored name
-- is its kind, perhaps with the number of a later shape.

-- :stream_version
-- How many events a stream had at a position: by bisection, since its versions are dense from 1.
WITH RECURSIVE search (low, high) AS (
       SELECT 0::bigint, coalesce((SELECT max(originator_version) FROM stored_events WHERE originator_id = %(stream)s), 0)
        UNION ALL
       SELECT CASE WHEN m.notification_id <= %(position)s THEN m.originator_version ELSE s.low END,
              CASE WHEN m.notification_id <= %(position)s THEN s.high ELSE m.originator_version - 1 END
         FROM search s
         JOIN LATERAL (
              SELECT e.originator_version, e.notification_id
                FROM stored_events e
               WHERE e.originator_id = %(stream)s AND e.originator_version = (s.low + s.high + 1) / 2
              ) m ON true
        WHERE s.low < s.high
     )
SELECT low FROM search WHERE low = high;

-- :events_of_streams
-- Events of a few streams, from ranges of their stream versions.
SELECT e.originator_id, e.originator_version, e.topic, e.state, e.notification_id
  FROM json_to_recordset(%(ranges)s) AS r (stream text, low bigint, high bigint)
 CROSS JOIN LATERAL (
       SELECT s.*
         FROM stored_events s
        WHERE s.originator_id = r.stream AND s.originator_version > r.low AND s.originator_version <= r.high
          AND (%(kind)s::text IS NULL OR rtrim(rtrim(s.topic, '0123456789'), '.') = %(kind)s)
          AND (%(actor)s::text IS NULL
               OR position(convert_to(%(actor)s, 'UTF8') IN s.state) > 0
                  AND %(actor)s IN (coalesce(convert_from(s.state, 'UTF8')::json -> 'by' ->> 'id', ''),
                                    convert_from(s.state, 'UTF8')::json -> 'by' ->> 'on_behalf_of'))
        ORDER BY s.originator_version {direction}
        LIMIT %(limit)s
       ) e
 ORDER BY e.notification_id {direction}
 LIMIT %(limit)s;

-- :events_of_workspace
-- Events of a workspace. Written so that only the index on both can give the order: by position alone the planner
-- would walk through the events of other workspaces.
SELECT e.originator_id, e.originator_version, e.topic, e.state, e.notification_id
  FROM stored_events e
 WHERE (split_part(e.originator_id, '/', 1), e.notification_id) > (%(workspace)s, %(low)s)
   AND (split_part(e.originator_id, '/', 1), e.notification_id) <= (%(workspace)s, %(high)s)
   AND (%(resource)s::text IS NULL OR split_part(e.originator_id, '/', 2) = %(resource)s)
   AND (%(kind)s::text IS NULL OR rtrim(rtrim(e.topic, '0123456789'), '.') = %(kind)s)
   AND (%(actor)s::text IS NULL
        OR position(convert_to(%(actor)s, 'UTF8') IN e.state) > 0
           AND %(actor)s IN (coalesce(convert_from(e.state, 'UTF8')::json -> 'by' ->> 'id', ''),
                             convert_from(e.state, 'UTF8')::json -> 'by' ->> 'on_behalf_of'))
 ORDER BY split_part(e.originator_id, '/', 1) {direction}, e.notification_id {direction}
 LIMIT %(limit)s;

-- :events_of_workspaces
-- Events of some workspaces: of each no more than are asked for, from the index, and the first of all those.
SELECT e.originator_id, e.originator_version, e.topic, e.state, e.notification_id
  FROM unnest(%(workspaces)s::text[]) AS w (workspace)
 CROSS JOIN LATERAL (
       SELECT s.*
         FROM stored_events s
        WHERE (split_part(s.originator_id, '/', 1), s.notification_id) > (w.workspace, %(low)s)
          AND (split_part(s.originator_id, '/', 1), s.notification_id) <= (w.workspace, %(high)s)
          AND (%(resource)s::text IS NULL OR split_part(s.originator_id, '/', 2) = %(resource)s)
          AND (%(name)s::text IS NULL OR split_part(s.originator_id, '/', 3) = %(name)s)
          AND (%(kind)s::text IS NULL OR s.topic = %(kind)s)
          AND (%(actor)s::text IS NULL
               OR position(convert_to(%(actor)s, 'UTF8') IN s.state) > 0
                  AND %(actor)s IN (coalesce(convert_from(s.state, 'UTF8')::json -> 'by' ->> 'id', ''),
                                    convert_from(s.state, 'UTF8')::json -> 'by' ->> 'on_behalf_of'))
        ORDER BY split_part(s.originator_id, '/', 1) {direction}, s.notification_id {direction}
        LIMIT %(limit)s
       ) e
 ORDER BY e.notification_id {direction}
 LIMIT %(limit)s;

-- :events_of_all
-- Events of all workspaces.
SELECT e.originator_id, e.originator_version, e.topic, e.state, e.notification_id
  FROM stored_events e
 WHERE e.notification_id > %(low)s AND e.notification_id <= %(high)s
   AND (%(resource)s::text IS NULL OR split_part(e.originator_id, '/', 2) = %(resource)s)
   AND (%(name)s::text IS NULL OR split_part(e.originator_id, '/', 3) = %(name)s)
   AND (%(kind)s::text IS NULL OR rtrim(rtrim(e.topic, '0123456789'), '.') = %(kind)s)
   AND (%(actor)s::text IS NULL
        OR position(convert_to(%(actor)s, 'UTF8') IN e.state) > 0
           AND %(actor)s IN (coalesce(convert_from(e.state, 'UTF8')::json -> 'by' ->> 'id', ''),
                             convert_from(e.state, 'UTF8')::json -> 'by' ->> 'on_behalf_of'))
 ORDER BY e.notification_id {direction}
 LIMIT %(limit)s;

-- :events_at
-- The events at some positions.
SELECT e.originator_id, e.originator_version, e.topic, e.state, e.notification_id
  FROM unnest(%(positions)s::bigint[]) AS k (position)
  JOIN LATERAL (SELECT s.* FROM stored_events s WHERE s.notification_id = k.position LIMIT 1) e ON true;
