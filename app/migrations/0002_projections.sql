-- What endpoints return. Every row is a function of the events of its stream alone, so the tables can be dropped
-- and written again from the log at any time.
--
-- A row shows one version from the event at position valid_from until the one at valid_until (exclusive), and as
-- the latest version of its name until latest_until; 9223372036854775807 stands for "still", 0 for "never".
-- body is the answer as clients get it. Text compares by code point.
--
-- Indexes for lists have the workspace in the collation "POSIX", which orders as "C" does but is another one to the
-- planner: a look-up by key (collation "C") can then not be planned on them. On a table that has grown since it was
-- last analysed it would be, and read the whole workspace for each key.

CREATE TABLE deployment_versions (
    workspace         text COLLATE "C" NOT NULL,
    name              text COLLATE "C" NOT NULL,
    version           bigint NOT NULL,
    valid_from        bigint NOT NULL,
    valid_until       bigint NOT NULL,
    latest_until      bigint NOT NULL,
    changed_position  bigint NOT NULL,
    created_position  bigint NOT NULL,
    created_at        timestamptz NOT NULL,
    updated_at        timestamptz NOT NULL,
    config_version    bigint NOT NULL,
    id                text COLLATE "C" NOT NULL,
    project           text COLLATE "C",
    config            text COLLATE "C" NOT NULL,
    status            text COLLATE "C" NOT NULL,
    status_message    text COLLATE "C" NOT NULL,
    model_provider_id text COLLATE "C",
    body              text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, name, version, valid_from)
);

CREATE UNIQUE INDEX deployment_versions_open ON deployment_versions (workspace, name, version)
    WHERE valid_until = 9223372036854775807;
CREATE INDEX deployment_versions_latest_created ON deployment_versions (workspace COLLATE "POSIX", created_position)
    WHERE latest_until = 9223372036854775807;
CREATE INDEX deployment_versions_open_created ON deployment_versions (workspace COLLATE "POSIX", created_position)
    WHERE valid_until = 9223372036854775807;
CREATE INDEX deployment_versions_open_status ON deployment_versions (status, created_position)
    WHERE valid_until = 9223372036854775807;
-- For reads as of an earlier position: the row that a name's latest version had then is the last one to become the
-- latest before it; a list reads the rows of versions created before it, with their ends, from the index alone.
CREATE INDEX deployment_versions_was_latest
    ON deployment_versions (workspace COLLATE "POSIX", name COLLATE "POSIX", valid_from)
    WHERE latest_until > 0;
CREATE INDEX deployment_versions_held ON deployment_versions (workspace COLLATE "POSIX", created_position)
    INCLUDE (valid_from, valid_until, latest_until);
CREATE INDEX deployment_versions_open_config ON deployment_versions (workspace COLLATE "POSIX", config)
    WHERE valid_until = 9223372036854775807;

CREATE TABLE deployment_config_versions (
    workspace        text COLLATE "C" NOT NULL,
    name             text COLLATE "C" NOT NULL,
    version          bigint NOT NULL,
    valid_from       bigint NOT NULL,
    valid_until      bigint NOT NULL,
    latest_until     bigint NOT NULL,
    changed_position bigint NOT NULL,
    created_position bigint NOT NULL,
    created_at       timestamptz NOT NULL,
    updated_at       timestamptz NOT NULL,
    id               text COLLATE "C" NOT NULL,
    project          text COLLATE "C",
    description      text COLLATE "C",
    engine           text COLLATE "C" NOT NULL,
    model_entity_id  text COLLATE "C",
    body             text COLLATE "C" NOT NULL,
    PRIMARY KEY (workspace, name, version, valid_from)
);

CREATE UNIQUE INDEX deployment_config_versions_open ON deployment_config_versions (workspace, name, version)
    WHERE valid_until = 9223372036854775807;
CREATE INDEX deployment_config_versions_latest_created
    ON deployment_config_versions (workspace COLLATE "POSIX", created_position)
    WHERE latest_until = 9223372036854775807;
CREATE INDEX deployment_config_versions_was_latest
    ON deployment_config_versions (workspace COLLATE "POSIX", name COLLATE "POSIX", valid_from)
    WHERE latest_until > 0;
CREATE INDEX deployment_config_versions_held
    ON deployment_config_versions (workspace COLLATE "POSIX", created_position)
    INCLUDE (valid_from, valid_until, latest_until);

-- Up to which position the tables show the log; one row, written with every batch of events.
CREATE TABLE projection_position (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    position  bigint NOT NULL
);
INSERT INTO projection_position (position) VALUES (0);
