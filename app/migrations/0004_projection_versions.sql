-- Which versions of the projections the live tables are of. A version stands for the definition of a table and for what
-- the code makes of events; only a program of the live versions writes. The first rows are written by the program that
-- applies this file, see app/live_tables.py.

CREATE TABLE projection_versions (
    number      bigint GENERATED ALWAYS AS IDENTITY,
    resource    text COLLATE "C" NOT NULL,
    version     text COLLATE "C" NOT NULL,
    release     text COLLATE "C" NOT NULL,   -- of the program that put these tables in their place
    position    bigint NOT NULL,             -- that the tables showed then
    switched_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (resource, number)
);

CREATE VIEW live_projections AS
SELECT DISTINCT ON (resource) resource, version, release, position, switched_at
  FROM projection_versions
 ORDER BY resource, number DESC;

-- A rebuild goes on, and its tables are brought up to the log, by programs of the versions that it began with.
ALTER TABLE rebuild.run
  ADD COLUMN release  text COLLATE "C" NOT NULL DEFAULT '',
  ADD COLUMN made     jsonb NOT NULL DEFAULT '{}',   -- versions of the tables that it makes, by resource
  ADD COLUMN replaced jsonb NOT NULL DEFAULT '{}';   -- and of those that were live when it began
