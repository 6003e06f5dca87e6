"""A custom pipeline: what a function returns, scikit-learn's, LightGBM's or XGBoost's."""

import inspect
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast, get_type_hints

import msgspec
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from tabular_model.errors import ModelError, first_line
from tabular_model.estimators.family import Compiled
from tabular_model.levels import words
from tabular_model.manifest import PIPELINE
from tabular_model.parameters import Parameters
from tabular_model.schema import Schema
from tabular_model.scoring.scorer import ONNX

SEEDS = ("seed", "random_state")


class Record(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """From the matrix [n, columns] to the frame that data scientists know: columns by name, categories as words.

    A missing number is NaN, and a missing word the empty text, for ONNX knows no other.
    """

    def __init__(self, schema: Schema, features: Sequence[str]) -> None:
        self.schema = schema
        self.features = features

    def fit(self, X: Any, y: Any = None) -> "Record":  # noqa: ARG002 - scikit-learn's signature
        """Learns nothing, for the schema has all that `transform` needs; returns itself."""
        return self

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def transform(self, X: Any) -> pd.DataFrame:
        """A frame of the features in their order: numbers as float64, booleans as 0 and 1, categories as words."""
        matrix = np.asarray(X, dtype=np.float64)
        return pd.DataFrame({name: self._values(name, matrix) for name in self.features})

    def _values(self, name: str, matrix: Any) -> Any:
        column, values = self.schema[name], matrix[:, self.schema.positions([name])[0]]
        return words(column, values, "") if column.type == "category" else values


@dataclass(frozen=True)
class OwnPipeline:
    """The family of what `function`, called `name`, returns; `source` is the text of its module."""

    name: str
    function: Callable[..., Any]
    source: str

    def parameters(self) -> type[Parameters]:
        """The function's parameters, with its defaults, and the types and bounds that it annotates."""
        hints = get_type_hints(self.function, include_extras=True)
        fields: list[Any] = []
        for name, parameter in inspect.signature(self.function).parameters.items():
            if name in SEEDS or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            default = parameter.default
            if default is parameter.empty:
                raise ModelError(f"{self.name}: its parameter {name} has no default; each parameter needs one.")
            guessed = type(default) if isinstance(default, bool | int | float | str) else Any
            fields.append((name, hints.get(name, guessed), default))
        return cast(
            type[Parameters],
            msgspec.defstruct(
                "OwnParameters", fields, bases=(Parameters,), frozen=True, kw_only=True, forbid_unknown_fields=True
            ),
        )

    def build(self, schema: Schema, features: Sequence[str], parameters: Parameters, seed: int) -> Pipeline:
        """An unfitted pipeline that takes the matrix [n, columns of the schema] and hands on the columns `features`."""
        given = msgspec.structs.asdict(parameters)
        given |= {name: seed for name in SEEDS if name in inspect.signature(self.function).parameters}
        with self.failing("when it was called"):
            model = self.function(**given)
        if not (hasattr(model, "fit") and hasattr(model, "predict_proba")):
            raise ModelError(
                f"{self.name} returns a {type(model).__name__}, which does not have both fit and predict_proba; return "
                "a scikit-learn classifier, or a Pipeline that ends in one."
            )
        unset = [name for name, value in model.get_params().items() if name.endswith("random_state") and value is None]
        model.set_params(**dict.fromkeys(unset, seed))
        return Pipeline([("record", Record(schema, tuple(features))), ("model", model)])

    def compile(self, pipeline: Pipeline, schema: Schema) -> Compiled:
        """ONNX in float32, and the code."""
        # It takes 1.5 s to import, which trainings of the other families need not wait for.
        from tabular_model.estimators.conversion import converted  # noqa: PLC0415

        model = converted(pipeline["model"], schema, pipeline["record"].features)
        return Compiled({ONNX: model, PIPELINE: self.source.encode()}, frozenset(), "float32", missing_anywhere=False)

    @contextmanager
    def failing(self, when: str) -> Iterator[None]:
        """Whatever its code raises, as a sentence with the line."""
        try:
            yield
        except ModelError:
            raise
        except Exception as error:
            file = inspect.getsourcefile(self.function)
            lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
            where = f", line {lines[-1]}" if lines and file else ""
            raise ModelError(
                f"{self.name} ({Path(file or '?').name}{where}) failed {when}: "
                f"{type(error).__name__}: {first_line(error)}."
            ) from error
