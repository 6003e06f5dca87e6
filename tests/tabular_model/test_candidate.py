"""Whether a version may take the place of another."""

import json

import msgspec
import pytest
from typer.testing import CliRunner

from loan_cli.app import app
from tabular_model.candidate import Candidate, check_candidate
from tabular_model.errors import IntegrityError, PromotionRefused, VersionNotFound
from tabular_model.registry import Registry
from tests.tabular_model.versions import FILES, manifest, publish


@pytest.fixture
def root(tmp_path):
    return tmp_path / "registry"


@pytest.fixture
def registry(root):
    """v1, the champion, and a good v2."""
    opened = Registry.open(root, create=True)
    publish(opened)
    publish(opened)
    opened.promote("v1", by="me", reason="first")
    return opened


@pytest.fixture
def versions(root):
    return lambda *words: CliRunner().invoke(app, ["versions", *words, "--registry", str(root)])


@pytest.mark.parametrize("asked", ["v2", "latest"])
def test_a_whole_version_that_passed_is_fit(registry, asked):
    assert check_candidate(registry, asked, "v1") == Candidate("v2", "v1")


def test_a_file_that_was_changed_is_found(registry, root):
    model = root / "v2" / "model.onnx"
    model.chmod(0o644)
    model.write_bytes(b"another model")
    with pytest.raises(IntegrityError, match=r"model\.onnx"):
        check_candidate(registry, "v2", "v1")


def test_a_version_that_failed_the_gate_is_refused_with_its_reasons(registry):
    publish(registry, passed=False)
    with pytest.raises(PromotionRefused, match=r"v3 failed the gate: no better than chance\."):
        check_candidate(registry, "v3", "v1")


def test_callers_who_send_ids_need_a_version_that_takes_them(root):
    registry = Registry.open(root, create=True)

    def with_id(version, sums):
        return msgspec.structs.replace(manifest(version, sums), id="Application_ID")

    registry.publish(FILES, with_id)
    registry.publish(FILES, with_id)
    publish(registry)
    assert check_candidate(registry, "v2", "v1").differences == ()
    with pytest.raises(PromotionRefused, match="Application_ID no longer names an application"):
        check_candidate(registry, "v3", "v1")
    assert check_candidate(registry, "v3", "v1", ignoring=True).version == "v3"


def test_another_schema_is_refused_and_its_columns_named(registry):
    def changed(version, sums):
        made = manifest(version, sums)
        wider = (msgspec.structs.replace(made.schema[0], range=(20, 69)), *made.schema[1:])
        return msgspec.structs.replace(made, schema=wider)

    registry.publish(FILES, changed)
    with pytest.raises(
        PromotionRefused,
        match="The schema of v3 differs from that of v1: Age has the expected range 20 to 69 years",
    ):
        check_candidate(registry, "v3", "v1")


def test_a_column_that_is_gone_is_named_too(registry):
    def changed(version, sums):
        made = manifest(version, sums)
        return msgspec.structs.replace(made, schema=made.schema[1:])

    registry.publish(FILES, changed)
    with pytest.raises(PromotionRefused, match="differs from that of v1: Age"):
        check_candidate(registry, "v3", "v1")


@pytest.mark.parametrize(("version", "against"), [("v9", "v1"), ("v2", "v9")])
def test_a_version_that_is_not_there_is_named(registry, version, against):
    with pytest.raises(VersionNotFound, match="v9"):
        check_candidate(registry, version, against)


def test_an_empty_registry_has_no_latest(tmp_path):
    with pytest.raises(VersionNotFound):
        check_candidate(Registry.open(tmp_path, create=True), "latest", "v1")


def test_the_command_leaves_what_it_found(registry, versions, tmp_path):
    done = versions("check", "latest", "--against", "v1", "--result", str(tmp_path / "result"))
    assert (done.exit_code, done.stdout) == (0, "v2 can replace v1.\n")
    assert json.loads((tmp_path / "result").read_text()) == {"version": "v2", "champion": "v1"}


def test_the_command_refuses_in_a_sentence(registry, versions, tmp_path):
    publish(registry, passed=False)
    done = versions("check", "v3", "--against", "v1", "--result", str(tmp_path / "result"))
    assert (done.exit_code, done.stderr) == (1, "error: v3 failed the gate: no better than chance.\n")
    assert not (tmp_path / "result").exists()


def test_the_champion_is_not_promoted_twice(registry, versions):
    done = versions("promote", "v1", "--reason", "again")
    assert (done.exit_code, done.stdout) == (0, "v1 is already the champion.\n")
    assert len(registry.promotions()) == 1
    assert versions("promote", "v2", "--reason", "better", "--by", "anna").exit_code == 0
    assert (registry.champion(), registry.promotions()[-1].by) == ("v2", "anna")


def test_other_columns_are_fit_where_callers_send_both_and_servers_ignore_the_others(registry, versions):
    def narrower(version, sums):
        made = manifest(version, sums)
        return msgspec.structs.replace(made, schema=made.schema[:-1])

    registry.publish(FILES, narrower)
    with pytest.raises(
        PromotionRefused, match=r"is no longer an input; .*it can be rolled out when .*LOAN_EXTRA_INPUTS=ignore"
    ):
        check_candidate(registry, "v3", "v1")
    assert check_candidate(registry, "v3", "v1", ignoring=True).version == "v3"
    refused, fit = (versions("check", "v3", "--against", "v1", *more) for more in ([], ["--extra-inputs", "ignore"]))
    assert refused.exit_code == 1
    assert "Had_Past_Default is no longer an input: when callers send the columns of both versions" in fit.stdout
