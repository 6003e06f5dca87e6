"""The OpenAPI description is valid and true, and its page opens without a network."""

import re
import shutil
import subprocess

import pytest
from openapi_spec_validator import validate


def test_openapi_is_valid_and_each_path_is_there(http):
    document = http.get("/openapi.json").json()
    validate(document)
    for path, operations in document["paths"].items():
        filled = path.format(model="loan", version="v1", name="none")
        for method in operations:
            answer = http.request(method, filled, content=b"{")
            assert answer.status_code not in (405, 500), (method, path)
            assert "/docs lists the endpoints" not in answer.text


def test_the_example_is_answered(http):
    document = http.get("/openapi.json").json()
    example = document["components"]["schemas"]["Application"]["examples"][0]
    assert http.post("/predict", json=example).status_code == 200


def test_data_are_not_null(http):
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    data = schemas["RequestInput"]["properties"]["data"]
    assert {"type": "null"} not in data["anyOf"]
    assert "/v2/models" in http.get("/openapi.json").json()["paths"]


def test_the_page_names_no_other_host(http):
    page = http.get("/docs").text
    assert not re.search(r"https?://", page)
    for source in re.findall(r'(?:src|href)="([^"]+)"', page):
        assert http.get(source).status_code == 200


@pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")
def test_the_page_in_a_browser(server, tmp_path):
    dump = subprocess.run(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            *("--virtual-time-budget=8000", f"--user-data-dir={tmp_path}", "--dump-dom", f"{server.url}/docs"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert "Predict one application" in dump
    assert "/v2/models/{model}/infer" in dump
