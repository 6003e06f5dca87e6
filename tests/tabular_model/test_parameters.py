"""Parameters are scikit-learn's, by name, type and bounds."""

import inspect
import re
from pathlib import Path

import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from tabular_model.errors import ModelError
from tabular_model.parameters import PARAMETERS, GradientBoostingParameters, assignments, parse

CLASSES = {"logistic": LogisticRegression, "gradient_boosting": HistGradientBoostingClassifier}


@pytest.mark.parametrize("algorithm", CLASSES)
def test_every_parameter_is_one_of_scikit_learns(algorithm: str) -> None:
    assert set(PARAMETERS[algorithm].__struct_fields__) <= set(inspect.signature(CLASSES[algorithm]).parameters)


@pytest.mark.parametrize("algorithm", PARAMETERS)
def test_the_page_on_models_has_the_defaults(algorithm: str) -> None:
    page = (Path(__file__).parents[2] / "docs/model.md").read_text()
    (row,) = re.findall(rf"(?m)^\| `{algorithm}` \|.*", page)
    named = dict(re.findall(r"`(\w+)` ([\d.e-]+)", row))
    assert named
    defaults = PARAMETERS[algorithm]()
    assert {name: float(said) for name, said in named.items()} == {name: getattr(defaults, name) for name in named}


def test_text_and_numbers_are_the_same_and_epochs_are_max_iter() -> None:
    expected = {"gradient_boosting": GradientBoostingParameters(max_iter=10, learning_rate=0.05, max_depth=None)}
    given = assignments(["epochs=10", "learning_rate = 0.05", 'max_depth="null"'])
    assert parse("auto", given) == expected
    assert parse("auto", {"epochs": 10, "learning_rate": 0.05}) == expected


def test_a_parameter_of_all_leaves_all_to_compare() -> None:
    assert list(parse("auto", {"max_iter": 5})) == ["logistic", "gradient_boosting"]


@pytest.mark.parametrize(
    ("algorithm", "given", "said"),
    [
        ("forest", {}, "The algorithm forest is unknown; the algorithms are auto, logistic, gradient_boosting"),
        ("logistic", {"max_itr": 1}, "logistic has no parameter max_itr; did you mean max_iter?"),
        ("logistic", {"zzz": 1}, "logistic has no parameter zzz; the parameters are C, class_weight, max_iter, tol."),
        ("auto", {"C": 1, "learning_rate": 1}, "No algorithm has all of the parameters C, learning_rate"),
        ("gradient_boosting", {"learning_rate": "fast"}, "The parameter learning_rate of gradient_boosting is 'fast'"),
        ("gradient_boosting", {"max_leaf_nodes": 1}, "The parameter max_leaf_nodes of gradient_boosting is 1"),
        ("gradient_boosting", {"early_stopping": "perhaps"}, "The parameter early_stopping"),
        ("auto", {"epochs": 1, "max_iter": 2}, "the same parameter"),
    ],
)
def test_what_cannot_be_set_is_one_sentence(algorithm: str, given: dict[str, object], said: str) -> None:
    with pytest.raises(ModelError) as found:
        parse(algorithm, given)
    assert said in str(found.value)


def test_a_word_without_a_value_is_refused() -> None:
    with pytest.raises(ModelError, match="max_iter is not a parameter with a value"):
        assignments(["max_iter"])
