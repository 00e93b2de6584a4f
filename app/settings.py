"""Settings of the service: one frozen struct, checked once at start.

A value comes from a flag, else from the environment, else from a TOML file, else from the default. Whatever
is wrong with one is a `BadSetting` that says which setting, which value, where it came from, what is allowed.
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

ENVIRONMENT_PREFIX: Final = "DEPLOYMENT_LEDGER_"
SETTINGS_FILE_VARIABLE: Final = "DEPLOYMENT_LEDGER_SETTINGS"
RESOLVED_VARIABLE: Final = "DEPLOYMENT_LEDGER_RESOLVED"
"""Carries the settings, as JSON, from the supervisor to its worker processes."""

IdentityMode: TypeAlias = Literal["none", "trusted-proxy", "jwt", "insecure-none"]
LogFormat: TypeAlias = Literal["console", "json"]
OnStale: TypeAlias = Literal["refuse", "build"]
LogLevel: TypeAlias = Literal["debug", "info", "warning", "error"]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything an operator can choose; sizes and times carry their unit, or `max`, as the last word."""

    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 takes a free one.")] = 8080
    workers: Annotated[int, Meta(ge=1, le=128, description="Worker processes.")] = 1
    data_dir: Annotated[
        str, Meta(min_length=1, description="Where the embedded PostgreSQL keeps everything.")
    ] = "data"
    database_url: Annotated[
        str | None, Meta(description="PostgreSQL 15 or later to use instead of the embedded one.")
    ] = None
    owner_url: Annotated[
        str | None,
        Meta(description="The same database for who may change its schema, if `database_url` may not."),
    ] = None
    identity: Annotated[
        IdentityMode,
        Meta(
            description="How callers are known: by headers that are believed of callers on this machine "
            "(none), of listed proxies (trusted-proxy), of everybody (insecure-none), or by tokens (jwt)."
        ),
    ] = "none"
    trusted_proxies: Annotated[
        str | None, Meta(description="With trusted-proxy: proxies whose identity headers are believed.")
    ] = None
    jwt_issuer: Annotated[str | None, Meta(description="With jwt: the issuer (iss) of tokens.")] = None
    jwt_audience: Annotated[
        str | None, Meta(description="With jwt: the audience (aud) that tokens must be for.")
    ] = None
    jwt_keys: Annotated[
        str | None, Meta(description="With jwt: JSON Web Key Set with the issuer's public keys.")
    ] = None
    jwt_principal_claim: Annotated[
        str, Meta(min_length=1, description="With jwt: the claim that is the principal's id.")
    ] = "sub"
    jwt_groups_claim: Annotated[
        str, Meta(min_length=1, description="With jwt: the claim that lists the principal's groups.")
    ] = "groups"
    jwt_roles_claim: Annotated[
        str | None, Meta(description="With jwt: a claim that lists roles, as role:workspace.")
    ] = None
    policy_file: Annotated[
        str | None,
        Meta(description="TOML file that says who may do what; without it, all who are known may."),
    ] = None
    log_format: Annotated[LogFormat, Meta(description="How log lines look.")] = "console"
    log_level: Annotated[LogLevel, Meta(description="The least severe lines that are written.")] = "info"
    connections_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Connections served at once, in each process.")
    ] = 4096
    body_bytes_max: Annotated[int, Meta(ge=1024, le=2**26, description="Largest request body.")] = 2**20
    body_read_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="Time a client has to send a whole body.")
    ] = 10.0
    header_read_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="Time a client has to send headers, or its next request.")
    ] = 15.0
    write_queue_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Writes that a process has in hand; more get 503.")
    ] = 512
    write_batch_max: Annotated[
        int, Meta(ge=1, le=10_000, description="Writes that share one transaction.")
    ] = 256
    write_wait_seconds: Annotated[
        float,
        Meta(gt=0, le=3600, description="Time a write may wait for its turn, and then for the database."),
    ] = 15.0
    read_connections_max: Annotated[
        int,
        Meta(
            ge=1,
            le=256,
            description="Database connections for reads, in each process; single objects have one more.",
        ),
    ] = 4
    read_batch_max: Annotated[
        int, Meta(ge=1, le=10_000, description="Single reads that share one statement.")
    ] = 256
    read_queue_max: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Reads that may wait in a process; more get 503.")
    ] = 4096
    statement_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="Time one statement may take in the database.")
    ] = 30.0
    watchers_max: Annotated[
        int, Meta(ge=1, le=100_000, description="Watches served at once, in each process; more get 503.")
    ] = 1000
    watch_heartbeat_seconds: Annotated[
        float, Meta(gt=0, le=3600, description="Time after which a watch without events gets a sign of life.")
    ] = 15.0
    shutdown_grace_seconds: Annotated[
        int, Meta(ge=1, le=3600, description="Time that running requests have to finish after SIGTERM.")
    ] = 15
    database_start_seconds: Annotated[
        int, Meta(ge=1, le=86400, description="Time the embedded PostgreSQL may take to recover.")
    ] = 600
    on_stale: Annotated[
        OnStale,
        Meta(description="Where tables are of an earlier release: write nothing, or build new ones."),
    ] = "refuse"


DEFAULTS: Final = Settings()


class BadSetting(ValueError):
    """A setting that cannot be used; its text is for the operator."""

    def __init__(self, name: str, problem: str, origin: str) -> None:
        self.name = name
        super().__init__(f"{name}: {problem} (from {origin})")


class Resolved(msgspec.Struct, frozen=True):
    """Settings and, by name, where each value came from."""

    settings: Settings
    origins: dict[str, str]


def load_settings(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None) -> Settings:
    """Settings from flags over `environ` over `file` over defaults, or `BadSetting`."""
    return resolve(flags, environ, file).settings


def resolve(flags: Mapping[str, Any], environ: Mapping[str, str], file: Path | None) -> Resolved:
    """Like `load_settings`, and says of each value where it came from."""
    if file is None and (named := environ.get(SETTINGS_FILE_VARIABLE)):
        file = Path(named)
    chosen: dict[str, Any] = {}
    origins = dict.fromkeys(FIELD_TYPES, "default")
    for values, origin_of in (
        (_from_file(file), lambda name: f"{name} in {file}"),
        (_from_environment(environ), lambda name: f"environment variable {variable(name)}"),
        ({name: value for name, value in flags.items() if value is not None}, flag),
    ):
        for name, value in values.items():
            origins[name] = origin_of(name)
            chosen[name] = _checked(name, value, origins[name])
    return Resolved(Settings(**chosen), origins)


def handed_down(environ: Mapping[str, str]) -> Settings:
    """The settings that a worker process was given by its supervisor; without one, those of `environ`."""
    if resolved := environ.get(RESOLVED_VARIABLE):
        return msgspec.json.decode(resolved, type=Settings)
    return load_settings({}, environ, None)


def flag(name: str) -> str:
    """The command line's spelling of a setting: `--data-dir`."""
    return "--" + name.replace("_", "-")


def variable(name: str) -> str:
    """The environment's spelling of a setting: `DEPLOYMENT_LEDGER_DATA_DIR`."""
    return ENVIRONMENT_PREFIX + name.upper()


def describe(name: str) -> str:
    """What the setting means and what it may be, for help texts."""
    description = str(_meta(name).description)
    if FIELD_TYPES[name].__origin__ is str:
        return description
    return f"{description} {_allowed(name).capitalize()}."


def masked(database_url: str) -> str:
    """`database_url` without its password, fit for logs and terminals."""
    try:
        parts = conninfo_to_dict(database_url)
    except ProgrammingError:
        return "(unreadable)"
    return make_conninfo("", **{key: "***" if key == "password" else value for key, value in parts.items()})


FIELD_TYPES: Final[dict[str, Any]] = dict(Settings.__annotations__)
"""Each setting's annotated type, in the order they are declared."""

DATABASE_URLS: Final = ("database_url", "owner_url")
"""Settings that are addresses, with passwords in them."""


_EXAMPLES: Final = {
    "database_url": "a PostgreSQL address such as postgresql://user:password@host:5432/database",
    "owner_url": "a PostgreSQL address such as postgresql://owner:password@host:5432/database",
    "trusted_proxies": "addresses and networks such as 10.1.2.3, 10.2.0.0/16",
    "jwt_issuer": "the text that tokens have as iss, such as https://login.example",
    "jwt_audience": "the text that tokens have as aud, such as deployment-ledger",
    "jwt_keys": "a file, or a URL such as https://login.example/jwks.json",
    "jwt_roles_claim": "a claim such as ledger_roles, with texts such as editor:production",
    "policy_file": "a file such as policy.toml",
}


def _from_file(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadSetting("settings", f"cannot read the file: {error.strerror}", str(file)) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSetting("settings", f"not a TOML file: {error}", str(file)) from error
    for name in content:
        _must_be_known(name, list(FIELD_TYPES), str(file))
    return content


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    names = {variable(name): name for name in FIELD_TYPES}
    others = (SETTINGS_FILE_VARIABLE, RESOLVED_VARIABLE)
    found = {}
    for key, value in environ.items():
        if not key.startswith(ENVIRONMENT_PREFIX) or key in others:
            continue
        _must_be_known(key, [*names, SETTINGS_FILE_VARIABLE], "environment")
        found[names[key]] = value
    return found


def _must_be_known(name: str, known: list[str], origin: str) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    raise BadSetting(name, f"no such setting; {hint}", origin)


def _checked(name: str, value: Any, origin: str) -> Any:
    if name not in FIELD_TYPES:
        _must_be_known(name, list(FIELD_TYPES), origin)
    try:
        # Only text is read leniently: `port = "80"` in a file is as welcome as PORT=80, `port = true` is not.
        result = msgspec.convert(value, FIELD_TYPES[name], strict=not isinstance(value, str))
    except msgspec.ValidationError as error:
        raise BadSetting(name, f"{value!r} is not allowed; {_allowed(name)}", origin) from error
    if name in DATABASE_URLS and result is not None:
        _must_be_database_url(name, result, origin)
    return result


def _must_be_database_url(name: str, url: str, origin: str) -> None:
    problem = f"this is not allowed; {_allowed(name)}"
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as error:
        # The driver's text may repeat the password, so it is left out.
        raise BadSetting(name, problem, origin) from error.with_traceback(None)
    if not parts:
        raise BadSetting(name, problem, origin)


def _meta(name: str) -> Meta:
    meta: Meta = FIELD_TYPES[name].__metadata__[0]
    return meta


def _allowed(name: str) -> str:
    declared, meta = FIELD_TYPES[name].__origin__, _meta(name)
    if name in _EXAMPLES:
        return _EXAMPLES[name]
    if declared is int:
        return f"a whole number from {meta.ge} to {meta.le}"
    if declared is float:
        return f"a number above {meta.gt}, up to {meta.le}"
    if declared is str:
        return "text that is not empty"
    return " or ".join(get_args(declared))
