"""The page at `/`: versions, a form and its answer, in a real browser, in both themes, on a phone, by the keyboard."""

import re
from importlib.resources import files
from pathlib import Path

import httpx
import pytest

from tests.browser import Tab, browser
from tests.model_server.serving import APPLICANT, EVERYTHING, in_process

SUBMITTED = "document.querySelector('.verdict')"


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def predicted(tab: Tab, url: str, **look: object) -> None:
    """The page after its form was sent."""
    tab.open(url, **look)
    tab.wait("document.querySelectorAll('#fields input, #fields select').length >= 7")
    tab.run("document.getElementById('application').requestSubmit()")
    tab.wait(SUBMITTED)


def test_machines_get_what_they_got(http):
    for headers in ({}, {"accept": "application/json"}, {"accept": "*/*"}):
        answer = http.get("/", headers=headers)
        assert answer.json() == {"live": True}
    page = http.get("/", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["vary"] == "accept"


def test_it_names_no_other_host(http):
    for name in ("index.html", "page.js", "page.css"):
        text = (files("model_server.rest.ui") / name).read_text()
        assert not re.search(r"(?:src|href)=\"(?:https?:)?//|@import|url\(", text)
    policy = http.get("/", headers={"accept": "text/html"}).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert http.get("/ui/other.js").status_code == 404


def test_versions_are_told_with_their_verdicts_and_reports(http):
    found = http.get("/versions").json()
    assert found["model"] == "loan"
    assert [each["version"] for each in found["versions"]] == ["v2", "v1"]
    assert [each["default"] for each in found["versions"]] == [True, False]
    assert all(isinstance(each["passed"], bool) for each in found["versions"])
    report = http.get("/versions/v1/report")
    assert report.headers["content-type"].startswith("text/html")
    assert "The gate" in report.text
    assert http.get("/versions/v9/report").status_code == 404


def test_an_application_is_explained(http):
    plain = http.post("/predict?explain=true&version=v1", json=APPLICANT).json()
    answer = http.post("/explain?version=v1", json=APPLICANT)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["prediction"], found["probability"]) == (plain["prediction"], plain["probability"])
    assert [each["code"] for each in found["reasons"]] == plain["reason_codes"]
    assert all(each["text"] for each in found["reasons"])
    parts = [each["part"] for each in found["parts"]]
    assert parts == sorted(parts)
    assert {each["column"] for each in found["parts"]} == set(APPLICANT)
    assert http.post("/explain", json=APPLICANT | {"Age": "x"}).status_code == 400


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1100, 360], ids=["wide", "phone"])
def test_it_shows_versions_and_an_answer(tab: Tab, server, tmp_path: Path, dark: bool, width: int):
    predicted(tab, server.url, dark=dark, width=width)
    tab.picture(tmp_path / "page.png")
    assert tab.run("document.querySelectorAll('#versions tr').length") == 2
    assert tab.run("document.getElementById('title').textContent") == "Model loan"
    assert tab.run(f"{SUBMITTED}.textContent") in ("Approved", "Rejected")
    assert tab.run("document.documentElement.scrollWidth - window.innerWidth") <= 0
    assert tab.run("document.getElementById('trouble').hidden") is True
    colours = tab.run("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    light = [sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours]
    assert (light[0] > light[1]) == dark


def test_the_parts_are_bars(tab: Tab, server):
    tab.open(server.url)
    tab.wait("document.querySelectorAll('#fields input').length >= 7")
    tab.run("document.getElementById('field-Credit_Score').value = 400")
    tab.run("document.getElementById('application').requestSubmit()")
    tab.wait("document.querySelectorAll('.parts rect.down').length > 0")
    assert "Credit_Score" in tab.run("document.querySelector('.parts').textContent")
    assert "CREDIT_SCORE_LOW" in tab.run("document.querySelector('#answer ol').textContent")


def test_the_keyboard_is_enough(tab: Tab, server):
    tab.open(server.url)
    tab.wait("document.querySelectorAll('#fields input').length >= 7")
    for _ in range(40):
        tab.press("Tab")
        if tab.run("document.activeElement.textContent") == "Predict":
            break
    assert tab.run("document.activeElement.tagName") == "BUTTON"
    tab.press("Enter")
    tab.wait(SUBMITTED)
    assert tab.run("document.querySelectorAll('input:not([aria-describedby])').length") == 0
    assert tab.run("[...document.querySelectorAll('#fields input')].every(i => i.labels.length === 1)") is True


def test_another_version_and_a_mistake(tab: Tab, server):
    predicted(tab, server.url)
    tab.run("{ const v = document.getElementById('version'); v.value = 'v1'; v.dispatchEvent(new Event('change')); }")
    tab.wait("!document.querySelector('.verdict')")
    tab.run("document.getElementById('field-Loan_Duration_Years').removeAttribute('required')")
    tab.run("document.getElementById('field-Loan_Duration_Years').value = ''")
    tab.run("document.getElementById('application').requestSubmit()")
    tab.wait("!document.getElementById('trouble').hidden")
    assert "Loan_Duration_Years" in tab.run("document.getElementById('trouble').textContent")


def test_where_a_token_is_needed_it_is_asked_for(tab: Tab, trained_registry):
    without = EVERYTHING.replace("predict", "")
    with in_process(trained_registry, anyone_may=without) as http:
        assert http.get("/versions").status_code == 401
        tab.open(str(http.base_url))
        tab.wait("!document.getElementById('access').hidden")
        assert "token" in tab.run("document.getElementById('trouble').textContent")


def test_without_a_version_it_says_so(tab: Tab, tmp_path: Path):
    with in_process(tmp_path) as http:
        assert httpx.get(f"{http.base_url}/versions").json()["versions"] == []
        tab.open(str(http.base_url))
        tab.wait("!document.getElementById('trouble').hidden")
        assert tab.run("document.getElementById('trouble').textContent") == "No version is loaded."
