"""Which rows are held out, told from each row alone, wherever it is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training_job.out_of_core.table import Block

Hashes = NDArray[np.uint64]


def spread(hashes: Hashes, seed: int) -> NDArray[np.float64]:
    """Numbers in [0, 1) of hashes [n], unlike for each seed: SplitMix64's mix (Steele et al., OOPSLA 2014)."""
    mixed = hashes + np.uint64(seed * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((mixed ^ (mixed >> np.uint64(31))) >> np.uint64(11)) / 2.0**53


@dataclass(frozen=True)
class Holdout:
    """The rows from `start` on where rows have a time, else about `share` of the groups, by hash.

    Copies of a row are in one group. Rows of training that are older than `start`, but of a group in `held`, are
    neither trained on nor held out.
    """

    share: float
    seed: int
    start: np.datetime64 | None = None
    held: frozenset[int] = frozenset()

    def of(self, block: Block) -> NDArray[np.bool_]:
        """Which rows [n] are held out."""
        if self.start is None or block.times is None:
            return spread(block.groups, self.seed) < self.share
        return block.times >= self.start

    def trained(self, block: Block) -> NDArray[np.bool_]:
        """Which rows [n] are trained on."""
        apart = ~self.of(block)
        if self.held:
            apart &= ~np.isin(block.groups, np.array(list(self.held), np.uint64))
        return apart
