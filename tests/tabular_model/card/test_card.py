import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from loan_cli.app import app
from tabular_model import signing
from tabular_model.registry import Registry
from tests.pages import assert_whole
from tests.tabular_model.card.changed import republished
from tests.tabular_model.versions import publish

EARLIER = Path(__file__).parents[1] / "published_format_1"
SECTIONS = [
    "Purpose",
    "Data",
    "Columns",
    "Algorithm and parameters",
    "Measured quality",
    "Calibration",
    "Reject inference",
    "Segments",
    "Fairness",
    "Proxies",
    "Reasons",
    "Limits",
    "Monitoring plan",
    "Approvals",
    "Signature",
    "Rules",
    "What this card does not show",
]


def loan(*command: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in command])


def card(registry: Path, version: str = "v1", *options: object) -> str:
    done = loan("card", version, "--registry", registry, *options)
    assert done.exit_code == 0, done.output
    return done.stdout


def section(text: str, title: str) -> str:
    """Of a card in Markdown."""
    return re.split(r"(?m)^## ", text.split(f"## {title}\n", 1)[1])[0]


@pytest.fixture(scope="module")
def text(trained_registry: Path) -> str:
    return card(trained_registry)


@pytest.fixture(scope="module")
def page(trained_registry: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    output = tmp_path_factory.mktemp("card") / "card.html"
    card(trained_registry, "v1", "--output", output)
    return output.read_text()


def test_both_formats_have_every_section(text: str, page: str) -> None:
    assert re.findall(r"(?m)^## (.*)$", text) == SECTIONS
    assert re.findall("<h2>(.*?)</h2>", page) == SECTIONS
    assert page.count("<svg") == 2
    assert_whole(page)


def test_the_tables_are_of_one_width(text: str) -> None:
    for table in re.findall(r"(?m)(?:^\|.*\n)+", text):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


def test_the_figures_are_those_of_the_version(text: str, trained_registry: Path) -> None:
    registry = Registry.open(trained_registry)
    manifest, metrics = registry.manifest("v1"), json.loads(registry.read("v1", "metrics.json"))
    assert manifest.data.sha256 in section(text, "Data")
    for name, value in manifest.parameters.items():
        assert f"{name} {value}" in section(text, "Algorithm and parameters")
    auc = metrics["holdout"]["auc"]
    assert f"| AUC | {auc['value']:.3f} | {auc['low']:.3f} to {auc['high']:.3f} |" in section(text, "Measured quality")
    assert f"| Slope | {metrics['holdout']['calibration_slope']['value']:.3f} |" in section(text, "Calibration")
    for each in metrics["segments"]["Age"]:
        assert f"| {each['band']} | {each['quality']['rows']} |" in section(text, "Segments")
    fairness = section(text, "Fairness")
    for each in metrics["tradeoffs"]:
        assert f"| {each['threshold']:.3f}" in fairness
        assert f"| {each['lowest']['Age']['band']} |" in fairness
    assert f"{manifest.threshold:.3f} (in use)" in fairness
    assert "Less discriminatory alternatives by other sets of columns: not measured." in fairness
    assert "“loan card v1 --data FILE”" in fairness
    assert "| Credit_Score | low | CREDIT_SCORE_LOW | Credit Score is low |" in section(text, "Reasons")
    assert "AGE_LOW" not in section(text, "Reasons")
    raised = metrics["reasons"]["raised"]["value"]
    assert f"| The score rises when the first reason is repaired | {100 * raised:.1f} % |" in section(text, "Reasons")
    for each in metrics["proxies"]["Age"]:
        auc = each["together"]
        row = f"| {each['group']} | {each['members']} of {each['rows']} | {auc['value']:.3f} | {auc['low']:.3f} to"
        assert row in section(text, "Proxies")
    assert "so that the gate did not judge it" in section(text, "Proxies")
    assert "stand for a protected one" not in section(text, "What this card does not show")
    assert "| Age | number | 18 to 69 years |" in section(text, "Columns")


def test_with_the_data_it_has_the_other_sets_of_columns(
    trained_registry: Path, data_file: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in (trained_registry / "v2").iterdir()}
    done = loan("card", "v2", "--registry", trained_registry, "--data", data_file, "--output", tmp_path / "card.md")
    assert done.exit_code == 0, done.output
    assert "Train without Credit_Score (" in done.output
    text = (tmp_path / "card.md").read_text()
    fairness = section(text, "Fairness")
    assert "| 0 | none: the version | " in fairness
    assert "| 2 | Credit_Score | " in fairness
    assert "is to be confirmed on other rows" in fairness
    assert "by at most 80 trainings" in fairness
    assert re.search(r"Without some columns: \w+ of \d+ sets of fewer columns", text.split("## Purpose")[0])
    assert "loan card --data" not in section(text, "What this card does not show")
    card(trained_registry, "v2", "--data", data_file, "--output", tmp_path / "card.html")
    page = (tmp_path / "card.html").read_text()
    assert page.count("<svg") == 3
    assert_whole(page)
    assert {path: path.read_bytes() for path in (trained_registry / "v2").iterdir()} == before


def test_a_model_of_other_columns_has_a_card(cards_registry: Path) -> None:
    text = card(cards_registry)
    assert "# Model card: credit-card v1" in text
    assert "| female |" in section(text, "Fairness")
    assert "| word_2 | any | WORD_2 |" in section(text, "Reasons")
    assert "| word_2 | missing | WORD_2_MISSING |" in section(text, "Reasons")


def test_a_version_of_an_earlier_release_says_what_it_does_not_have() -> None:
    text = card(EARLIER)
    assert "at other thresholds: not measured by the release that trained it" in section(text, "Fairness")
    assert "Age: not measured by the release that trained it" in section(text, "Proxies")
    assert "Whether the reasons hold: not measured by the release" in section(text, "Reasons")
    unknown = section(text, "What this card does not show")
    assert "Whether columns stand for a protected one" in unknown
    assert "Whether the reasons hold" in unknown
    assert "| Promoted | Replaced | By | Reason | Gate |" in card(EARLIER, Registry.open(EARLIER).champion() or "")


def test_approvals_say_who_when_and_why(trained_registry: Path, tmp_path: Path) -> None:
    def failed(metrics: dict[str, Any]) -> None:
        metrics["verdict"] = {"passed": False, "reasons": ["It is <b>badly</b> calibrated."]}

    registry = republished(trained_registry, tmp_path / "registry", failed)
    assert "never promoted, and there is no champion" in card(tmp_path / "registry")
    registry.promote("v1", by="ann", reason="urgent", force=True)
    text = card(tmp_path / "registry")
    assert "| still in force | ann | urgent | **overridden** |" in section(text, "Approvals")
    assert "**The gate: failed**" in text
    assert r"It is \<b\>badly\</b\> calibrated." in text


def test_a_promotion_that_was_followed_says_by_what(trained_registry: Path, tmp_path: Path) -> None:
    registry = republished(trained_registry, tmp_path)
    republished(trained_registry, tmp_path)
    for version in ("v1", "v2"):
        registry.promote(version, by="ann", reason="better", force=True)
    assert re.search(r"UTC, v2 \| ann \| better \|", section(card(tmp_path), "Approvals"))
    assert "not the champion" in card(tmp_path).splitlines()[2]


def test_a_model_without_signal_is_said_to_be_one(trained_registry: Path, tmp_path: Path) -> None:
    def chance(metrics: dict[str, Any]) -> None:
        metrics["holdout"]["auc"] = {"value": 0.51, "low": 0.47, "high": 0.55}
        metrics["verdict"] = {"passed": False, "reasons": ["The model is no better than chance."]}

    republished(trained_registry, tmp_path, chance)
    text = card(tmp_path)
    assert "**The gate: failed; the model has no signal**" in text
    assert "The model has no signal" in section(text, "Measured quality")
    assert "no better than chance" in section(text, "Limits")


def test_without_protected_columns_fairness_is_not_measured(trained_registry: Path, tmp_path: Path) -> None:
    def unmarked(metrics: dict[str, Any]) -> None:
        metrics["segments"] = {}

    republished(trained_registry, tmp_path, unmarked)
    text = card(tmp_path)
    assert section(text, "Fairness").startswith("\nNot measured: no column is marked as protected.")
    assert "Not measured" in section(text, "Segments")


def test_too_few_rows_to_tell_are_said_to_be_so(trained_registry: Path, tmp_path: Path) -> None:
    def few(metrics: dict[str, Any]) -> None:
        metrics["proxies"]["Age"] = []
        metrics["reasons"]["rows"] = 7

    republished(trained_registry, tmp_path, few)
    text = card(tmp_path)
    assert "Age: too few rows to tell" in section(text, "Proxies")
    assert "on 7 rejected applications of the holdout" in section(text, "Reasons")
    assert "Too few rows to tell: fewer than 30." in section(text, "Reasons")


def test_what_the_rejected_would_have_done_is_not_inferred(text: str) -> None:
    said = section(text, "Reject inference")
    assert "None is made" in said
    assert "Loan_Approval is an earlier decision" in said.replace("\\", "")


def test_a_protected_column_that_was_trained_on_is_never_a_reason(trained_registry: Path, tmp_path: Path) -> None:
    features = ("Age", *Registry.open(trained_registry).manifest("v1").features)

    def counted(metrics: dict[str, Any]) -> None:
        metrics["withheld"] = {
            "columns": ["Age"],
            "rejected": 200,
            "lowered_most": {"value": 0.25, "low": 0.2, "high": 0.315},
            "without_reason": {"value": 0.01, "low": 0.002, "high": 0.04},
        }

    republished(trained_registry, tmp_path, counted, features=features)
    text = card(tmp_path)
    reasons = section(text, "Reasons")
    assert "Never given, because protected, though trained on by explicit choice: Age." in reasons
    assert "AGE_LOW" not in reasons
    warning = (
        "**25.0 % (95 % interval 20.0 % to 31.5 %) of 200 rejected applications of the holdout were lowered most by"
    )
    assert warning in reasons
    assert warning in text.split("## Purpose")[0]
    assert "1.0 % were lowered by nothing else and have no reason." in reasons
    assert "12 CFR 1002.9(b)(2)" in reasons
    assert "Trained on although protected, by explicit choice: Age." in section(text, "Columns")
    republished(trained_registry, tmp_path, features=features)
    assert "was not measured by the release that trained the version" in section(card(tmp_path, "v2"), "Reasons")


def test_only_the_rules_of_a_declared_law_are_cited(text: str, trained_registry: Path, tmp_path: Path) -> None:
    both = section(text, "Rules")
    for rule in ("12 CFR 1002.9", "SR 26-2", "2026-07-21", "annex III 5(b)", "article 26"):
        assert rule in both
    assert "names no law" in both
    assert "could not be checked" in both
    republished(trained_registry, tmp_path, law=("eu",))
    european = section(card(tmp_path), "Rules")
    assert "article 26" in european
    assert "CFR" not in european


def test_a_signature_is_verified_only_with_a_key(text: str, trained_registry: Path, tmp_path: Path) -> None:
    assert "The version is not signed" in section(text, "Signature")
    signer, other = signing.make(tmp_path / "keys"), signing.make(tmp_path / "other")
    root = tmp_path / "registry"
    republished(trained_registry, root, signer=signer)
    assert f"Signed by {signer.fingerprint}. Not verified" in section(card(root), "Signature")
    verified = card(root, "v1", "--verify-key", tmp_path / "keys/signing.pub")
    assert "and verified against the public keys" in section(verified, "Signature")
    refused = loan("card", "v1", "--registry", root, "--verify-key", tmp_path / "other/signing.pub")
    assert refused.exit_code == 1
    assert other.fingerprint in refused.output


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("v9",), "has no version v9"),
        (("v1", "-o", "card.pdf"), "must be a file that ends in .html or .md, not card.pdf"),
        (("v1", "--bundle", "evidence.zip"), "must be a file that ends in .tar.gz, not evidence.zip"),
        (("v1", "--audit", "log"), "--audit is for the archive: add --bundle FILE"),
        (("v1", "--judgements", "log"), "--judgements is for the archive: add --bundle FILE"),
        (("v1", "--data", "absent.csv"), "The data of v1 were not found at absent.csv"),
        (("v1", "-o", "/proc/card.md"), "/proc/card.md cannot be written"),
    ],
)
def test_a_wrong_input_is_one_sentence(trained_registry: Path, options: tuple[str, ...], said: str) -> None:
    done = loan("card", *options, "--registry", trained_registry)
    assert done.exit_code == 1
    assert said in done.output
    assert done.output.startswith("error: ")
    assert done.output.count("\n") == 1


def test_a_version_without_what_a_card_needs_is_one_sentence(tmp_path: Path) -> None:
    publish(Registry.open(tmp_path, create=True))
    done = loan("card", "v1", "--registry", tmp_path)
    assert (done.exit_code, done.output.count("\n")) == (1, 1)
    assert "v1 has files that its card cannot be written from" in done.output
