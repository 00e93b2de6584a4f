-- Who may do what in the database. Each statement gives statements that are still to be executed: none if all is
-- as it should be.

-- :preparation
-- What only an administrator may do: the roles, and what they may do in the database as such.
WITH wanted AS (
    SELECT %(owner)s::text AS owner, %(runtime)s::text AS runtime, %(reader)s::text AS reader,
           to_regrole(quote_ident(%(owner)s)) AS owner_id, to_regrole(quote_ident(%(runtime)s)) AS runtime_id,
           to_regrole(quote_ident(%(reader)s)) AS reader_id, d.oid AS database_id, d.datname AS database,
           n.oid AS schema_id, coalesce(d.datacl, acldefault('d', d.datdba)) AS database_acl,
           coalesce(n.nspacl, acldefault('n', n.nspowner)) AS schema_acl
      FROM pg_database d, pg_namespace n
     WHERE d.datname = current_database() AND n.nspname = 'public'
)
SELECT statement
  FROM wanted, LATERAL (VALUES
    (1, owner_id IS NOT NULL, format('CREATE ROLE %%I NOLOGIN', owner)),
    (2, runtime_id IS NOT NULL, format('CREATE ROLE %%I LOGIN', runtime)),
    (3, reader_id IS NOT NULL, format('CREATE ROLE %%I NOLOGIN', reader)),
    (4, pg_has_role(owner_id, 'USAGE'), format('GRANT %%I TO %%I', owner, current_user)),
    (5, has_database_privilege(owner_id, database_id, 'CREATE')
        AND has_database_privilege(owner_id, database_id, 'CONNECT')
        AND has_database_privilege(owner_id, database_id, 'TEMPORARY'),
        format('GRANT CREATE, CONNECT, TEMPORARY ON DATABASE %%I TO %%I', database, owner)),
    (6, has_database_privilege(runtime_id, database_id, 'CONNECT'),
        format('GRANT CONNECT ON DATABASE %%I TO %%I', database, runtime)),
    (7, EXISTS (SELECT FROM aclexplode(database_acl) WHERE grantee = reader_id AND privilege_type = 'TEMPORARY'),
        format('GRANT CONNECT, TEMPORARY ON DATABASE %%I TO %%I', database, reader)),
    -- A temporary table would hide the real one of its name from a connection, and swallow what is written.
    (8, NOT EXISTS (SELECT FROM aclexplode(database_acl) WHERE grantee = 0 AND privilege_type = 'TEMPORARY'),
        format('REVOKE TEMPORARY ON DATABASE %%I FROM PUBLIC', database)),
    (9, has_schema_privilege(owner_id, schema_id, 'CREATE') AND has_schema_privilege(owner_id, schema_id, 'USAGE'),
        format('GRANT CREATE, USAGE ON SCHEMA public TO %%I', owner)),
    (10, has_schema_privilege(runtime_id, schema_id, 'USAGE')
        AND has_schema_privilege(reader_id, schema_id, 'USAGE'),
        format('GRANT USAGE ON SCHEMA public TO %%I, %%I', runtime, reader)),
    (11, NOT EXISTS (SELECT FROM aclexplode(schema_acl) WHERE grantee = 0 AND privilege_type = 'CREATE'),
        'REVOKE CREATE ON SCHEMA public FROM PUBLIC')
  ) AS step (number, holds, statement)
 WHERE holds IS NOT TRUE
 ORDER BY number;

-- :ownership
-- What was made before there was an owner role belongs to whoever made the table of migrations.
WITH made AS (SELECT relowner AS by FROM pg_class WHERE oid = to_regclass('public.schema_migrations')),
ours AS (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'rebuild', 'retired'))
SELECT statement
  FROM made, LATERAL (
    -- The schemas come first: whoever is given a table must be allowed to make one there.
    SELECT 1 AS number, format('ALTER SCHEMA %%I OWNER TO %%I', nspname, %(owner)s::text) AS statement
      FROM pg_namespace WHERE nspowner = made.by AND nspname IN ('rebuild', 'retired')
     UNION ALL
    SELECT 2, format('ALTER TABLE %%s OWNER TO %%I', oid::regclass, %(owner)s::text)
      FROM pg_class WHERE relowner = made.by AND relkind IN ('r', 'p', 'v') AND relnamespace IN (SELECT oid FROM ours)
     UNION ALL
    SELECT 3, format('ALTER FUNCTION %%s OWNER TO %%I', oid::regprocedure, %(owner)s::text)
      FROM pg_proc p WHERE proowner = made.by AND pronamespace IN (SELECT oid FROM ours)
       AND NOT EXISTS (SELECT FROM pg_depend
                        WHERE objid = p.oid AND classid = 'pg_proc'::regclass AND deptype = 'e')
  ) AS owned
 WHERE made.by <> to_regrole(quote_ident(%(owner)s))
 ORDER BY number;

-- :grants
-- What the two other roles may do with tables: exactly that. What rebuilds keep may be live again.
WITH grantee AS (
    SELECT to_regrole(quote_ident(%(runtime)s)) AS id, %(runtime)s::text AS name, true AS writes
     UNION ALL
    SELECT to_regrole(quote_ident(%(reader)s)), %(reader)s, false
), ours AS (
    SELECT c.oid::regclass AS id, c.relname, c.relacl FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname IN ('public', 'rebuild', 'retired') AND c.relkind IN ('r', 'p', 'v')
       AND c.relowner = to_regrole(quote_ident(%(owner)s))
), compared AS (
    SELECT o.id, g.name,
           ARRAY(SELECT a.privilege_type FROM aclexplode(o.relacl) a WHERE a.grantee = g.id ORDER BY 1) AS held,
           CASE WHEN g.writes AND w.privileges IS NOT NULL THEN string_to_array(w.privileges, ', ')
                ELSE ARRAY['SELECT'] END AS wanted
      FROM ours o
     CROSS JOIN grantee g
      LEFT JOIN json_each_text(%(written)s::json) AS w (name, privileges) ON w.name = o.relname
)
SELECT format('REVOKE ALL ON %%s FROM %%I; GRANT %%s ON %%s TO %%I', id, name, array_to_string(wanted, ', '), id, name)
  FROM compared WHERE held <> wanted
 UNION ALL
SELECT format('GRANT USAGE ON SCHEMA %%I TO %%I', n.nspname, g.name)
  FROM pg_namespace n, grantee g
 WHERE n.nspname IN ('rebuild', 'retired') AND NOT has_schema_privilege(g.id, n.oid, 'USAGE');

-- :excess
-- What a role may do that the service must not be able to, in words.
SELECT words
  FROM (SELECT coalesce(%(role)s::text, current_user) AS role) asked
  JOIN pg_roles r ON r.rolname = asked.role,
       LATERAL (VALUES
    (1, r.rolsuper, 'is a superuser'),
    (2, r.rolcreaterole, 'may make roles'),
    (3, EXISTS (SELECT FROM pg_class c WHERE c.relname IN ('stored_events', 'schema_migrations')
                   AND c.relnamespace = 'public'::regnamespace AND pg_has_role(r.oid, c.relowner, 'MEMBER')),
        'owns the tables'),
    (4, EXISTS (SELECT FROM pg_class c WHERE c.relname = 'stored_events' AND c.relnamespace = 'public'::regnamespace
                   AND (has_any_column_privilege(r.oid, c.oid, 'UPDATE')
                        OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE, TRIGGER'))),
        'may change or remove events'),
    (5, has_schema_privilege(r.oid, 'public', 'CREATE'), 'may make tables'),
    (6, EXISTS (SELECT FROM pg_database d WHERE d.datname = current_database()
                   AND has_database_privilege(r.oid, d.oid, 'CREATE')), 'may make schemas'),
    (7, EXISTS (SELECT FROM pg_database d WHERE d.datname = current_database()
                   AND has_database_privilege(r.oid, d.oid, 'TEMPORARY'))
        AND EXISTS (SELECT FROM pg_class c WHERE c.relname = 'stored_events'
                       AND c.relnamespace = 'public'::regnamespace AND has_table_privilege(r.oid, c.oid, 'INSERT')),
        'may hide the tables that it writes behind temporary ones'),
    (8, pg_has_role(r.oid, 'pg_execute_server_program', 'MEMBER') OR pg_has_role(r.oid, 'pg_write_server_files', 'MEMBER'),
        'may run programs or write files on the server')
  ) AS right_of (number, holds, words)
 WHERE holds AND (number = 1 OR NOT r.rolsuper)
 ORDER BY number;
