-- The table of deployment versions as this code fills it; {schema} is where it is made.
--
-- A row shows one version from the event at position valid_from until the one at valid_until (exclusive), and as
-- the latest version of its name until latest_until; 9223372036854775807 stands for "still", 0 for "never".
-- body is the answer as clients get it. Text compares by code point.
--
-- Indexes for lists have the workspace in the collation "POSIX", which orders as "C" does but is another one to the
-- planner: a look-up by key (collation "C") can then not be planned on them. On a table that has grown since it was
-- last analysed it would be, and read the whole workspace for each key.

-- :deployment_versions
CREATE TABLE {schema}.deployment_versions (
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
    body              text COLLATE "C" NOT NULL
);

-- :deployment_versions_pkey
ALTER TABLE {schema}.deployment_versions
  ADD CONSTRAINT deployment_versions_pkey PRIMARY KEY (workspace, name, version, valid_from);

-- :deployment_versions_open
CREATE UNIQUE INDEX deployment_versions_open ON {schema}.deployment_versions (workspace, name, version)
 WHERE valid_until = 9223372036854775807;

-- :deployment_versions_latest_created
CREATE INDEX deployment_versions_latest_created
    ON {schema}.deployment_versions (workspace COLLATE "POSIX", created_position)
 WHERE latest_until = 9223372036854775807;

-- :deployment_versions_open_created
CREATE INDEX deployment_versions_open_created
    ON {schema}.deployment_versions (workspace COLLATE "POSIX", created_position)
 WHERE valid_until = 9223372036854775807;

-- :deployment_versions_open_status
CREATE INDEX deployment_versions_open_status ON {schema}.deployment_versions (status, created_position)
 WHERE valid_until = 9223372036854775807;

-- :deployment_versions_latest_status
-- For lists by status, which are asked for most: the count is of this index alone.
CREATE INDEX deployment_versions_latest_status
    ON {schema}.deployment_versions (workspace COLLATE "POSIX", status, created_position)
 WHERE latest_until = 9223372036854775807;

-- :deployment_versions_was_latest
-- For reads as of an earlier position: the row that a name's latest version had then is the last one to become the
-- latest before it; a list reads the rows of versions created before it, with their ends, from the index alone.
CREATE INDEX deployment_versions_was_latest
    ON {schema}.deployment_versions (workspace COLLATE "POSIX", name COLLATE "POSIX", valid_from)
 WHERE latest_until > 0;

-- :deployment_versions_held
CREATE INDEX deployment_versions_held
    ON {schema}.deployment_versions (workspace COLLATE "POSIX", created_position)
       INCLUDE (valid_from, valid_until, latest_until);

-- :deployment_versions_open_config
CREATE INDEX deployment_versions_open_config ON {schema}.deployment_versions (workspace COLLATE "POSIX", config)
 WHERE valid_until = 9223372036854775807;
