"""Versions that were published in earlier formats go on being served, as they were then."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from loan_model.synthetic import LOAN
from tabular_model.compatibility import Holds, differences
from tabular_model.errors import IntegrityError
from tabular_model.manifest import FORMAT, Manifest, sha256
from tabular_model.model import TabularModel
from tabular_model.registry import Registry
from tabular_model.schema import Schema
from tests.tabular_model.versions import manifest

PUBLISHED = Path(__file__).with_name("published_format_1")


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_version_of_format_1_scores_and_explains_as_it_did(version: str) -> None:
    model = TabularModel.from_registry(Registry.open(PUBLISHED), version)
    with np.load(PUBLISHED / "expected.npz") as expected:
        matrix = expected["matrix"]
        np.testing.assert_allclose(model.score(matrix).probability, expected[version], atol=1e-12)
        assert model.reason_codes(matrix) == expected[f"{version}r"].tolist()


def test_a_version_of_format_1_has_todays_schema() -> None:
    registry = Registry.open(PUBLISHED)
    found = registry.manifest("v1")
    assert (found.model, found.target, registry.champion()) == ("loan", LOAN.target, "v1")
    assert [(c.name, c.type, c.range, c.missing, c.direction, c.protected) for c in found.schema] == [
        (c.name, c.type, c.range, c.missing, c.direction, c.protected) for c in LOAN.columns
    ]


def test_a_version_of_today_may_take_the_place_of_one_of_format_1() -> None:
    old = Schema(Registry.open(PUBLISHED).manifest("v1").schema)
    assert [each for each in differences(old, LOAN.schema) if each.holds is not Holds.ALWAYS] == []


def test_a_changed_manifest_of_format_1_is_refused(tmp_path: Path) -> None:
    shutil.copytree(PUBLISHED, tmp_path / "registry")
    file = tmp_path / "registry" / "v1" / "manifest.json"
    file.write_bytes(file.read_bytes().replace(b'"threshold": 0', b'"threshold": 1'))
    with pytest.raises(IntegrityError, match="was changed after it was published"):
        Registry.open(tmp_path / "registry").manifest("v1")


@pytest.mark.parametrize("number", [0, FORMAT + 1, "2", None])
def test_a_format_that_is_not_known_is_refused_with_a_sentence(number: Any) -> None:
    document = msgspec.json.decode(manifest("v1", {}).encode()) | {"format": number, "digest": ""}

    def canonical() -> bytes:
        return msgspec.json.format(msgspec.json.encode(document, order="sorted"), indent=2)

    document["digest"] = sha256(canonical())
    with pytest.raises(
        IntegrityError, match=rf"v1/manifest\.json has the format {number}, but this program reads only"
    ):
        Manifest.decode(canonical(), "v1/manifest.json")
