"""Settings in groups: each group by itself, and all of them together."""

import pytest
from typer.testing import CliRunner

from loan_cli.app import app
from model_server.settings import GROUPS, LimitSettings, ServerSettings

UNITS = {"_seconds": "Seconds", "_bytes": "Bytes"}


def test_each_setting_belongs_to_one_group():
    grouped = [name for group in GROUPS.values() for name in group.model_fields]
    assert sorted(grouped) == sorted(ServerSettings.model_fields)
    assert all(issubclass(ServerSettings, group) for group in GROUPS.values())


def test_a_group_is_read_by_the_same_names(monkeypatch):
    monkeypatch.setenv("LOAN_MAX_ROWS", "7")
    assert LimitSettings().max_rows == ServerSettings.read().max_rows == 7


@pytest.mark.parametrize("name", ServerSettings.model_fields)
def test_a_description_says_the_unit(name):
    description = ServerSettings.model_fields[name].description
    assert description
    for ending, unit in UNITS.items():
        assert not name.endswith(ending) or description.startswith(unit)


def test_a_worker_gets_the_settings_of_its_group_as_they_are():
    settings = ServerSettings(anyone_may="train, load", train_sources={"q3": "s3://bank/q3.csv"}, tls_key="tls.key")
    assert ServerSettings.model_validate_json(settings.model_dump_json()) == settings


def test_help_shows_the_options_by_group():
    text = CliRunner().invoke(app, ["serve", "--help"]).output
    assert text.index(" Model ") < text.index("--registry") < text.index(" Listening ") < text.index("--http-port")
