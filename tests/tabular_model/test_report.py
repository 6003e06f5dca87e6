import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from loan_model.synthetic import generate
from tabular_model.registry import Registry
from tests.pages import assert_whole
from training_job.progress import Progress
from training_job.run import Training, run_training

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=5000",
)
PROBE = """
<script>
const drawn = [...document.querySelectorAll("svg")].map(svg => {
  const box = svg.getBoundingClientRect();
  return { width: box.width, height: box.height, marks: svg.querySelectorAll("path, use").length };
});
const said = document.createElement("pre");
said.id = "probe";
said.textContent = JSON.stringify({
  drawn,
  requests: performance.getEntriesByType("resource").map(entry => entry.name),
  overflow: document.documentElement.scrollWidth - window.innerWidth,
  headings: [...document.querySelectorAll("h2")].map(heading => heading.textContent),
});
document.body.append(said);
</script>
"""


@pytest.fixture(scope="module")
def page(trained_registry: Path) -> str:
    return Registry.open(trained_registry).read("v1", "report.html").decode()


def test_it_names_nothing_outside_itself(page: str) -> None:
    assert_whole(page)


def test_it_says_what_is_asked_of_it(page: str) -> None:
    for said in ("The gate:", "ROC", "Score distributions", "Reliability", "Importance", "By Age", "Distributions"):
        assert said in page
    assert page.count("<svg") == 6
    assert "gradient_boosting" in page
    assert "62 and over" in page


def test_what_comes_from_the_data_file_is_escaped(tmp_path: Path) -> None:
    source = tmp_path / "data.csv"
    generate(300).assign(**{"<script>alert(1)</script>": 1}).to_csv(source, index=False)
    registry = Registry.open(tmp_path / "registry", create=True)
    run_training(Training(data=str(source), algorithm="logistic"), registry, Progress())
    assert "<script>" not in registry.read("v1", "report.html").decode()


@pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium, which Debian's package chromium installs")
@pytest.mark.parametrize("width", [1280, 800])
def test_a_browser_shows_every_figure_and_asks_for_nothing(page: str, tmp_path: Path, width: int) -> None:
    report = tmp_path / "report.html"
    report.write_text(page.replace("</body>", PROBE + "</body>"))
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", f"--window-size={width},900"]
    shown = subprocess.run(
        [*command, "--dump-dom", report.as_uri()], capture_output=True, text=True, timeout=90, check=True
    ).stdout
    found = re.search(r'<pre id="probe">(.*?)</pre>', shown)
    assert found
    probe = json.loads(found[1])
    assert probe["requests"] == []
    assert len(probe["drawn"]) == 6
    for figure in probe["drawn"]:
        assert figure["width"] > 250
        assert figure["height"] > 150
        assert figure["marks"] > 10
    assert probe["overflow"] <= 0
    assert "The data" in probe["headings"]
