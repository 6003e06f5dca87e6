"""Saying on stderr what a training does: a spinner on a terminal, plain lines in a log."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console


class Progress:
    """Steps with the seconds that they took, and remarks between them."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Prints the title and its seconds when the block ends, and nothing if it raises an error."""
        start = time.monotonic()
        if self._console.is_terminal:
            with self._console.status(title):
                yield
        else:
            yield
        self._console.print(f"{title} [dim]({time.monotonic() - start:.1f} s)[/dim]")

    def say(self, remark: str) -> None:
        """Prints the remark as it is: square brackets in it are not markup."""
        self._console.print(remark, markup=False)
