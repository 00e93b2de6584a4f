-- Rebuilds of the tables that endpoints read. New tables are built in the schema rebuild beside the live ones in public;
-- the ones they replace go to the schema retired. The names of tables and indexes are the same in each.

CREATE SCHEMA rebuild;
CREATE SCHEMA retired;

-- The rebuild there is, if there is one.
CREATE TABLE rebuild.run (
    singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    id         bigint GENERATED ALWAYS AS IDENTITY,
    state      text COLLATE "C" NOT NULL
               CHECK (state IN ('building', 'catching-up', 'differs', 'switched', 'rolled-back')),
    resources  text[] NOT NULL,
    base       bigint NOT NULL,           -- the slices show the log up to this position
    position   bigint NOT NULL,           -- up to here the tables that are not live show it
    verified   bigint NOT NULL DEFAULT 0, -- and up to here they were found equal to the live ones
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- What workers take: streams from the first to the last, with so many events up to the base.
CREATE TABLE rebuild.slices (
    run      bigint NOT NULL,
    slice    integer NOT NULL,
    first    text COLLATE "C" NOT NULL,
    last     text COLLATE "C" NOT NULL,
    events   bigint NOT NULL,
    worker   integer,
    done_at  timestamptz,
    PRIMARY KEY (run, slice)
);
