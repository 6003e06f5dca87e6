"""Every command in the README is run, in order, and gives the answer shown there."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from model_server.overload import constants
from model_server.settings import GROUPS
from tests.model_server.serving import serving
from tests.test_own_model import german

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BY_CI = {"make serve"}  # what the set-up in CI and a person run; all else is run here


def blocks(language, text=README):
    return re.findall(rf"(?ms)^```{language}\n(.*?)^```", text)


def commands(text=README):
    """Each command with the output shown beneath it."""
    for block in blocks("console", text):
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


def as_made(home):
    """The folder as `make serve` leaves it: the data and the first version, and `loan` in `.venv`."""
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


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return as_made(tmp_path_factory.mktemp("home"))


@pytest.mark.timeout(180)
def test_every_command_gives_what_the_readme_shows(home):
    def run(command):
        return subprocess.run(["bash", "-c", command], cwd=home, check=True, capture_output=True, text=True).stdout

    registry = home / "files/model_version"
    settings = {"train_data": home / "files/dataset.csv", "tokens": home / "files/tokens.json", "anyone_may": "predict"}
    with serving(registry, **settings) as server:
        for command, shown in commands():
            if command not in BY_CI:
                came = run(command.replace("localhost:8080", f"127.0.0.1:{server.http_port}"))
                assert same(shown, came), f"{command}\ngave\n{came}"
        for code in blocks("python"):
            shown = code.rstrip().rsplit("\n# ", 1)[1]
            script = code.replace("localhost:8081", server.grpc_target)
            came = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
            assert shown in came.stdout


@pytest.mark.timeout(180)
def test_every_command_of_the_page_on_security_gives_what_it_shows(tmp_path_factory):
    home = as_made(tmp_path_factory.mktemp("home"))
    for command, shown in commands((ROOT / "docs/security.md").read_text()):
        if command.startswith("openssl") and not shutil.which("openssl"):
            continue
        done = subprocess.run(["bash", "-c", command], cwd=home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        assert same(shown, done.stdout), f"{command}\ngave\n{done.stdout}"


def test_every_test_that_the_page_on_security_names_is_there():
    named = re.findall(r"`((?:tests|helm)/[\w/-]+\.\w+|test_\w+)`", (ROOT / "docs/security.md").read_text())
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert len(named) > 20
    for name in named:
        assert (ROOT / name).is_file() if "/" in name else f"def {name}(" in tests, name


def test_every_setting_is_described_in_its_group():
    named: dict[str, list[str]] = {}
    for title, variables in re.findall(r"(?m)^\| (?:\*\*(.+)\*\* )?\| (`LOAN_[^|]+) \|", README):
        group = title or list(named)[-1]
        named.setdefault(group, []).extend(re.findall(r"`LOAN_(\w+)`", variables))
    assert list(named) == list(GROUPS)
    for title, group in GROUPS.items():
        assert named[title] == [name.upper() for name in group.model_fields]


def test_every_constant_of_overload_control_is_described_with_its_value():
    page = (ROOT / "docs/overload.md").read_text()
    described = {name: float(value) for name, value in re.findall(r"(?m)^\| `([A-Z_]+)` \| (\S+) \|", page)}
    assert described == {name: value for name, value in vars(constants).items() if name.isupper()}


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
        assert (ROOT / path).exists() or path.startswith("files/") or "NAME" in path, path


def test_the_folders_named_exist():
    for folder in re.findall(r"(?m)^\| `([a-z_0-9/-]+)` \|", README):
        assert (ROOT / folder).is_dir(), folder
