"""By which layer the benchmarks count what py-spy saw."""

from pathlib import Path

import pytest

from benchmarks import profiles

ROOT = Path(__file__).parents[2]
LOOP = "run (uvloop/__init__.py:38);Runner.run (asyncio/runners.py:86)"
ANSWERS = f"{LOOP};HttpProtocol.data_received (model_server/rest/protocol.py:67)"
SCORES = f"{ANSWERS};DataPlane._infer (model_server/dataplane.py:54)"
THREAD = "Thread._bootstrap (threading.py:966);Thread.run (threading.py:943)"


def test_a_look_counts_for_the_innermost_layer_and_threads_that_wait_for_none():
    folded = "\n".join(
        (
            f"{LOOP} 3",
            f"{ANSWERS} 2",
            f"{ANSWERS};HttpProtocol._send (model_server/rest/protocol.py:249) 1",
            f"{SCORES} 1",
            f"{SCORES};TabularModel.score (tabular_model/model.py:53);_sum (numpy/_core/_methods.py:47) 2",
            f"{THREAD};_serve (grpc/_server.py:1311);Condition.wait (threading.py:295) 90",
        )
    )
    assert profiles.shares(folded) == pytest.approx(
        {
            "event loop: polling, reading from sockets": 3 / 9,
            "HTTP: parsing, heads, ids": 2 / 9,
            "writing to the socket": 1 / 9,
            "endpoint and data plane": 1 / 9,
            "score": 2 / 9,
        }
    )


def test_a_function_has_its_own_time_and_that_of_what_it_calls_outside():
    folded = "\n".join(
        (
            f"{LOOP} 1",
            f"{SCORES} 1",
            f"{SCORES};TabularModel.score (tabular_model/model.py:53);_sum (numpy/_core/_methods.py:47) 2",
            f"{THREAD};ModelRepository._follow (model_server/repository.py:193) 90",
        )
    )
    assert profiles.functions(folded) == {
        "tabular_model.model.TabularModel.score": 2 / 4,
        "the event loop": 1 / 4,
        "model_server.dataplane.DataPlane._infer": 1 / 4,
    }


@pytest.mark.parametrize("code", [code for named in profiles.LAYERS.values() for code in named])
def test_the_code_of_each_layer_is_there(code):
    place, _, function = code.partition(" ")
    if place.startswith(("model_server", "tabular_model")):
        path = ROOT / place
        assert path.exists()
        assert not function or f"def {function.rpartition('.')[2]}(" in path.read_text()
