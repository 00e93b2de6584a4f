-- The event log. The columns originator_id to notification_id are those of the eventsourcing library's recorder;
-- notification_id is the event's position in the whole log, given out by the writer under the log's lock: dense,
-- from 1, in the order of the commits. recorded_at is the event's own time, unique and growing with the position.

CREATE TABLE stored_events (
    originator_id      text COLLATE "C" NOT NULL,
    originator_version bigint NOT NULL,
    topic              text COLLATE "C" NOT NULL,
    state              bytea NOT NULL,
    notification_id    bigint NOT NULL,
    recorded_at        timestamptz NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
);
CREATE UNIQUE INDEX stored_events_notification_id_idx ON stored_events (notification_id);
CREATE UNIQUE INDEX stored_events_recorded_at_idx ON stored_events (recorded_at);
-- The history of a workspace: the first part of originator_id is its name.
CREATE INDEX stored_events_workspace_idx ON stored_events (split_part(originator_id, '/', 1), notification_id);

CREATE FUNCTION refuse_change_of_history() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'stored events are never changed or removed: % refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Correct history by appending an event.';
END
$$;
CREATE TRIGGER stored_events_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON stored_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change_of_history();

-- The first answer to every request that came with an Idempotency-Key, written in the transaction of its event.
CREATE TABLE idempotency_keys (
    principal   text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    fingerprint text COLLATE "C" NOT NULL,
    status      smallint NOT NULL,
    body        text NOT NULL,
    position    bigint,
    recorded_at timestamptz NOT NULL,
    PRIMARY KEY (principal, key)
);
CREATE INDEX idempotency_keys_recorded_at_idx ON idempotency_keys (recorded_at);
