"""One version everywhere; what `make release` builds without publishing, what stops it, and what it publishes."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
VERSION = "9.8.7"
COMMITTED = "2026-01-02T03:04:05Z"
DOCKER = f"""#!/bin/sh
echo "docker $*" >> "$CALLS"
case "$*" in
  "buildx version") echo fake ;;
  *--metadata-file=*) for word; do case "$word" in
    --metadata-file=*) echo '{{"server": {{"containerimage.digest": "sha256:abc"}}}}' > "${{word#*=}}" ;; esac; done ;;
  *Labels*) echo {VERSION} ;;
  image*) echo sha256:123 ;;
  run*) echo '{{"python": {{"loan-model": ["{VERSION}", ""]}}, "debian": {{}}, "jars": [], "helm": ""}}' ;;
esac
"""
HELM = """#!/bin/sh
echo "helm $*" >> "$CALLS"
[ "$1" != package ] || tar czf "$4/loan-model-9.8.7.tgz" "$2/Chart.yaml"
"""
COSIGN = """#!/bin/sh
echo "cosign $*" >> "$CALLS"
"""
UV = """
import os, sys
open(os.environ["CALLS"], "a").write(f"uv {' '.join(sys.argv[1:])}\\n")
"""


def git(repository, *words):
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
    dates = {"GIT_AUTHOR_DATE": COMMITTED, "GIT_COMMITTER_DATE": COMMITTED}
    done = subprocess.run(
        ["git", *identity, *words], cwd=repository, env=os.environ | dates, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(repository):
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "--message=all")


def script(repository, name, *words, **environment):
    command = [sys.executable, f"k8s/release{name}", *words]
    return subprocess.run(
        command, cwd=repository, env=os.environ | environment, capture_output=True, text=True, check=False
    )


def release(repository, *words, images="", **environment):
    return script(repository, "", "--images", images, *words, **environment)


@pytest.fixture
def clone(tmp_path):
    """Makes a repository of this checkout's files, ready for a release."""

    def make(name="clone"):
        made = tmp_path / name
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for file in filter(os.path.isfile, listed.splitlines()):
            (made / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / file, made / file)
            shutil.copymode(ROOT / file, made / file)
        git(made, "init", "--quiet")
        assert script(made, "/versions.py", VERSION).returncode == 0
        commit(made)
        return made

    return make


def digests(repository):
    folder = repository / "dist" / VERSION
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in folder.iterdir()}


def tool(name):
    """Skips the test where the tool is missing, as the chart's checks do."""
    if not shutil.which(name):
        assert not os.environ.get("ALL_TOOLS"), f"no {name} on the PATH"
        pytest.skip(f"no {name} on the PATH")


def test_package_chart_and_command_carry_one_version():
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((ROOT / "helm/loan-model/Chart.yaml").read_text())
    command = Path(sys.executable).with_name("loan")
    printed = subprocess.run([command, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    assert {chart["version"], chart["appVersion"], printed, version("loan-model")} == {stated}


def test_a_release_is_the_same_bytes_wherever_it_is_built(clone):
    tool("helm")
    first, second = clone("first"), clone("second")
    for each in (first, second):
        done = release(each)
        assert (done.returncode, "stops" in done.stderr) == (0, False), done.stderr
    assert digests(first) == digests(second)
    assert f"loan_model-{VERSION}-py3-none-any.whl" in digests(first)
    assert f"loan-model-{VERSION}.tgz" in digests(first)


def test_the_provenance_names_each_file_the_commit_and_the_locks(clone):
    made = clone()
    git(made, "remote", "add", "origin", "git@git.example.com:risk/loans.git")
    release(made)
    found = digests(made)
    sums = (made / "dist" / VERSION / "SHA256SUMS").read_text()
    assert sums.splitlines() == [f"{found[name]}  {name}" for name in sorted(found) if name != "SHA256SUMS"]
    statement = json.loads((made / "dist" / VERSION / "provenance.json").read_text())
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    named = {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}
    assert named == {name: digest for name, digest in found.items() if name not in {"SHA256SUMS", "provenance.json"}}
    source, *locks = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    assert source["uri"] == "https://git.example.com/risk/loans"
    assert source["digest"] == {"gitCommit": git(made, "rev-parse", "HEAD")}
    assert {lock["name"] for lock in locks} == {
        *(f"requirements/{name}.txt" for name in ("build", "server", "training", "rollout", "spark")),
        "k8s/spark/jars.sha256",
    }
    for lock in locks:
        assert lock["digest"]["sha256"] == hashlib.sha256((made / lock["name"]).read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("origin", "shown"),
    [
        ("https://someone:secret@git.example.com:8443/a/b.git", "https://git.example.com/a/b"),
        ("ssh://git@git.example.com/a/b", "https://git.example.com/a/b"),
        ("/srv/git/b", None),
    ],
)
def test_the_source_is_an_address_without_a_user(clone, origin, shown):
    made = clone()
    git(made, "remote", "add", "origin", origin)
    release(made)
    statement = json.loads((made / "dist" / VERSION / "provenance.json").read_text())
    source = statement["predicate"]["buildDefinition"]["resolvedDependencies"][0]
    assert source.get("uri") == shown


def dirty(made):
    (made / "README.md").write_text("changed")


def other_chart(made):
    chart = made / "helm/loan-model/Chart.yaml"
    chart.write_text(chart.read_text().replace(f"appVersion: {VERSION}", "appVersion: 1.2.3"))
    commit(made)


def unsaid(made):
    changelog = made / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace(f"## {VERSION}", "## 9.8.6"))
    commit(made)


def unreleased(made):
    changelog = made / "CHANGELOG.md"
    changelog.write_text(changelog.read_text().replace("## Unreleased", "## Unreleased\n\n- One more.", 1))
    commit(made)


def tagged(made):
    git(made, "tag", f"v{VERSION}")


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (dirty, "changes that are in no commit"),
        (other_chart, f"Chart.yaml says appVersion 1.2.3, pyproject.toml says {VERSION}"),
        (unsaid, f"no section «## {VERSION}»"),
        (unreleased, "changes under Unreleased"),
        (tagged, f"tag v{VERSION} is there already"),
    ],
)
def test_what_stops_a_release_is_said_and_only_publishing_ends_by_it(clone, spoil, sentence):
    made = clone()
    spoil(made)
    refused = release(made, "--publish", "registry.invalid/lending")
    assert (refused.returncode, sentence in refused.stderr, (made / "dist").exists()) == (1, True, False)
    tried = release(made)
    assert (tried.returncode, sentence in tried.stderr) == (0, True)
    assert f"loan_model-{VERSION}-py3-none-any.whl" in digests(made)


def test_a_folder_without_git_is_refused_in_one_sentence(clone):
    made = clone()
    shutil.rmtree(made / ".git")
    done = release(made, GIT_CEILING_DIRECTORIES=str(made.parent))
    assert (done.returncode, done.stderr.count("\n"), "git checkout" in done.stderr) == (1, 1, True)


def test_a_version_that_is_none_is_refused(clone):
    done = script(clone(), "/versions.py", "v2")
    assert (done.returncode, "not a version" in done.stderr) == (1, True)


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """What was asked of docker, helm, uv and cosign, which do nothing but note it here."""
    folder, noted = tmp_path / "bin", tmp_path / "calls"
    folder.mkdir()
    for name, text in {"docker": DOCKER, "helm": HELM, "cosign": COSIGN, "uv.py": UV}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    monkeypatch.setenv("CALLS", str(noted))
    return lambda: noted.read_text().splitlines()


def asked(calls, start):
    return [call for call in calls() if call.startswith(start)]


def test_without_a_registry_nothing_is_pushed_signed_or_tagged(clone, calls):
    made = clone()
    done = release(made, images="server")
    assert done.returncode == 0, done.stderr
    assert "loan-model-server.cdx.json" in digests(made)
    assert {"push", "--push", "publish", "sign"} & {word for call in calls() for word in call.split()} == set()
    assert git(made, "tag", "--list") == ""


def test_publishing_pushes_uploads_signs_and_tags_once(clone, calls):
    made = clone()
    where = ("--publish", "registry.example.com/lending", "--index", "https://index.example.com/upload")
    done = release(made, *where, images="server", COSIGN_KEY="kms://key")
    assert done.returncode == 0, done.stderr
    (pushed,) = [call for call in asked(calls, "docker buildx bake") if "--push" in call]
    assert pushed.endswith(" server")
    folder = f"dist/{VERSION}"
    assert asked(calls, "helm push") == [
        f"helm push {folder}/loan-model-{VERSION}.tgz oci://registry.example.com/lending/charts"
    ]
    assert asked(calls, "uv") == [
        f"uv publish --publish-url https://index.example.com/upload {folder}/loan_model-{VERSION}-py3-none-any.whl"
    ]
    assert asked(calls, "cosign") == [
        "cosign sign --yes --key kms://key registry.example.com/lending/loan-model-server@sha256:abc",
        f"cosign sign-blob --yes --key kms://key --bundle {folder}/SHA256SUMS.sigstore.json {folder}/SHA256SUMS",
    ]
    statement = json.loads((made / folder / "provenance.json").read_text())
    name = f"registry.example.com/lending/loan-model-server:{VERSION}"
    assert {"name": name, "digest": {"sha256": "abc"}} in statement["subject"]
    assert git(made, "rev-parse", f"v{VERSION}") == git(made, "rev-parse", "HEAD")
    again = release(made, *where, images="server")
    assert (again.returncode, "is there already" in again.stderr) == (1, True)


def test_a_push_that_fails_ends_the_release_untagged(clone, calls, tmp_path):
    made = clone()
    (tmp_path / "bin/helm").write_text(HELM + '[ "$1" != push ] || { echo "no such host" >&2; exit 1; }\n')
    done = release(made, "--publish", "registry.example.com/lending")
    assert (done.returncode, "no such host" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    assert git(made, "tag", "--list") == ""


def buildx():
    if subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0:
        return ["docker", "buildx"]
    tool(str(ROOT / "build/bin/buildx"))
    return [str(ROOT / "build/bin/buildx")]


def test_the_images_are_baked_for_both_processors_with_attestations():
    variables = {"VERSION": VERSION, "REVISION": "abc", "SOURCE_DATE_EPOCH": "0", "REGISTRY": "registry.example.com/x"}
    command = [*buildx(), "bake", "--file", "k8s/docker-bake.hcl", "--print"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | variables, check=True, capture_output=True, text=True)
    targets = json.loads(done.stdout)["target"]
    assert sorted(targets) == ["rollout", "server", "spark", "training"]
    for name, target in targets.items():
        assert target["tags"] == [f"registry.example.com/x/loan-model-{name}:{VERSION}"]
        assert target["platforms"] == ["linux/amd64", "linux/arm64"]
        assert [each["type"] for each in target["attest"]] == ["sbom", "provenance"]
        assert target["args"]["CREATED"] == "1970-01-01T00:00:00Z"
        arguments = set(re.findall(r"(?m)^ARG (.*)", (ROOT / "k8s/Dockerfile").read_text()))
        declared = {word.partition("=")[0] for words in arguments for word in words.split()}
        assert target["args"].keys() - {"SOURCE_DATE_EPOCH"} <= declared
