"""Finds the pipeline that a declaration names: `package.module:function`, or a `model.py` beside the file."""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from sklearn.base import clone

from tabular_model.declaration import Declaration
from tabular_model.errors import ModelError, first_line
from tabular_model.estimators.own_pipeline import OwnPipeline
from tabular_model.parameters import AUTO

BESIDE = "model.py"
FUNCTION = "pipeline"


def own_pipeline(declaration: Declaration, folder: Path | None) -> OwnPipeline | None:
    """The pipeline to train; None where the declaration names none, and an algorithm instead.

    `folder` is the folder of the declaration's file: its modules are found first. ModelError with a sentence for code
    that is missing, cannot be imported, or gives no pipeline.
    """
    if declaration.pipeline:
        name, _, attribute = declaration.pipeline.partition(":")
        file = folder / f"{name}.py" if folder else None
        with _importing(declaration.pipeline), _on_path(folder):
            module = _load(file) if file and file.is_file() else importlib.import_module(name)
        return _family(module, attribute, declaration.pipeline)
    file = folder / BESIDE if folder else None
    if file is None or not file.is_file() or declaration.algorithm != AUTO:
        return None
    with _importing(str(file)), _on_path(folder):
        module = _load(file)
    attribute = _only_function(module, file)
    return _family(module, attribute, f"{BESIDE}:{attribute}")


def _load(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None  # noqa: S101 - of a .py file it is there
    assert spec.loader is not None  # noqa: S101
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # where joblib looks for what it defines
    spec.loader.exec_module(module)
    return module


def _only_function(module: ModuleType, file: Path) -> str:
    if hasattr(module, FUNCTION):
        return FUNCTION
    own = [
        name
        for name, value in vars(module).items()
        if inspect.isfunction(value) and value.__module__ == module.__name__ and not name.startswith("_")
    ]
    if len(own) != 1:
        raise ModelError(
            f"{file} defines no function {FUNCTION}, which returns the pipeline to train; name another in the "
            "declaration, such as `pipeline: model:build`, or an algorithm."
        )
    return own[0]


def _family(module: ModuleType, attribute: str, name: str) -> OwnPipeline:
    found = getattr(module, attribute, None)
    if found is None:
        raise ModelError(f"pipeline {name}: the module {module.__name__} has no {attribute}.")
    function: Callable[..., Any] = found
    if hasattr(found, "predict_proba") and not isinstance(found, type):  # a pipeline, not what makes one

        def function() -> Any:
            return clone(found)

    elif not callable(found):
        raise ModelError(f"pipeline {name} is a {type(found).__name__}, neither a function nor a pipeline.")
    return OwnPipeline(name, function, _source(module))


def _source(module: ModuleType) -> str:
    try:
        return inspect.getsource(module)
    except (OSError, TypeError):  # it is compiled
        return f"# The module {module.__name__} has no source.\n"


@contextmanager
def _on_path(folder: Path | None) -> Iterator[None]:
    """The modules in the folder are found, also by each other."""
    if folder is None:
        yield
        return
    sys.path.insert(0, str(folder.resolve()))
    try:
        yield
    finally:
        sys.path.remove(str(folder.resolve()))


@contextmanager
def _importing(name: str) -> Iterator[None]:
    """Whatever the module raises, as a sentence with its line."""
    try:
        yield
    except Exception as error:
        *_, last = traceback.extract_tb(error.__traceback__)
        line = getattr(error, "lineno", None) or last.lineno
        file = Path(getattr(error, "filename", None) or last.filename).name
        where = f" ({file}, line {line})" if file.endswith(".py") else ""
        said = error.msg if isinstance(error, SyntaxError) else first_line(error)
        raise ModelError(f"The pipeline {name} cannot be imported{where}: {type(error).__name__}: {said}.") from error
