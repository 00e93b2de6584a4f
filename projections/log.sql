-- Statements on the log of events alone.

-- :events_at
-- The events at some positions.
SELECT e.originator_id, e.originator_version, e.topic, e.state, e.notification_id
  FROM unnest(%(positions)s::bigint[]) AS k (position)
  JOIN LATERAL (SELECT s.* FROM stored_events s WHERE s.notification_id = k.position LIMIT 1) e ON true;
