"""One line of JSON for each thing that changes which model decides."""

import json
from datetime import datetime

import pytest

from tabular_model.audit import LONGEST, audited, operator, record
from tabular_model.errors import PromotionRefused, RegistryError


def lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_says_who_what_when_and_the_result(capsys):
    record("promote", who="ada", what="v2", result="done", why="calmer")
    (line,) = lines(capsys)
    assert datetime.fromisoformat(line.pop("when")).tzinfo
    assert line == {"audit": "promote", "who": "ada", "what": "v2", "result": "done", "why": "calmer"}


@pytest.mark.parametrize(
    ("error", "result", "why"),
    [
        (None, "done", "asked"),
        (RegistryError("The disk is full."), "failed", "The disk is full."),
        (PromotionRefused("v2 failed the gate."), "refused", "v2 failed the gate."),
        (ZeroDivisionError("secret"), "failed", "ZeroDivisionError"),
    ],
)
def test_how_it_ended_is_recorded_and_errors_go_on(capsys, error, result, why):
    try:
        with audited("load", who="ada", what="latest", why="asked") as doing:
            doing.what = "v2"
            if error:
                raise error
    except Exception as raised:
        assert raised is error
    (line,) = lines(capsys)
    assert (line["what"], line["result"], line["why"]) == ("v2", result, why)


def test_what_a_caller_chose_breaks_no_line_and_fills_no_log(capsys):
    record("load", who="eve", what='v1"\n{"audit":"promote"' + "x" * 10_000, result="refused")
    (line,) = lines(capsys)
    assert line["audit"] == "load"
    assert len(line["what"]) == LONGEST


def test_who_runs_this_is_named_also_where_the_system_has_no_name(monkeypatch):
    monkeypatch.setenv("LOGNAME", "ada")
    assert operator() == "ada"
    monkeypatch.setattr("getpass.getuser", lambda: {}["nobody"])
    assert operator().startswith("uid ")
