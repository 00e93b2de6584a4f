SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA rebuild;
CREATE SCHEMA retired;
CREATE FUNCTION public.refuse_change_of_history() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION 'stored events are never changed or removed: % refused', TG_OP
        USING ERRCODE = 'restrict_violation', HINT = 'Correct history by appending an event.';
END
$$;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public.deployment_config_versions (
    workspace text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    valid_from bigint NOT NULL,
    valid_until bigint NOT NULL,
    latest_until bigint NOT NULL,
    changed_position bigint NOT NULL,
    created_position bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    project text COLLATE pg_catalog."C",
    description text COLLATE pg_catalog."C",
    engine text NOT NULL COLLATE pg_catalog."C",
    model_entity_id text COLLATE pg_catalog."C",
    body text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.deployment_versions (
    workspace text NOT NULL COLLATE pg_catalog."C",
    name text NOT NULL COLLATE pg_catalog."C",
    version bigint NOT NULL,
    valid_from bigint NOT NULL,
    valid_until bigint NOT NULL,
    latest_until bigint NOT NULL,
    changed_position bigint NOT NULL,
    created_position bigint NOT NULL,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    config_version bigint NOT NULL,
    id text NOT NULL COLLATE pg_catalog."C",
    project text COLLATE pg_catalog."C",
    config text NOT NULL COLLATE pg_catalog."C",
    status text NOT NULL COLLATE pg_catalog."C",
    status_message text NOT NULL COLLATE pg_catalog."C",
    model_provider_id text COLLATE pg_catalog."C",
    body text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.idempotency_keys (
    principal text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    fingerprint text NOT NULL COLLATE pg_catalog."C",
    status smallint NOT NULL,
    body text NOT NULL,
    "position" bigint,
    recorded_at timestamp with time zone NOT NULL
);
CREATE TABLE public.projection_versions (
    number bigint NOT NULL,
    resource text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    release text NOT NULL COLLATE pg_catalog."C",
    "position" bigint NOT NULL,
    switched_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);
CREATE VIEW public.live_projections AS
 SELECT DISTINCT ON (resource) resource,
    version,
    release,
    "position",
    switched_at
   FROM public.projection_versions
  ORDER BY resource, number DESC;
CREATE TABLE public.projection_position (
    singleton boolean DEFAULT true NOT NULL,
    "position" bigint NOT NULL,
    CONSTRAINT projection_position_singleton_check CHECK (singleton)
);
ALTER TABLE public.projection_versions ALTER COLUMN number ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.projection_versions_number_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE public.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.stored_events (
    originator_id text NOT NULL COLLATE pg_catalog."C",
    originator_version bigint NOT NULL,
    topic text NOT NULL COLLATE pg_catalog."C",
    state bytea NOT NULL,
    notification_id bigint NOT NULL,
    recorded_at timestamp with time zone NOT NULL
);
CREATE TABLE rebuild.run (
    singleton boolean DEFAULT true NOT NULL,
    id bigint NOT NULL,
    state text NOT NULL COLLATE pg_catalog."C",
    resources text[] NOT NULL,
    base bigint NOT NULL,
    "position" bigint NOT NULL,
    verified bigint DEFAULT 0 NOT NULL,
    started_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    release text DEFAULT ''::text NOT NULL COLLATE pg_catalog."C",
    made jsonb DEFAULT '{}'::jsonb NOT NULL,
    replaced jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT run_singleton_check CHECK (singleton),
    CONSTRAINT run_state_check CHECK ((state = ANY (ARRAY['building'::text, 'catching-up'::text, 'differs'::text, 'switched'::text, 'rolled-back'::text])))
);
ALTER TABLE rebuild.run ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME rebuild.run_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE rebuild.slices (
    run bigint NOT NULL,
    slice integer NOT NULL,
    first text NOT NULL COLLATE pg_catalog."C",
    last text NOT NULL COLLATE pg_catalog."C",
    events bigint NOT NULL,
    worker integer,
    done_at timestamp with time zone
);
INSERT INTO public.deployment_config_versions VALUES ('default', 'spare', 1, 2, 9223372036854775807, 9223372036854775807, 2, 2, '2026-11-23 23:28:01.756279+00', '2026-11-23 23:28:01.756279+00', 'model-deployment-config-6QywBJ8uF7oQpYqgkYUWBi', 'p1', NULL, 'nim', NULL, '{"id":"model-deployment-config-6QywBJ8uF7oQpYqgkYUWBi","name":"spare","workspace":"default","project":"p1","created_at":"2026-11-23T23:28:01.756279Z","updated_at":"2026-11-23T23:28:01.756279Z","entity_version":1,"description":null,"engine":"nim","model_spec":{"model_type":null,"model_namespace":null,"model_name":"llama-3.1-8b","model_revision":null,"chat_template":null,"tool_call_config":null,"lora_enabled":false},"executor_config":{"gpu":2,"disk_size":"50Gi","image_name":null,"image_tag":null,"health_check_path":null,"run_as_user":null,"run_as_group":null,"additional_envs":{"MODE":"Größe: 1"},"additional_args":[],"k8s_nim_operator_config":null,"override_config":null},"model_entity_id":null}');
INSERT INTO public.deployment_config_versions VALUES ('default', 'gpu', 1, 1, 9223372036854775807, 5, 1, 1, '2026-11-23 23:28:01.742255+00', '2026-11-23 23:28:01.742255+00', 'model-deployment-config-ChrHGXoE7EhaDQc85AU5Rg', NULL, 'für Äpfel', 'nim', NULL, '{"id":"model-deployment-config-ChrHGXoE7EhaDQc85AU5Rg","name":"gpu","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.742255Z","updated_at":"2026-11-23T23:28:01.742255Z","entity_version":1,"description":"für Äpfel","engine":"nim","model_spec":{"model_type":null,"model_namespace":null,"model_name":"llama-3.1-8b","model_revision":null,"chat_template":null,"tool_call_config":null,"lora_enabled":false},"executor_config":{"gpu":2,"disk_size":"50Gi","image_name":null,"image_tag":null,"health_check_path":null,"run_as_user":null,"run_as_group":null,"additional_envs":{"MODE":"Größe: 1"},"additional_args":[],"k8s_nim_operator_config":null,"override_config":null},"model_entity_id":null}');
INSERT INTO public.deployment_config_versions VALUES ('default', 'gpu', 2, 5, 9223372036854775807, 9223372036854775807, 5, 5, '2026-11-23 23:28:01.794155+00', '2026-11-23 23:28:01.794155+00', 'model-deployment-config-7nWPFw9DccohDHvTrBbMMX', NULL, NULL, 'nim', NULL, '{"id":"model-deployment-config-7nWPFw9DccohDHvTrBbMMX","name":"gpu","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.794155Z","updated_at":"2026-11-23T23:28:01.794155Z","entity_version":2,"description":null,"engine":"nim","model_spec":{"model_type":null,"model_namespace":null,"model_name":"llama-3.1-8b","model_revision":null,"chat_template":null,"tool_call_config":null,"lora_enabled":false},"executor_config":{"gpu":1,"disk_size":"50Gi","image_name":null,"image_tag":null,"health_check_path":null,"run_as_user":null,"run_as_group":null,"additional_envs":null,"additional_args":[],"k8s_nim_operator_config":null,"override_config":null},"model_entity_id":null}');
INSERT INTO public.deployment_config_versions VALUES ('other-1', 'c', 1, 17, 9223372036854775807, 9223372036854775807, 17, 17, '2026-11-23 23:28:01.874684+00', '2026-11-23 23:28:01.874684+00', 'model-deployment-config-FXVc6A125K99hUgv69QxLJ', NULL, NULL, 'nim', NULL, '{"id":"model-deployment-config-FXVc6A125K99hUgv69QxLJ","name":"c","workspace":"other-1","project":null,"created_at":"2026-11-23T23:28:01.874684Z","updated_at":"2026-11-23T23:28:01.874684Z","entity_version":1,"description":null,"engine":"nim","model_spec":{"model_type":null,"model_namespace":null,"model_name":"llama-3.1-8b","model_revision":null,"chat_template":null,"tool_call_config":null,"lora_enabled":false},"executor_config":{"gpu":2,"disk_size":"50Gi","image_name":null,"image_tag":null,"health_check_path":null,"run_as_user":null,"run_as_group":null,"additional_envs":{"MODE":"Größe: 1"},"additional_args":[],"k8s_nim_operator_config":null,"override_config":null},"model_entity_id":null}');
INSERT INTO public.deployment_config_versions VALUES ('other-1', 'unused', 1, 19, 20, 20, 19, 19, '2026-11-23 23:28:01.888202+00', '2026-11-23 23:28:01.888202+00', 'model-deployment-config-HAaiM4QMxDLFHkLMYpEe3q', NULL, NULL, 'nim', NULL, '{"id":"model-deployment-config-HAaiM4QMxDLFHkLMYpEe3q","name":"unused","workspace":"other-1","project":null,"created_at":"2026-11-23T23:28:01.888202Z","updated_at":"2026-11-23T23:28:01.888202Z","entity_version":1,"description":null,"engine":"nim","model_spec":{"model_type":null,"model_namespace":null,"model_name":"llama-3.1-8b","model_revision":null,"chat_template":null,"tool_call_config":null,"lora_enabled":false},"executor_config":{"gpu":2,"disk_size":"50Gi","image_name":null,"image_tag":null,"health_check_path":null,"run_as_user":null,"run_as_group":null,"additional_envs":{"MODE":"Größe: 1"},"additional_args":[],"k8s_nim_operator_config":null,"override_config":null},"model_entity_id":null}');
INSERT INTO public.deployment_versions VALUES ('default', 'llama', 1, 3, 4, 4, 3, 3, '2026-11-23 23:28:01.76654+00', '2026-11-23 23:28:01.76654+00', 1, 'model-deployment-MhBgv35ETFuU39inXTSffm', NULL, 'gpu', 'CREATED', 'Deployment created', NULL, '{"id":"model-deployment-MhBgv35ETFuU39inXTSffm","name":"llama","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.766540Z","updated_at":"2026-11-23T23:28:01.766540Z","entity_version":1,"config":"gpu","config_version":1,"status":"CREATED","status_message":"Deployment created","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"ann","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.deployment_versions VALUES ('default', 'llama', 1, 4, 9223372036854775807, 6, 4, 3, '2026-11-23 23:28:01.76654+00', '2026-11-23 23:28:01.782705+00', 1, 'model-deployment-MhBgv35ETFuU39inXTSffm', NULL, 'gpu', 'READY', 'serving', NULL, '{"id":"model-deployment-MhBgv35ETFuU39inXTSffm","name":"llama","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.766540Z","updated_at":"2026-11-23T23:28:01.782705Z","entity_version":1,"config":"gpu","config_version":1,"status":"READY","status_message":"serving","status_history":[{"timestamp":"2026-11-23T23:28:01.766540Z","status":"CREATED","status_message":"Deployment created"},{"timestamp":"2026-11-23T23:28:01.782705Z","status":"READY","status_message":"serving"}],"model_provider_id":null,"auth_context":{"principal_id":"ann","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.deployment_versions VALUES ('default', 'llama', 2, 6, 7, 7, 6, 6, '2026-11-23 23:28:01.802119+00', '2026-11-23 23:28:01.802119+00', 2, 'model-deployment-6N7P8AJpLNnKXMaU1vbwpQ', NULL, 'gpu', 'PENDING', 'Deployment update pending', NULL, '{"id":"model-deployment-6N7P8AJpLNnKXMaU1vbwpQ","name":"llama","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.802119Z","updated_at":"2026-11-23T23:28:01.802119Z","entity_version":2,"config":"gpu","config_version":2,"status":"PENDING","status_message":"Deployment update pending","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"bob","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.deployment_versions VALUES ('default', 'llama', 2, 7, 9223372036854775807, 8, 7, 6, '2026-11-23 23:28:01.802119+00', '2026-11-23 23:28:01.81109+00', 2, 'model-deployment-6N7P8AJpLNnKXMaU1vbwpQ', NULL, 'gpu', 'ERROR', 'out of memory', NULL, '{"id":"model-deployment-6N7P8AJpLNnKXMaU1vbwpQ","name":"llama","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.802119Z","updated_at":"2026-11-23T23:28:01.811090Z","entity_version":2,"config":"gpu","config_version":2,"status":"ERROR","status_message":"out of memory","status_history":[{"timestamp":"2026-11-23T23:28:01.802119Z","status":"PENDING","status_message":"Deployment update pending"},{"timestamp":"2026-11-23T23:28:01.811090Z","status":"ERROR","status_message":"out of memory"}],"model_provider_id":null,"auth_context":{"principal_id":"bob","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.deployment_versions VALUES ('default', 'llama', 3, 8, 9223372036854775807, 9223372036854775807, 8, 8, '2026-11-23 23:28:01.818171+00', '2026-11-23 23:28:01.818171+00', 1, 'model-deployment-JBQ4RYZ4VrjxgoVNDZYLpd', NULL, 'gpu', 'PENDING', 'Deployment update pending', NULL, '{"id":"model-deployment-JBQ4RYZ4VrjxgoVNDZYLpd","name":"llama","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.818171Z","updated_at":"2026-11-23T23:28:01.818171Z","entity_version":3,"config":"gpu","config_version":1,"status":"PENDING","status_message":"Deployment update pending","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"ann","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.deployment_versions VALUES ('default', 'b-c', 1, 9, 13, 13, 9, 9, '2026-11-23 23:28:01.826784+00', '2026-11-23 23:28:01.826784+00', 1, 'model-deployment-HuqgwgzC5nHQ4g64nUZdYh', NULL, 'gpu', 'CREATED', 'Deployment created', NULL, '{"id":"model-deployment-HuqgwgzC5nHQ4g64nUZdYh","name":"b-c","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.826784Z","updated_at":"2026-11-23T23:28:01.826784Z","entity_version":1,"config":"gpu","config_version":1,"status":"CREATED","status_message":"Deployment created","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.deployment_versions VALUES ('default', 'b.c', 1, 10, 9223372036854775807, 9223372036854775807, 10, 10, '2026-11-23 23:28:01.833426+00', '2026-11-23 23:28:01.833426+00', 2, 'model-deployment-VizVe47Mu1L1vQjo4BaPM3', NULL, 'gpu', 'CREATED', 'Deployment created', NULL, '{"id":"model-deployment-VizVe47Mu1L1vQjo4BaPM3","name":"b.c","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.833426Z","updated_at":"2026-11-23T23:28:01.833426Z","entity_version":1,"config":"gpu","config_version":2,"status":"CREATED","status_message":"Deployment created","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.deployment_versions VALUES ('default', 'a10', 1, 11, 9223372036854775807, 9223372036854775807, 11, 11, '2026-11-23 23:28:01.840268+00', '2026-11-23 23:28:01.840268+00', 1, 'model-deployment-E4ARfzi1R2MsY3EwDxKJ5G', NULL, 'spare', 'CREATED', 'Deployment created', NULL, '{"id":"model-deployment-E4ARfzi1R2MsY3EwDxKJ5G","name":"a10","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.840268Z","updated_at":"2026-11-23T23:28:01.840268Z","entity_version":1,"config":"spare","config_version":1,"status":"CREATED","status_message":"Deployment created","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.deployment_versions VALUES ('default', 'a9', 1, 12, 9223372036854775807, 9223372036854775807, 12, 12, '2026-11-23 23:28:01.845642+00', '2026-11-23 23:28:01.845642+00', 1, 'model-deployment-XHdcQRSMy5ctL1dEUFLcvs', NULL, 'spare', 'CREATED', 'Deployment created', NULL, '{"id":"model-deployment-XHdcQRSMy5ctL1dEUFLcvs","name":"a9","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.845642Z","updated_at":"2026-11-23T23:28:01.845642Z","entity_version":1,"config":"spare","config_version":1,"status":"CREATED","status_message":"Deployment created","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.deployment_versions VALUES ('default', 'b-c', 1, 13, 14, 14, 13, 9, '2026-11-23 23:28:01.826784+00', '2026-11-23 23:28:01.850256+00', 1, 'model-deployment-HuqgwgzC5nHQ4g64nUZdYh', NULL, 'gpu', 'DELETING', 'Deployment deletion requested', NULL, '{"id":"model-deployment-HuqgwgzC5nHQ4g64nUZdYh","name":"b-c","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.826784Z","updated_at":"2026-11-23T23:28:01.850256Z","entity_version":1,"config":"gpu","config_version":1,"status":"DELETING","status_message":"Deployment deletion requested","status_history":[{"timestamp":"2026-11-23T23:28:01.826784Z","status":"CREATED","status_message":"Deployment created"},{"timestamp":"2026-11-23T23:28:01.850256Z","status":"DELETING","status_message":"Deployment deletion requested"}],"model_provider_id":null,"auth_context":{"principal_id":"","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.deployment_versions VALUES ('default', 'b-c', 1, 14, 15, 15, 14, 9, '2026-11-23 23:28:01.826784+00', '2026-11-23 23:28:01.856806+00', 1, 'model-deployment-HuqgwgzC5nHQ4g64nUZdYh', NULL, 'gpu', 'DELETED', '', NULL, '{"id":"model-deployment-HuqgwgzC5nHQ4g64nUZdYh","name":"b-c","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.826784Z","updated_at":"2026-11-23T23:28:01.856806Z","entity_version":1,"config":"gpu","config_version":1,"status":"DELETED","status_message":"","status_history":[{"timestamp":"2026-11-23T23:28:01.826784Z","status":"CREATED","status_message":"Deployment created"},{"timestamp":"2026-11-23T23:28:01.850256Z","status":"DELETING","status_message":"Deployment deletion requested"},{"timestamp":"2026-11-23T23:28:01.856806Z","status":"DELETED","status_message":""}],"model_provider_id":null,"auth_context":{"principal_id":"","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.deployment_versions VALUES ('default', 'b-c', 2, 16, 9223372036854775807, 9223372036854775807, 16, 16, '2026-11-23 23:28:01.868849+00', '2026-11-23 23:28:01.868849+00', 2, 'model-deployment-Rasj9AsiVjn1zioMXWMEy9', NULL, 'gpu', 'CREATED', 'Deployment created', NULL, '{"id":"model-deployment-Rasj9AsiVjn1zioMXWMEy9","name":"b-c","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.868849Z","updated_at":"2026-11-23T23:28:01.868849Z","entity_version":2,"config":"gpu","config_version":2,"status":"CREATED","status_message":"Deployment created","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.deployment_versions VALUES ('other-1', 'llama', 1, 18, 9223372036854775807, 9223372036854775807, 18, 18, '2026-11-23 23:28:01.881841+00', '2026-11-23 23:28:01.881841+00', 1, 'model-deployment-MEbzLPr1bFGnQnqYGTZ2Sp', NULL, 'c', 'CREATED', 'Deployment created', NULL, '{"id":"model-deployment-MEbzLPr1bFGnQnqYGTZ2Sp","name":"llama","workspace":"other-1","project":null,"created_at":"2026-11-23T23:28:01.881841Z","updated_at":"2026-11-23T23:28:01.881841Z","entity_version":1,"config":"c","config_version":1,"status":"CREATED","status_message":"Deployment created","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"eve","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}');
INSERT INTO public.idempotency_keys VALUES ('ann ', 'k-1', '06860a0b8643d8c550e06ade46abf459', 201, '{"id":"model-deployment-config-ChrHGXoE7EhaDQc85AU5Rg","name":"gpu","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.742255Z","updated_at":"2026-11-23T23:28:01.742255Z","entity_version":1,"description":"für Äpfel","engine":"nim","model_spec":{"model_type":null,"model_namespace":null,"model_name":"llama-3.1-8b","model_revision":null,"chat_template":null,"tool_call_config":null,"lora_enabled":false},"executor_config":{"gpu":2,"disk_size":"50Gi","image_name":null,"image_tag":null,"health_check_path":null,"run_as_user":null,"run_as_group":null,"additional_envs":{"MODE":"Größe: 1"},"additional_args":[],"k8s_nim_operator_config":null,"override_config":null},"model_entity_id":null}', 1, '2026-11-23 23:28:01.742256+00');
INSERT INTO public.idempotency_keys VALUES ('ann ', 'k-2', 'd147cbe95c31469f2d58ed5aaef052bf', 201, '{"id":"model-deployment-MhBgv35ETFuU39inXTSffm","name":"llama","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.766540Z","updated_at":"2026-11-23T23:28:01.766540Z","entity_version":1,"config":"gpu","config_version":1,"status":"CREATED","status_message":"Deployment created","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"ann","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}', 3, '2026-11-23 23:28:01.766541+00');
INSERT INTO public.idempotency_keys VALUES ('bob ', 'k-3', '743c5ba4d8c3e3ac9447ddb7e2444160', 201, '{"id":"model-deployment-6N7P8AJpLNnKXMaU1vbwpQ","name":"llama","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.802119Z","updated_at":"2026-11-23T23:28:01.802119Z","entity_version":2,"config":"gpu","config_version":2,"status":"PENDING","status_message":"Deployment update pending","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"bob","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}', 6, '2026-11-23 23:28:01.80212+00');
INSERT INTO public.idempotency_keys VALUES ('ann ', 'k-4', '5a1a85ef59d13bccedd322aff4022a0a', 201, '{"id":"model-deployment-JBQ4RYZ4VrjxgoVNDZYLpd","name":"llama","workspace":"default","project":null,"created_at":"2026-11-23T23:28:01.818171Z","updated_at":"2026-11-23T23:28:01.818171Z","entity_version":3,"config":"gpu","config_version":1,"status":"PENDING","status_message":"Deployment update pending","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"ann","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}', 8, '2026-11-23 23:28:01.818172+00');
INSERT INTO public.idempotency_keys VALUES ('bob ', 'k-5', '7cb92960691308338d875ad4ddb82b46', 204, '', NULL, '2026-11-23 23:28:01.862258+00');
INSERT INTO public.idempotency_keys VALUES ('eve ', 'k-6', '4c00a1200c2b12e50b4e680c4b540b47', 201, '{"id":"model-deployment-MEbzLPr1bFGnQnqYGTZ2Sp","name":"llama","workspace":"other-1","project":null,"created_at":"2026-11-23T23:28:01.881841Z","updated_at":"2026-11-23T23:28:01.881841Z","entity_version":1,"config":"c","config_version":1,"status":"CREATED","status_message":"Deployment created","status_history":[],"model_provider_id":null,"auth_context":{"principal_id":"eve","principal_email":null,"principal_groups":[],"principal_on_behalf_of":null,"principal_on_behalf_of_groups":null,"principal_on_behalf_of_email":null}}', 18, '2026-11-23 23:28:01.881842+00');
INSERT INTO public.projection_position VALUES (true, 20);
INSERT INTO public.projection_versions OVERRIDING SYSTEM VALUE VALUES (1, 'deployments', 'f867e01e3a2205c9', '0.1.0', 0, '2026-11-23 23:28:00.644379+00');
INSERT INTO public.projection_versions OVERRIDING SYSTEM VALUE VALUES (2, 'deployment-configs', '835f86f7ce84fca5', '0.1.0', 0, '2026-11-23 23:28:00.644618+00');
INSERT INTO public.schema_migrations VALUES (1, 'event_log', '65b2b49c75a3efff795e69f5a1dc538f8a3f247cb9d590c897f00b2b7b95b272', '2026-11-23 23:28:00.580438+00');
INSERT INTO public.schema_migrations VALUES (2, 'projections', '58413c5f4bf55ded45a99f5345c70c4c4c83538bc436e8b15da8eee9512e823e', '2026-11-23 23:28:00.587802+00');
INSERT INTO public.schema_migrations VALUES (3, 'rebuild', '9b0ae56fa2cd5a59f32dd8919f02696c2ad230cee1a5328fbf5780c78b9a171b', '2026-11-23 23:28:00.598156+00');
INSERT INTO public.schema_migrations VALUES (4, 'projection_versions', '5e07a86d47f151d560fcfdc1fa8fc31b06e4a33415279299e156f5668976d1e3', '2026-11-23 23:28:00.603451+00');
INSERT INTO public.stored_events VALUES ('default/deployment-configs/gpu', 1, 'deployment-config.created', '\x7b226b696e64223a226465706c6f796d656e742d636f6e6669672e63726561746564222c226174223a22323032362d31312d32335432333a32383a30312e3734323235355a222c226279223a7b226964223a22616e6e227d2c22726561736f6e223a226669727374222c2276657273696f6e223a312c226964223a226d6f64656c2d6465706c6f796d656e742d636f6e6669672d4368724847586f453745686144516338354155355267222c226465736372697074696f6e223a2266c3bc7220c3847066656c222c22656e67696e65223a226e696d222c226d6f64656c5f73706563223a7b226d6f64656c5f74797065223a6e756c6c2c226d6f64656c5f6e616d657370616365223a6e756c6c2c226d6f64656c5f6e616d65223a226c6c616d612d332e312d3862222c226d6f64656c5f7265766973696f6e223a6e756c6c2c22636861745f74656d706c617465223a6e756c6c2c22746f6f6c5f63616c6c5f636f6e666967223a6e756c6c2c226c6f72615f656e61626c6564223a66616c73657d2c226578656375746f725f636f6e666967223a7b22677075223a322c226469736b5f73697a65223a2235304769222c22696d6167655f6e616d65223a6e756c6c2c22696d6167655f746167223a6e756c6c2c226865616c74685f636865636b5f70617468223a6e756c6c2c2272756e5f61735f75736572223a6e756c6c2c2272756e5f61735f67726f7570223a6e756c6c2c226164646974696f6e616c5f656e7673223a7b224d4f4445223a224772c3b6c39f653a2031227d2c226164646974696f6e616c5f61726773223a5b5d2c226b38735f6e696d5f6f70657261746f725f636f6e666967223a6e756c6c2c226f766572726964655f636f6e666967223a6e756c6c7d7d', 1, '2026-11-23 23:28:01.742255+00');
INSERT INTO public.stored_events VALUES ('default/deployment-configs/spare', 1, 'deployment-config.created', '\x7b226b696e64223a226465706c6f796d656e742d636f6e6669672e63726561746564222c226174223a22323032362d31312d32335432333a32383a30312e3735363237395a222c226279223a7b226964223a22616e6e227d2c2276657273696f6e223a312c226964223a226d6f64656c2d6465706c6f796d656e742d636f6e6669672d36517977424a387546376f51705971676b5955574269222c2270726f6a656374223a227031222c22656e67696e65223a226e696d222c226d6f64656c5f73706563223a7b226d6f64656c5f74797065223a6e756c6c2c226d6f64656c5f6e616d657370616365223a6e756c6c2c226d6f64656c5f6e616d65223a226c6c616d612d332e312d3862222c226d6f64656c5f7265766973696f6e223a6e756c6c2c22636861745f74656d706c617465223a6e756c6c2c22746f6f6c5f63616c6c5f636f6e666967223a6e756c6c2c226c6f72615f656e61626c6564223a66616c73657d2c226578656375746f725f636f6e666967223a7b22677075223a322c226469736b5f73697a65223a2235304769222c22696d6167655f6e616d65223a6e756c6c2c22696d6167655f746167223a6e756c6c2c226865616c74685f636865636b5f70617468223a6e756c6c2c2272756e5f61735f75736572223a6e756c6c2c2272756e5f61735f67726f7570223a6e756c6c2c226164646974696f6e616c5f656e7673223a7b224d4f4445223a224772c3b6c39f653a2031227d2c226164646974696f6e616c5f61726773223a5b5d2c226b38735f6e696d5f6f70657261746f725f636f6e666967223a6e756c6c2c226f766572726964655f636f6e666967223a6e756c6c7d7d', 2, '2026-11-23 23:28:01.756279+00');
INSERT INTO public.stored_events VALUES ('default/deployments/llama', 1, 'deployment.created', '\x7b226b696e64223a226465706c6f796d656e742e63726561746564222c226174223a22323032362d31312d32335432333a32383a30312e3736363534305a222c226279223a7b226964223a22616e6e227d2c22726561736f6e223a22666972737420726f6c6c6f7574222c2276657273696f6e223a312c226964223a226d6f64656c2d6465706c6f796d656e742d4d68426776333545544675553339696e58545366666d222c22636f6e666967223a22677075222c22636f6e6669675f76657273696f6e223a317d', 3, '2026-11-23 23:28:01.76654+00');
INSERT INTO public.stored_events VALUES ('default/deployments/llama', 2, 'deployment.status-changed', '\x7b226b696e64223a226465706c6f796d656e742e7374617475732d6368616e676564222c226174223a22323032362d31312d32335432333a32383a30312e3738323730355a222c226279223a7b226964223a22736572766963653a6d6f64656c73227d2c2276657273696f6e223a312c22737461747573223a225245414459222c227374617475735f6d657373616765223a2273657276696e67227d', 4, '2026-11-23 23:28:01.782705+00');
INSERT INTO public.stored_events VALUES ('default/deployment-configs/gpu', 2, 'deployment-config.updated', '\x7b226b696e64223a226465706c6f796d656e742d636f6e6669672e75706461746564222c226174223a22323032362d31312d32335432333a32383a30312e3739343135355a222c226279223a7b226964223a22626f62227d2c22726561736f6e223a2268616c662074686520636f7374222c2276657273696f6e223a322c226964223a226d6f64656c2d6465706c6f796d656e742d636f6e6669672d376e57504677394463636f68444876547242624d4d58222c22656e67696e65223a226e696d222c226d6f64656c5f73706563223a7b226d6f64656c5f74797065223a6e756c6c2c226d6f64656c5f6e616d657370616365223a6e756c6c2c226d6f64656c5f6e616d65223a226c6c616d612d332e312d3862222c226d6f64656c5f7265766973696f6e223a6e756c6c2c22636861745f74656d706c617465223a6e756c6c2c22746f6f6c5f63616c6c5f636f6e666967223a6e756c6c2c226c6f72615f656e61626c6564223a66616c73657d2c226578656375746f725f636f6e666967223a7b22677075223a312c226469736b5f73697a65223a2235304769222c22696d6167655f6e616d65223a6e756c6c2c22696d6167655f746167223a6e756c6c2c226865616c74685f636865636b5f70617468223a6e756c6c2c2272756e5f61735f75736572223a6e756c6c2c2272756e5f61735f67726f7570223a6e756c6c2c226164646974696f6e616c5f656e7673223a6e756c6c2c226164646974696f6e616c5f61726773223a5b5d2c226b38735f6e696d5f6f70657261746f725f636f6e666967223a6e756c6c2c226f766572726964655f636f6e666967223a6e756c6c7d7d', 5, '2026-11-23 23:28:01.794155+00');
INSERT INTO public.stored_events VALUES ('default/deployments/llama', 3, 'deployment.updated', '\x7b226b696e64223a226465706c6f796d656e742e75706461746564222c226174223a22323032362d31312d32335432333a32383a30312e3830323131395a222c226279223a7b226964223a22626f62227d2c22726561736f6e223a2268616c662074686520636f7374222c2276657273696f6e223a322c226964223a226d6f64656c2d6465706c6f796d656e742d364e375038414a704c4e6e4b584d6155317662777051222c22636f6e666967223a22677075222c22636f6e6669675f76657273696f6e223a327d', 6, '2026-11-23 23:28:01.802119+00');
INSERT INTO public.stored_events VALUES ('default/deployments/llama', 4, 'deployment.status-changed', '\x7b226b696e64223a226465706c6f796d656e742e7374617475732d6368616e676564222c226174223a22323032362d31312d32335432333a32383a30312e3831313039305a222c226279223a7b226964223a22736572766963653a6d6f64656c73227d2c2276657273696f6e223a322c22737461747573223a224552524f52222c227374617475735f6d657373616765223a226f7574206f66206d656d6f7279227d', 7, '2026-11-23 23:28:01.81109+00');
INSERT INTO public.stored_events VALUES ('default/deployments/llama', 5, 'deployment.rolled-back', '\x7b226b696e64223a226465706c6f796d656e742e726f6c6c65642d6261636b222c226174223a22323032362d31312d32335432333a32383a30312e3831383137315a222c226279223a7b226964223a22616e6e227d2c22726561736f6e223a226261636b222c2276657273696f6e223a332c226964223a226d6f64656c2d6465706c6f796d656e742d4a42513452595a3456726a78676f564e445a594c7064222c22636f6e666967223a22677075222c22636f6e6669675f76657273696f6e223a312c22726573746f7265645f76657273696f6e223a317d', 8, '2026-11-23 23:28:01.818171+00');
INSERT INTO public.stored_events VALUES ('default/deployments/b-c', 1, 'deployment.created', '\x7b226b696e64223a226465706c6f796d656e742e63726561746564222c226174223a22323032362d31312d32335432333a32383a30312e3832363738345a222c2276657273696f6e223a312c226964223a226d6f64656c2d6465706c6f796d656e742d4875716777677a43356e4851346736346e555a645968222c22636f6e666967223a22677075222c22636f6e6669675f76657273696f6e223a317d', 9, '2026-11-23 23:28:01.826784+00');
INSERT INTO public.stored_events VALUES ('default/deployments/b.c', 1, 'deployment.created', '\x7b226b696e64223a226465706c6f796d656e742e63726561746564222c226174223a22323032362d31312d32335432333a32383a30312e3833333432365a222c2276657273696f6e223a312c226964223a226d6f64656c2d6465706c6f796d656e742d56697a566534374d75314c3176516a6f344261504d33222c22636f6e666967223a22677075222c22636f6e6669675f76657273696f6e223a327d', 10, '2026-11-23 23:28:01.833426+00');
INSERT INTO public.stored_events VALUES ('default/deployments/a10', 1, 'deployment.created', '\x7b226b696e64223a226465706c6f796d656e742e63726561746564222c226174223a22323032362d31312d32335432333a32383a30312e3834303236385a222c2276657273696f6e223a312c226964223a226d6f64656c2d6465706c6f796d656e742d45344152667a693152324d735933457744784b4a3547222c22636f6e666967223a227370617265222c22636f6e6669675f76657273696f6e223a317d', 11, '2026-11-23 23:28:01.840268+00');
INSERT INTO public.stored_events VALUES ('default/deployments/a9', 1, 'deployment.created', '\x7b226b696e64223a226465706c6f796d656e742e63726561746564222c226174223a22323032362d31312d32335432333a32383a30312e3834353634325a222c2276657273696f6e223a312c226964223a226d6f64656c2d6465706c6f796d656e742d584864635152534d793563744c31644555464c637673222c22636f6e666967223a227370617265222c22636f6e6669675f76657273696f6e223a317d', 12, '2026-11-23 23:28:01.845642+00');
INSERT INTO public.stored_events VALUES ('default/deployments/b-c', 2, 'deployment.deletion-requested', '\x7b226b696e64223a226465706c6f796d656e742e64656c6574696f6e2d726571756573746564222c226174223a22323032362d31312d32335432333a32383a30312e3835303235365a222c226279223a7b226964223a22626f62227d2c22726561736f6e223a226e6f74206e6565646564222c2276657273696f6e73223a5b315d7d', 13, '2026-11-23 23:28:01.850256+00');
INSERT INTO public.stored_events VALUES ('default/deployments/b-c', 3, 'deployment.status-changed', '\x7b226b696e64223a226465706c6f796d656e742e7374617475732d6368616e676564222c226174223a22323032362d31312d32335432333a32383a30312e3835363830365a222c226279223a7b226964223a22736572766963653a6d6f64656c73227d2c2276657273696f6e223a312c22737461747573223a2244454c45544544222c227374617475735f6d657373616765223a22227d', 14, '2026-11-23 23:28:01.856806+00');
INSERT INTO public.stored_events VALUES ('default/deployments/b-c', 4, 'deployment.purged', '\x7b226b696e64223a226465706c6f796d656e742e707572676564222c226174223a22323032362d31312d32335432333a32383a30312e3836323235375a222c226279223a7b226964223a22626f62227d2c2276657273696f6e73223a5b315d7d', 15, '2026-11-23 23:28:01.862257+00');
INSERT INTO public.stored_events VALUES ('default/deployments/b-c', 5, 'deployment.created', '\x7b226b696e64223a226465706c6f796d656e742e63726561746564222c226174223a22323032362d31312d32335432333a32383a30312e3836383834395a222c22726561736f6e223a22616761696e222c2276657273696f6e223a322c226964223a226d6f64656c2d6465706c6f796d656e742d5261736a39417369566a6e317a696f4d58574d457939222c22636f6e666967223a22677075222c22636f6e6669675f76657273696f6e223a327d', 16, '2026-11-23 23:28:01.868849+00');
INSERT INTO public.stored_events VALUES ('other-1/deployment-configs/c', 1, 'deployment-config.created', '\x7b226b696e64223a226465706c6f796d656e742d636f6e6669672e63726561746564222c226174223a22323032362d31312d32335432333a32383a30312e3837343638345a222c2276657273696f6e223a312c226964223a226d6f64656c2d6465706c6f796d656e742d636f6e6669672d4658566336413132354b393968556776363951784c4a222c22656e67696e65223a226e696d222c226d6f64656c5f73706563223a7b226d6f64656c5f74797065223a6e756c6c2c226d6f64656c5f6e616d657370616365223a6e756c6c2c226d6f64656c5f6e616d65223a226c6c616d612d332e312d3862222c226d6f64656c5f7265766973696f6e223a6e756c6c2c22636861745f74656d706c617465223a6e756c6c2c22746f6f6c5f63616c6c5f636f6e666967223a6e756c6c2c226c6f72615f656e61626c6564223a66616c73657d2c226578656375746f725f636f6e666967223a7b22677075223a322c226469736b5f73697a65223a2235304769222c22696d6167655f6e616d65223a6e756c6c2c22696d6167655f746167223a6e756c6c2c226865616c74685f636865636b5f70617468223a6e756c6c2c2272756e5f61735f75736572223a6e756c6c2c2272756e5f61735f67726f7570223a6e756c6c2c226164646974696f6e616c5f656e7673223a7b224d4f4445223a224772c3b6c39f653a2031227d2c226164646974696f6e616c5f61726773223a5b5d2c226b38735f6e696d5f6f70657261746f725f636f6e666967223a6e756c6c2c226f766572726964655f636f6e666967223a6e756c6c7d7d', 17, '2026-11-23 23:28:01.874684+00');
INSERT INTO public.stored_events VALUES ('other-1/deployments/llama', 1, 'deployment.created', '\x7b226b696e64223a226465706c6f796d656e742e63726561746564222c226174223a22323032362d31312d32335432333a32383a30312e3838313834315a222c226279223a7b226964223a22657665227d2c2276657273696f6e223a312c226964223a226d6f64656c2d6465706c6f796d656e742d4d45627a4c5072316246476e516e715947545a325370222c22636f6e666967223a2263222c22636f6e6669675f76657273696f6e223a317d', 18, '2026-11-23 23:28:01.881841+00');
INSERT INTO public.stored_events VALUES ('other-1/deployment-configs/unused', 1, 'deployment-config.created', '\x7b226b696e64223a226465706c6f796d656e742d636f6e6669672e63726561746564222c226174223a22323032362d31312d32335432333a32383a30312e3838383230325a222c2276657273696f6e223a312c226964223a226d6f64656c2d6465706c6f796d656e742d636f6e6669672d484161694d34514d78444c46486b4c4d597045653371222c22656e67696e65223a226e696d222c226d6f64656c5f73706563223a7b226d6f64656c5f74797065223a6e756c6c2c226d6f64656c5f6e616d657370616365223a6e756c6c2c226d6f64656c5f6e616d65223a226c6c616d612d332e312d3862222c226d6f64656c5f7265766973696f6e223a6e756c6c2c22636861745f74656d706c617465223a6e756c6c2c22746f6f6c5f63616c6c5f636f6e666967223a6e756c6c2c226c6f72615f656e61626c6564223a66616c73657d2c226578656375746f725f636f6e666967223a7b22677075223a322c226469736b5f73697a65223a2235304769222c22696d6167655f6e616d65223a6e756c6c2c22696d6167655f746167223a6e756c6c2c226865616c74685f636865636b5f70617468223a6e756c6c2c2272756e5f61735f75736572223a6e756c6c2c2272756e5f61735f67726f7570223a6e756c6c2c226164646974696f6e616c5f656e7673223a7b224d4f4445223a224772c3b6c39f653a2031227d2c226164646974696f6e616c5f61726773223a5b5d2c226b38735f6e696d5f6f70657261746f725f636f6e666967223a6e756c6c2c226f766572726964655f636f6e666967223a6e756c6c7d7d', 19, '2026-11-23 23:28:01.888202+00');
INSERT INTO public.stored_events VALUES ('other-1/deployment-configs/unused', 2, 'deployment-config.deleted', '\x7b226b696e64223a226465706c6f796d656e742d636f6e6669672e64656c65746564222c226174223a22323032362d31312d32335432333a32383a30312e3839343434345a222c22726561736f6e223a2274696479222c2276657273696f6e73223a5b315d7d', 20, '2026-11-23 23:28:01.894444+00');
SELECT pg_catalog.setval('public.projection_versions_number_seq', 2, true);
SELECT pg_catalog.setval('rebuild.run_id_seq', 1, false);
ALTER TABLE ONLY public.deployment_config_versions
    ADD CONSTRAINT deployment_config_versions_pkey PRIMARY KEY (workspace, name, version, valid_from);
ALTER TABLE ONLY public.deployment_versions
    ADD CONSTRAINT deployment_versions_pkey PRIMARY KEY (workspace, name, version, valid_from);
ALTER TABLE ONLY public.idempotency_keys
    ADD CONSTRAINT idempotency_keys_pkey PRIMARY KEY (principal, key);
ALTER TABLE ONLY public.projection_position
    ADD CONSTRAINT projection_position_pkey PRIMARY KEY (singleton);
ALTER TABLE ONLY public.projection_versions
    ADD CONSTRAINT projection_versions_pkey PRIMARY KEY (resource, number);
ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.stored_events
    ADD CONSTRAINT stored_events_pkey PRIMARY KEY (originator_id, originator_version);
ALTER TABLE ONLY rebuild.run
    ADD CONSTRAINT run_pkey PRIMARY KEY (singleton);
ALTER TABLE ONLY rebuild.slices
    ADD CONSTRAINT slices_pkey PRIMARY KEY (run, slice);
CREATE INDEX deployment_config_versions_held ON public.deployment_config_versions USING btree (workspace COLLATE "POSIX", created_position) INCLUDE (valid_from, valid_until, latest_until);
CREATE INDEX deployment_config_versions_latest_created ON public.deployment_config_versions USING btree (workspace COLLATE "POSIX", created_position) WHERE (latest_until = '9223372036854775807'::bigint);
CREATE UNIQUE INDEX deployment_config_versions_open ON public.deployment_config_versions USING btree (workspace, name, version) WHERE (valid_until = '9223372036854775807'::bigint);
CREATE INDEX deployment_config_versions_was_latest ON public.deployment_config_versions USING btree (workspace COLLATE "POSIX", name COLLATE "POSIX", valid_from) WHERE (latest_until > 0);
CREATE INDEX deployment_versions_held ON public.deployment_versions USING btree (workspace COLLATE "POSIX", created_position) INCLUDE (valid_from, valid_until, latest_until);
CREATE INDEX deployment_versions_latest_created ON public.deployment_versions USING btree (workspace COLLATE "POSIX", created_position) WHERE (latest_until = '9223372036854775807'::bigint);
CREATE UNIQUE INDEX deployment_versions_open ON public.deployment_versions USING btree (workspace, name, version) WHERE (valid_until = '9223372036854775807'::bigint);
CREATE INDEX deployment_versions_open_config ON public.deployment_versions USING btree (workspace COLLATE "POSIX", config) WHERE (valid_until = '9223372036854775807'::bigint);
CREATE INDEX deployment_versions_open_created ON public.deployment_versions USING btree (workspace COLLATE "POSIX", created_position) WHERE (valid_until = '9223372036854775807'::bigint);
CREATE INDEX deployment_versions_open_status ON public.deployment_versions USING btree (status, created_position) WHERE (valid_until = '9223372036854775807'::bigint);
CREATE INDEX deployment_versions_was_latest ON public.deployment_versions USING btree (workspace COLLATE "POSIX", name COLLATE "POSIX", valid_from) WHERE (latest_until > 0);
CREATE INDEX idempotency_keys_recorded_at_idx ON public.idempotency_keys USING btree (recorded_at);
CREATE UNIQUE INDEX stored_events_notification_id_idx ON public.stored_events USING btree (notification_id);
CREATE UNIQUE INDEX stored_events_recorded_at_idx ON public.stored_events USING btree (recorded_at);
CREATE INDEX stored_events_workspace_idx ON public.stored_events USING btree (split_part(originator_id, '/'::text, 1), notification_id);
CREATE TRIGGER stored_events_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.stored_events FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change_of_history();
