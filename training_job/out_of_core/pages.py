"""Gradient boosting by XGBoost on rows that are kept as bins on disk, in pages.

https://xgboost.readthedocs.io/en/stable/tutorials/external_memory.html
"""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import xgboost
from numpy.typing import NDArray

from training_job import container
from training_job.out_of_core.table import Block, Boosting

PAGE_ROWS = 2**18  # more need more memory, fewer are read one after the other


def boosted(blocks: Callable[[], Iterator[Block]], boosting: Boosting) -> xgboost.Booster:
    """The booster of the rows that `boosting` takes from the blocks, which are gone through several times."""
    settings = dict(boosting.settings)
    rounds = settings.pop("n_estimators")
    with tempfile.TemporaryDirectory(prefix="loan-pages-") as folder:
        pages = _Pages(lambda: _pages(blocks(), boosting), boosting.types, Path(folder))
        matrix = xgboost.ExtMemQuantileDMatrix(pages, max_bin=settings["max_bin"], enable_categorical=True)
        booster = xgboost.train(settings | {"nthread": container.cores()}, matrix, rounds)
        del matrix  # which removes its files
        return booster


class _Pages(xgboost.DataIter):
    def __init__(
        self,
        pages: Callable[[], Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]],
        types: list[str],
        folder: Path,
    ) -> None:
        self._make = pages
        self._types = types
        self._pages = pages()
        super().__init__(cache_prefix=str(folder / "page"))

    def reset(self) -> None:
        self._pages = self._make()

    def next(self, input_data: Callable[..., Any]) -> bool:
        page = next(self._pages, None)
        if page is None:
            return False
        rows, target = page
        input_data(data=rows, label=target, feature_types=self._types)
        return True


def _pages(blocks: Iterator[Block], boosting: Boosting) -> Iterator[tuple[NDArray[np.float32], NDArray[np.int64]]]:
    """Pages of the features in the precision of XGBoost, and their target."""
    rows: list[NDArray[np.float32]] = []
    targets: list[NDArray[np.int64]] = []
    for block in blocks:
        kept = boosting.trained(block)
        rows.append(block.matrix[kept][:, boosting.positions].astype(np.float32))
        targets.append(block.target[kept])
        if sum(map(len, targets)) >= PAGE_ROWS:
            yield np.concatenate(rows), np.concatenate(targets)
            rows, targets = [], []
    if sum(map(len, targets)):
        yield np.concatenate(rows), np.concatenate(targets)
