"""Callers of any model over V2, at a steady pace."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager

import httpx

from tests.e2e.cluster import GATEWAY, HOST

SECONDS = 300  # at most


class Callers(AbstractContextManager["Callers"]):
    """Two callers of `model`, who send some eighty of the `bodies` a second while the context lasts."""

    def __init__(self, model: str, bodies: Sequence[bytes]) -> None:
        self.versions: Counter[str] = Counter()
        self.failed: list[str] = []
        self._path = f"/v2/models/{model}/infer"
        self._bodies = bodies
        self._stop = threading.Event()
        halves = (0, len(bodies) // 2)
        self._threads = [threading.Thread(target=self._ask, args=(start,)) for start in halves]

    def __enter__(self) -> "Callers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def sent(self) -> int:
        return self.versions.total() + len(self.failed)

    def _ask(self, start: int) -> None:
        end = time.monotonic() + SECONDS
        with httpx.Client(base_url=f"http://{GATEWAY}", headers={"host": HOST}, timeout=30) as http:
            for turn in itertools.count(start):
                if self._stop.wait(0.02) or time.monotonic() > end:
                    return
                answer = http.post(self._path, content=self._bodies[turn % len(self._bodies)])
                if answer.status_code == 200:
                    self.versions[answer.json()["model_version"]] += 1
                else:
                    self.failed.append(answer.text[:300])
