"""Settings: where a value may come from, which source wins, and what the operator is told about a bad one."""

import msgspec
import pytest

from app.settings import BadSetting, Settings, describe, handed_down, load_settings, masked, resolve


def test_without_any_source_the_defaults_hold():
    """Nothing has to be set to start."""
    assert Settings() == load_settings({}, {}, None)


def test_flags_win_over_environment_over_file(tmp_path):
    """The nearer to the command line, the stronger."""
    file = tmp_path / "ledger.toml"
    file.write_text('port = 1\nworkers = 2\nlog_format = "json"\n')
    environ = {"DEPLOYMENT_LEDGER_PORT": "3", "DEPLOYMENT_LEDGER_WORKERS": "4"}

    resolved = resolve({"port": "5", "workers": None}, environ, file)

    assert (5, 4, "json") == (resolved.settings.port, resolved.settings.workers, resolved.settings.log_format)
    assert resolved.origins["port"] == "--port"
    assert resolved.origins["workers"] == "environment variable DEPLOYMENT_LEDGER_WORKERS"
    assert resolved.origins["log_format"] == f"log_format in {file}"
    assert resolved.origins["host"] == "default"


def test_the_environment_can_name_the_file(tmp_path):
    """A file for containers, where flags are awkward."""
    file = tmp_path / "ledger.toml"
    file.write_text("port = 1234\n")

    assert load_settings({}, {"DEPLOYMENT_LEDGER_SETTINGS": str(file)}, None).port == 1234


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("port", "http", "a whole number from 0 to 65535"),
        ("port", "65536", "a whole number from 0 to 65535"),
        ("workers", "0", "a whole number from 1 to 128"),
        ("statement_seconds", "-1", "a number above 0, up to 3600"),
        ("log_format", "xml", "console or json"),
        ("data_dir", "", "text that is not empty"),
    ],
)
def test_a_bad_value_is_refused_by_name(name, value, allowed):
    """The message names the setting, its value, its origin and what is allowed."""
    with pytest.raises(BadSetting) as caught:
        load_settings({name: value}, {}, None)

    flag = "--" + name.replace("_", "-")
    assert f"{name}: {value!r} is not allowed; {allowed} (from {flag})" == str(caught.value)


def test_a_file_says_types_plainly(tmp_path):
    """In TOML `true` is no port, though Python would take it for 1."""
    file = tmp_path / "ledger.toml"
    file.write_text("port = true\n")

    with pytest.raises(BadSetting, match=r"port: True is not allowed; a whole number"):
        load_settings({}, {}, file)


def test_an_unknown_variable_is_refused_with_the_nearest_name():
    """A typing error must not pass as a default."""
    with pytest.raises(
        BadSetting, match="DEPLOYMENT_LEDGER_PROT: no such setting; did you mean DEPLOYMENT_LEDGER_PORT"
    ):
        load_settings({}, {"DEPLOYMENT_LEDGER_PROT": "1"}, None)


def test_an_unknown_key_of_the_file_is_refused_with_the_nearest_name(tmp_path):
    """The same in the file."""
    file = tmp_path / "ledger.toml"
    file.write_text("data-dir = 'x'\n")

    with pytest.raises(BadSetting, match="data-dir: no such setting; did you mean data_dir"):
        load_settings({}, {}, file)


@pytest.mark.parametrize("content", [None, b"port = ", b"\xff"])
def test_an_unreadable_file_is_refused(tmp_path, content):
    """A missing, a malformed and a binary file are each named."""
    file = tmp_path / "ledger.toml"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(BadSetting, match=r"settings: .* \(from .*ledger.toml\)"):
        load_settings({}, {}, file)


@pytest.mark.parametrize("url", ["", "localhost", "mysql://user:secret@host/x"])
def test_a_bad_database_url_is_refused_without_repeating_it(url):
    """It may hold a password."""
    with pytest.raises(BadSetting) as caught:
        load_settings({"database_url": url}, {}, None)

    assert "database_url: this is not allowed; a PostgreSQL address" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_passwords_are_masked():
    """Everything of an address may be shown but the password."""
    shown = masked("postgresql://ledger:secret@db.example:5433/ledger?sslmode=require")

    assert "secret" not in shown
    assert "db.example" in shown
    assert "5433" in shown


def test_workers_get_the_very_settings_of_their_supervisor():
    """Handing down as JSON loses nothing, and ignores what else the environment says."""
    settings = Settings(port=1, database_url="postgresql://x/y", statement_seconds=0.5)
    environ = {
        "DEPLOYMENT_LEDGER_RESOLVED": msgspec.json.encode(settings).decode(),
        "DEPLOYMENT_LEDGER_PORT": "2",
    }

    assert settings == handed_down(environ)


def test_every_setting_is_described():
    """Each has a text for the help of the command line."""
    for name in Settings.__struct_fields__:
        assert len(describe(name)) > 10
