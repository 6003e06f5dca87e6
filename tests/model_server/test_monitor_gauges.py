"""What a monitor found, in the server's `/metrics`."""

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families

from model_server import monitor_gauges
from model_server.monitor_gauges import MOST_BYTES, Unusable, parsed
from tabular_model.monitor_history import GAUGES, open_history
from tests.model_server.serving import in_process
from tests.model_server.test_metrics import scrape

FOUND = 'loan_monitor_found{model="loan",version="v2",check="drift",subject="a \\"b\\" \\\\ c\\nd"} 1.0'
TEXT = f"# HELP loan_monitor_found 1 if found.\n# TYPE loan_monitor_found gauge\n{FOUND}\n"
KEY = (
    "loan_monitor_found",
    ("check", "drift"),
    ("model", "loan"),
    ("subject", 'a "b" \\ c\nd'),
    ("version", "v2"),
)


def reads(http, result):
    return scrape(http)["loan_history_reads_total", ("result", result)]


@pytest.fixture
def history(tmp_path, monkeypatch):
    monkeypatch.setattr(monitor_gauges, "READ_SECONDS", 0.02)
    return tmp_path / "history"


def keep(history, text):
    open_history(str(history), create=True).replace(GAUGES, text.encode())


def test_the_gauges_of_the_newest_window_are_exposed_until_there_are_newer_ones(
    trained_registry, history, wait_for, capsys
):
    with in_process(trained_registry, monitor_history=str(history)) as http:
        wait_for(lambda: reads(http, "absent"))
        assert KEY not in scrape(http)
        keep(history, TEXT)
        wait_for(lambda: scrape(http).get(KEY) == 1)
        accepted = {"accept": "application/openmetrics-text"}
        families = {each.name: each for each in openmetrics_families(http.get("/metrics", headers=accepted).text)}
        assert families["loan_monitor_found"].samples[0].labels["subject"] == 'a "b" \\ c\nd'

        keep(history, TEXT + "loan_requests_total 7\n")
        wait_for(lambda: reads(http, "failed") > 2)
        assert scrape(http)[KEY] == 1
        assert ("loan_requests_total",) not in scrape(http)
        keep(history, TEXT.replace("1.0", "0.0"))
        wait_for(lambda: scrape(http)[KEY] == 0)
    said = capsys.readouterr().out
    assert said.count("the monitor's gauges are not read") == 1
    assert "gauges.prom has the unknown loan_requests_total, which is no gauge of a monitor." in said


def test_without_a_history_nothing_is_read(trained_registry):
    with in_process(trained_registry) as http:
        assert "loan_history_reads_total" not in http.get("/metrics").text


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("# TYPE loan_monitor_found counter\n" + FOUND, "has the counter loan_monitor_found, which is no gauge"),
        ("# TYPE process_open_fds gauge\nprocess_open_fds 1\n", "has the gauge process_open_fds, which is no gauge"),
        (TEXT + FOUND, "has a gauge twice."),
        (TEXT + TEXT.replace("found", "unsure") + TEXT.replace("v2", "v1"), "has a gauge twice."),
        (TEXT + 'loan_monitor_found{version="v1"} 1 1700000000000', "has a line of loan_monitor_found that"),
        (TEXT + 'loan_monitor_found{"a b"="v1"} 1', "has a line of loan_monitor_found that"),
        (TEXT + 'loan_monitor_found{version="v1} 1', "is not in Prometheus' text format"),
        (TEXT + 'loan_monitor_found{version="v1"} many', "is not in Prometheus' text format"),
        (TEXT + 'loan_monitor_found{version="v1"} 1' + "0" * 400, "is not in Prometheus' text format"),
        (TEXT + "\udcff", "is not in Prometheus' text format"),
        ("", "has no gauges."),
        ("#" * (MOST_BYTES + 1), "more than the 1048576 that gauges may have"),
    ],
)
def test_what_a_monitor_does_not_write_is_refused(text, sentence):
    with pytest.raises(Unusable, match=sentence):
        parsed(text.encode(errors="surrogateescape"))
