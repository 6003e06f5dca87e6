"""The second pass: a sample of the rows, small enough to look at one by one."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from tabular_model.errors import DataError
from training_job.out_of_core.holdout import Holdout, spread
from training_job.out_of_core.table import Block
from training_job.split import Rows

ROWS = 100_000
SEED = 1  # besides the holdout's, whose choice must say nothing of this one


@dataclass(frozen=True)
class Sample:
    """Rows that were drawn, in parts, and the groups of all rows that are held out where the sampler asks for them."""

    blocks: tuple[Block, ...]
    held: frozenset[int]

    def __add__(self, other: "Sample") -> "Sample":
        return Sample((*self.blocks, *other.blocks), self.held | other.held)

    def split(self, holdout: Holdout) -> tuple[Rows, Rows]:
        """The rows to train on and those held out; DataError where either has one class only."""
        block = _together(self.blocks)
        parts = _rows(block, holdout.trained(block)), _rows(block, holdout.of(block))
        for rows, where in zip(parts, ("trained on", "held out"), strict=True):
            if len(np.unique(rows.target)) < 2:
                raise DataError(
                    f"All rows of the sample that are {where} have the same target; more rows, or other groups, are "
                    "needed."
                )
        return parts


@dataclass(frozen=True)
class Sampler:
    """Draws this share of the rows, each by its hash, so that the same are drawn wherever they are."""

    share: float
    holdout: Holdout
    groups: bool  # whether to gather those that are held out

    def __call__(self, block: Block) -> Sample:
        """Of a part of the rows."""
        drawn = _taken(block, spread(block.rows, self.holdout.seed + SEED) < self.share)
        held = np.unique(block.groups[self.holdout.of(block)]).tolist() if self.groups else ()
        return Sample((drawn,), frozenset(held))


def _taken(block: Block, which: NDArray[np.bool_]) -> Block:
    times = None if block.times is None else block.times[which]
    return Block(block.matrix[which], block.target[which], block.rows[which], block.groups[which], 0, times)


def _together(blocks: tuple[Block, ...]) -> Block:
    """All of them in one, in an order that is the same however they were parted."""
    rows = np.concatenate([block.rows for block in blocks])
    order = np.argsort(rows, kind="stable")
    times = [block.times for block in blocks if block.times is not None]
    return Block(
        np.concatenate([block.matrix for block in blocks])[order],
        np.concatenate([block.target for block in blocks])[order],
        rows[order],
        np.concatenate([block.groups for block in blocks])[order],
        0,
        np.concatenate(times)[order] if times else None,
    )


def _rows(block: Block, which: NDArray[np.bool_]) -> Rows:
    """Some of the rows; `groups` only where a group has more than one."""
    kept = _taken(block, which)
    frame = pd.DataFrame(kept.matrix)
    distinct, groups = np.unique(kept.groups, return_inverse=True)
    return Rows(frame, kept.target, groups if len(distinct) < len(groups) else None, kept.times)
