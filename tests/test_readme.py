"""Every command in the README and the pages of docs/ is run, in order, and gives the response shown there.

Those in `console` blocks are run here; those in `sh` blocks need a cluster, and tests/e2e runs them.
"""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from docs import tables
from model_server.overload import constants
from tests.model_server.serving import serving
from tests.test_own_model import german

ROOT = Path(__file__).parents[1]
COMMANDS = (
    "README.md",
    "docs/endpoints.md",
    "docs/model.md",
    "docs/monitoring.md",
    "docs/records.md",
    "docs/security.md",
    "docs/versions.md",
)
BY_CI = {"make serve"}  # what the set-up in CI and a person run; all else is run here


def blocks(text, *languages):
    """The language and the text of each block in one of these."""
    return re.findall(rf"(?ms)^```({'|'.join(languages)})\n(.*?)^```", text)


def commands(block):
    """Each command with the output shown beneath it."""
    for part in re.split(r"(?m)^\$ ", block)[1:]:
        lines = part.rstrip().split("\n")
        last = next(i for i, _ in enumerate(lines) if "\n".join(lines[: i + 1]).count("'") % 2 == 0)
        yield "\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :])


def same(shown, came):
    """Equal but for the last digits of numbers, which may differ between processors."""
    if shown.startswith("{"):
        return same_json(json.loads(shown), json.loads(came))
    return shown in came


def same_json(shown, came):
    if isinstance(shown, dict):
        return shown.keys() == came.keys() and all(same_json(shown[key], came[key]) for key in shown)
    if isinstance(shown, list):
        return len(shown) == len(came) and all(map(same_json, shown, came))
    return came == pytest.approx(shown, abs=1e-6) if isinstance(shown, float) else came == shown


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder as `make serve` leaves it: the data and the first version, and `loan` in `.venv`."""
    home = tmp_path_factory.mktemp("made")
    (home / ".venv/bin").mkdir(parents=True)
    (home / ".venv/bin/loan").symlink_to(Path(sys.executable).with_name("loan"))
    german(home / "germancredit.csv")
    for command in ("data --output files/dataset.csv", "train --data files/dataset.csv"):
        subprocess.run([".venv/bin/loan", *command.split()], cwd=home, check=True, capture_output=True)
    token = subprocess.run(
        [".venv/bin/loan", "tokens", "add", "owner", "--may", "train"],
        cwd=home,
        check=True,
        capture_output=True,
    ).stdout
    (home / "files/token").write_bytes(token)
    return home


@pytest.fixture
def home(made, tmp_path):
    """A copy of that folder for each page."""
    return shutil.copytree(made, tmp_path / "home", symlinks=True)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", COMMANDS)
def test_every_command_gives_what_the_page_shows(home, page):
    settings = {"train_data": home / "files/dataset.csv", "tokens": home / "files/tokens.json", "anyone_may": "predict"}
    if page in ("docs/monitoring.md", "docs/records.md"):
        settings |= {"records": home / "files/records", "records_seconds": 1}
    with serving(home / "files/model_version", **settings) as server:

        def run(words):
            done = subprocess.run(words, cwd=home, capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"{words[-1]}\n{done.stderr}"
            return done.stdout

        for language, block in blocks((ROOT / page).read_text(), "console", "python"):
            if language == "python":
                _, printed, shown = block.rstrip().rpartition("\n# ")
                if printed:
                    assert shown in run([sys.executable, "-c", block.replace("localhost:8081", server.grpc_target)])
                continue
            for command, shown in commands(block):
                if command in BY_CI or (command.startswith("openssl") and not shutil.which("openssl")):
                    continue
                came = run(["bash", "-c", command.replace("localhost:8080", f"127.0.0.1:{server.http_port}")])
                assert same(shown, came), f"{command}\ngave\n{came}"


def test_every_page_with_commands_is_run():
    """On a cluster what is in `sh` blocks, by tests/e2e; those for Spark by tests/loan_spark."""
    pages = {str(page.relative_to(ROOT)) for page in PAGES if blocks(page.read_text(), "console")}
    assert pages == {*COMMANDS, "docs/scale.md"}


def test_every_test_that_the_page_on_security_names_is_there():
    named = re.findall(r"`((?:tests|helm)/[\w/-]+\.\w+|test_\w+)`", (ROOT / "docs/security.md").read_text())
    files = (path for path in (ROOT / "tests").rglob("test_*.py") if ".cache" not in path.parts)
    tests = "".join(path.read_text() for path in files)
    assert len(named) > 20
    for name in named:
        assert (ROOT / name).is_file() if "/" in name else f"def {name}(" in tests, name


@pytest.mark.parametrize("page", tables.TABLES)
def test_the_tables_are_what_the_code_says(page):
    assert (ROOT / "docs" / page).read_text() == tables.renewed(page), f"docs/{page} is stale: run make docs"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 150


def test_every_constant_of_overload_control_is_described_with_its_value():
    page = (ROOT / "docs/overload.md").read_text()
    described = {name: float(value) for name, value in re.findall(r"(?m)^\| `([A-Z_]+)` \| (\S+) \|", page)}
    assert described == {name: value for name, value in vars(constants).items() if name.isupper()}


MADE = ("build/", "dist/", "files/")  # by make
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / ".github").rglob("*.md")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_names_is_there(page):
    """Files and folders in links and by their paths, and what make can make."""
    text = page.read_text()
    makes = "".join(path.read_text() for path in (ROOT / "Makefile", *(ROOT / "k8s").glob("*.mk")))
    for target in re.findall(r"`make ([a-z0-9-]+)", text):
        assert re.search(rf"(?m)^{target}:", makes), target
    for link in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (page.parent / link).exists(), link
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and path.name[0] != ".")
    for path in re.findall(rf"`((?:{folders})/[\w./-]+)`", text):
        assert (ROOT / path).exists() or path.startswith(MADE) or "NAME" in path, path


def test_the_folders_named_exist():
    page = (ROOT / "docs/architecture.md").read_text()
    folders = re.findall(r"(?m)^\| `([a-z_0-9/-]+)` \|", page)
    assert len(folders) > 10
    for folder in folders:
        assert (ROOT / folder).is_dir(), folder
