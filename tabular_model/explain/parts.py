"""What an explanation is: the part of each column in a row's log-odds."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Parts(NamedTuple):
    """The parts [n, columns], and their standard errors [n, columns] where they are estimates."""

    values: NDArray[np.float64]
    errors: NDArray[np.float64] | None = None
