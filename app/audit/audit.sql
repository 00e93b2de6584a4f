-- Statements of audits that join the log and the tables.

-- :live
-- Deployment versions that held at a position, with the events that made the version, and that changed it last.
SELECT v.workspace, v.name, v.version, v.config, v.config_version, v.status, v.status_message,
       made.notification_id, made.topic, made.state,
       changed.notification_id, changed.topic, changed.state
  FROM deployment_versions v
  JOIN stored_events made ON made.notification_id = v.created_position
  JOIN stored_events changed ON changed.notification_id = v.changed_position
 WHERE v.created_position <= %(position)s AND v.valid_from <= %(position)s
   AND CASE WHEN %(all_versions)s THEN v.valid_until ELSE v.latest_until END > %(position)s
   AND (%(workspace)s::text IS NULL OR v.workspace = %(workspace)s)
 ORDER BY v.workspace, v.name, v.version DESC;
