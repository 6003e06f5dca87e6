"""What alerts and dashboards ask Prometheus for is what servers expose."""

import json
import re
import time
from pathlib import Path

import pytest

from model_server.metrics import Metrics
from model_server.monitor_gauges import MonitorGauges
from tabular_model import metrics
from tabular_model.monitoring import quality
from tabular_model.monitoring.findings import Check
from tabular_model.monitoring.history import History
from tabular_model.monitoring.limits import Limits
from tests.tabular_model.monitoring.results import result

CHART = Path(__file__).parents[1] / "helm/loan-model"
RULES = [CHART / "templates/monitoring" / name for name in ("prometheusrule.yaml", "_rules.tpl")]
DASHBOARDS = sorted((CHART / "dashboards").glob("*.json"))
OF_THE_CLUSTER = {"namespace", "job"}  # labels that a ServiceMonitor adds
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum")}


def queries(path):
    """The text of a template of rules, or the queries of a dashboard, one to a line."""
    if path in RULES:
        return path.read_text()
    dashboard = json.loads(path.read_text())
    asked = [variable.get("definition", "") for variable in dashboard["templating"]["list"]]
    return "\n".join([*asked, *(target["expr"] for panel in dashboard["panels"] for target in panel["targets"])])


@pytest.fixture(scope="module")
def exposed(trained_registry, tmp_path_factory):
    """What a server exposes beside its own metrics after a monitor has kept a window."""
    history = str(tmp_path_factory.mktemp("history"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(metrics, "RESAMPLES", 20)
        patched.setattr(quality, "SIMULATIONS", 20)
        History(history).add(result(trained_registry, outcomes=True))
    server, gauges = Metrics(), MonitorGauges(history)
    server.expose(gauges)
    for _ in range(300):
        text = server.exposition().decode()
        if 'loan_history_reads_total{result="read"} 1.0' in text:
            break
        time.sleep(0.05)
    gauges.stop()
    return text


@pytest.mark.parametrize("path", [*RULES, *DASHBOARDS], ids=lambda path: path.name)
def test_every_metric_is_exposed(path, exposed):
    families = dict(re.findall(r"(?m)^# TYPE (\S+) (\S+)$", exposed))
    names = {name + suffix for name, kind in families.items() for suffix in SUFFIXES.get(kind, ("",))}
    asked = set(re.findall(r"\bloan_[a-z_]+", queries(path)))
    assert asked
    assert asked <= names


def test_the_monitors_gauges_have_the_labels_that_are_asked_for(exposed):
    has = set(re.findall(r'(\w+)="', "\n".join(re.findall(r"(?m)^loan_(?:monitor|history)_.*$", exposed))))
    for path in (CHART / "templates/monitoring/_rules.tpl", CHART / "dashboards/loan-monitor.json"):
        text = queries(path)
        grouped = {word for by in re.findall(r"\b(?:by|on) \(([^)]*)\)", text) for word in by.split(", ")}
        matched = set(re.findall(r'(\w+)=~?"', text))
        assert grouped | matched <= has | OF_THE_CLUSTER


def test_every_check_has_an_alert_and_a_place_in_the_dashboard():
    alerts = re.findall(r'(?m)^  "([a-z-]+)" \(list "', queries(CHART / "templates/monitoring/_rules.tpl"))
    assert sorted(alerts) == sorted(Check)
    panels = re.findall(r'check=~?"([a-z|-]+)"', queries(CHART / "dashboards/loan-monitor.json"))
    assert {check for each in panels for check in each.split("|")} == set(Check)


def test_the_charts_schema_knows_every_finding_and_limit():
    schema = json.loads((CHART / "values.schema.json").read_text())
    watch = schema["properties"]["monitoring"]["properties"]["watch"]
    assert schema["$defs"]["findings"]["items"]["enum"] == [*Check, "any"]
    assert tuple(watch["properties"]["limits"]["properties"]) == Limits.__struct_fields__
