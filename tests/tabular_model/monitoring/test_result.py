"""The result as a document, as gauges, as a page, and among earlier ones."""

import json
import re
from datetime import UTC, date, datetime
from pathlib import Path

import jsonschema
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

import tabular_model.monitoring.result
from tabular_model import metrics
from tabular_model.decisions.records import Records
from tabular_model.errors import RecordError
from tabular_model.monitoring import quality
from tabular_model.monitoring.history import History, Window
from tabular_model.monitoring.report import render
from tabular_model.monitoring.result import Monitored, json_schema
from tabular_model.monitoring.textfile import textfile
from tests.tabular_model.decisions.decided import DAY as RECORDED
from tests.tabular_model.decisions.decided import days, decided, recorded, writing, written
from tests.tabular_model.monitoring.results import result

CHECKED_IN = Path(tabular_model.monitoring.result.__file__).with_name("monitor.schema.json")


@pytest.fixture(scope="module")
def found(trained_registry):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(metrics, "RESAMPLES", 20)
        patched.setattr(quality, "SIMULATIONS", 20)
        return result(trained_registry, outcomes=True)


@pytest.fixture(scope="module")
def before(trained_registry):
    return [result(trained_registry, last=last) for last in (date(2026, 1, 31), date(2026, 2, 28))]


def test_the_schema_in_the_repository_is_that_of_the_types(found, before):
    assert json.loads(CHECKED_IN.read_text()) == json.loads(json.dumps(json_schema()))
    for each in (found, *before):
        jsonschema.validate(json.loads(each.encode()), json_schema())
        assert Monitored.decode(each.encode()) == each


def test_prometheus_reads_the_same_figures(found):
    families = {each.name: each for each in text_string_to_metric_families(textfile(found))}
    (version,) = found.versions
    assert {each.type for each in families.values()} == {"gauge"}
    for name in ("value", "change", "limit", "critical"):
        samples = {
            (each.labels["check"], each.labels["subject"]): each.value
            for each in families[f"loan_monitor_{name}"].samples
        }
        assert samples == {
            (each.check, each.subject): getattr(each, name)
            for each in version.findings
            if getattr(each, name) is not None
        }
    assert sum(each.value for each in families["loan_monitor_found"].samples) == len(version.having("found"))
    assert sum(each.value for each in families["loan_monitor_unsure"].samples) == len(version.having("unsure"))
    (end,) = families["loan_monitor_window_end_timestamp_seconds"].samples
    assert datetime.fromtimestamp(end.value, UTC) == datetime(2026, 4, 1, tzinfo=UTC)


def test_words_that_prometheus_would_take_for_its_own_are_escaped(found):
    odd = msgspec.structs.replace(found, model='a "b"\\c\nd')
    families = list(text_string_to_metric_families(textfile(odd)))
    assert families[0].samples[0].labels["model"] == odd.model


def test_the_page_needs_nothing_outside_itself_and_shows_earlier_windows(found, before):
    page = render(found, before).decode()
    loads = re.findall(r"""(?:src|href|action|poster|data)\s*=\s*["']([^"']*)""", page)
    assert [target for target in loads if not target.startswith("#")] == []
    assert re.findall(r"@import|url\((?!#)|<script|<link|<iframe", page) == []
    for said in ("Population stability index by window", "Adverse impact ratio", "Calibration by vintage", "3 windows"):
        assert said in page
    assert page.count("<svg") == 5
    assert "Reject inference: none is made" in page


def test_a_first_window_has_no_trend(before):
    page = render(before[0], []).decode()
    assert page.count("<svg") == 1
    assert "by window" not in page
    assert "Not judged: calibration. No outcomes have come." in page


def test_results_are_kept_and_read_in_their_order(found, before, tmp_path):
    history = History(str(tmp_path / "history"))
    assert history.read() == []
    for each in (found, *reversed(before), found):
        history.add(each)
    assert history.read() == [*before, found]
    assert (tmp_path / "history/gauges.prom").read_text() == textfile(found)
    assert sorted(path.name for path in (tmp_path / "history").iterdir())[-1] == "monitor-2026-03-01-2026-03-31.json"
    (tmp_path / "history/notes.txt").write_text("not a result")
    (tmp_path / "history/monitor-2026-04-01-2026-04-30.json").write_text("{}")
    with pytest.raises(RecordError, match=r"monitor-2026-04-01-2026-04-30.json in the history .* is not a result"):
        history.read()


def test_the_window_is_what_was_asked_for_else_what_is_new(found, tmp_path):
    writer = writing(tmp_path)
    for day in (0, 3, 5):
        written(writer, decided("a", at=RECORDED + days(day)))
    records = recorded(tmp_path)
    first, last = RECORDED.date(), (RECORDED + days(5)).date()
    assert Window.of(records, None, None, None) == (first, last)
    assert Window.of(records, None, first, None) == (first, first)
    assert Window.of(records, date(2026, 1, 1), last, found) == (date(2026, 1, 1), last)
    over = msgspec.structs.replace(found, last=first, created=RECORDED + days(1))
    assert Window.of(records, None, None, over) == ((RECORDED + days(1)).date(), last)
    not_over = msgspec.structs.replace(over, created=RECORDED)
    assert Window.of(records, None, None, not_over) == (first, last)
    ahead = msgspec.structs.replace(over, last=date(2030, 1, 1), created=RECORDED + days(3))
    assert Window.of(records, None, None, ahead) == ((RECORDED + days(3)).date(), last)
    with pytest.raises(RecordError, match="has no decisions from 2027-01-01 to the last"):
        Window.of(records, date(2027, 1, 1), None, None)
    with pytest.raises(RecordError, match=r"The record .* has no decisions\."):
        Window.of(Records.open(str(tmp_path / "date=2026-11-29")), None, None, None)
