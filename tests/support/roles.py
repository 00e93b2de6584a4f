"""Addresses of one database for different roles; the test servers trust whoever reaches their sockets."""

from psycopg.conninfo import conninfo_to_dict

from app.roles import Roles


def url_as(url, role):
    """The same database for another role."""
    return url.replace("//postgres@", f"//{role}@")


def roles_of(url):
    """The names of the database's roles."""
    return Roles.of(conninfo_to_dict(url)["dbname"])


def runtime_url(url):
    """The same database for the service."""
    return url_as(url, roles_of(url).runtime)
