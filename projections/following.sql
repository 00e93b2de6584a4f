-- Statements for those who follow the log; {versions} is deployment_versions or deployment_config_versions.
-- What is long is left out where it would make a page too large: its text is then NULL, though there is one.

-- :events
-- Events from a range of positions, those that are wanted.
SELECT f.notification_id, f.originator_id, f.topic, CASE WHEN f.bytes_before < %(bytes)s THEN f.state END
  FROM (SELECT e.*, sum(octet_length(e.state)) OVER (ORDER BY e.notification_id) - octet_length(e.state) AS bytes_before
          FROM (SELECT s.notification_id, s.originator_id, s.topic, s.state
                  FROM stored_events s
                 WHERE s.notification_id > %(after)s AND s.notification_id <= %(until)s
                   AND (%(workspaces)s::text[] IS NULL OR split_part(s.originator_id, '/', 1) = ANY(%(workspaces)s))
                   AND (%(resource)s::text IS NULL OR split_part(s.originator_id, '/', 2) = %(resource)s)
                   AND (%(name)s::text IS NULL OR split_part(s.originator_id, '/', 3) = %(name)s)
                   AND (%(kind)s::text IS NULL OR rtrim(rtrim(s.topic, '0123456789'), '.') = %(kind)s)
                 ORDER BY s.notification_id
                 LIMIT %(limit)s) e) f
 ORDER BY f.notification_id;

-- :bodies
-- What events made of versions; those of the first event always, whatever their size.
SELECT b.n, b.version, CASE WHEN b.bytes_before < %(bytes)s THEN b.body END
  FROM (SELECT k.n, k.version, v.body,
               sum(octet_length(v.body)) OVER (ORDER BY k.n)
               - sum(octet_length(v.body)) OVER (PARTITION BY k.n) AS bytes_before
          FROM json_to_recordset(%(keys)s) AS k (n int, workspace text, name text, version bigint, position bigint)
          JOIN LATERAL (
               SELECT o.body
                 FROM {versions} o
                WHERE o.workspace = k.workspace AND o.name = k.name AND o.version = k.version
                  AND o.valid_from = k.position
                LIMIT 1
               ) v ON true) b;
