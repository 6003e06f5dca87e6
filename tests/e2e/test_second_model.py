"""A model that is no loan, with a pipeline of its own, trained from ConfigMaps, served and rolled out."""

import json
import re
import shlex
import time

import httpx
import pytest

from tests import second_model
from tests.e2e.cluster import GATEWAY, HOST, ROOT, wait_for
from tests.e2e.gateway import Callers
from tests.e2e.rollouts import Workshop, rollout
from tests.e2e.test_rollout import VALUES, split
from tests.model_server.serving import v2_frame

PIPELINE = """
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder


def pipeline(max_iter: int = 60, learning_rate: float = 0.1):
    words = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    columns = make_column_transformer(
        (words, make_column_selector(dtype_include=object)), ("passthrough", make_column_selector(dtype_include=float))
    )
    model = HistGradientBoostingClassifier(
        max_iter=max_iter,
        learning_rate=learning_rate,
        max_leaf_nodes=6,
        min_samples_leaf=60,
        l2_regularization=20,
    )
    return make_pipeline(columns, model)
"""
CARDS = {
    "model.name": "credit-card",
    "training.data.type": "configMap",
    "training.data.configMap.name": "cards",
    "training.data.configMap.key": "cards.csv",
    "training.parameters.set.max_iter": "100",
}


def documented(beginning: str) -> list[str]:
    """The command of docs/model.md that begins so, in words."""
    text = (ROOT / "docs/model.md").read_text()
    (command,) = re.findall(rf"(?m)^({beginning} .*)", text)
    return shlex.split(command)


ROWS = second_model.generate(500, 7)
BODIES = [
    json.dumps(v2_frame(ROWS[place : place + 1], second_model.DECLARATION.columns)).encode()
    for place in range(len(ROWS))
]


def ask(**parameters: object) -> httpx.Response:
    message = json.loads(BODIES[0]) | {"parameters": parameters}
    url = f"http://{GATEWAY}/v2/models/credit-card/infer"
    return httpx.post(url, json=message, headers={"host": HOST}, timeout=30)


@pytest.fixture(scope="module", autouse=True)
def installed(release, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cards")
    model, data = second_model.write(folder)
    model.rename(folder / "card.yaml")
    (folder / "model.py").write_text(PIPELINE)
    _, *make = documented("kubectl create configmap")
    release.kubectl(*make, cwd=folder)
    release.kubectl("create", "configmap", "cards", f"--from-file={data}")
    upgrade = documented("helm upgrade")
    chosen = [word for name, value in (VALUES | CARDS).items() for word in ("--set", f"{name}={value}")]
    release.install(*upgrade[upgrade.index("--set") :], *chosen)
    release.wait(f"job/{release.service}-training-initial", "condition=Complete")
    release.upgrade("--set", "stable.version=v1")
    release.wait(f"inferenceservice/{release.service}", "condition=Ready")
    wait_for(lambda: ask().status_code == 200, 60, "the first prediction")


def test_its_reasons_come_with_their_standard_error(release):
    answer = ask(explain=True).json()
    assert answer["model_version"] == "v1"
    assert answer["parameters"]["reason_standard_error"] > 0
    assert answer["outputs"][2]["data"][0]


def test_another_algorithm_takes_all_traffic(release, images, figure):
    workshop = Workshop(release, images.training)
    for file, text in (
        ("cards.csv", second_model.generate().to_csv(index=False)),
        ("card.yaml", second_model.DECLARATION.dump()),
    ):
        workshop.run("sh", "-c", f"cat > /tmp/{file}", input=text)
    version = workshop.train(
        "--model", "/tmp/card.yaml", "--data", "/tmp/cards.csv", "--algorithm", "gradient_boosting"
    )
    workshop.remove()
    with Callers("credit-card", BODIES) as asking:
        wait_for(lambda: asking.sent > 100, 30, "load")
        ended = rollout(release, "--to", version)
        time.sleep(2)
    figure("30 columns, own pipeline to gradient boosting", f"{len(asking.failed)} of {asking.sent} failed")
    assert ended.code == 0, ended.messages
    assert not asking.failed
    assert asking.versions[version] > 100
    assert split(release) == (version, "", 0)
