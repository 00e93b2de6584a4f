-- The table of deployment config versions as this code fills it; {schema} is where it is made. What the columns and
-- indexes mean is written in deployment_versions.sql.

-- :deployment_config_versions
CREATE TABLE {schema}.deployment_config_versions (
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
    body             text COLLATE "C" NOT NULL
);

-- :deployment_config_versions_pkey
ALTER TABLE {schema}.deployment_config_versions
  ADD CONSTRAINT deployment_config_versions_pkey PRIMARY KEY (workspace, name, version, valid_from);

-- :deployment_config_versions_open
CREATE UNIQUE INDEX deployment_config_versions_open
    ON {schema}.deployment_config_versions (workspace, name, version)
 WHERE valid_until = 9223372036854775807;

-- :deployment_config_versions_latest_created
CREATE INDEX deployment_config_versions_latest_created
    ON {schema}.deployment_config_versions (workspace COLLATE "POSIX", created_position)
 WHERE latest_until = 9223372036854775807;

-- :deployment_config_versions_was_latest
CREATE INDEX deployment_config_versions_was_latest
    ON {schema}.deployment_config_versions (workspace COLLATE "POSIX", name COLLATE "POSIX", valid_from)
 WHERE latest_until > 0;

-- :deployment_config_versions_held
CREATE INDEX deployment_config_versions_held
    ON {schema}.deployment_config_versions (workspace COLLATE "POSIX", created_position)
       INCLUDE (valid_from, valid_until, latest_until);
